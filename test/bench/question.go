package main

import (
	"math/rand/v2"
	"slices"
	"sync"
)

// question is whether a person has a role at a place: there or at a place above it, itself or by a team.
type question struct{ person, role, place int }

// questions draws questions: two in five about a grant, at its place or somewhere below; three in ten about one that is like a
// grant but for the role or the place; the others at random.
func (e *estate) questions(count int) []question {
	dice := rand.New(rand.NewPCG(20, uint64(count)))
	list := make([]question, count)
	for i := range list {
		g := e.held[dice.IntN(len(e.held))]
		q := question{int(g.holder), int(g.role), int(g.place)}
		if g.team {
			members := e.teams[g.holder].members
			q.person = members[dice.IntN(len(members))]
		}
		for len(e.places[q.place].children) > 0 && dice.IntN(2) == 0 {
			q.place = e.places[q.place].children[dice.IntN(len(e.places[q.place].children))]
		}
		switch n := dice.IntN(10); {
		case n < 4:
		case n < 6:
			q.role = dice.IntN(len(e.roles))
		case n < 7:
			q.place = dice.IntN(len(e.places))
		default:
			q = question{dice.IntN(len(e.people)), dice.IntN(len(e.roles)), e.leaves[dice.IntN(len(e.leaves))]}
		}
		list[i] = q
	}
	return list
}

// oracle answers by looking at every grant for every question. It shares nothing with the product but the numbers of the estate.
func (e *estate) oracle(list []question, now int64) []bool {
	answers := make([]bool, len(list))
	var all sync.WaitGroup
	for half := range 2 {
		all.Go(func() {
			for i := half; i < len(list); i += 2 {
				answers[i] = e.holds(list[i], now)
			}
		})
	}
	all.Wait()
	return answers
}

func (e *estate) holds(q question, now int64) bool {
	for i := range e.held {
		g := &e.held[i]
		if int(g.role) == q.role && now >= g.start && (g.end == 0 || now < g.end) && e.isHolder(g, q.person) && e.within(q.place, int(g.place)) {
			return true
		}
	}
	return false
}

func (e *estate) isHolder(g *grant, person int) bool {
	if g.team {
		return slices.Contains(e.teams[g.holder].members, person)
	}
	return int(g.holder) == person
}

func (e *estate) within(narrow, wide int) bool {
	for at := narrow; at >= 0; at = e.places[at].parent {
		if at == wide {
			return true
		}
	}
	return false
}
