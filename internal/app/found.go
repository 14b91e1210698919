package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// Founding is a tenant as it begins: with whoever is there, and one administrator who can give everything else.
type Founding struct {
	Tenant      directory.Tenant
	Objects     []directory.Object
	Links       []directory.Link
	Credentials []directory.Credential
	// Administrator becomes Global Administrator without end. It is the one grant that nobody asked for, because nobody
	// is there yet who could; it is made outside PIM and audited as such.
	Administrator pim.PrincipalID
	// Permissions are the most that a person's token through the command line carries.
	Permissions []string
}

// CommandLineClientID is the application that people sign in with on the command line. It is in every tenant.
const CommandLineClientID = "7f3c2a54-5d0e-4b1c-9a66-2e8d1c40b9a7"

// commandLine is the service principal of that application in a tenant: a public client, for it runs on people's machines.
func commandLine(t directory.Tenant, permissions []string) directory.Object {
	return directory.Object{
		Tenant: t.ID, ID: pim.PrincipalID(derivedID("command line", string(t.ID))), Kind: directory.KindServicePrincipal,
		DisplayName: "Portcullis command line", Enabled: true, Created: t.Created,
		App: &directory.App{ClientID: CommandLineClientID, Public: true, LoopbackRedirects: true, Permissions: permissions},
	}
}

// RenewCommandLine lets people's tokens through the command line of a tenant carry what this version knows: a tenant that an
// earlier one founded has its permissions alone. Where they are so, or the application is gone, nothing happens.
func (a *App) RenewCommandLine(ctx context.Context, t directory.Tenant, permissions []string) error {
	err := a.write(ctx, func(now time.Time) (writing, error) {
		before, version, err := a.versioned(ctx, t.ID, commandLine(t, nil).ID, directory.KindServicePrincipal)
		if err != nil {
			return writing{}, err
		}
		after := before.Clone()
		after.App.Permissions = permissions
		return a.changed(operator(), now, before, &after, version), nil
	})
	if refusal, ok := errors.AsType[*pim.Refusal](err); ok && refusal.Code == pim.UnknownPrincipal {
		return nil
	}
	return err
}

// Found makes a tenant, in one commit. Members and owners of groups become grants made outside PIM. store.ErrConflict: it
// is there already.
func (a *App) Found(ctx context.Context, f Founding) error {
	now := a.Time()
	admin, ok := objectByID(f.Objects, f.Administrator)
	if !ok || admin.Kind != directory.KindUser || !admin.Enabled {
		return fmt.Errorf("tenant %s: its administrator %q is no enabled user in it", f.Tenant.Domain, f.Administrator)
	}
	f.Objects = append(f.Objects[:len(f.Objects):len(f.Objects)], commandLine(f.Tenant, f.Permissions))
	grant := a.outside(now, pim.Key{Tenant: f.Tenant.ID, Provider: pim.Directory, Scope: pim.Everywhere,
		Role: pim.GlobalAdministrator, Principal: admin.ID})
	out := pim.Outcome{
		Key: grant.Key, Schedules: []pim.Schedule{grant},
		Touches: []pim.Touch{{Key: pim.AdministratorsKey(f.Tenant.ID)}},
		Events: append([]pim.Event{
			a.setUpEvent(now, f.Tenant.ID, pim.TenantCreated, "name", f.Tenant.Name, "domain", f.Tenant.Domain),
			a.outsideEvent(now, grant, admin.Principal(), "the first administrator of the tenant"),
		}, a.importEvents(now, pim.Actor{}, f.Tenant.ID, f.Objects)...),
	}
	memberships, links := membershipsOf(f.Links, f.Objects)
	for _, m := range memberships {
		who, _ := objectByID(f.Objects, m.To)
		a.give(now, &out, m, who.Principal())
	}
	err := a.commit(ctx, store.Commit{
		Outcome: out, Tenant: &f.Tenant, Objects: f.Objects, Links: links, Credentials: f.Credentials,
	})
	if errors.Is(err, store.ErrStale) { // nobody else has cases of a tenant that is new
		return fmt.Errorf("tenant %s: %w", f.Tenant.Domain, store.ErrConflict)
	}
	return err
}

// ImportDirectory adds to a tenant's directory, in one commit. It asks no permission: it is for what the operator of
// the server brings in, and by names who that is, zero for the operator at the machine itself. What a tenant has
// already is replaced, but for members and owners of groups: who is one already by an assigned grant stays so by that.
func (a *App) ImportDirectory(ctx context.Context, by pim.Actor, t pim.TenantID, objects []directory.Object,
	links []directory.Link, credentials []directory.Credential,
) error {
	for _, o := range objects {
		if o.Tenant != t {
			return fmt.Errorf("import into tenant %s: %s belongs to another", t, o.ID)
		}
	}
	var err error
	for range attempts {
		if err = a.tryImport(ctx, by, t, objects, links, credentials); !errors.Is(err, store.ErrStale) {
			return err
		}
	}
	return err
}

func (a *App) tryImport(ctx context.Context, by pim.Actor, t pim.TenantID, objects []directory.Object,
	links []directory.Link, credentials []directory.Credential,
) error {
	now := a.Time()
	out := pim.Outcome{Events: a.importEvents(now, by, t, objects)}
	if len(objects) == 0 {
		out.Events = []pim.Event{a.setUpEvent(now, t, pim.DirectoryChanged, "links", fmt.Sprint(len(links)))}
	}
	groups, err := a.groupsIn(ctx, t, objects, links)
	if err != nil {
		return err
	}
	memberships, plain := membershipsOf(links, groups)
	needs := make([]pim.Need, len(memberships))
	for i, m := range memberships {
		needs[i] = pim.Need{Key: m.key, Clock: true}
	}
	cases, err := a.Store.Cases(ctx, needs)
	if err != nil {
		return err
	}
	for i, m := range memberships {
		if slices.ContainsFunc(cases[i].Schedules, func(s pim.Schedule) bool {
			return s.Kind == pim.Assignment && s.Type == pim.Assigned && s.Live(now)
		}) {
			continue
		}
		who := cases[i].Principal
		if o, fresh := objectByID(objects, m.To); fresh {
			who = o.Principal()
		}
		a.give(now, &out, m, who)
		out.Touches = append(out.Touches, pim.Touch{Key: m.key, Version: cases[i].Version})
	}
	return a.commit(ctx, store.Commit{Outcome: out, Objects: objects, Links: plain, Credentials: credentials})
}

// groupsIn are the objects that are brought in, and those that ownership links name and that are there already.
func (a *App) groupsIn(ctx context.Context, t pim.TenantID, objects []directory.Object, links []directory.Link) ([]directory.Object, error) {
	var owned []pim.PrincipalID
	for _, l := range links {
		if l.Relation == directory.OwnerOf {
			owned = append(owned, l.From)
		}
	}
	slices.Sort(owned)
	there, err := a.Store.ObjectsByID(ctx, t, slices.Compact(owned))
	return append(there, objects...), err
}

// membership is a link that stands for a grant.
type membership struct {
	directory.Link
	key pim.Key
}

// membershipsOf parts links into those that stand for grants, each once, and plain ones. objects say which of them are
// groups.
func membershipsOf(links []directory.Link, objects []directory.Object) (grants []membership, plain []directory.Link) {
	groups := map[pim.PrincipalID]bool{}
	for _, o := range objects {
		groups[o.ID] = o.Kind == directory.KindGroup
	}
	seen := map[pim.Key]bool{}
	for _, l := range links {
		k := pim.Key{Tenant: l.Tenant, Provider: pim.Group, Scope: pim.Scope(l.From), Role: pim.Member, Principal: l.To}
		if l.Relation == directory.OwnerOf {
			k.Role = pim.Owner
		}
		switch {
		case l.Relation == directory.UnitMember || l.Relation == directory.OwnerOf && !groups[l.From]:
			plain = append(plain, l)
		case !seen[k]:
			seen[k] = true
			grants = append(grants, membership{l, k})
		}
	}
	return grants, plain
}

// give adds to an outcome that somebody is made a member or owner outside PIM.
func (a *App) give(now time.Time, out *pim.Outcome, m membership, who pim.Principal) {
	s := a.outside(now, m.key)
	if !m.Window.Start.IsZero() || m.Window.Recurrence != nil {
		s.Window = m.Window
	}
	s.Window.End = m.Window.End
	s.Open = s.Window.Contains(now)
	s.Due, _ = s.Window.NextChange(now)
	out.Schedules = append(out.Schedules, s)
	out.Events = append(out.Events, a.outsideEvent(now, s, who, "brought in with the directory"))
}

func objectByID(list []directory.Object, id pim.PrincipalID) (directory.Object, bool) {
	for _, o := range list {
		if o.ID == id {
			return o, true
		}
	}
	return directory.Object{}, false
}

// outside is a grant without end that no request stands behind.
func (a *App) outside(now time.Time, k pim.Key) pim.Schedule {
	return pim.Schedule{
		ID: pim.ScheduleID(a.newID()), Key: k, Kind: pim.Assignment, Type: pim.Assigned,
		Window: schedule.Window{Start: now}, Created: now, Open: true,
	}
}

func (a *App) outsideEvent(now time.Time, s pim.Schedule, who pim.Principal, why string) pim.Event {
	e := a.setUpEvent(now, s.Key.Tenant, pim.AssignedOutside)
	e.Reason = why
	e.Action, e.Kind, e.Key, e.Schedule = pim.AdminAssign, s.Kind, s.Key, s.ID
	e.Principal, e.RoleName, e.Start, e.End = who, completeRole(s.Key, pim.Role{}).Name, s.Window.Start, s.Window.End
	return e
}

func (a *App) setUpEvent(now time.Time, t pim.TenantID, what pim.Activity, details ...string) pim.Event {
	return pim.Event{
		ID: pim.EventID(a.newID()), Tenant: t, At: now, Activity: what, Success: true,
		By: operator().Actor, Details: details,
	}
}

// importEvents tells of each object.
func (a *App) importEvents(now time.Time, by pim.Actor, t pim.TenantID, objects []directory.Object) []pim.Event {
	events := make([]pim.Event, len(objects))
	for i, o := range objects {
		e := a.objectEvent(pim.Caller{Actor: by}, o, "created", nil)
		if e.At = now; by == (pim.Actor{}) {
			e.By = a.setUpEvent(now, t, pim.DirectoryChanged).By
		}
		events[i] = e
	}
	return events
}
