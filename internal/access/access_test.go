package access_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"portcullis/internal/access"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

func grantOf(id pim.ScheduleID, p pim.PrincipalID, from, to int) pim.Schedule {
	s := pim.Schedule{
		ID: id, Kind: pim.Assignment, Type: pim.Assigned, Window: schedule.Window{Start: hour(from)},
		Key: pim.Key{Tenant: "t1", Provider: pim.Directory, Scope: "/", Role: "r1", Principal: p},
	}
	if to > 0 {
		s.Window.End = hour(to)
	}
	return s
}

// eligible is the eligibility "e", activated the activation "s", both from the first hour on.
func eligible(p pim.PrincipalID, to int) pim.Schedule {
	s := grantOf("e", p, 0, to)
	s.Kind = pim.Eligibility
	return s
}

func activated(p pim.PrincipalID, to int, on pim.ScheduleID) pim.Schedule {
	s := grantOf("s", p, 0, to)
	s.Type, s.Eligibility = pim.Activated, on
	return s
}

func ended(s pim.Schedule) pim.Schedule {
	s.Ending, s.Ended = pim.Removed, hour(1)
	return s
}

// member is a membership from the first hour on.
func member(p, group pim.PrincipalID, to int) access.Edge {
	e := access.Edge{Tenant: "t1", Membership: pim.Membership{Group: group, Member: p, Window: schedule.Window{Start: hour(0)}}}
	if to > 0 {
		e.Window.End = hour(to)
	}
	return e
}

func ask(p pim.PrincipalID) access.Question {
	return access.Question{Tenant: "t1", Principal: p, Provider: pim.Directory, Role: "r1", Scope: "/"}
}

// reply is what an answer says of whether, until when and why.
type reply struct {
	Held     bool
	Until    time.Time
	Schedule pim.ScheduleID
	Via      []pim.PrincipalID
	Reason   access.Reason
}

func replyOf(a access.Answer) reply { return reply{a.Held, a.Until, a.Schedule(), a.Via, a.Reason} }

func held(until int, by pim.ScheduleID, why access.Reason, via ...pim.PrincipalID) reply {
	a := reply{Held: true, Schedule: by, Reason: why, Via: via}
	if until > 0 {
		a.Until = hour(until)
	}
	return a
}

func not(why access.Reason) reply { return reply{Reason: why} }

// P2: an activation never outlives what it rests on, measured at the moment of asking. P3: from the instant of end on
// the answer is no, and nothing has to happen for that.
func TestP2P3Check(t *testing.T) {
	for _, c := range []struct {
		name      string
		schedules []pim.Schedule
		edges     []access.Edge
		at        int
		want      reply
	}{
		{"nobody knows", nil, nil, 1, not(access.NoGrant)},
		{"assigned for ever", []pim.Schedule{grantOf("s", "a", 0, 0)}, nil, 1, held(0, "s", access.ByAssignment)},
		{"assigned, at the start", []pim.Schedule{grantOf("s", "a", 1, 3)}, nil, 1, held(3, "s", access.ByAssignment)},
		{"assigned, before", []pim.Schedule{grantOf("s", "a", 2, 3)}, nil, 1, not(access.Later)},
		{"assigned, at the end", []pim.Schedule{grantOf("s", "a", 0, 3)}, nil, 3, not(access.Over)},
		{"removed", []pim.Schedule{ended(grantOf("s", "a", 0, 0))}, nil, 1, not(access.NoGrant)},
		{"never begun", []pim.Schedule{{ID: "s", Kind: pim.Assignment, Type: pim.Assigned, Key: grantOf("", "a", 0, 0).Key}}, nil, 1, not(access.NoGrant)},
		{"of no type", []pim.Schedule{{ID: "s", Kind: pim.Assignment, Window: grantOf("", "a", 0, 0).Window, Key: grantOf("", "a", 0, 0).Key}}, nil, 1, not(access.NoGrant)},
		{"of two, the longer", []pim.Schedule{grantOf("s", "a", 0, 3), grantOf("l", "a", 0, 5), grantOf("m", "a", 0, 4)}, nil, 1, held(5, "l", access.ByAssignment)},

		{"eligible", []pim.Schedule{eligible("a", 5)}, nil, 1, not(access.NotActivated)},
		{"activated", []pim.Schedule{eligible("a", 5), activated("a", 3, "e")}, nil, 1, held(3, "s", access.ByActivation)},
		{"eligibility ends first", []pim.Schedule{eligible("a", 2), activated("a", 3, "e")}, nil, 1, held(2, "s", access.ByActivation)},
		{"eligibility over", []pim.Schedule{eligible("a", 2), activated("a", 3, "e")}, nil, 2, not(access.Undermined)},
		{"eligibility removed", []pim.Schedule{ended(eligible("a", 5)), activated("a", 3, "e")}, nil, 1, not(access.Undermined)},
		{"eligibility unknown", []pim.Schedule{activated("a", 3, "e")}, nil, 1, not(access.Undermined)},
		{"resting on nothing", []pim.Schedule{activated("a", 3, "")}, nil, 1, not(access.Undermined)},
		{"resting on an assignment", []pim.Schedule{grantOf("e", "b", 0, 5), activated("a", 3, "e")}, nil, 1, not(access.Undermined)},
		{"somebody else's eligibility", []pim.Schedule{eligible("b", 5), activated("a", 3, "e")}, nil, 1, not(access.Undermined)},

		{"by a group", []pim.Schedule{grantOf("s", "g", 0, 5)}, []access.Edge{member("a", "g", 3)}, 1, held(3, "s", access.ByAssignment, "g")},
		{"membership over", []pim.Schedule{grantOf("s", "g", 0, 5)}, []access.Edge{member("a", "g", 3)}, 3, not(access.NoGrant)},
		{"by a group of a group", []pim.Schedule{grantOf("s", "h", 0, 5)}, []access.Edge{member("a", "g", 0), member("g", "h", 4)}, 1, held(4, "s", access.ByAssignment, "g", "h")},
		{"of two ways, the longer", []pim.Schedule{grantOf("s", "h", 0, 9)},
			[]access.Edge{member("a", "h", 3), member("a", "g", 5), member("g", "h", 7)}, 1, held(5, "s", access.ByAssignment, "g", "h")},
		{"a circle", []pim.Schedule{grantOf("s", "i", 0, 0)},
			[]access.Edge{member("a", "g", 0), member("g", "h", 0), member("h", "g", 0), member("h", "i", 0)}, 1, held(0, "s", access.ByAssignment, "g", "h", "i")},

		{"a group's eligibility", []pim.Schedule{eligible("g", 5)}, []access.Edge{member("a", "g", 3)}, 1, not(access.NotActivated)},
		{"activated out of a group's", []pim.Schedule{eligible("g", 5), activated("a", 4, "e")}, []access.Edge{member("a", "g", 3)}, 1, held(3, "s", access.ByActivation)},
		{"left the group since", []pim.Schedule{eligible("g", 5), activated("a", 4, "e")}, []access.Edge{member("a", "g", 3)}, 3, not(access.Undermined)},
		{"never in the group", []pim.Schedule{eligible("g", 5), activated("a", 4, "e")}, nil, 1, not(access.Undermined)},
		{"eligible by a group of a group", []pim.Schedule{eligible("h", 5), activated("a", 4, "e")},
			[]access.Edge{member("a", "g", 3), member("g", "h", 2)}, 1, held(2, "s", access.ByActivation)},
		{"a group's activation", []pim.Schedule{eligible("h", 5), activated("g", 4, "e")},
			[]access.Edge{member("a", "g", 3), member("g", "h", 2)}, 1, held(2, "s", access.ByActivation, "g")},
		{"a group's activation rests on that group", []pim.Schedule{eligible("h", 5), activated("g", 4, "e")},
			[]access.Edge{member("a", "g", 3), member("a", "h", 3)}, 1, not(access.Undermined)},
	} {
		t.Run(c.name, func(t *testing.T) {
			ix := access.New()
			ix.Publish(access.Change{Schedules: c.schedules})
			ix.Publish(access.Change{Links: c.edges})
			if d := gocmp.Diff(c.want, replyOf(ix.Check(hour(c.at), ask("a")))); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// The last instant of a grant is one microsecond before its end.
func TestP3TheEndIsExact(t *testing.T) {
	ix := access.New()
	ix.Publish(access.Change{Schedules: []pim.Schedule{grantOf("s", "a", 0, 3)}})
	for _, c := range []struct {
		at   time.Time
		want bool
	}{
		{hour(0).Add(-time.Microsecond), false}, {hour(0), true},
		{hour(3).Add(-time.Nanosecond), true}, {hour(3), false}, {hour(3).Add(time.Millisecond), false},
	} {
		if got := ix.Check(c.at, ask("a")); got.Held != c.want {
			t.Errorf("at %v: got %+v, want held %v", c.at, got, c.want)
		}
	}
}

func TestScopes(t *testing.T) {
	for _, c := range []struct {
		provider       pim.Provider
		granted, asked pim.Scope
		want           bool
	}{
		{pim.Directory, "/", "/", true},
		{pim.Directory, "/", "/administrativeUnits/u", true},
		{pim.Directory, "/", "/never heard of", true},
		{pim.Directory, "/administrativeUnits/u", "/administrativeUnits/u", true},
		{pim.Directory, "/administrativeUnits/u", "/", false},
		{pim.Directory, "/administrativeUnits/u", "/administrativeUnits/v", false},
		{pim.Directory, "/administrativeUnits/u", "", false},
		{pim.Group, "g", "g", true},
		{pim.Group, "/", "g", false},
		{pim.Resource, "/", "/subscriptions/s", true},
		{pim.Resource, "/subscriptions/s", "/subscriptions/s/resourcegroups/g", true},
		{pim.Resource, "/subscriptions/s/resourcegroups/g", "/subscriptions/s/resourcegroups/g/providers/a.b/c/d/e/f", true},
		{pim.Resource, "/subscriptions/s/resourcegroups/g", "/subscriptions/s/resourcegroups/gg", false},
		{pim.Resource, "/subscriptions/s/resourcegroups/g", "/subscriptions/s", false},
	} {
		ix := access.New()
		s := grantOf("s", "a", 0, 0)
		s.Key.Provider, s.Key.Scope = c.provider, c.granted
		ix.Publish(access.Change{Schedules: []pim.Schedule{s}})
		q := ask("a")
		q.Provider, q.Scope = c.provider, c.asked
		if got := ix.Check(hour(1), q).Held; got != c.want {
			t.Errorf("%s, granted at %q, asked at %q: got %v, want %v", c.provider, c.granted, c.asked, got, c.want)
		}
	}
}

// P10: nothing of one tenant is seen in another.
func TestP10TenantsAreApart(t *testing.T) {
	ix := access.New()
	ix.Publish(access.Change{Schedules: []pim.Schedule{grantOf("s", "g", 0, 0)}})
	ix.Publish(access.Change{Links: []access.Edge{{Tenant: "t2", Membership: member("a", "g", 0).Membership}}})
	q := ask("a")
	for _, q.Tenant = range []pim.TenantID{"t1", "t2", "t3", ""} {
		if got := ix.Check(hour(1), q); got.Held || len(ix.Held(hour(1), q.Tenant, "a")) > 0 {
			t.Errorf("%q: got %+v, want nothing held", q.Tenant, got)
		}
	}
	if got := ix.Members(hour(1), "t1", "g"); len(got) > 0 {
		t.Errorf("members in the other tenant: got %v, want none", got)
	}
}

func TestFillThatFailsChangesNothing(t *testing.T) {
	ix := access.New()
	ix.Publish(access.Change{Schedules: []pim.Schedule{grantOf("s", "a", 0, 0)}})
	failed := errors.New("the database went away")
	err := ix.Fill(func(l *access.Loader) error {
		if err := l.Schedule(grantOf("n", "b", 0, 0)); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("got error %v, want %v", err, failed)
	}
	if !ix.Check(hour(1), ask("a")).Held || ix.Check(hour(1), ask("b")).Held {
		t.Error("a fill that failed changed who holds what")
	}
}

// Who moves from one group to another in one change is never seen in none, or in both, and a role that is replaced in
// one change is never seen missing. Readers do not stand in the way of one another or of the writer.
func TestReadersSeeWholeChanges(t *testing.T) {
	ix := access.New()
	ix.Publish(access.Change{Schedules: []pim.Schedule{grantOf("s0", "a", 0, 0), grantOf("g", "g", 0, 0)}})
	ix.Publish(access.Change{Links: []access.Edge{member("b", "g", 0)}})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := ix.Check(hour(1), ask("a")); !got.Held {
					t.Errorf("between two schedules: got %+v", got)
				}
				if got := ix.Check(hour(1), ask("b")); !got.Held || !slices.Equal(got.Via, []pim.PrincipalID{"g"}) {
					t.Errorf("member of the group: got %+v", got)
				}
				ix.Held(hour(1), "t1", "b")
				ix.Members(hour(1), "t1", "g")
				ix.NextChange(hour(1), "t1", "a")
			}
		})
	}
	for i := range 2000 {
		before, after := pim.ScheduleID(fmt.Sprint("s", i)), pim.ScheduleID(fmt.Sprint("s", i+1))
		ix.Publish(access.Change{Schedules: []pim.Schedule{ended(grantOf(before, "a", 0, 0)), grantOf(after, "a", 0, 0)}})
		// New principals make tables grow under the readers.
		ix.Publish(access.Change{Links: []access.Edge{member(pim.PrincipalID(fmt.Sprint("m", i)), "g", 0)}})
		if i%3 == 0 {
			ix.Publish(access.Change{Unlinks: []access.Edge{member(pim.PrincipalID(fmt.Sprint("m", i/2)), "g", 0)}})
		}
		if i%500 == 0 {
			ix.Sweep(hour(1))
		}
	}
	close(stop)
	readers.Wait()
}
