package access_test

import (
	"fmt"
	"sync"
	"testing"

	"portcullis/internal/access"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// Whoever takes the channel first, then asks, then waits, misses nothing: of the tenant, and of the tenant alone.
func TestChanged(t *testing.T) {
	grant, other := grantOf("s", "a", 0, 0), grantOf("s", "a", 0, 0)
	other.Key.Tenant = "t2"
	named := access.Name{Account: access.Account{Tenant: "t1", ID: "a"}}
	for _, c := range []struct {
		name   string
		before []access.Change
		do     func(*access.Index)
		want   bool
	}{
		{"the first of the tenant", nil, publishing(access.Change{Schedules: []pim.Schedule{grant}}), true},
		{"a schedule", []access.Change{{Schedules: []pim.Schedule{grant}}}, publishing(access.Change{Schedules: []pim.Schedule{ended(grant)}}), true},
		{"a membership", []access.Change{{Schedules: []pim.Schedule{grant}}}, publishing(access.Change{Links: []access.Edge{member("a", "g", 0)}}), true},
		{"resources", []access.Change{{Schedules: []pim.Schedule{grant}}}, publishing(access.Change{Resources: []access.ResourceChange{{Tenant: "t1", Gone: []pim.Scope{subOne}}}}), true},
		{"a name", []access.Change{{Schedules: []pim.Schedule{grant}}}, publishing(access.Change{Names: []access.Name{named}}), true},
		{"a name gone", []access.Change{{Names: []access.Name{named}}}, publishing(access.Change{GoneNames: []access.Account{named.Account}}), true},
		{"everything anew", []access.Change{{Schedules: []pim.Schedule{grant}}}, func(ix *access.Index) { _ = ix.Fill(func(*access.Loader) error { return nil }) }, true},
		{"what was not known is filled", nil, func(ix *access.Index) {
			_ = ix.Fill(func(l *access.Loader) error { return l.Schedule(grant) })
		}, true},
		{"another tenant", []access.Change{{Schedules: []pim.Schedule{grant, other}}}, publishing(access.Change{Schedules: []pim.Schedule{other}}), false},
		{"nothing", []access.Change{{Schedules: []pim.Schedule{grant}}}, publishing(access.Change{}), false},
		{"nobody does anything", nil, func(*access.Index) {}, false},
	} {
		ix := access.New()
		ix.Publish(c.before...)
		changed := ix.Changed("t1")
		c.do(ix)
		if got := closed(changed); got != c.want {
			t.Errorf("%s: told %v, want %v", c.name, got, c.want)
		}
		again := ix.Changed("t1")
		ix.Publish(access.Change{Schedules: []pim.Schedule{grant}})
		if !closed(again) {
			t.Errorf("%s: not told of the next change", c.name)
		}
	}
}

func publishing(c access.Change) func(*access.Index) { return func(ix *access.Index) { ix.Publish(c) } }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Who waits for changes sees the last of many, whatever happens at once.
func TestNothingIsMissedByWhoWaits(t *testing.T) {
	ix := access.New()
	const last = 500
	var waiting sync.WaitGroup
	for range 4 {
		waiting.Go(func() {
			for {
				changed := ix.Changed("t1")
				q := ask("a")
				q.Role = roleID(last)
				if ix.Check(hour(1), q).Held {
					return
				}
				<-changed
			}
		})
	}
	for i := range last + 1 {
		s := grantOf("s", "a", 0, 0)
		s.Key.Role, s.ID = roleID(i), pim.ScheduleID(fmt.Sprint("s", i))
		if i%50 == 7 {
			if err := ix.Fill(func(l *access.Loader) error { return l.Schedule(s) }); err != nil {
				t.Fatal(err)
			}
			continue
		}
		ix.Publish(access.Change{Schedules: []pim.Schedule{s}})
	}
	waiting.Wait()
}

// Loaded counts schedules that hold or will, each once, however often they are told of.
func TestLoaded(t *testing.T) {
	ix := access.New()
	want := func(after string, n int) {
		t.Helper()
		if got := ix.Loaded(); got != n {
			t.Errorf("%s: got %d, want %d", after, got, n)
		}
	}
	want("nothing", 0)
	a, b := grantOf("a", "a", 0, 3), grantOf("b", "a", 0, 5)
	other := grantOf("c", "a", 0, 0)
	other.Key.Tenant = "t2"
	ix.Publish(access.Change{Schedules: []pim.Schedule{a, b, other}})
	want("three", 3)
	ix.Publish(access.Change{Schedules: []pim.Schedule{a}}, access.Change{Links: []access.Edge{member("a", "g", 0)}})
	want("one again", 3)
	ix.Sweep(hour(3))
	want("swept", 2)
	ix.Publish(access.Change{Schedules: []pim.Schedule{ended(b), ended(b)}})
	want("one ended", 1)
	if err := ix.Fill(func(l *access.Loader) error {
		for _, s := range []pim.Schedule{a, b, a, ended(other)} {
			if err := l.Schedule(s); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want("filled with one twice", 2)
}

// Rows may be read by several at once: the index is then as if they had come one after the other.
func TestFillBySeveral(t *testing.T) {
	ix := access.New()
	const readers, each = 8, 400
	err := ix.Fill(func(l *access.Loader) error {
		var reading sync.WaitGroup
		for r := range readers {
			reading.Go(func() {
				for i := range each {
					n := r*each + i
					s := grantOf(pim.ScheduleID(fmt.Sprint("s", n)), personID(n%100), 0, 5)
					s.Key.Role, s.Key.Tenant = roleID(n), pim.TenantID(fmt.Sprint("t", 1+n%3))
					_ = l.Schedule(s)
					e := member(personID(n%100), groupID(n%7), 0)
					e.Tenant = s.Key.Tenant
					_ = l.Link(e)
					_ = l.Name(access.Name{Account: access.Account{Tenant: s.Key.Tenant, ID: personID(n % 100)}, UserPrincipalName: fmt.Sprint("u", n%100)})
					_ = l.Container(resource.Node{Tenant: s.Key.Tenant, Scope: subscription(n % 5), Kind: resource.Subscription})
				}
			})
		}
		reading.Wait()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ix.Loaded(); got != readers*each {
		t.Errorf("got %d schedules, want %d", got, readers*each)
	}
	for n := range readers * each {
		tenant := pim.TenantID(fmt.Sprint("t", 1+n%3))
		q := access.Question{Tenant: tenant, Principal: personID(n % 100), Provider: pim.Directory, Role: roleID(n), Scope: "/"}
		if got := ix.Check(hour(1), q); got.Schedule() != pim.ScheduleID(fmt.Sprint("s", n)) {
			t.Fatalf("%+v: got %+v by %q", q, got, got.Schedule())
		}
		if got, _, ok := ix.Find(tenant, fmt.Sprint("U", n%100)); !ok || got != personID(n%100) {
			t.Fatalf("found %q, want %q", got, personID(n%100))
		}
		if !ix.Check(hour(1), q).Held || len(ix.GroupsAbove(hour(1), tenant, personID(n%100))) == 0 {
			t.Fatalf("%+v: no groups", q)
		}
	}
}
