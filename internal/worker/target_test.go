package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"portcullis/internal/connector"
	"portcullis/internal/connector/connectortest"
)

var (
	errDown      = errors.New("connection refused")
	errShut      = errors.New("permission denied")
	errCollision = errors.New("two at one account at once")
)

// target is a door in memory that works.
type target struct {
	mu       sync.Mutex
	down     bool
	holds    map[connector.Access]time.Time // without Until: its end
	other    []connector.Held               // held otherwise than by a grant
	sessions map[*visit]bool
	calls    map[string]int

	// pass, where set, is called at the beginning of each call; an error ends it.
	pass   func(ctx context.Context, call string, a connector.Access) error
	inside map[string]int // accounts in hand now
	crowd  error          // set when there were two
}

func newTarget() *target {
	return &target{holds: map[connector.Access]time.Time{}, sessions: map[*visit]bool{}, calls: map[string]int{}, inside: map[string]int{}}
}

const longestName = 63

func privileges() [2]string { return [2]string{"reader", "writer"} }

func (d *target) enter(ctx context.Context, call string, a connector.Access) error {
	d.mu.Lock()
	d.calls[call]++
	if d.inside[a.Account]++; d.inside[a.Account] > 1 && call != "list" {
		d.crowd = fmt.Errorf("%s %+v: %w", call, a, errCollision)
	}
	pass, down := d.pass, d.down
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.inside[a.Account]--
	}()
	if pass != nil {
		if err := pass(ctx, call, a); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if down {
		return errDown
	}
	known := call == "list" || a.Privilege == privileges()[0] || a.Privilege == privileges()[1]
	named := call == "list" || a.Account != ""
	if !known || !named || len(a.Account) > longestName || strings.Contains(a.Account, "\x00") || !utf8.ValidString(a.Account) {
		return fmt.Errorf("%q of %q: %w", a.Privilege, a.Account, connector.ErrConfiguration)
	}
	return nil
}

func (d *target) Grant(ctx context.Context, a connector.Access) error {
	if err := d.enter(ctx, "grant", a); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holds[connector.Access{Account: a.Account, Privilege: a.Privilege}] = a.Until
	return nil
}

func (d *target) Revoke(ctx context.Context, a connector.Access) error {
	if err := d.enter(ctx, "revoke", a); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.holds, connector.Access{Account: a.Account, Privilege: a.Privilege})
	for v := range d.sessions {
		if v.account == a.Account && v.privilege == a.Privilege {
			delete(d.sessions, v)
		}
	}
	return nil
}

func (d *target) List(ctx context.Context, account string) ([]connector.Held, error) {
	if err := d.enter(ctx, "list", connector.Access{Account: account}); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var held []connector.Held
	for a, until := range d.holds {
		h := connector.Held{Account: a.Account, Privilege: a.Privilege, Until: until, Direct: true}
		for v := range d.sessions {
			if v.account == a.Account {
				h.Sessions++
			}
		}
		held = append(held, h)
	}
	held = append(held, d.other...)
	if account == "" {
		return held, nil
	}
	var of []connector.Held
	for _, h := range held {
		if h.Account == account {
			of = append(of, h)
		}
	}
	return of, nil
}

func (d *target) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *target) count(call string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[call]
}

// ends returns the end that the target keeps for an account's first privilege, and whether it holds it.
func (d *target) end(account string) (time.Time, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	until, ok := d.holds[connector.Access{Account: account, Privilege: privileges()[0]}]
	return until, ok
}

// visit is a session.
type visit struct {
	target             *target
	account, privilege string
}

func (v *visit) Use(context.Context) error {
	v.target.mu.Lock()
	defer v.target.mu.Unlock()
	if !v.target.sessions[v] {
		return errShut
	}
	return nil
}

func TestTheTargetIsADoor(t *testing.T) {
	connectortest.Run(t, func(*testing.T) connectortest.Harness {
		d := newTarget()
		return connectortest.Harness{
			Connector: d, Privileges: privileges(), MakesAccounts: true, CarriesUntil: true, LongestName: longestName,
			Account: func(*testing.T, string) {},
			Enter: func(_ *testing.T, account, privilege string) (connectortest.Session, error) {
				d.mu.Lock()
				defer d.mu.Unlock()
				if _, ok := d.holds[connector.Access{Account: account, Privilege: privilege}]; !ok {
					return nil, errShut
				}
				v := &visit{d, account, privilege}
				d.sessions[v] = true
				return v, nil
			},
			Down: func(*testing.T) { d.set(func() { d.down = true }) },
			Up:   func(*testing.T) { d.set(func() { d.down = false }) },
		}
	})
}
