package access_test

import (
	"fmt"
	"runtime"
	"syscall"
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
	return organised(tb, grants, false)
}

// organised fills an index as organisation says; requested: each grant has been requested.
func organised(tb testing.TB, grants int, requested bool) *access.Index {
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
				if requested {
					s.Request = pim.RequestID(fmt.Sprintf("%08x-6666-4000-8000-%012x", n, n))
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

// heap is how much of it is in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one found to have finalizers
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// cpu is how long this process has used processors. On a busy machine it is steadier than the time that passed.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// timed runs a step as a benchmark, and reports its CPU time, too.
func timed(b *testing.B, step func(i int)) {
	b.Helper()
	b.ReportAllocs()
	runtime.GC() // so that none begins by what was done before
	start := cpu(b)
	i := 0
	for ; b.Loop(); i++ {
		step(i)
	}
	b.ReportMetric(float64(cpu(b)-start)/float64(i), "cpu-ns/op")
}

// Row 1f of the goals: a check in this process, at a hundred thousand and at a million grants, of anybody, and of somebody in 200
// groups. Beside it a change of one grant.
func BenchmarkCheck(b *testing.B) {
	for _, grants := range []int{100_000, 1_000_000} {
		ix := organisation(b, grants)
		questions := make([]access.Question, 1<<14)
		for i := range questions {
			questions[i] = question(i*7919%(grants/10), i*13%rolesOfAll)
		}
		now := hour(1)
		b.Run(fmt.Sprintf("grants=%d/any", grants), func(b *testing.B) {
			timed(b, func(i int) { ix.Check(now, questions[i%len(questions)]) })
		})
		b.Run(fmt.Sprintf("grants=%d/in200groups", grants), func(b *testing.B) {
			timed(b, func(i int) { ix.Check(now, question0(i)) })
		})
		b.Run(fmt.Sprintf("grants=%d/change", grants), func(b *testing.B) {
			s := grantOf("11111111-7777-4000-8000-000000000000", "", 0, 100)
			timed(b, func(i int) {
				s.Key.Principal = personID(i % (grants / 10))
				ix.Publish(access.Change{Schedules: []pim.Schedule{s}})
			})
		})
	}
}

// Row 5b of the goals: what a million grants take, with their ids, and with those of the requests that made them; and the most that
// filling took at any time.
func BenchmarkFill(b *testing.B) {
	for _, requested := range []bool{false, true} {
		b.Run(fmt.Sprintf("grants=1000000/requests=%v", requested), func(b *testing.B) {
			const grants = 1_000_000
			for b.Loop() {
				before, start, used := heap(), time.Now(), cpu(b)
				ix := organised(b, grants, requested)
				took, used := time.Since(start), cpu(b)-used
				b.ReportMetric(float64(heap()-before)/grants, "B/grant")
				b.ReportMetric(grants/took.Seconds(), "filled/s")
				b.ReportMetric(float64(used)/grants, "cpu-ns/grant")
				b.ReportMetric(float64(peak(b))/1e6, "peakMB")
				runtime.KeepAlive(ix)
			}
		})
	}
}

// peak is the most memory that this process had at any time, in bytes.
func peak(tb testing.TB) int64 {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return u.Maxrss * 1024 // Linux counts in KiB
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
