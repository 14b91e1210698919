package app_test

import (
	"context"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// at asks for rows of tenant 1 at a scope.
func at(s pim.Scope, k pim.Kind, more ...func(*app.ResourceQuery)) app.ResourceQuery {
	q := app.ResourceQuery{Kind: k, Scope: s, Query: store.Query{Tenant: tenantID(1)}}
	for _, m := range more {
		m(&q)
	}
	return q
}

func mine(q *app.ResourceQuery)      { q.View = app.Mine }
func now(q *app.ResourceQuery)       { q.Instances = true }
func atOrAbove(q *app.ResourceQuery) { q.AtScope = true }

func assignedTo(n int) func(*app.ResourceQuery) {
	return func(q *app.ResourceQuery) { q.Assignee = person(1, n) }
}

func ofPrincipal(n int) func(*app.ResourceQuery) {
	return func(q *app.ResourceQuery) { q.Where = store.Is(store.FieldPrincipal, string(person(1, n))) }
}

// Lists of grants at, above and below a scope, and who may read them. The numbers are those of site.
func TestResourceGrants(t *testing.T) {
	const eligible, assigned = pim.Eligibility, pim.Assignment
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		for _, c := range []struct {
			name string
			by   int
			q    app.ResourceQuery
			want []string
			code pim.Code
		}{
			{"all, to their owner", 1, at("/", assigned), []string{"1 direct", "2 direct", "5 direct", "6 direct", "7 direct"}, ""},
			{"all that holds now", 1, at("/", assigned, now), []string{"1 direct", "2 direct", "5 direct"}, ""},
			{"of the root alone", 1, at("/", assigned, atOrAbove), []string{"1 direct"}, ""},
			{"all eligible ones", 1, at("/", eligible), []string{"3 direct", "4 direct", "8 direct"}, ""},
			{"at a management group, and all below it", 1, at(corp, assigned), []string{"1 inherited", "2 direct", "5 direct", "6 direct", "7 direct"}, ""},
			{"at one within it", 1, at(lab, assigned), []string{"1 inherited", "6 direct"}, ""},
			{"at a subscription", 1, at(one, assigned), []string{"1 inherited", "2 direct", "5 direct", "7 direct"}, ""},
			{"at a subscription or above", 1, at(one, assigned, atOrAbove), []string{"1 inherited", "2 direct"}, ""},
			{"rg-1 is not above rg-10", 1, at(rg, assigned), []string{"1 inherited", "2 inherited", "5 direct"}, ""},
			{"eligible ones, above and below", 1, at(rg, eligible), []string{"3 inherited", "4 direct", "8 direct"}, ""},
			{"at a resource", 1, at(database, eligible), []string{"3 inherited", "4 inherited", "8 inherited"}, ""},
			{"where another subscription lies", 1, at(two, eligible), []string{"3 inherited"}, ""},

			{"read by a reader", 2, at(rg, assigned), []string{"1 inherited", "2 inherited", "5 direct"}, ""},
			{"read by a reader, above", 2, at(corp, assigned), nil, pim.Forbidden},
			{"read by nobody", 5, at(rg, assigned), nil, pim.Forbidden},
			{"read by nobody, everywhere", 5, at("/", assigned), nil, pim.Forbidden},
			{"nothing there, to who may read", 2, at(nowhere, assigned), nil, pim.UnknownScope},
			{"nothing there, to who may not", 5, at(nowhere, assigned), nil, pim.Forbidden},
			{"no such subscription", 2, at("/subscriptions/00000000-0000-4000-8000-000000000009", assigned), nil, pim.Forbidden},

			{"one's own", 5, at("/", eligible, mine), []string{"8 direct"}, ""},
			{"one's own, by groups", 2, at("/", eligible, mine), []string{"3 by group"}, ""},
			{"one's own, by groups of groups", 2, at("/", assigned, mine), []string{"2 direct", "5 by group"}, ""},
			{"one's own, at a scope", 3, at(database, eligible, mine), []string{"3 by group", "4 inherited"}, ""},
			{"one's own, at a scope or above", 3, at(one, eligible, mine, atOrAbove), []string{"3 by group"}, ""},
			{"one's own, that hold now", 5, at("/", assigned, mine, now), []string{}, ""},
			{"one's own, where nothing is", 3, at(nowhere, eligible, mine), []string{"3 by group"}, ""},

			{"of somebody, with their groups", 1, at("/", assigned, assignedTo(4)), []string{"5 by group", "6 direct"}, ""},
			{"of somebody, asked by who may not", 5, at("/", assigned, assignedTo(4)), nil, pim.Forbidden},
			{"of a member of a group in a group", 1, at("/", assigned, assignedTo(3)), []string{"5 by group"}, ""},
			{"of oneself, in other words", 4, at("/", assigned, assignedTo(4)), []string{"5 by group", "6 direct"}, ""},
			{"of a principal, without groups", 1, at("/", assigned, ofPrincipal(4)), []string{"6 direct"}, ""},
			{"of oneself, without groups", 4, at("/", assigned, ofPrincipal(4)), []string{"6 direct"}, ""},
			{"of a group", 1, at("/", eligible, ofPrincipal(11)), []string{"3 direct"}, ""},
			{"one's own and somebody else's", 3, at("/", assigned, mine, assignedTo(4)), []string{"5 by group"}, ""},
		} {
			page, err := h.ResourceGrants(t.Context(), h.as(1, c.by), c.q)
			if got := codeOf(t, err); got != c.code {
				t.Errorf("%s: got %q, want %q", c.name, got, c.code)
			} else if d := gocmp.Diff(c.want, grantLines(page.Rows), cmpopts.EquateEmpty()); d != "" && err == nil {
				t.Errorf("%s (-want +got):\n%s", c.name, d)
			}
		}
	})
}

// A recurrent grant is an instance while it holds, and pages continue whatever they leave out.
func TestResourceInstancesRecurAndPagesGoOn(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		h.pass(3 * time.Hour)
		q := at("/", pim.Assignment, now)
		q.Limit = 1
		var lines []string
		for range 10 {
			page, err := h.ResourceGrants(t.Context(), h.as(1, 1), q)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, grantLines(page.Rows)...)
			if q.After = page.Next; len(q.After) == 0 {
				break
			}
		}
		if want := []string{"1 direct", "2 direct", "5 direct", "7 direct"}; !slices.Equal(lines, want) {
			t.Errorf("got %v, want %v", lines, want)
		}
	})
}

func TestResourceGrant(t *testing.T) {
	const eligible, assigned = pim.Eligibility, pim.Assignment
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		for _, c := range []struct {
			name  string
			by    int
			k     pim.Kind
			now   bool
			scope pim.Scope
			n     int
			want  string
			code  pim.Code
		}{
			{"at its scope", 2, assigned, false, rg, 5, "5 direct", ""},
			{"of the whole tenant", 1, assigned, true, "/", 5, "5 direct", ""},
			{"at another scope", 1, assigned, false, one, 5, "", pim.UnknownGrant},
			{"of another kind", 1, eligible, false, rg, 5, "", pim.UnknownGrant},
			{"one's own", 5, eligible, false, dbServer, 8, "8 direct", ""},
			{"one's group's", 4, assigned, true, rg, 5, "5 direct", ""},
			{"not yet", 4, assigned, true, lab, 6, "", pim.Forbidden},
			{"not yet, to who may read", 1, assigned, true, lab, 6, "", pim.UnknownGrant},
			{"not for the caller", 5, assigned, false, rg, 5, "", pim.Forbidden},
			{"not there, for who may not read", 5, assigned, false, rg, 99, "", pim.Forbidden},
			{"not there", 2, assigned, false, rg, 99, "", pim.UnknownGrant},
		} {
			row, err := h.ResourceGrant(t.Context(), h.as(1, c.by), tenantID(1), c.k, c.now, c.scope, pim.ScheduleID(id(1, 300+c.n)))
			if got := codeOf(t, err); got != c.code {
				t.Errorf("%s: got %q, want %q", c.name, got, c.code)
			} else if err == nil && grantLine(row) != c.want {
				t.Errorf("%s: got %s, want %s", c.name, grantLine(row), c.want)
			}
		}
	})
}

// Requests are read by those they concern and by readers of the scope.
func TestResourceRequests(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		request := h.must(pim.Ask{By: h.as(1, 1), Action: pim.AdminAssign, Kind: pim.Eligibility, Key: resourceKey(1, 4, reader, rg),
			Schedule: lasting(24 * time.Hour), Justification: "on call"}).Request
		for _, c := range []struct {
			name string
			by   int
			q    app.ResourceQuery
			want int
			code pim.Code
		}{
			{"all, to who may read", 1, at("/", pim.Eligibility), 1, ""},
			{"at the scope", 2, at(rg, pim.Eligibility), 1, ""},
			{"below it", 2, at(dbServer, pim.Eligibility), 1, ""},
			{"beside it", 2, at(rgTen, pim.Eligibility), 0, ""},
			{"of the other kind", 2, at(rg, pim.Assignment), 0, ""},
			{"to who may not read", 5, at(rg, pim.Eligibility), 0, pim.Forbidden},
			{"for oneself", 4, at("/", pim.Eligibility, mine), 1, ""},
			{"not for oneself", 5, at("/", pim.Eligibility, mine), 0, ""},
			{"by oneself", 1, at("/", pim.Eligibility, func(q *app.ResourceQuery) { q.View = app.ByMe }), 1, ""},
			{"not by oneself", 4, at("/", pim.Eligibility, func(q *app.ResourceQuery) { q.View = app.ByMe }), 0, ""},
			{"waiting for an answer", 1, at("/", pim.Eligibility, func(q *app.ResourceQuery) { q.View = app.ForMe }), 0, ""},
		} {
			page, err := h.ResourceRequests(t.Context(), h.as(1, c.by), c.q)
			if got := codeOf(t, err); got != c.code || len(page.Rows) != c.want {
				t.Errorf("%s: got %d rows and %q, want %d and %q", c.name, len(page.Rows), got, c.want, c.code)
			}
		}
		for by, want := range map[int]pim.Code{1: "", 2: "", 4: "", 5: pim.UnknownRequest} {
			got, err := h.ResourceRequest(t.Context(), h.as(1, by), tenantID(1), pim.Eligibility, request.ID)
			if code := codeOf(t, err); code != want || want == "" && got.ID != request.ID {
				t.Errorf("request, to person %d: got %v and %q, want %q", by, got.ID, code, want)
			}
		}
		if _, err := h.ResourceRequest(t.Context(), h.as(2, 1), tenantID(2), pim.Eligibility, request.ID); codeOf(t, err) != pim.UnknownRequest {
			t.Errorf("request of another tenant: got %v, want %q", err, pim.UnknownRequest)
		}
	})
}

func TestChildResources(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		for _, c := range []struct {
			name  string
			by    int
			scope pim.Scope
			kinds []resource.Kind
			want  []pim.Scope
		}{
			{"of a management group, eligible there", 2, corp, nil, []pim.Scope{lab, one, rg, dbServer, database, rgTen, two}},
			{"subscriptions alone", 2, corp, []resource.Kind{resource.Subscription}, []pim.Scope{one, two}},
			{"eligible above", 2, one, []resource.Kind{resource.Group}, []pim.Scope{rg, rgTen}},
			{"both kinds", 2, lab, []resource.Kind{resource.Subscription, resource.Group}, []pim.Scope{two}},
			{"eligible below", 5, one, nil, []pim.Scope{dbServer, database}},
			{"eligible at it", 5, dbServer, nil, []pim.Scope{database}},
			{"eligible elsewhere", 5, two, nil, nil},
			{"not eligible, whatever they hold", 1, one, nil, nil},
			{"nothing there", 2, nowhere, nil, nil},
		} {
			page, err := h.ChildResources(t.Context(), h.as(1, c.by), tenantID(1), c.scope, c.kinds, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			var got []pim.Scope
			for _, n := range page.Rows {
				got = append(got, n.Scope)
			}
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
			}
		}
	})
}

// P10: nothing of one tenant is seen in another, though both have the same scopes.
func TestP10ResourcesOfTenantsAreApart(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		for _, k := range []pim.Kind{pim.Eligibility, pim.Assignment} {
			page, err := h.ResourceGrants(context.Background(), h.as(1, 1), at("/", k))
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page.Rows {
				if row.Schedule.Key.Tenant != tenantID(1) {
					t.Errorf("got %+v of another tenant", row.Schedule.Key)
				}
			}
		}
		q := at("/", pim.Assignment)
		q.Tenant = tenantID(2)
		stranger := h.Caller(tenantID(2), pim.Caller{Actor: pim.Actor{Principal: person(1, 1), Kind: pim.UserPrincipal}})
		if page, err := h.ResourceGrants(t.Context(), stranger, q); codeOf(t, err) != pim.Forbidden || len(page.Rows) > 0 {
			t.Errorf("the other tenant's: got %v and %v, want %q", page.Rows, err, pim.Forbidden)
		}
	})
}

// counting counts the questions that are asked of a store for lists.
type counting struct {
	store.Store
	asked int
}

func (c *counting) Schedules(ctx context.Context, q store.Query) (store.Page[pim.Schedule], error) {
	c.asked++
	return c.Store.Schedules(ctx, q)
}

func (c *counting) ResourcesByScope(ctx context.Context, t pim.TenantID, s []pim.Scope) ([]resource.Node, error) {
	c.asked++
	return c.Store.ResourcesByScope(ctx, t, s)
}

// A page of grants is one question to the store, whatever is asked for.
func TestAPageOfResourceGrantsIsOneQuestion(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		counter := &counting{Store: h.Store}
		h.Store = counter
		for name, q := range map[string]app.ResourceQuery{
			"as target":            at("/", pim.Eligibility, mine),
			"as target at a scope": at(database, pim.Eligibility, mine, atOrAbove),
			"at a scope":           at(one, pim.Assignment, atOrAbove),
			"everything":           at(corp, pim.Assignment, now),
			"as target of nothing": at(nowhere, pim.Assignment, mine),
		} {
			counter.asked = 0
			if _, err := h.ResourceGrants(t.Context(), h.as(1, 1), q); err != nil || counter.asked != 1 {
				t.Errorf("%s: got %d questions and %v, want one", name, counter.asked, err)
			}
		}
	})
}
