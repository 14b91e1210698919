package app

import (
	"context"
	"errors"
	"fmt"
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

// Found makes a tenant, in one commit. store.ErrConflict: it is there already.
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
			a.outsideEvent(now, grant, admin),
		}, a.importEvents(now, pim.Actor{}, f.Tenant.ID, f.Objects)...),
	}
	err := a.commit(ctx, store.Commit{
		Outcome: out, Tenant: &f.Tenant, Objects: f.Objects, Links: f.Links, Credentials: f.Credentials,
	})
	if errors.Is(err, store.ErrStale) { // nobody else has cases of a tenant that is new
		return fmt.Errorf("tenant %s: %w", f.Tenant.Domain, store.ErrConflict)
	}
	return err
}

// ImportDirectory adds to a tenant's directory, in one commit. It asks no permission: it is for what the operator of
// the server brings in, and by names who that is, zero for the operator at the machine itself. What a tenant has
// already is replaced.
func (a *App) ImportDirectory(ctx context.Context, by pim.Actor, t pim.TenantID, objects []directory.Object,
	links []directory.Link, credentials []directory.Credential,
) error {
	for _, o := range objects {
		if o.Tenant != t {
			return fmt.Errorf("import into tenant %s: %s belongs to another", t, o.ID)
		}
	}
	events := a.importEvents(a.Time(), by, t, objects)
	if len(objects) == 0 {
		events = []pim.Event{a.setUpEvent(a.Time(), t, pim.DirectoryChanged, "links", fmt.Sprint(len(links)))}
	}
	return a.commit(ctx, store.Commit{
		Outcome: pim.Outcome{Events: events}, Objects: objects, Links: links, Credentials: credentials,
	})
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

func (a *App) outsideEvent(now time.Time, s pim.Schedule, who directory.Object) pim.Event {
	e := a.setUpEvent(now, s.Key.Tenant, pim.AssignedOutside)
	e.Reason = "the first administrator of the tenant"
	e.Action, e.Kind, e.Key, e.Schedule = pim.AdminAssign, s.Kind, s.Key, s.ID
	e.Principal, e.RoleName, e.Start = who.Principal(), completeRole(s.Key, pim.Role{}).Name, s.Window.Start
	return e
}

func (a *App) setUpEvent(now time.Time, t pim.TenantID, what pim.Activity, details ...string) pim.Event {
	return pim.Event{
		ID: pim.EventID(a.newID()), Tenant: t, At: now, Activity: what, Success: true,
		By: pim.Actor{Name: "Operator"}, Details: details,
	}
}

// importEvents tells of each object.
func (a *App) importEvents(now time.Time, by pim.Actor, t pim.TenantID, objects []directory.Object) []pim.Event {
	events := make([]pim.Event, len(objects))
	for i, o := range objects {
		e := a.setUpEvent(now, t, pim.DirectoryChanged, "object", string(o.ID), "name", o.DisplayName)
		if by != (pim.Actor{}) {
			e.By = by
		}
		e.Principal = o.Principal()
		events[i] = e
	}
	return events
}
