package app_test

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
)

// usualLives is how many random lives are led for each promise and engine; -rapid.checks asks for more.
const usualLives = "40"

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", usualLives); err != nil {
		panic(err) // rapid has no such flag any more
	}
	localpgtest.Main(m) // parses the command line, which wins
}

// engines are the stores that every promise is kept on.
var engines = map[string]func(testing.TB) store.Store{
	"sqlite":   func(t testing.TB) store.Store { return open(t, t.TempDir()) },
	"postgres": func(t testing.TB) store.Store { return open(t, localpgtest.Database(t)) },
}

func onBoth(t *testing.T, test func(*testing.T, store.Store)) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func open(t testing.TB, url string) store.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The roles of a house.
const (
	vault   pim.RoleID = "729827e3-9c14-49f7-bb1b-9608f156bbb8" // Helpdesk Administrator
	billing pim.RoleID = "b0f54661-2d74-4c50-afa3-1ec803f12efe" // Billing Administrator
)

// house is an app over a store, with people in it and a clock that only moves when told.
type house struct {
	testing.TB
	*app.App
	mu  sync.Mutex
	now time.Time
}

// newHouse opens an app; its tenants are made with settle.
func newHouse(t testing.TB, s store.Store) *house {
	h := &house{TB: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	h.App = &app.App{Store: s, Index: access.New(), Now: h.time, Doors: []app.Binding{
		{Door: "db", Provider: pim.Directory, Role: vault, Scope: pim.Everywhere, Privilege: "vault_admin"},
	}}
	return h
}

func (h *house) time() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// id makes a UUID out of a tenant's and a thing's number.
func id(tenant, n int) string { return fmt.Sprintf("%08d-0000-4000-8000-%012d", tenant, n) }

func tenantID(n int) pim.TenantID     { return pim.TenantID(id(n, 0)) }
func person(t, n int) pim.PrincipalID { return pim.PrincipalID(id(t, n)) }

// settle makes a tenant of people 1…5, of whom 1 is its permanent administrator and 4 and 5 are one human being, with
// the groups 11 (of 2 and 3), 12 (of group 11 and person 4) and 13 (of nobody), and the administrative unit 21.
func (h *house) settle(tenant int) {
	h.Helper()
	t := directory.Tenant{ID: tenantID(tenant), Name: fmt.Sprint("tenant ", tenant), Domain: fmt.Sprintf("t%d.example.com", tenant), Created: h.now}
	c := store.Commit{Tenant: &t}
	for n := 1; n <= 5; n++ {
		u := directory.User{PrincipalName: fmt.Sprintf("p%d@%s", n, t.Domain), Type: "Member", Manager: person(tenant, 1)}
		if n >= 4 {
			u.EmployeeID = "E4"
		}
		c.Objects = append(c.Objects, directory.Object{Tenant: t.ID, ID: person(tenant, n), Kind: directory.KindUser,
			DisplayName: fmt.Sprint("Person ", n), Enabled: true, Created: h.now, User: &u})
	}
	for _, n := range []int{11, 12, 13} {
		c.Objects = append(c.Objects, directory.Object{Tenant: t.ID, ID: person(tenant, n), Kind: directory.KindGroup,
			DisplayName: fmt.Sprint("Group ", n), Enabled: true, Created: h.now,
			Group: &directory.Group{SecurityEnabled: true, RoleAssignable: true}})
	}
	c.Objects = append(c.Objects, directory.Object{Tenant: t.ID, ID: person(tenant, 21), Kind: directory.KindAdministrativeUnit,
		DisplayName: "Unit 21", Enabled: true, Created: h.now})
	for i, e := range [][2]int{{11, 2}, {11, 3}, {12, 11}, {12, 4}} {
		m := pim.Schedule{ID: pim.ScheduleID(id(tenant, 910+i)), Kind: pim.Assignment, Type: pim.Assigned, Open: true,
			Key: groupKey(tenant, e[1], e[0], pim.Member), Window: schedule.Window{Start: h.now}, Created: h.now}
		c.Schedules = append(c.Schedules, m)
		c.Links = append(c.Links, directory.Link{Tenant: t.ID, Relation: directory.MemberOf,
			From: person(tenant, e[0]), To: person(tenant, e[1]), Schedule: m.ID, Window: m.Window})
	}
	root := pim.Schedule{ID: pim.ScheduleID(id(tenant, 900)), Kind: pim.Assignment, Type: pim.Assigned, Open: true,
		Key:    pim.Key{Tenant: t.ID, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.GlobalAdministrator, Principal: person(tenant, 1)},
		Window: schedule.Window{Start: h.now}, Created: h.now}
	c.Schedules = append(c.Schedules, root)
	if err := h.Store.Commit(context.Background(), c); err != nil {
		h.Fatal(err)
	}
	// What a start would load; loading all tenants anew for each would take the longer the more there are.
	h.Index.Publish(access.Change{Schedules: c.Schedules})
	for _, l := range c.Links {
		h.Index.Publish(access.Change{Links: []access.Edge{{Tenant: l.Tenant, Membership: l.Membership()}}})
	}
}

// as is a person signed in with a second factor.
func (h *house) as(tenant, n int) pim.Caller {
	return h.Caller(tenantID(tenant), pim.Caller{MFA: true, Actor: pim.Actor{
		Principal: person(tenant, n), Kind: pim.UserPrincipal, Name: fmt.Sprint("Person ", n),
	}})
}

func key(tenant, principal int, r pim.RoleID) pim.Key {
	return pim.Key{Tenant: tenantID(tenant), Provider: pim.Directory, Scope: pim.Everywhere, Role: r, Principal: person(tenant, principal)}
}

// groupKey is about a member or owner of a group.
func groupKey(tenant, principal, group int, side pim.RoleID) pim.Key {
	return pim.Key{Tenant: tenantID(tenant), Provider: pim.Group, Scope: pim.Scope(person(tenant, group)), Role: side, Principal: person(tenant, principal)}
}

// lasting is a schedule from now on.
func lasting(d time.Duration) schedule.Info {
	return schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.FromTime(d)}}
}

// must does an ask that has to succeed.
func (h *house) must(a pim.Ask) pim.Outcome {
	h.Helper()
	out, err := h.Do(context.Background(), a)
	if err != nil {
		h.Fatalf("%+v: %v", a, err)
	}
	return out
}

// eligible makes somebody eligible for a year.
func (h *house) eligible(tenant, n int, r pim.RoleID) {
	h.Helper()
	h.must(pim.Ask{By: h.as(tenant, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Key: key(tenant, n, r),
		Schedule: lasting(365 * 24 * time.Hour), Justification: "on call"})
}

// activation is somebody's ask to activate a role.
func (h *house) activation(tenant, n int, r pim.RoleID, d time.Duration) pim.Ask {
	return pim.Ask{By: h.as(tenant, n), Action: pim.SelfActivate, Kind: pim.Assignment, Key: key(tenant, n, r),
		Schedule: lasting(d), Justification: "ticket 4711"}
}

// tick lets the clock ask whatever is due.
func (h *house) tick() {
	h.Helper()
	for range 1000 {
		due, _, err := h.Store.Due(context.Background(), h.Time(), 100)
		if err != nil {
			h.Fatal(err)
		}
		if len(due) == 0 {
			return
		}
		asks := make([]pim.Ask, len(due))
		for i, d := range due {
			asks[i] = pim.Ask{By: pim.Caller{Actor: pim.Actor{Clock: true}}, Action: pim.ScheduleDue, Target: d.Schedule,
				Key: d.Key}
			if d.Request != "" {
				asks[i].Action, asks[i].Request = pim.RequestDue, d.Request
			}
		}
		for _, err := range h.DoAll(context.Background(), asks) {
			if err != nil {
				h.Fatal(err)
			}
		}
	}
	h.Fatal("the clock finds no end of what is due")
}

// holds says whether person n of tenant 1 holds a directory role.
func (h *house) holds(n int, r pim.RoleID) bool {
	return h.Index.Check(h.Time(), access.Question{Tenant: tenantID(1), Principal: person(1, n),
		Provider: pim.Directory, Role: r, Scope: pim.Everywhere}).Held
}

// schedules reads all schedules of a tenant.
func (h *house) schedules(tenant int) []pim.Schedule {
	h.Helper()
	return all(h, h.Store.Schedules, tenant)
}

// requests reads all requests of a tenant.
func (h *house) requests(tenant int) []pim.Request {
	h.Helper()
	return all(h, h.Store.Requests, tenant)
}

// events reads the audit log of a tenant.
func (h *house) events(tenant int) []pim.Event {
	h.Helper()
	return all(h, h.Store.Events, tenant)
}

// effects reads all effects of a tenant.
func (h *house) effects(tenant int) []pim.Effect {
	h.Helper()
	return all(h, h.Store.Effects, tenant)
}

func all[T any](h *house, list func(context.Context, store.Query) (store.Page[T], error), tenant int) []T {
	h.Helper()
	var out []T
	q := store.Query{Tenant: tenantID(tenant), Limit: 1000}
	for {
		page, err := list(context.Background(), q)
		if err != nil {
			h.Fatal(err)
		}
		out = append(out, page.Rows...)
		if len(page.Next) == 0 {
			return out
		}
		q.After = page.Next
	}
}
