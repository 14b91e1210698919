package access_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// Somebody with hundreds of grants of all kinds keeps what each has, through changes of some and a fill.
func TestManyGrantsOfOne(t *testing.T) {
	const most = 700
	ix, known := access.New(), map[pim.ScheduleID]pim.Schedule{}
	id := func(n int) pim.ScheduleID { return pim.ScheduleID(fmt.Sprintf("%08x-7777-4000-8000-%012x", n, n)) }
	grant := func(n, round int) pim.Schedule {
		s := grantOf(id(n), "a", 0, 50+round)
		s.Key.Role = roleID(n / 2)
		if n%3 != 0 {
			s.Request = pim.RequestID(fmt.Sprintf("%08x-6666-4000-8000-%012x", n+round, n))
		}
		switch {
		case n%2 == 0:
			s.Kind = pim.Eligibility
		case n%10 != 1:
			s.Type, s.Eligibility = pim.Activated, id(n-1)
		}
		if n%7 == 0 {
			s.Window.Length = schedule.MustDuration("PT20H")
			s.Window.Recurrence = &schedule.Recurrence{Pattern: schedule.Pattern{Type: schedule.Daily, Interval: 1},
				Range: schedule.Range{Type: schedule.NoEnd, StartDate: schedule.Date{Year: 2026, Month: time.March, Day: 2}}}
		}
		return s
	}
	compare := func(after string) {
		t.Helper()
		for n := 1; n < most; n += 2 {
			s, there := known[id(n)]
			_, eligible := known[id(n-1)]
			q := ask("a")
			q.Role = roleID(n / 2)
			got := ix.Check(hour(1), q)
			want := told{}
			if there && (s.Type != pim.Activated || eligible) {
				want = told{schedule: s.ID, eligibility: s.Eligibility, request: s.Request, scope: "/"}
			}
			if is := (told{got.Schedule(), got.Eligibility(), got.Request(), got.Scope, got.Via}); is.schedule != want.schedule ||
				is.eligibility != want.eligibility || is.request != want.request || is.scope != want.scope {
				t.Fatalf("%s: grant %d: got %+v, want %+v", after, n, is, want)
			}
		}
		if got := ix.Loaded(); got != len(known) {
			t.Fatalf("%s: got %d, want %d", after, got, len(known))
		}
	}
	for n := range most {
		known[id(n)] = grant(n, 0)
		ix.Publish(access.Change{Schedules: []pim.Schedule{known[id(n)]}})
	}
	compare("one by one")
	for n := 0; n < most; n += 11 {
		known[id(n)] = grant(n, 1)
		ix.Publish(access.Change{Schedules: []pim.Schedule{known[id(n)]}})
	}
	for n := 5; n < most; n += 13 {
		delete(known, id(n))
		ix.Publish(access.Change{Schedules: []pim.Schedule{ended(grant(n, 0))}})
	}
	compare("some changed, some ended")
	if err := ix.Fill(func(l *access.Loader) error {
		for _, s := range known {
			if err := l.Schedule(s); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	compare("filled")
}

// Groups in groups in groups are all found, however many are found below what somebody is in directly; a second way does no harm.
func TestManyGroupsAboveOneAnother(t *testing.T) {
	const deep = 300
	ix := access.New()
	edges := []access.Edge{member("a", groupID(0), 0)}
	want := []pim.PrincipalID{groupID(0)}
	for g := 1; g < deep; g++ {
		edges = append(edges, member(groupID(g-1), groupID(g), 0))
		if g > 2 {
			edges = append(edges, member(groupID(g/2), groupID(g), 100))
		}
		want = append(want, groupID(g))
	}
	ix.Publish(access.Change{Links: edges, Schedules: []pim.Schedule{grantOf("s", groupID(deep-1), 0, 0)}})
	slices.Sort(want)
	for range 3 { // a walk is used again
		if got := ix.GroupsAbove(hour(1), "t1", "a"); !slices.Equal(got, want) {
			t.Fatalf("got %d groups, want %d", len(got), len(want))
		}
		if got := ix.Check(hour(1), ask("a")); !got.Until.IsZero() || len(got.Via) != deep {
			t.Fatalf("got until %v by %d groups, want for ever by %d", got.Until, len(got.Via), deep)
		}
		if got := ix.GroupsAbove(hour(1), "t1", groupID(deep-3)); len(got) != 2 {
			t.Fatalf("got %v, want two groups", got)
		}
	}
}

// Any text may be an id, and comes back as it was; different texts are different ids.
func FuzzIDs(f *testing.F) {
	for _, s := range []string{"", "a", string(personID(7)), "00000000-0000-0000-0000-000000000000", "ff6e6f20-5555-4944-ff00-000000000001",
		"ff6e6f20-5555-4944-ff00-000000000000", "0000000A-0000-4000-8000-000000000000", "00000000-0000-4000-8000-00000000000g", "\xff\x00"} {
		f.Add(s, "b")
		f.Add("ff6e6f20-5555-4944-ff00-000000000000", s)
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		ix := access.New()
		s := grantOf(pim.ScheduleID(one), pim.PrincipalID(one), 0, 0)
		s.Request = pim.RequestID(other)
		ix.Publish(access.Change{Schedules: []pim.Schedule{s}, Links: []access.Edge{member(pim.PrincipalID(other), pim.PrincipalID(one), 0)}})
		got := ix.Check(hour(1), ask(pim.PrincipalID(one)))
		if !got.Held || string(got.Schedule()) != one || string(got.Request()) != other {
			t.Fatalf("got %+v: %q by %q, want %q by %q", got, got.Schedule(), got.Request(), one, other)
		}
		if text := got.AppendSchedule(got.AppendRequest(nil)); string(text) != other+one {
			t.Fatalf("got %q, want %q", text, other+one)
		}
		if one == other || one == "" || other == "" {
			return
		}
		if got := ix.Members(hour(1), "t1", pim.PrincipalID(one)); !slices.Equal(got, []pim.PrincipalID{pim.PrincipalID(other)}) {
			t.Fatalf("members: got %q, want %q", got, other)
		}
		if got := ix.Check(hour(1), ask(pim.PrincipalID(other))); !slices.Equal(got.Via, []pim.PrincipalID{pim.PrincipalID(one)}) {
			t.Fatalf("got by %q, want by %q", got.Via, one)
		}
	})
}
