package access_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/pim"
)

func personID(i int) pim.PrincipalID {
	return pim.PrincipalID(fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i))
}
func groupID(i int) pim.PrincipalID {
	return pim.PrincipalID(fmt.Sprintf("%08x-9999-4000-8000-%012x", i, i))
}
func roleID(i int) pim.RoleID { return pim.RoleID(fmt.Sprintf("%08x-1111-4000-8000-%012x", i, i)) }

const rolesOfAll = 100

// organisation fills an index: each person has five eligibilities with an activation of each, and is in three groups of
// a thousand; the first is in 200 groups besides. Each group has ten assignments.
func organisation(tb testing.TB, grants int) *access.Index {
	tb.Helper()
	people := grants / 10
	ix := access.New()
	err := ix.Fill(func(l *access.Loader) error {
		n := 0
		for p := range people {
			for g := range 10 {
				s := grantOf(pim.ScheduleID(fmt.Sprintf("%08x-7777-4000-8000-%012x", n, n)), personID(p), 0, 100)
				n++
				s.Key.Role = roleID((p + g/2) % rolesOfAll)
				switch g % 2 {
				case 0:
					s.Kind = pim.Eligibility
				case 1:
					s.Type, s.Eligibility = pim.Activated, pim.ScheduleID(fmt.Sprintf("%08x-7777-4000-8000-%012x", n-2, n-2))
				}
				if err := l.Schedule(s); err != nil {
					return err
				}
			}
			for g := range 3 {
				if err := l.Link(member(personID(p), groupID((p*7+g*131)%1000), 0)); err != nil {
					return err
				}
			}
		}
		return groupsOf(l)
	})
	if err != nil {
		tb.Fatal(err)
	}
	return ix
}

func groupsOf(l *access.Loader) error {
	for g := range 1000 {
		for i := range 10 {
			s := grantOf(pim.ScheduleID(fmt.Sprintf("%08x-8888-4000-8000-%012x", g, i)), groupID(g), 0, 0)
			s.Key.Role = roleID((g + i) % 90) // the last ten are no group's
			if err := l.Schedule(s); err != nil {
				return err
			}
		}
	}
	for g := range 200 {
		if err := l.Link(member(personID(0), groupID(g*5), 0)); err != nil {
			return err
		}
	}
	return nil
}

func question(p, r int) access.Question {
	return access.Question{Tenant: "t1", Principal: personID(p), Provider: pim.Directory, Role: roleID(r), Scope: "/administrativeUnits/u"}
}

// TestCheckNeedsNoRoom: a check makes no garbage, whatever the way to the answer.
func TestCheckNeedsNoRoom(t *testing.T) {
	ix := organisation(t, 10_000)
	now := hour(1)
	for name, c := range map[string]struct {
		q    access.Question
		held bool
	}{
		"activated":                      {question(7, 7), true},
		"by a group":                     {question(7, 50), true},
		"not at all":                     {question(7, 95), false},
		"nobody knows the role":          {question(7, rolesOfAll), false},
		"in 200 groups, by one of them":  {question(0, 50), true},
		"in 200 groups, by none of them": {question(0, 95), false},
	} {
		if got := ix.Check(now, c.q); got.Held != c.held {
			t.Errorf("%s: got %+v, want held %v", name, got, c.held)
		}
		if got := testing.AllocsPerRun(1000, func() { ix.Check(now, c.q) }); got != 0 {
			t.Errorf("%s: got %v allocations, want none", name, got)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, grants := range []int{100_000, 1_000_000} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		ix := organisation(b, grants)
		filled := time.Since(start)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.Run(fmt.Sprintf("grants=%d/any", grants), func(b *testing.B) {
			b.ReportAllocs()
			questions := make([]access.Question, 1<<14)
			for i := range questions {
				questions[i] = question(i*7919%(grants/10), i*13%rolesOfAll)
			}
			now := hour(1)
			for i := 0; b.Loop(); i++ {
				ix.Check(now, questions[i%len(questions)])
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(grants), "B/grant")
			b.ReportMetric(float64(grants)/filled.Seconds(), "filled/s")
		})
		b.Run(fmt.Sprintf("grants=%d/in200groups", grants), func(b *testing.B) {
			b.ReportAllocs()
			now := hour(1)
			for i := 0; b.Loop(); i++ {
				ix.Check(now, question0(i))
			}
		})
		b.Run(fmt.Sprintf("grants=%d/change", grants), func(b *testing.B) {
			b.ReportAllocs()
			s := grantOf("11111111-7777-4000-8000-000000000000", "", 0, 100)
			for i := 0; b.Loop(); i++ {
				s.Key.Principal = personID(i % (grants / 10))
				ix.Apply([]pim.Schedule{s})
			}
		})
	}
}

// question0 asks about the first person, who is in 200 groups: half of the answers are no, after looking at all groups.
func question0(i int) access.Question {
	q := access.Question{Tenant: "t1", Principal: firstPerson, Provider: pim.Directory, Role: someRole, Scope: "/administrativeUnits/u"}
	if i%2 == 0 {
		q.Role = otherRole
	}
	return q
}

var firstPerson, someRole, otherRole = personID(0), roleID(50), roleID(95)
