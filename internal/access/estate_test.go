package access_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// An estate is what companies of some size have: people and teams with ten roles at places in five levels, names, and memberships
// that are schedules themselves. The first person is in 200 teams.
type estate struct {
	people, teams, grants int
	scopes                []pim.Scope
	roles                 []pim.RoleID
	// parents are those of the containers.
	parents map[pim.Scope]pim.Scope
	// kept are the schedules that were loaded, where asked is set.
	asked bool
	kept  []pim.Schedule
}

func largeEstate(parts int) *estate {
	e := &estate{people: 100_000 / parts, teams: 10_000 / parts, grants: 1_000_000 / parts, parents: map[pim.Scope]pim.Scope{}}
	for i := range 20 {
		e.scopes = append(e.scopes, pim.Scope(fmt.Sprintf("/providers/microsoft.management/managementgroups/division-%d", i)))
	}
	for i := range 80 {
		e.scopes = append(e.scopes, pim.Scope(fmt.Sprintf("/providers/microsoft.management/managementgroups/department-%d", i)))
	}
	for i := range 1000 {
		e.scopes = append(e.scopes, pim.Scope(fmt.Sprintf("/subscriptions/50b00000-0000-4000-8000-%012x", i)))
	}
	for i := range 10_000 / parts {
		e.scopes = append(e.scopes, e.scopes[100+i%1000]+pim.Scope(fmt.Sprintf("/resourcegroups/rg-%05d", i)))
	}
	for i := range 50_000 / parts {
		e.scopes = append(e.scopes, e.scopes[1100+i%(10_000/parts)]+pim.Scope(fmt.Sprintf("/providers/microsoft.sql/servers/server-%06d", i)))
	}
	for i := range 10 {
		e.roles = append(e.roles, roleID(i))
	}
	return e
}

func (e *estate) draw(dice *rand.Rand) pim.Scope {
	from, to := 1100+(len(e.scopes)-1100)/6, len(e.scopes)
	switch n := dice.IntN(100); {
	case n < 2:
		from, to = 0, 100
	case n < 10:
		from, to = 100, 1100
	case n < 40:
		from, to = 1100, from
	}
	return e.scopes[from+dice.IntN(to-from)]
}

func (e *estate) load(l *access.Loader) error {
	for i := range 1100 {
		n := resource.Node{Tenant: "t1", Scope: e.scopes[i], Kind: resource.ManagementGroup}
		if i >= 20 {
			n.Parent = e.scopes[i%20]
		}
		if i >= 100 {
			n.Kind, n.Parent = resource.Subscription, e.scopes[20+i%80]
		}
		e.parents[n.Scope] = n.Parent
		if err := l.Container(n); err != nil {
			return err
		}
	}
	dice := rand.New(rand.NewPCG(6, 6))
	if err := e.loadGrants(l, dice); err != nil {
		return err
	}
	number := 0
	for team := range e.teams {
		for k := range 21 {
			person := personID(dice.IntN(e.people))
			if k == 20 && team >= 200 {
				continue
			} else if k == 20 {
				person = personID(0)
			}
			s := grantOf(pim.ScheduleID(fmt.Sprintf("d0000000-0000-4000-8000-%012x", number)), person, 0, 0)
			number++
			s.Key.Provider, s.Key.Scope, s.Key.Role = pim.Group, pim.Scope(groupID(team)), pim.Member
			if err := e.schedule(l, s); err != nil {
				return err
			}
			if err := l.Link(access.Edge{Tenant: "t1", Membership: pim.Membership{Group: groupID(team), Member: person, Schedule: s.ID,
				Window: s.Window}}); err != nil {
				return err
			}
		}
	}
	for i := range e.people {
		if err := l.Name(named(personID(i), fmt.Sprintf("person%05d@bench.example", i), "", "")); err != nil {
			return err
		}
	}
	for i := range e.teams {
		if err := l.Name(named(groupID(i), "", "", "")); err != nil {
			return err
		}
	}
	return nil
}

func (e *estate) loadGrants(l *access.Loader, dice *rand.Rand) error {
	for i := range e.grants {
		id := fmt.Sprintf("b0000000-0000-4000-8000-%012x", i)
		s := grantOf(pim.ScheduleID(id), personID(dice.IntN(e.people)), 0, 0)
		if dice.IntN(10) == 0 {
			s.Key.Principal = groupID(dice.IntN(e.teams))
		}
		s.Request = pim.RequestID(id)
		s.Key.Provider, s.Key.Role, s.Key.Scope = pim.Resource, e.roles[dice.IntN(len(e.roles))], e.draw(dice)
		if i%2 == 0 {
			s.Window.End = s.Window.Start.Add(24*time.Hour + time.Duration(dice.IntN(30*24*3600))*time.Second)
		}
		if err := e.schedule(l, s); err != nil {
			return err
		}
	}
	return nil
}

func (e *estate) schedule(l *access.Loader, s pim.Schedule) error {
	if e.asked {
		e.kept = append(e.kept, s)
	}
	return l.Schedule(s)
}

// holds says by looking at everything whether a question's answer is yes.
func (e *estate) holds(q access.Question) bool {
	places := map[pim.Scope]bool{"/": true}
	for at := q.Scope; at != "" && at != "/"; {
		places[at] = true
		above, told := resource.Above(at)
		if !told {
			above = e.parents[at]
		}
		at = above
	}
	holders := map[pim.PrincipalID]bool{q.Principal: true}
	for _, s := range e.kept {
		if s.Key.Provider == pim.Group && s.Key.Principal == q.Principal {
			holders[pim.PrincipalID(s.Key.Scope)] = true
		}
	}
	return slices.ContainsFunc(e.kept, func(s pim.Schedule) bool {
		return s.Key.Provider == pim.Resource && s.Key.Role == q.Role && places[s.Key.Scope] && holders[s.Key.Principal]
	})
}

// Somebody in hundreds of teams, and others, hold what everything says that they hold, after a fill and after each team was changed.
func TestEstate(t *testing.T) {
	e, ix := largeEstate(40), access.New()
	e.asked = true
	if err := ix.Fill(e.load); err != nil {
		t.Fatal(err)
	}
	compare := func(after string) {
		t.Helper()
		yes := 0
		for i, q := range e.questions(400) {
			if i%2 == 0 {
				q.Principal = firstPerson
			}
			if i%3 == 0 { // what is held, or just beside it
				s := e.kept[i*7919%e.grants].Key
				q.Scope, q.Role = s.Scope+"/providers/microsoft.sql/servers/x", s.Role
			}
			got, want := ix.Check(hour(1), q).Held, e.holds(q)
			if got != want {
				t.Fatalf("%s: %+v: got %v, want %v", after, q, got, want)
			}
			if got {
				yes++
			}
		}
		if yes < 20 || yes > 380 {
			t.Fatalf("%s: %d of 400 are answered with yes: that proves little", after, yes)
		}
	}
	compare("filled")
	for i := range e.teams {
		s := grantOf(pim.ScheduleID(fmt.Sprintf("e0000000-0000-4000-8000-%012x", i)), groupID(i), 0, 0)
		s.Key.Provider, s.Key.Role, s.Key.Scope = pim.Resource, e.roles[i%len(e.roles)], e.scopes[i*31%len(e.scopes)]
		e.kept = append(e.kept, s)
		ix.Publish(access.Change{Schedules: []pim.Schedule{s}})
	}
	compare("changed")
}

func (e *estate) questions(n int) []access.Question {
	dice := rand.New(rand.NewPCG(7, 7))
	list := make([]access.Question, n)
	for i := range list {
		list[i] = access.Question{Tenant: "t1", Principal: personID(dice.IntN(e.people)), Provider: pim.Resource,
			Role: e.roles[dice.IntN(len(e.roles))], Scope: e.draw(dice)}
	}
	return list
}

// Rows 1f, 1f+ and 5b of the goals, with all that an index of a company has.
func BenchmarkEstate(b *testing.B) {
	for _, parts := range []int{10, 1} {
		e, ix := largeEstate(parts), access.New()
		questions := e.questions(1 << 14)
		before, start := heap(), cpu(b)
		if err := ix.Fill(e.load); err != nil {
			b.Fatal(err)
		}
		filled, now := cpu(b)-start, hour(1)
		name := func(what string) string { return fmt.Sprintf("grants=%d/%s", ix.Loaded(), what) }
		size := heap() - before
		b.Run(name("any"), func(b *testing.B) {
			timed(b, func(i int) { ix.Check(now, questions[i%len(questions)]) })
			b.ReportMetric(float64(size)/float64(ix.Loaded()), "B/grant")
			b.ReportMetric(float64(filled)/float64(ix.Loaded()), "fill-cpu-ns/grant")
			b.ReportMetric(float64(peak(b))/1e6, "peakMB")
		})
		first := e.questions(2000)
		for i := range first {
			first[i].Principal = firstPerson
		}
		b.Run(name("in200groups"), func(b *testing.B) {
			timed(b, func(i int) { ix.Check(now, first[i%len(first)]) })
		})
		runtime.KeepAlive(questions)
	}
}
