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

// NewApplication is an application with its service principal, to be made. An empty client id: a new one.
type NewApplication struct {
	DisplayName, Description string
	Enabled                  bool
	App                      directory.App
	Owners                   []pim.PrincipalID
}

// CreateApplication makes an application that can sign in once it has a secret. What it may do is for the operator of the
// server to say, so that nobody gives permissions they could not use themselves. Refusals: Forbidden, InvalidRequest,
// UnknownPrincipal, and AlreadyThere where the client id is taken.
func (a *App) CreateApplication(ctx context.Context, by pim.Caller, t pim.TenantID, n NewApplication) (directory.Object, error) {
	if err := a.mayWriteApplication(ctx, by, t, ""); err != nil {
		return directory.Object{}, err
	}
	facet := n.App
	facet.Permissions = nil
	a.withProofIDs(&facet)
	if facet.ClientID == "" {
		facet.ClientID = a.newID()
	}
	o := directory.Object{Tenant: t, ID: pim.PrincipalID(a.newID()), Kind: directory.KindServicePrincipal,
		DisplayName: n.DisplayName, Description: n.Description, Enabled: n.Enabled, App: &facet}
	if err := validApplication(o); err != nil {
		return directory.Object{}, err
	}
	owners := unique(n.Owners)
	if err := a.allThere(ctx, t, owners, ownsApplications); err != nil {
		return directory.Object{}, err
	}
	err := a.write(ctx, func(now time.Time) (writing, error) {
		o.Created, o.Modified = now, now
		w := a.made(by, o)
		w.with.Links = plainLinks(directory.OwnerOf, o, owners)
		return w, nil
	})
	return o, clientTaken(err)
}

// UpdateApplication changes an application as edit says, which may be called again and may be nil, and its owners. One
// that is disabled by it loses all that it holds and waits for, in the same commit. Refusals: Forbidden, InvalidRequest,
// UnknownPrincipal, AlreadyThere, NotThere.
func (a *App) UpdateApplication(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID, edit func(*directory.Object) error, m MembershipChange) (directory.Object, error) {
	if err := a.mayWriteApplication(ctx, by, t, id); err != nil {
		return directory.Object{}, err
	}
	var after directory.Object
	leaves := false
	err := a.write(ctx, func(now time.Time) (writing, error) {
		before, version, err := a.versioned(ctx, t, id, directory.KindServicePrincipal)
		if err != nil {
			return writing{}, err
		}
		if after, err = a.editedApplication(ctx, by, before, edit, len(m.AddOwners)+len(m.RemoveOwners) > 0); err != nil {
			return writing{}, err
		}
		side := plainSide{directory.OwnerOf, "owners", m.AddOwners, m.RemoveOwners, m.Lenient, ownsApplications}
		w, err := a.withPlain(ctx, by, now, before, &after, version, side)
		if err != nil {
			return writing{}, err
		}
		if leaves = before.Enabled && !after.Enabled; leaves {
			w.asks, err = a.departures(ctx, by, now, t, id)
		}
		return w, err
	})
	if err == nil && leaves {
		err = a.departed(ctx, by, t, id)
	}
	return after, clientTaken(err)
}

// editedApplication is the application as it shall be, if it may be so. Who owns one can act as it in the end.
func (a *App) editedApplication(ctx context.Context, by pim.Caller, before directory.Object, edit func(*directory.Object) error, owners bool) (directory.Object, error) {
	after, err := edited(before, edit)
	if err != nil {
		return after, err
	}
	if after.App.ClientID != before.App.ClientID {
		return after, badProperty("appId", "the id of an application does not change")
	}
	after.App.Permissions = before.App.Permissions
	a.withProofIDs(after.App)
	b, p := before.App, after.App
	if owners || before.Enabled != after.Enabled || b.Public != p.Public || b.LoopbackRedirects != p.LoopbackRedirects || !slices.Equal(b.Redirects, p.Redirects) || !sameProofs(b, p) {
		if err := a.mayWritePrivileged(ctx, by, before); err != nil {
			return after, err
		}
	}
	return after, validApplication(after)
}

// DeleteApplication puts an application into the bin. It loses all that it holds and its secret, and what anybody holds
// for it is lost, in the same commit. Refusals: Forbidden, UnknownPrincipal.
func (a *App) DeleteApplication(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) error {
	if err := a.mayWriteApplication(ctx, by, t, id); err != nil {
		return err
	}
	return a.bin(ctx, by, t, id, directory.KindServicePrincipal, func(o directory.Object) error { return a.mayWritePrivileged(ctx, by, o) })
}

// mayWriteApplication asks the core; an empty id is that of none yet.
func (a *App) mayWriteApplication(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) error {
	owner := false
	if id != "" {
		links, err := a.Store.Links(ctx, t, directory.OwnerOf, id, "")
		if err != nil {
			return err
		}
		owner = slices.ContainsFunc(links, func(l directory.Link) bool { return l.To == by.Principal })
	}
	if !pim.MayWriteApplications(by, owner) {
		return denied("this application")
	}
	return a.counts(ctx, by, t)
}

func ownsApplications(o directory.Object) bool {
	return o.Kind == directory.KindUser || o.Kind == directory.KindServicePrincipal
}

func validApplication(o directory.Object) error {
	if err := validObject(o); err != nil {
		return err
	}
	if !fits(o.App.ClientID, longestNickname) || strings.ToLower(o.App.ClientID) != o.App.ClientID {
		return badProperty("appId", "the id of an application is a UUID in lower case")
	}
	if len(o.App.Redirects) > mostTexts {
		return badProperty("redirectUris", "an application has at most 100 redirect addresses")
	}
	for _, r := range o.App.Redirects {
		if r == "" || !fits(r, longestText) {
			return badProperty("redirectUris", "a redirect address has 1 to 1024 characters")
		}
	}
	return validProofs(o.App)
}

func clientTaken(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return &pim.Refusal{Code: pim.AlreadyThere, Field: "appId", Detail: "another application has this id"}
	}
	return err
}
