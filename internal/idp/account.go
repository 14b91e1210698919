package idp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

const (
	// freeFailures are the wrong attempts after which an account is locked; each further one doubles the time.
	freeFailures = 5
	firstLock    = 30 * time.Second
	longestLock  = 15 * time.Minute
	// forgiveAfter is how long after a lock a right password alone makes the failures forgotten.
	forgiveAfter = time.Hour
	attempts     = 16
)

// errRefused is the one answer to a wrong name, a wrong password or code, and a locked or disabled account.
var errRefused = errors.New("the name or password is wrong, or the account is locked")

// credential reads what an account proves itself by; the zero value where it has none.
func (p *Provider) credential(ctx context.Context, o directory.Object) (directory.Credential, error) {
	c, err := p.Store.Credential(ctx, o.Tenant, o.ID)
	if errors.Is(err, store.ErrNotFound) {
		return directory.Credential{}, nil
	}
	if err != nil {
		return c, fmt.Errorf("read a credential: %w", err)
	}
	return c, nil
}

// person finds a person by name, in one tenant or, with none, in the one whose domain the name ends in; nil: nobody.
func (p *Provider) person(ctx context.Context, tenant pim.TenantID, name string) (*directory.Object, error) {
	name = strings.TrimSpace(name)
	if tenant == "" {
		_, domain, ok := strings.Cut(name, "@")
		if !ok || domain == "" {
			return nil, nil
		}
		t, err := p.tenant(ctx, domain)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		tenant = t.ID
	}
	o, err := p.one(ctx, tenant, directory.KindUser, store.FieldPrincipalName, name)
	if err != nil {
		return nil, fmt.Errorf("find a person: %w", err)
	}
	return o, nil
}

// personByID reads a person who signed in before. errRefused: they are gone or may not sign in any more, or their
// password is another than then.
func (p *Provider) personByID(ctx context.Context, t pim.TenantID, id pim.PrincipalID, mark string) (
	directory.Object, directory.Credential, error,
) {
	var none directory.Credential
	list, err := p.Store.ObjectsByID(ctx, t, []pim.PrincipalID{id})
	if err != nil {
		return directory.Object{}, none, fmt.Errorf("read a person: %w", err)
	}
	if len(list) == 0 || !list[0].Enabled || list[0].Kind != directory.KindUser {
		return directory.Object{}, none, errRefused
	}
	c, err := p.credential(ctx, list[0])
	if err != nil {
		return directory.Object{}, none, err
	}
	if fingerprint(c) != mark {
		return directory.Object{}, none, errRefused
	}
	return list[0], c, nil
}

// fingerprint tells one password of an account from the next; it gives away neither.
func fingerprint(c directory.Credential) string { return hashed(c.Password)[:16] }

// authenticate checks a person's name and password. errRefused is the answer to everything that is wrong, after the
// same work; errBusy to more sign-ins than the memory allows.
func (p *Provider) authenticate(ctx context.Context, tenant pim.TenantID, name, password string) (
	directory.Object, directory.Credential, error,
) {
	o, err := p.person(ctx, tenant, name)
	if err != nil {
		return directory.Object{}, directory.Credential{}, err
	}
	var c directory.Credential
	if o != nil {
		if c, err = p.credential(ctx, *o); err != nil {
			return *o, c, err
		}
	}
	hash, there := c.Password, o != nil && o.Enabled && c.Password != ""
	if !there {
		hash = p.decoy
	}
	right, err := p.verifyPassword(ctx, hash, password)
	if err != nil {
		return directory.Object{}, c, fmt.Errorf("check a password: %w", err)
	}
	if !there {
		// A wrong password costs a write, so an unknown name does too.
		if err := put(ctx, p.Store, kindDecoy, "", p.Now(), p.Now().Add(time.Minute)); err != nil {
			return directory.Object{}, c, err
		}
		return directory.Object{}, c, errRefused
	}
	c, err = p.settle(ctx, c, func(c *directory.Credential, now time.Time) bool {
		// The failures of somebody with a second factor are forgotten when that is right too; otherwise the password
		// would open any number of guesses at the code.
		if right && (c.TOTPSecret == "" || !c.LockedUntil.IsZero() && now.Sub(c.LockedUntil) > forgiveAfter) {
			c.Failures, c.LockedUntil = 0, time.Time{}
		}
		return right
	})
	return *o, c, err
}

// checkTOTP checks a one-time code and uses it up. errRefused: it is wrong, used, or the account is locked.
func (p *Provider) checkTOTP(ctx context.Context, c directory.Credential, code string) (directory.Credential, error) {
	return p.settle(ctx, c, func(c *directory.Credential, now time.Time) bool {
		if c.TOTPSecret == "" {
			return false
		}
		step, ok := matchTOTP(c.TOTPSecret, code, now, c.TOTPStep)
		if ok {
			c.TOTPStep, c.Failures, c.LockedUntil = step, 0, time.Time{}
		}
		return ok
	})
}

// settle judges an attempt and writes what follows. An attempt while the account is locked is wrong, whatever it was;
// so is one that was looked at before the lock and comes to be written after it: attempts at once win nothing.
func (p *Provider) settle(
	ctx context.Context, c directory.Credential, judge func(*directory.Credential, time.Time) bool,
) (directory.Credential, error) {
	for range attempts {
		now := p.Now()
		after := c
		right := !now.Before(c.LockedUntil) && judge(&after, now)
		if !right && !now.Before(c.LockedUntil) {
			after = c
			after.Failures++
			after.LockedUntil = lockedUntil(after.Failures, now)
		}
		if after == c {
			return c, refusedUnless(right)
		}
		err := p.Store.ReplaceCredential(ctx, c, after)
		if err == nil {
			return after, refusedUnless(right)
		}
		if !errors.Is(err, store.ErrStale) {
			return c, fmt.Errorf("write a sign-in: %w", err)
		}
		password := c.Password
		if c, err = p.Store.Credential(ctx, c.Tenant, c.Principal); err != nil {
			return c, fmt.Errorf("read a credential: %w", err)
		}
		if c.Password != password { // the password that was judged is no longer theirs
			return c, errRefused
		}
	}
	return c, fmt.Errorf("write a sign-in: %w", errBusy)
}

func refusedUnless(right bool) error {
	if right {
		return nil
	}
	return errRefused
}

// lockedUntil is when the next attempt is looked at after so many failures.
func lockedUntil(failures int, now time.Time) time.Time {
	if failures < freeFailures {
		return time.Time{}
	}
	lock := longestLock
	if n := failures - freeFailures; n < 5 {
		lock = min(firstLock<<n, longestLock)
	}
	return now.Add(lock)
}

// changePassword writes a new password.
func (p *Provider) changePassword(ctx context.Context, c directory.Credential, password string) (directory.Credential, error) {
	hash, err := p.hashPassword(ctx, password)
	if err != nil {
		return c, fmt.Errorf("hash a password: %w", err)
	}
	after := c
	after.Password, after.MustChange = hash, false
	if err := p.Store.ReplaceCredential(ctx, c, after); err != nil {
		return c, fmt.Errorf("write a password: %w", err)
	}
	return after, nil
}

// enrol writes a new second factor once a code of it was right. errRefused: the code is wrong.
func (p *Provider) enrol(ctx context.Context, c directory.Credential, secret, code string) (directory.Credential, error) {
	step, ok := matchTOTP(secret, code, p.Now(), 0)
	if !ok || c.TOTPSecret != "" {
		return c, errRefused
	}
	after := c
	after.TOTPSecret, after.TOTPStep = secret, step
	if err := p.Store.ReplaceCredential(ctx, c, after); err != nil {
		return c, fmt.Errorf("write a second factor: %w", err)
	}
	return after, nil
}
