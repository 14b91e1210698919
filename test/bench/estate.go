package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"portcullis/internal/catalog"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// estate is who holds which role where in rows 1a to 1h, 5a and 5b. Everything is a number here, so that references and the
// oracle need nothing of the product to know it.
//
// Scopes are five levels deep: management groups in two levels, subscriptions, resource groups, resources. Of the grants half
// have no end, 40 % end in hours to weeks, 10 % are over; nine in ten are a person's own, the others a group's. No principal has
// the same role at the same scope twice.
type estate struct {
	organisation
	teams  []team
	places []place
	// leaves are the places with nothing below them.
	leaves []int
	held   []grant
	// began is the time that the grants are told by.
	began time.Time
}

// team is a group with its members' numbers.
type team struct {
	id      string
	members []int
}

// place is a scope. Its parent is a place of a lower number; -1: none.
type place struct {
	resource.Node
	parent   int
	children []int
}

// grant is a role that somebody has at a place. Team says whether the holder is a team's number or a person's. Start and end are
// in microseconds; an end of 0 is none.
type grant struct {
	holder      int32
	role, place int32
	team        bool
	start, end  int64
}

const (
	estateRoles = 10
	teamSize    = 20
)

// estateSize says how much there is.
type estateSize struct {
	People, Teams, Grants, Tops, Subscriptions, Groups, Leaves int
	// Joined is of how many teams the first person is a member as well.
	Joined int
}

// smallEstate is the estate of the issue; quick runs have a part of its people and grants.
func smallEstate(parts int) estateSize {
	return estateSize{People: 10_000 / parts, Teams: 1000 / parts, Grants: 100_000 / parts, Tops: 10, Subscriptions: 200, Groups: 1000, Leaves: 5000}
}

// largeEstate is ten times that.
func largeEstate(parts int) estateSize {
	return estateSize{
		People: 100_000 / parts, Teams: 10_000 / parts, Grants: 1_000_000 / parts, Tops: 20, Subscriptions: 1000, Groups: 10_000 / parts,
		Leaves: 50_000 / parts, Joined: 200,
	}
}

// newEstate makes the same estate again from the same size and time.
func newEstate(size estateSize, began time.Time) (*estate, error) {
	e := &estate{organisation: newOrganisation(size.People), began: began.UTC().Truncate(time.Microsecond)}
	e.roles = nil
	for _, r := range catalog.AzureRoles() {
		if len(e.roles) < estateRoles {
			e.roles = append(e.roles, r.ID)
		}
	}
	if err := e.makePlaces(size); err != nil {
		return nil, err
	}
	dice := rand.New(rand.NewPCG(6, uint64(size.Grants)))
	for i := range size.Teams {
		t := team{id: numbered(teamKind, i)}
		for len(t.members) < min(teamSize, size.People) {
			if n := dice.IntN(size.People); !slices.Contains(t.members, n) {
				t.members = append(t.members, n)
			}
		}
		if i < size.Joined && !slices.Contains(t.members, 0) {
			t.members = append(t.members, 0)
		}
		e.teams = append(e.teams, t)
	}
	e.makeGrants(size.Grants, dice)
	return e, nil
}

func (e *estate) makePlaces(size estateSize) error {
	var errs []error
	level := func(count, parents, first int, path func(i, parent int) string) (from int) {
		from = len(e.places)
		for i := range count {
			parent := -1
			if parents > 0 {
				parent = first + i%parents
			}
			n, err := resource.Parse(path(i, parent))
			errs = append(errs, err)
			n.Tenant = tenant
			switch {
			case n.Parent != "": // told by its path
			case parent < 0:
				n.Parent = pim.Everywhere
			default:
				n.Parent = e.places[parent].Scope
			}
			if parent >= 0 {
				e.places[parent].children = append(e.places[parent].children, len(e.places))
			}
			e.places = append(e.places, place{Node: n, parent: parent})
		}
		return from
	}
	below := func(format string) func(i, parent int) string {
		return func(i, parent int) string { return e.places[parent].ID + fmt.Sprintf(format, i) }
	}
	tops := level(size.Tops, 0, 0, func(i, _ int) string {
		return fmt.Sprintf("/providers/Microsoft.Management/managementGroups/division-%d", i)
	})
	parts := level(4*size.Tops, size.Tops, tops, func(i, _ int) string {
		return fmt.Sprintf("/providers/Microsoft.Management/managementGroups/department-%d", i)
	})
	subscriptions := level(size.Subscriptions, 4*size.Tops, parts, func(i, _ int) string { return "/subscriptions/" + numbered(subscriptionKind, i) })
	groups := level(size.Groups, size.Subscriptions, subscriptions, below("/resourceGroups/rg-%05d"))
	leaves := level(size.Leaves, size.Groups, groups, below("/providers/Microsoft.Sql/servers/server-%06d"))
	for i := leaves; i < len(e.places); i++ {
		e.leaves = append(e.leaves, i)
	}
	return errors.Join(errs...)
}

// draw is the number of a place: at a management group one time in 50, at a subscription 8, at a resource group 30, else at a resource.
func (e *estate) draw(dice *rand.Rand, size func(resource.Kind) (from, to int)) int {
	kind := resource.Resource
	switch n := dice.IntN(100); {
	case n < 2:
		kind = resource.ManagementGroup
	case n < 10:
		kind = resource.Subscription
	case n < 40:
		kind = resource.Group
	}
	from, to := size(kind)
	return from + dice.IntN(to-from)
}

// rangeOf is which places are of a kind.
func (e *estate) rangeOf() func(resource.Kind) (from, to int) {
	bounds := map[resource.Kind][2]int{}
	for i, p := range e.places {
		b, ok := bounds[p.Kind]
		if !ok {
			b[0] = i
		}
		b[1] = i + 1
		bounds[p.Kind] = b
	}
	return func(k resource.Kind) (from, to int) { return bounds[k][0], bounds[k][1] }
}

func (e *estate) makeGrants(count int, dice *rand.Rand) {
	type triple struct {
		holder, role, place int32
		team                bool
	}
	taken := make(map[triple]bool, count)
	ranges := e.rangeOf()
	begun := e.began.Add(-24 * time.Hour).UnixMicro()
	e.held = make([]grant, 0, count)
	for len(e.held) < count {
		t := triple{team: dice.IntN(10) == 0, role: int32(dice.IntN(len(e.roles))), place: int32(e.draw(dice, ranges))} //nolint:gosec // far below 2^31
		if t.team {
			t.holder = int32(dice.IntN(len(e.teams))) //nolint:gosec // as above
		} else {
			t.holder = int32(dice.IntN(len(e.people))) //nolint:gosec // as above
		}
		if taken[t] {
			continue
		}
		taken[t] = true
		g := grant{holder: t.holder, role: t.role, place: t.place, team: t.team, start: begun}
		switch n := len(e.held) % 10; {
		case n < 4:
			g.end = e.began.Add(6*time.Hour + time.Duration(dice.IntN(30*24*3600))*time.Second).UnixMicro()
		case n == 4:
			g.end = e.began.Add(-time.Second - time.Duration(dice.IntN(20*3600))*time.Second).UnixMicro()
		}
		e.held = append(e.held, g)
	}
}

// schedule is a grant as the product keeps it. Of those that are over the worker has come to every other.
func (e *estate) schedule(i int) pim.Schedule {
	g := e.held[i]
	who := pim.PrincipalID(e.holderID(g))
	id := numbered(heldKind, i)
	s := pim.Schedule{
		ID: pim.ScheduleID(id), Kind: pim.Assignment, Type: pim.Assigned, Created: time.UnixMicro(g.start).UTC(), Open: true, Request: pim.RequestID(id),
		Window: schedule.Window{Start: time.UnixMicro(g.start).UTC()},
		Key: pim.Key{
			Tenant: tenant, Provider: pim.Resource, Scope: e.places[g.place].Scope, Role: pim.RoleID(e.roles[g.role]), Principal: who,
		},
	}
	if g.end != 0 {
		s.Window.End = time.UnixMicro(g.end).UTC()
		s.Due = s.Window.End
	}
	if g.over(e.began) && i%20 < 10 {
		s.Ending, s.Ended, s.Open, s.Modified, s.Due = pim.Expired, s.Window.End, false, s.Window.End, time.Time{}
	}
	return s
}

func (g grant) over(now time.Time) bool { return g.end != 0 && g.end <= now.UnixMicro() }

func (e *estate) holderID(g grant) string {
	if g.team {
		return e.teams[g.holder].id
	}
	return e.people[g.holder].id
}

// fillWhere writes people, teams and places, and the reader's right to read everything.
func (e *estate) fillWhere(ctx context.Context, st store.Store) error {
	if err := e.found(ctx, st); err != nil {
		return err
	}
	for part := range slices.Chunk(e.places, commitSize) {
		var nodes []resource.Node
		for _, p := range part {
			nodes = append(nodes, p.Node)
		}
		if err := st.Commit(ctx, store.Commit{Resources: nodes}); err != nil {
			return err
		}
	}
	owner := site{organisation: e.organisation}.owner(e.began.Add(-24 * time.Hour))
	if err := st.Commit(ctx, store.Commit{Outcome: pim.Outcome{Schedules: []pim.Schedule{owner}}}); err != nil {
		return err
	}
	for from := range e.teams {
		if from%50 == 0 {
			if err := st.Commit(ctx, e.teamsCommit(from, min(from+50, len(e.teams)))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *estate) teamsCommit(from, to int) (c store.Commit) {
	began := e.began.Add(-24 * time.Hour)
	for i, t := range e.teams[from:to] {
		i += from
		c.Objects = append(c.Objects, directory.Object{Tenant: tenant, ID: pim.PrincipalID(t.id), Kind: directory.KindGroup, Enabled: true,
			DisplayName: fmt.Sprintf("Team %05d", i), Created: began, Group: &directory.Group{SecurityEnabled: true}})
		for k, n := range t.members {
			m := pim.Schedule{ID: pim.ScheduleID(numbered(membershipKind, (teamSize+1)*i+k)), Kind: pim.Assignment, Type: pim.Assigned, Created: began, Open: true,
				Window: schedule.Window{Start: began}, Key: pim.Key{Tenant: tenant, Provider: pim.Group, Role: pim.Member,
					Scope: pim.Scope(t.id), Principal: pim.PrincipalID(e.people[n].id)}}
			c.Schedules = append(c.Schedules, m)
			c.Links = append(c.Links, directory.Link{Tenant: tenant, Relation: directory.MemberOf, From: pim.PrincipalID(t.id),
				To: m.Key.Principal, Schedule: m.ID, Window: m.Window})
		}
	}
	return c
}

// commitSize is how many rows a commit of the bench's own has.
const commitSize = 1000

// fillGrants writes the grants.
func (e *estate) fillGrants(ctx context.Context, st store.Store) error {
	for from := 0; from < len(e.held); from += commitSize {
		var c store.Commit
		for i := from; i < min(from+commitSize, len(e.held)); i++ {
			c.Schedules = append(c.Schedules, e.schedule(i))
		}
		if err := st.Commit(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
