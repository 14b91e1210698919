package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/audit"
	"portcullis/internal/catalog"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
)

// tenant is the one tenant of the bench.
const tenant = "7e000000-0000-4000-8000-000000000001"

// person is a user of the tenant.
type person struct{ id, name, account string }

// organisation is who and what is in a database of the bench. Ids are numbers in the form of UUIDs, so that SQL can
// find a row by its number: an eligibility's is that of the pair of a person and a role.
type organisation struct {
	people []person
	roles  []string
	// reader is Global Administrator, and lists what everybody holds.
	reader person
}

func numbered(kind string, n int) string { return fmt.Sprintf("%s-0000-4000-8000-%012x", kind, n) }

const (
	personKind      = "a0000000"
	eligibilityKind = "e0000000"
	grantKind       = "b0000000"
)

func newOrganisation(people int) organisation {
	o := organisation{reader: person{numbered("ad000000", 1), "Reader", "reader@bench.example"}}
	for i := range people {
		o.people = append(o.people, person{numbered(personKind, i), fmt.Sprintf("Person %05d", i), fmt.Sprintf("person%05d@bench.example", i)})
	}
	for _, r := range catalog.Roles() {
		if len(o.roles) < 100 && pim.RoleID(r.ID) != pim.GlobalAdministrator {
			o.roles = append(o.roles, r.ID)
		}
	}
	return o
}

// pairs is how many different pairs of a person and a role there are.
func (o organisation) pairs() int { return len(o.people) * len(o.roles) }

// key is the case of the pair with that number. Neighbours are different people.
func (o organisation) key(n int) pim.Key {
	return pim.Key{
		Tenant: tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.RoleID(o.roles[n/len(o.people)]),
		Principal: pim.PrincipalID(o.people[n%len(o.people)].id),
	}
}

func (o organisation) person(n int) person { return o.people[n%len(o.people)] }

// fill writes the tenant, its people and an eligibility for each of the first pairs.
func (o organisation) fill(ctx context.Context, st store.Store, pairs int) error {
	if err := o.found(ctx, st); err != nil {
		return err
	}
	return o.commitAll(ctx, st, pairs, o.eligibility)
}

func (o organisation) found(ctx context.Context, st store.Store) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	a := app.App{Store: st, Index: access.New()}
	f := app.Founding{
		Tenant:        directory.Tenant{ID: tenant, Name: "Bench", Domain: "bench.example", Created: now},
		Administrator: pim.PrincipalID(o.reader.id), Objects: []directory.Object{user(o.reader, now), asking(now)},
	}
	for _, p := range o.people {
		f.Objects = append(f.Objects, user(p, now))
	}
	return a.Found(ctx, f)
}

// asking is the application that asks for others, as doors do.
func asking(now time.Time) directory.Object {
	return directory.Object{
		Tenant: tenant, ID: pim.PrincipalID(applicationID), Kind: directory.KindServicePrincipal, DisplayName: "Door", Enabled: true, Created: now,
		App: &directory.App{ClientID: applicationClient, Permissions: []string{evaluationPermission}},
	}
}

func user(p person, now time.Time) directory.Object {
	return directory.Object{
		Tenant: tenant, ID: pim.PrincipalID(p.id), Kind: directory.KindUser, DisplayName: p.name, Enabled: true, Created: now,
		User: &directory.User{PrincipalName: p.account, Mail: p.account, MailNickname: p.name, Type: "Member"},
	}
}

// commitAll writes an outcome for each of the first pairs, in bulk.
func (o organisation) commitAll(ctx context.Context, st store.Store, pairs int, outcome func(n int) pim.Outcome) error {
	const batch = 1000
	for from := 0; from < pairs; from += batch {
		var commits []store.Commit
		for n := from; n < min(from+batch, pairs); n++ {
			out := outcome(n)
			c := store.Commit{Outcome: out}
			for _, e := range out.Events {
				canonical := audit.Canonical(e)
				c.Entries = append(c.Entries, store.Entry{Event: e, Canonical: canonical, Leaf: audit.Leaf(canonical)})
			}
			commits = append(commits, c)
		}
		if err := errors.Join(st.CommitAll(ctx, commits)...); err != nil {
			return err
		}
	}
	return nil
}

// eligibility is what an administrator's request for the pair leaves behind.
func (o organisation) eligibility(n int) pim.Outcome {
	now := time.Now().UTC().Truncate(time.Microsecond).Add(-24 * time.Hour)
	k, id := o.key(n), numbered(eligibilityKind, n)
	end := now.Add(365 * 24 * time.Hour)
	s := pim.Schedule{
		ID: pim.ScheduleID(id), Key: k, Kind: pim.Eligibility, Type: pim.Assigned, Window: schedule.Window{Start: now, End: end},
		Request: pim.RequestID(id), Created: now, Open: true, Due: end.Add(-14 * 24 * time.Hour),
	}
	return pim.Outcome{Key: k, Schedules: []pim.Schedule{s}, Events: []pim.Event{o.event(now, s, pim.AdminAssign)}}
}

// activation is a live activation of the pair that ends at an instant, whose door is open if it is named.
func (o organisation) activation(n int, started, end time.Time, door string) pim.Outcome {
	k, id := o.key(n), numbered(grantKind, n)
	s := pim.Schedule{
		ID: pim.ScheduleID(id), Key: k, Kind: pim.Assignment, Type: pim.Activated, Window: schedule.Window{Start: started, End: end},
		Request: pim.RequestID(id), Eligibility: pim.ScheduleID(numbered(eligibilityKind, n)), Created: started, Open: true, Due: end,
	}
	out := pim.Outcome{Key: k, Version: 1, Schedules: []pim.Schedule{s}, Events: []pim.Event{o.event(started, s, pim.SelfActivate)}}
	if door != "" {
		out.Effects = []pim.Effect{{
			ID: id + "/" + door + "/admin", Tenant: tenant, Schedule: s.ID, Key: k, Door: door, Account: id, Privilege: "admin",
			Until: end, State: pim.Usable, Decided: started, UsableAt: started,
		}}
	}
	return out
}

func (o organisation) event(now time.Time, s pim.Schedule, a pim.Action) pim.Event {
	return pim.Event{
		ID: pim.EventID(app.NewID()), Tenant: tenant, At: now, Activity: pim.CompletedRequest, Success: true, Action: a, Kind: s.Kind,
		By:  pim.Actor{Principal: pim.PrincipalID(o.reader.id), Kind: pim.UserPrincipal, Name: o.reader.name, Account: o.reader.account},
		Key: s.Key, Request: s.Request, Schedule: s.ID, Start: s.Window.Start, End: s.Window.End,
	}
}

// reason is why people activate in the bench.
const reason = "Change the on-call rotation as agreed in ticket 47110815"

// activate makes one activation as a caller would, without the network, so that the rows of a real one are there to see.
func (o organisation) activate(ctx context.Context, a *app.App, n int) (pim.Outcome, error) {
	p := o.person(n)
	return a.Do(ctx, pim.Ask{
		By: pim.Caller{
			Actor: pim.Actor{Principal: pim.PrincipalID(p.id), Kind: pim.UserPrincipal, Name: p.name, Account: p.account, Address: "127.0.0.1"},
			MFA:   true,
		},
		Action: pim.SelfActivate, Kind: pim.Assignment, Key: o.key(n), Justification: reason,
		Schedule: schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.MustDuration("PT2H")}},
	})
}

// withStore opens a store, uses it and closes it.
func withStore(ctx context.Context, url string, use func(store.Store) error) error {
	st, err := sqlstore.Open(ctx, sqlstore.Options{URL: url})
	if err != nil {
		return err
	}
	return errors.Join(use(st), st.Close())
}
