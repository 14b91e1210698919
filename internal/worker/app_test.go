package worker_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/connector"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/store/storetest"
	"portcullis/internal/worker"
)

const (
	tenant pim.TenantID = "00000001-0000-4000-8000-000000000000"
	admin               = pim.PrincipalID("00000001-0000-4000-8000-000000000001")
	amira               = pim.PrincipalID("00000001-0000-4000-8000-000000000002")
	desk   pim.RoleID   = "729827e3-9c14-49f7-bb1b-9608f156bbb8" // Helpdesk Administrator
)

// site is the real app with a worker, and a target.
type site struct {
	*testing.T
	*app.App
	door *target
}

// onEachStore runs a story on the model and on SQLite, in time that costs none.
func onEachStore(t *testing.T, story func(*site)) {
	t.Helper()
	for name, open := range map[string]func(*testing.T) store.Store{
		"model": func(*testing.T) store.Store { return new(storetest.Model) },
		"sqlite": func(t *testing.T) store.Store {
			s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t)
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
				story(newSite(t, s))
			})
		})
	}
}

func newSite(t *testing.T, s store.Store) *site {
	t.Helper()
	w := &site{T: t, door: newTarget()}
	w.App = &app.App{Store: s, Index: access.New(), Doors: []app.Binding{
		{Door: "db", Provider: pim.Directory, Role: desk, Scope: pim.Everywhere, Privilege: privileges()[0]},
	}}
	c := store.Commit{Tenant: &directory.Tenant{ID: tenant, Domain: "one.example", Created: time.Now()}}
	for _, p := range []pim.PrincipalID{admin, amira} {
		c.Objects = append(c.Objects, directory.Object{Tenant: tenant, ID: p, Kind: directory.KindUser, Enabled: true,
			DisplayName: string(p), User: &directory.User{PrincipalName: "u" + string(p[len(p)-1:]) + "@one.example", Type: "Member"}})
	}
	c.Schedules = []pim.Schedule{{ID: "00000001-0000-4000-8000-000000000900", Kind: pim.Assignment, Type: pim.Assigned, Open: true,
		Key:    pim.Key{Tenant: tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.GlobalAdministrator, Principal: admin},
		Window: schedule.Window{Start: time.Now().UTC()}, Created: time.Now()}}
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := w.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// work starts a worker, and returns what stops it.
func (s *site) work(name string) (stop func()) {
	w := &worker.Worker{App: s.App, Store: s.Store, Connectors: map[string]connector.Connector{"db": s.door}, Holder: name, Now: s.Time}
	s.Wake = w.Wake
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			s.Error(err)
		}
	}
}

func (s *site) do(by pim.PrincipalID, what pim.Action, k pim.Kind, lasts time.Duration) {
	s.Helper()
	_, err := s.Do(s.Context(), pim.Ask{
		By:     s.Caller(tenant, pim.Caller{MFA: true, Actor: pim.Actor{Principal: by, Kind: pim.UserPrincipal}}),
		Action: what, Kind: k, Justification: "ticket 4711",
		Key:      pim.Key{Tenant: tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: desk, Principal: amira},
		Schedule: schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.FromTime(lasts)}},
	})
	if err != nil {
		s.Fatalf("%v of %s: %v", what, by, err)
	}
}

func (s *site) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *site) check(when string, held, open bool) {
	s.Helper()
	got := s.Index.Check(s.Time(), access.Question{Tenant: tenant, Principal: amira, Provider: pim.Directory, Role: desk, Scope: pim.Everywhere})
	if got.Held != held {
		s.Errorf("%s: got %+v, want held %v", when, got, held)
	}
	if _, is := s.door.end("u2"); is != open {
		s.Errorf("%s: the door is open: %v, want %v", when, is, open)
	}
}

// The main job, from the ask to the proof on the target, and back at the end.
func TestP8FromAskToProof(t *testing.T) {
	onEachStore(t, func(s *site) {
		stop := s.work("a")
		s.do(admin, pim.AdminAssign, pim.Eligibility, 100*24*time.Hour)
		s.after(time.Second)
		s.check("eligible", false, false)
		start := time.Now()
		s.do(amira, pim.SelfActivate, pim.Assignment, 2*time.Hour)
		s.after(50 * time.Millisecond)
		s.check("activated", true, true)
		s.after(time.Until(start.Add(2*time.Hour - time.Millisecond)))
		s.check("just before the end", true, true)
		s.after(50 * time.Millisecond)
		s.check("just after the end", false, false)

		s.do(amira, pim.SelfActivate, pim.Assignment, 2*time.Hour)
		s.after(10 * time.Minute)
		s.check("activated again", true, true)
		s.do(amira, pim.SelfDeactivate, pim.Assignment, 0)
		s.after(50 * time.Millisecond)
		s.check("deactivated", false, false)

		s.do(amira, pim.SelfActivate, pim.Assignment, 2*time.Hour)
		s.after(time.Second)
		stop()
		s.after(2 * time.Hour)
		s.check("ended while no worker ran", false, true)
		stop = s.work("b")
		s.after(time.Second)
		s.check("a worker is back", false, false)
		stop()
		s.effects()
	})
}

// outside gives or takes what amira or her group has, as writing to the directory does.
func (s *site) outside(what pim.Action, k pim.Key) {
	s.Helper()
	_, err := s.Do(s.Context(), pim.Ask{By: s.Caller(tenant, pim.Caller{MFA: true, Actor: pim.Actor{Principal: admin, Kind: pim.UserPrincipal}}),
		Action: what, Kind: pim.Assignment, Key: k, Justification: "on call"})
	if err != nil {
		s.Fatalf("%v of %v: %v", what, k, err)
	}
	s.after(time.Second)
}

// Somebody has a role in their own name and by two groups: whichever goes first, the door is shut when the last of them goes.
func TestP8ADoorStaysOpenForTheOtherGrant(t *testing.T) {
	team, teams := pim.PrincipalID("00000001-0000-4000-8000-000000000011"), pim.PrincipalID("00000001-0000-4000-8000-000000000012")
	of := func(p pim.PrincipalID) pim.Key {
		return pim.Key{Tenant: tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: desk, Principal: p}
	}
	in := func(p, g pim.PrincipalID) pim.Key {
		return pim.Key{Tenant: tenant, Provider: pim.Group, Scope: pim.Scope(g), Role: pim.Member, Principal: p}
	}
	ways := []pim.Key{of(amira), of(team), of(teams)}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		onEachStore(t, func(s *site) {
			defer s.work("a")()
			var groups store.Commit
			for _, g := range []pim.PrincipalID{team, teams} {
				groups.Objects = append(groups.Objects, directory.Object{Tenant: tenant, ID: g, Kind: directory.KindGroup, Enabled: true,
					DisplayName: string(g), Group: &directory.Group{SecurityEnabled: true, RoleAssignable: true}})
			}
			if err := s.Store.Commit(s.Context(), groups); err != nil {
				s.Fatal(err)
			}
			s.outside(pim.AssignOutside, in(amira, team))
			s.outside(pim.AssignOutside, in(amira, teams))
			for _, k := range ways {
				s.outside(pim.AssignOutside, k)
			}
			s.check("three ways", true, true)
			for n, i := range order {
				s.outside(pim.RemoveOutside, ways[i])
				s.check(fmt.Sprint("taken ", order[:n+1]), n < 2, n < 2)
			}
			if got := s.door.count("revoke"); got != 1 {
				s.Errorf("%v: the door was shut %d times", order, got)
			}
		})
	}
}

// effects checks that there are three, each gone and proved.
func (s *site) effects() {
	s.Helper()
	p, err := s.Store.Effects(s.Context(), store.Query{Tenant: tenant})
	if err != nil {
		s.Fatal(err)
	}
	if len(p.Rows) != 3 {
		s.Errorf("got %d effects, want 3", len(p.Rows))
	}
	for _, e := range p.Rows {
		if e.State != pim.Gone || e.UsableAt.IsZero() || !e.GoneAt.After(e.UsableAt) || e.Problem != "" || !e.Due.IsZero() {
			s.Errorf("got %+v, want it gone after it was usable", e)
		}
	}
}

// What was committed before anything was bound to the role, or by a process that ended before it asked, reaches the door when a worker
// starts, and later if the store is away then.
func TestAWorkerAlignsDoors(t *testing.T) {
	onEachStore(t, func(s *site) {
		bindings := s.Doors
		s.Doors = nil
		s.do(admin, pim.AdminAssign, pim.Assignment, 2*time.Hour)
		s.Doors = bindings
		tries := 0
		w := &worker.Worker{App: s.App, Store: s.Store, Connectors: map[string]connector.Connector{"db": s.door}, Holder: "a", Now: s.Time,
			Align: func(ctx context.Context) error {
				if tries++; tries == 1 {
					return store.ErrUnavailable
				}
				return s.Align(ctx)
			}}
		s.Wake = w.Wake
		ctx, cancel := context.WithCancel(s.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		s.after(time.Minute)
		s.check("the store was away", true, false)
		s.after(5 * time.Minute)
		s.check("it is back", true, true)
		s.after(2 * time.Hour)
		s.check("after the end", false, false)
		cancel()
		if err := <-ended; err != nil {
			s.Error(err)
		}
	})
}
