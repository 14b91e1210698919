package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/catalog"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

const resourceDatabase = "resources"

// site is a tree of resources and who holds what there: management groups over subscriptions over resource groups over
// resources. Of the assignments 25 in 1,000 are at management groups (500 each, the most that the service allows), 75 at
// subscriptions, 300 at resource groups, the rest at resources. Each person
// is in two groups, which hold roles as well.
type site struct {
	organisation
	nodes         []resource.Node
	tops          []resource.Node // management groups
	subscriptions []resource.Node
	groups        []resource.Node // resource groups
	leaves        []resource.Node
	teams         []string
	assignments   int
}

const (
	teamKind         = "c0000000"
	subscriptionKind = "50000000"
	membershipKind   = "c1000000"
	heldKind         = "b1000000"
)

// newSite makes a tree of about so many nodes.
func newSite(o organisation, nodes, assignments int) (site, error) {
	s := site{organisation: o, assignments: assignments}
	add := func(into *[]resource.Node, parent pim.Scope, format string, args ...any) error {
		n, err := resource.Parse(fmt.Sprintf(format, args...))
		if err != nil {
			return err
		}
		n.Tenant = tenant
		if n.Parent == "" {
			n.Parent = parent
		}
		s.nodes, *into = append(s.nodes, n), append(*into, n)
		return nil
	}
	var errs []error
	for i := range 10 {
		errs = append(errs, add(&s.tops, pim.Everywhere, "/providers/Microsoft.Management/managementGroups/division-%d", i))
	}
	for i := range nodes / 100 {
		errs = append(errs, add(&s.subscriptions, s.tops[i%len(s.tops)].Scope, "/subscriptions/%s", numbered(subscriptionKind, i)))
	}
	for i := range nodes / 5 {
		errs = append(errs, add(&s.groups, "", "%s/resourceGroups/rg-%05d", s.subscriptions[i%len(s.subscriptions)].ID, i))
	}
	for i := len(s.nodes); i < nodes; i++ {
		errs = append(errs, add(&s.leaves, "", "%s/providers/Microsoft.Sql/servers/server-%06d", s.groups[i%len(s.groups)].ID, i))
	}
	for i := range 50 {
		s.teams = append(s.teams, numbered(teamKind, i))
	}
	return s, errors.Join(errs...)
}

// fill writes the tree, the teams and the assignments, a thousand at a time.
func (s site) fill(ctx context.Context, st store.Store) error {
	var errs []error
	for part := range slices.Chunk(s.nodes, 1000) {
		errs = append(errs, st.Commit(ctx, store.Commit{Resources: part}))
	}
	now := time.Now().UTC().Truncate(time.Microsecond).Add(-24 * time.Hour)
	var teams store.Commit
	for i, id := range s.teams {
		teams.Objects = append(teams.Objects, directory.Object{Tenant: tenant, ID: pim.PrincipalID(id), Kind: directory.KindGroup, Enabled: true,
			DisplayName: fmt.Sprintf("Team %02d", i), Created: now, Group: &directory.Group{SecurityEnabled: true}})
	}
	for i, p := range s.people {
		for k := range 2 {
			m := pim.Schedule{ID: pim.ScheduleID(numbered(membershipKind, 2*i+k)), Kind: pim.Assignment, Type: pim.Assigned, Created: now, Open: true,
				Window: schedule.Window{Start: now}, Key: pim.Key{Tenant: tenant, Provider: pim.Group, Role: pim.Member,
					Scope: pim.Scope(s.teams[(i+25*k)%len(s.teams)]), Principal: pim.PrincipalID(p.id)}}
			teams.Schedules = append(teams.Schedules, m)
			teams.Links = append(teams.Links, directory.Link{Tenant: tenant, Relation: directory.MemberOf, From: pim.PrincipalID(m.Key.Scope),
				To: m.Key.Principal, Schedule: m.ID, Window: m.Window})
		}
	}
	errs = append(errs, st.Commit(ctx, teams))
	part := store.Commit{Outcome: pim.Outcome{Schedules: []pim.Schedule{s.owner(now)}}}
	for i := range s.assignments {
		part.Schedules = append(part.Schedules, s.held(i, now))
		if len(part.Schedules) == 1000 || i == s.assignments-1 {
			errs = append(errs, st.Commit(ctx, part))
			part = store.Commit{}
		}
	}
	return errors.Join(errs...)
}

// owner lets the reader read everything.
func (s site) owner(now time.Time) pim.Schedule {
	return pim.Schedule{ID: pim.ScheduleID(numbered("b2000000", 1)), Kind: pim.Assignment, Type: pim.Assigned, Created: now, Open: true,
		Window: schedule.Window{Start: now}, Key: pim.Key{Tenant: tenant, Provider: pim.Resource, Scope: pim.Everywhere,
			Role: pim.RoleID(catalog.Owner), Principal: pim.PrincipalID(s.reader.id)}}
}

// held is one assignment: of a team where its number is a multiple of a hundred, of a person else.
func (s site) held(i int, now time.Time) pim.Schedule {
	at := s.leaves[i%len(s.leaves)]
	switch {
	case i%40 == 0:
		at = s.tops[i/40%len(s.tops)]
	case i%10 == 0:
		at = s.subscriptions[i/10%len(s.subscriptions)]
	case i%10 < 4:
		at = s.groups[i/10%len(s.groups)]
	}
	who := s.person(i).id
	if i%100 == 0 {
		who = s.teams[i/100%len(s.teams)]
	}
	roles := catalog.AzureRoles()
	id := numbered(heldKind, i)
	return pim.Schedule{ID: pim.ScheduleID(id), Kind: pim.Assignment, Type: pim.Assigned, Created: now, Open: true, Request: pim.RequestID(id),
		Window: schedule.Window{Start: now, End: now.Add(180 * 24 * time.Hour)},
		Key: pim.Key{Tenant: tenant, Provider: pim.Resource, Scope: at.Scope, Role: pim.RoleID(roles[i/len(s.nodes)%len(roles)].ID),
			Principal: pim.PrincipalID(who)}}
}

// ofResources measures rows 4c, 4d and 5va to 5vc.
func (b *bench) ofResources(ctx context.Context, base *base) error {
	if err := b.copyOf(ctx, baseDatabase, resourceDatabase); err != nil {
		return err
	}
	s, err := newSite(base.organisation, b.sized(50_000, 10_000), b.sized(200_000, 40_000))
	if err != nil {
		return err
	}
	b.say("writing a tree of %d nodes and %d assignments", len(s.nodes), s.assignments)
	err = withStore(ctx, b.pg.URL(resourceDatabase), func(st store.Store) error { return s.fill(ctx, st) })
	if err != nil {
		return err
	}
	if err := b.exec(ctx, resourceDatabase, "VACUUM ANALYZE", "CHECKPOINT"); err != nil {
		return err
	}
	server, err := b.start(ctx, "resources", filepath.Join(b.dir, "resources"), b.pg.URL(resourceDatabase), true)
	if err != nil {
		return err
	}
	err = b.resourceTurns(ctx, server, s)
	return errors.Join(err, server.stop(), b.drop(ctx, resourceDatabase))
}

func (b *bench) resourceTurns(ctx context.Context, server *process, s site) error {
	c, err := server.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	conn, err := pgx.Connect(ctx, b.pg.URL(resourceDatabase))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	b.note("4c, 4d: a tree of %d scopes with %d assignments, 1 in 100 by a group; one client on either side, one call after the other. The bare SQL"+
		" reads the same rows with the nodes, people and groups that an answer names, scanned into variables, through pgx.", len(s.nodes), s.assignments)
	t := resourceLists{reader{bench: b, client: c, conn: conn, server: server}, s}
	return errors.Join(t.asTarget(ctx), t.atScope(ctx), t.older(ctx))
}

// resourceLists ask both sides the same.
type resourceLists struct {
	reader
	site site
}

// armPage is how many rows a page of these lists has; longer lists are compared by their first page.
const armPage = 500

const resourceVersion = "api-version=2020-10-01"

// compare asks for a number of lists in rounds. Each draw gives an address with the token to ask with, and the condition by which
// the bare SQL finds the same rows.
func (t resourceLists) compare(ctx context.Context, row string, draw func() (link, token, where string, args []any)) error {
	if !t.wanted(row) {
		return nil
	}
	var ours, plain []float64
	rows := 0
	for range rounds {
		var took, rawTook []float64
		for range t.sized(400, 100) {
			link, token, where, args := draw()
			request := get(link, token)
			began := time.Now()
			status, body, err := t.client.do(request)
			mine := time.Since(began)
			if err != nil || status != http.StatusOK {
				return fmt.Errorf("%s: %d %.300s: %w", link, status, body, err)
			}
			n := bytes.Count(body, []byte(`"assignmentType":`))
			began = time.Now()
			raw, err := t.bare(ctx, where, args...)
			if err != nil {
				return err
			}
			rawTook = append(rawTook, millis(time.Since(began)))
			took = append(took, millis(mine))
			if n != raw || n == 0 {
				return fmt.Errorf("%s: the answer has %d rows, the bare query %d", link, n, raw)
			}
			rows += n
		}
		ours, plain = append(ours, median(took)), append(plain, median(rawTook))
	}
	t.measured(row, each(ours, plain, ratio), fmt.Sprintf("median over HTTPS %s ms, bare %s ms, %d rows a list",
		figureList(ours), figureList(plain), rows/rounds/t.sized(400, 100)))
	return nil
}

// asTarget measures row 4c: what a person holds in the whole tenant, itself and by groups.
func (t resourceLists) asTarget(ctx context.Context) error {
	tokens := map[string]string{}
	var bad error
	err := t.compare(ctx, "4c", func() (string, string, string, []any) {
		i := rand.N(50)
		p := t.site.people[i]
		if tokens[p.id] == "" {
			tokens[p.id], bad = t.issuer.token(p, "user_impersonation")
		}
		holders := []string{p.id, t.site.teams[i%len(t.site.teams)], t.site.teams[(i+25)%len(t.site.teams)]}
		return "/providers/Microsoft.Authorization/roleAssignmentScheduleInstances?" + resourceVersion + "&$filter=" + url.QueryEscape("asTarget()"),
			tokens[p.id], "s.principal = ANY($3)", []any{holders}
	})
	return errors.Join(bad, err)
}

// atScope measures row 4d: who holds something at a resource group or above it, asked by somebody who may read that.
func (t resourceLists) atScope(ctx context.Context) error {
	token, err := t.issuer.token(t.site.reader, "user_impersonation")
	if err != nil {
		return err
	}
	return t.compare(ctx, "4d", func() (string, string, string, []any) {
		g := t.site.groups[rand.N(len(t.site.groups))]
		above, _ := resource.Above(g.Scope)
		scopes := []string{"/", string(t.site.above(above)), string(above), string(g.Scope)}
		return g.ID + "/providers/Microsoft.Authorization/roleAssignmentScheduleInstances?" + resourceVersion + "&$filter=" + url.QueryEscape("atScope()"),
			token, "s.scope = ANY($3)", []any{scopes}
	})
}

// above is the management group over a subscription.
func (s site) above(subscription pim.Scope) pim.Scope {
	i := slices.IndexFunc(s.subscriptions, func(n resource.Node) bool { return n.Scope == subscription })
	return s.subscriptions[i].Parent
}

// bare reads what an answer tells, as one query each, and counts the rows.
func (t resourceLists) bare(ctx context.Context, where string, args ...any) (n int, _ error) {
	rows, err := t.conn.Query(ctx, `SELECT s.id, s.scope, s.role, s.principal, s.kind, s.type, s.start_at, s.end_at, s.request, s.eligibility, s.created,
			s.modified, s.doc, COALESCE(r.doc, ''), COALESCE(o.doc, '')
		FROM schedules s LEFT JOIN resources r ON r.tenant = s.tenant AND r.scope = s.scope LEFT JOIN objects o ON o.tenant = s.tenant AND o.id = s.principal
		WHERE s.tenant = $1 AND s.provider = 'resource' AND s.kind = 2 AND s.ending = 0 AND s.end_at > $2 AND s.start_at <= $2 AND `+where+
		` ORDER BY s.id LIMIT `+strconv.Itoa(armPage), append([]any{tenant, time.Now().UnixMicro()}, args...)...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var g grantRow
		var node, object string
		err := rows.Scan(&g.id, &g.scope, &g.role, &g.principal, &g.kind, &g.typ, &g.start, &g.end, &g.request, &g.eligibility, &g.created, &g.modified,
			&g.doc, &node, &object)
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, rows.Err()
}
