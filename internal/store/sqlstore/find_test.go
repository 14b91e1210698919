package sqlstore

import (
	"context"
	"strings"
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// overheard remembers the last question.
type overheard struct {
	engine
	last question
}

func (o *overheard) browse(ctx context.Context, q question) error {
	o.last = q
	return o.engine.browse(ctx, q)
}

// TestListsTakeTheirIndex: SQLite has no numbers to plan by, and says which way it goes.
func TestListsTakeTheirIndex(t *testing.T) {
	s := opened(t, t.TempDir())
	o := &overheard{engine: s.db}
	s.db = o
	onResources := store.Is(store.FieldProvider, pim.Resource)
	live := store.And{onResources, store.Is(store.FieldKind, pim.Eligibility), store.LiveAt(time.Unix(0, 0))}
	ancestors := store.In{Field: store.FieldScope, Values: []string{"/sub/s", "/"}}
	region := store.Or{ancestors, store.Under{Field: store.FieldScope, Scopes: []pim.Scope{"/sub/s"}}}
	people := store.In{Field: store.FieldPrincipal, Values: []string{"alice", "crew"}}
	waiting := store.Or{store.Is(store.FieldStatus, pim.PendingApproval), store.Is(store.FieldStatus, pim.PendingAdminDecision)}
	schedules := func(q store.Query) error { _, err := s.Schedules(t.Context(), q); return err }
	requests := func(q store.Query) error { _, err := s.Requests(t.Context(), q); return err }
	resources := func(q store.Query) error { _, err := s.Resources(t.Context(), q); return err }
	for _, fact := range []struct {
		name  string
		list  func(store.Query) error
		where store.Filter
		index string
	}{
		{"grants at a scope and above", schedules, append(live, ancestors), "schedules_resource (tenant=? AND scope=?)"},
		{"grants at, above and below", schedules, append(live, region), "schedules_resource (tenant=? AND scope>? AND scope<?)"},
		{"somebody's grants", schedules, append(live, people), "schedules_principal (tenant=? AND principal=?)"},
		{"somebody's grants at, above and below", schedules, append(live, people, region), "schedules_principal (tenant=? AND principal=?)"},
		{"somebody's own grants at, above and below", schedules, append(live, region, store.Is(store.FieldPrincipal, "alice")), "schedules_principal (tenant=? AND principal=?)"},
		{"requests at, above and below", requests, store.And{onResources, region}, "requests_resource (tenant=? AND scope>? AND scope<?)"},
		{"somebody's requests", requests, store.And{onResources, people}, "requests_principal (tenant=? AND principal=?)"},
		{"requests that wait", requests, store.And{onResources, waiting}, "requests_pending (tenant=? AND status=?)"},
		{"children", resources, store.Is(store.FieldParent, "/sub/s"), "resources_parent (tenant=? AND parent=?)"},
		{"what is below", resources, store.Under{Field: store.FieldScope, Scopes: []pim.Scope{"/sub/s"}}, "(tenant=? AND scope>? AND scope<?)"},
		{"by an id that is made of the scope", resources, store.Is(store.FieldAlias, "a"), "resources_alias (tenant=? AND alias=?)"},
		{"by some ids", resources, store.And{store.In{Field: store.FieldAlias, Values: []string{"a", "b"}}, store.Is(store.FieldResourceKind, 3)}, "resources_alias (tenant=? AND alias=?)"},
		{"subscriptions", resources, store.Is(store.FieldResourceKind, 3), "resources_kind (tenant=? AND kind=?)"},
	} {
		if err := fact.list(store.Query{Tenant: "t", Where: fact.where}); err != nil {
			t.Fatalf("%s: %v", fact.name, err)
		}
		var plan []string
		err := o.engine.browse(t.Context(), question{sql: "EXPLAIN QUERY PLAN " + o.last.sql, args: o.last.args, each: func(row scan) error {
			var id, parent, unused int
			var detail string
			err := row(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return err
		}})
		if err != nil {
			t.Fatalf("%s: %v", fact.name, err)
		}
		got := strings.Join(plan, "\n")
		if !strings.Contains(got, fact.index) || strings.Contains(got, "_1 (tenant=?)\n") || strings.HasSuffix(got, "_1 (tenant=?)") {
			t.Errorf("%s: got the plan\n%s\nwant %s", fact.name, got, fact.index)
		}
	}
}
