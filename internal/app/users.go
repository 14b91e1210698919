package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// NewUser is an account to be made.
type NewUser struct {
	DisplayName string
	Enabled     bool
	ExternalID  string
	User        directory.User
	// Password is the first one; MustChange demands another at the first sign-in. Empty: the account cannot sign in here
	// until it is given one.
	Password   string
	MustChange bool
}

// NewPassword is what an account shall prove itself by from now on.
type NewPassword struct {
	Password   string
	MustChange bool
}

// Bounds of a password, in bytes.
const shortestPassword, longestPassword = 8, 256

// CreateUser makes an account. Refusals: Forbidden; InvalidRequest; UnknownPrincipal for the manager; AlreadyThere where
// the user principal name is taken.
func (a *App) CreateUser(ctx context.Context, by pim.Caller, t pim.TenantID, u NewUser) (directory.Object, error) {
	if err := a.mayWriteUsers(ctx, by, t); err != nil {
		return directory.Object{}, err
	}
	facet := u.User
	if facet.Type == "" {
		facet.Type = member
	}
	o := directory.Object{Tenant: t, ID: pim.PrincipalID(a.newID()), Kind: directory.KindUser, DisplayName: u.DisplayName,
		Enabled: u.Enabled, ExternalID: u.ExternalID, User: &facet}
	if err := a.validUser(ctx, directory.Object{User: &directory.User{}}, o); err != nil {
		return directory.Object{}, err
	}
	var credentials []directory.Credential
	if u.Password != "" {
		c, err := a.credential(t, o.ID, NewPassword{u.Password, u.MustChange})
		if err != nil {
			return directory.Object{}, err
		}
		credentials = append(credentials, c)
	}
	err := a.write(ctx, func(now time.Time) (writing, error) {
		o.Created, o.Modified = now, now
		w := a.made(by, o)
		w.with.Credentials = credentials
		return w, nil
	})
	return o, nameTaken(err)
}

// UpdateUser changes an account as edit says, which may be called again. Who is disabled by it loses all that they hold
// and wait for, in the same commit. Refusals: Forbidden, InvalidRequest, UnknownPrincipal, AlreadyThere for a name that is
// taken, and LastAdministrator.
func (a *App) UpdateUser(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID, edit func(*directory.Object) error) (directory.Object, error) {
	return a.ResetUser(ctx, by, t, id, edit, nil)
}

// ResetUser is UpdateUser with a new password.
func (a *App) ResetUser(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID, edit func(*directory.Object) error, p *NewPassword) (directory.Object, error) {
	if err := a.mayWriteUsers(ctx, by, t); err != nil {
		return directory.Object{}, err
	}
	var credentials []directory.Credential
	var more []pim.Change
	if p != nil {
		c, err := a.credential(t, id, *p)
		if err != nil {
			return directory.Object{}, err
		}
		credentials, more = append(credentials, c), []pim.Change{{Name: "passwordProfile"}}
	}
	var after directory.Object
	leaves := false
	err := a.write(ctx, func(now time.Time) (writing, error) {
		before, version, err := a.versioned(ctx, t, id, directory.KindUser)
		if err != nil {
			return writing{}, err
		}
		if after, err = a.editedUser(ctx, by, before, edit, p != nil); err != nil {
			return writing{}, err
		}
		w := a.changed(by, now, before, &after, version, more...)
		w.with.Credentials = credentials
		if leaves = before.Enabled && !after.Enabled; leaves {
			w.asks, err = a.departures(ctx, by, now, t, id)
		}
		return w, err
	})
	if err == nil && leaves {
		err = a.departed(ctx, by, t, id)
	}
	return after, nameTaken(err)
}

// editedUser is the account as it shall be, if it may be so.
func (a *App) editedUser(ctx context.Context, by pim.Caller, before directory.Object, edit func(*directory.Object) error, reset bool) (directory.Object, error) {
	after, err := edited(before, edit)
	if err != nil {
		return after, err
	}
	b, u := before.User, after.User
	// By these a person gets another approver, or becomes another person who may approve.
	decides := b.EmployeeID != u.EmployeeID || b.Manager != u.Manager
	// By these somebody becomes the person, or shuts them out: to oneself one may do that.
	signsIn := reset || before.Enabled != after.Enabled || b.PrincipalName != u.PrincipalName
	if decides || signsIn && by.Principal != before.ID {
		if err := a.mayWritePrivileged(ctx, by, before); err != nil {
			return after, err
		}
	}
	return after, a.validUser(ctx, before, after)
}

// DeleteUser puts an account into the bin. It loses all that it holds and waits for, its memberships and its password, in
// the same commit; its name is free again. Refusals: Forbidden, UnknownPrincipal, LastAdministrator.
func (a *App) DeleteUser(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) error {
	if err := a.mayWriteUsers(ctx, by, t); err != nil {
		return err
	}
	return a.bin(ctx, by, t, id, directory.KindUser, func(o directory.Object) error { return a.mayWritePrivileged(ctx, by, o) })
}

func (a *App) mayWriteUsers(ctx context.Context, by pim.Caller, t pim.TenantID) error {
	if !pim.MayWriteUsers(by) {
		return denied("users")
	}
	return a.counts(ctx, by, t)
}

// mayWritePrivileged refuses what would hand privileges on, unless the caller may have them anyway.
func (a *App) mayWritePrivileged(ctx context.Context, by pim.Caller, o directory.Object) error {
	if pim.MayWritePrivileged(by) {
		return nil
	}
	yes := o.App != nil && len(o.App.Permissions) > 0
	if !yes {
		var err error
		if yes, err = a.privileged(ctx, o.Tenant, o.ID); err != nil {
			return err
		}
	}
	if yes {
		return denied("accounts with privileges")
	}
	return nil
}

// The types of users.
const member, guest = "Member", "Guest"

// validUser says whether an account can become so. What the tenant decides, its domain and who is there to be a manager,
// is asked of what changes: domains and managers go.
func (a *App) validUser(ctx context.Context, before, o directory.Object) error {
	if err := validObject(o); err != nil {
		return err
	}
	u := o.User
	name, domain, _ := strings.Cut(u.PrincipalName, "@")
	switch {
	case name == "" || !fits(u.PrincipalName, longestName) || strings.ContainsFunc(u.PrincipalName, isSpaceOrControl):
		return badProperty("userPrincipalName", "the name is not of the form name@domain")
	case !validNickname(u.MailNickname):
		return badProperty("mailNickname", "a mail nickname has at most 64 characters of ASCII, without blanks and what separates addresses")
	case u.Type != "" && u.Type != member && u.Type != guest:
		return badProperty("userType", "the type of a user is Member or Guest")
	case len(u.BusinessPhones) > mostTexts || len(u.OtherMails) > mostTexts:
		return badProperty("otherMails", "a list has at most 100 entries")
	}
	if err := validTexts(*u); err != nil {
		return err
	}
	if before.User.Manager != u.Manager {
		if err := a.validManager(ctx, o); err != nil {
			return err
		}
	}
	if before.User.PrincipalName != u.PrincipalName {
		return a.ownDomain(ctx, o.Tenant, domain)
	}
	return nil
}

// validManager says whether the manager of an account can be that.
func (a *App) validManager(ctx context.Context, o directory.Object) error {
	switch o.User.Manager {
	case "":
		return nil
	case o.ID:
		return badProperty("manager", "nobody is their own manager")
	}
	return a.allThere(ctx, o.Tenant, []pim.PrincipalID{o.User.Manager}, isUser)
}

func isUser(o directory.Object) bool { return o.Kind == directory.KindUser }

func validTexts(u directory.User) error {
	texts := []property{
		{"mail", u.Mail}, {"givenName", u.GivenName}, {"surname", u.Surname}, {"jobTitle", u.JobTitle}, {"department", u.Department},
		{"officeLocation", u.OfficeLocation}, {"mobilePhone", u.MobilePhone}, {"preferredLanguage", u.PreferredLanguage},
		{"employeeId", u.EmployeeID},
	}
	for _, p := range u.BusinessPhones {
		texts = append(texts, property{"businessPhones", p})
	}
	for _, m := range u.OtherMails {
		texts = append(texts, property{"otherMails", m})
	}
	for name, text := range u.Further {
		texts = append(texts, property{name, text})
	}
	if i := slices.IndexFunc(texts, func(p property) bool { return !fits(p.value, longestName) }); i >= 0 {
		return badProperty(texts[i].name, "a text has at most 256 characters, none of them a control character")
	}
	return nil
}

// ownDomain refuses names that end in another domain than the tenant's.
func (a *App) ownDomain(ctx context.Context, t pim.TenantID, domain string) error {
	tenants, err := a.Store.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		if tenant.ID == t && strings.EqualFold(tenant.Domain, domain) {
			return nil
		}
	}
	return badProperty("userPrincipalName", "the domain is not one of the tenant's")
}

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }

// credential is a person's proof as it is kept. What else they proved themselves by is forgotten.
func (a *App) credential(t pim.TenantID, id pim.PrincipalID, p NewPassword) (directory.Credential, error) {
	if len(p.Password) < shortestPassword || len(p.Password) > longestPassword {
		return directory.Credential{}, badProperty("passwordProfile", "a password has 8 to 256 bytes")
	}
	hash, err := a.HashPassword(p.Password)
	return directory.Credential{Tenant: t, Principal: id, Password: hash, MustChange: p.MustChange}, err
}

func nameTaken(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return &pim.Refusal{Code: pim.AlreadyThere, Field: "userPrincipalName", Detail: "another account has this name"}
	}
	return err
}
