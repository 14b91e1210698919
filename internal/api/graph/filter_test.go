package graph

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// requestColumn is the meaning of the columns of requests, as the suite of stores has it.
func requestColumn(r pim.Request) func(store.Field) any {
	columns := map[store.Field]any{
		store.FieldID: string(r.ID), store.FieldStatus: int(r.Status), store.FieldAction: int(r.Action),
		store.FieldPrincipal: string(r.Key.Principal), store.FieldRole: string(r.Key.Role), store.FieldScope: string(r.Key.Scope),
		store.FieldCreated: listing.TimeValue(r.Created), store.FieldCreatedBy: string(r.By.Principal), store.FieldTarget: listing.TextValue(string(r.Target)),
	}
	return func(f store.Field) any {
		v, ok := columns[f]
		if !ok {
			panic("no such column: " + f)
		}
		return v
	}
}

// filterOf draws a filter about a row, some parts of which the store cannot decide.
func filterOf(t *rapid.T, r requestRow, depth int) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	either := func(name string, a, b string) string { return rapid.SampledFrom([]string{a, b}).Draw(t, name) }
	op := func() string { return either("op", "eq", "ne") }
	const other = "5C3E0000-0000-4000-8000-000000000001"
	switch n := rapid.IntRange(0, 13).Draw(t, "form"); {
	case n == 0 && depth > 0:
		return "(" + filterOf(t, r, depth-1) + " and " + filterOf(t, r, depth-1) + ")"
	case n == 1 && depth > 0:
		return "(" + filterOf(t, r, depth-1) + " or " + filterOf(t, r, depth-1) + ")"
	case n <= 3 && depth > 0:
		return "not (" + filterOf(t, r, depth-1) + ")"
	case n == 4:
		return "status " + op() + " " + quote(either("status", r.status(), "Denied"))
	case n == 5:
		return "action " + op() + " " + quote(strings.ToUpper(either("action", wire.ActionName(r.Action), "selfRenew")))
	case n == 6:
		return "principalId " + op() + " " + quote(strings.ToUpper(either("principal", string(r.Key.Principal), other)))
	case n == 7 && r.Key.Provider == pim.Group:
		return "accessId in ('" + either("side", "Member", "owner") + "')"
	case n == 8 && r.Key.Provider == pim.Group:
		return either("group", "groupId", "group/id") + " " + op() + " " + quote(either("scope", strings.ToUpper(string(r.Key.Scope)), other))
	case n == 12 && r.Key.Provider == pim.Group:
		return "targetScheduleId " + op() + " " + quote(either("target", strings.ToUpper(r.target()), other))
	case n == 7:
		return "roleDefinition/id in (" + quote(other) + "," + quote(either("role", string(r.Key.Role), other)) + ")"
	case n == 8:
		return "directoryScopeId " + op() + " " + quote(either("scope", string(r.Key.Scope), "/"))
	case n == 9:
		return "createdDateTime " + rapid.SampledFrom([]string{"gt", "ge", "lt", "le", "eq", "ne"}).Draw(t, "op") + " 2050-01-01T00:00:00Z"
	case n == 10:
		return "completedDateTime " + rapid.SampledFrom([]string{"gt", "le", "ne"}).Draw(t, "op") + " 2050-01-01T00:00:00Z"
	case n == 11:
		return "startswith(justification,'a')"
	case n == 12:
		return "appScopeId eq null"
	default:
		return "createdBy/user/id " + op() + " " + quote(either("by", string(r.By.Principal), other))
	}
}

// TestTheStoreLosesNoRow: whatever a filter says, each row of which it is true passes the store's condition; and where
// the condition is said to be exact, no other row does.
func TestTheStoreLosesNoRow(t *testing.T) {
	c := testCall()
	rapid.Check(t, func(t *rapid.T) {
		row := draw{t}.request()
		w := directoryWords()
		if rapid.Bool().Draw(t, "of a group") {
			w = groupWords()
			row.Key.Provider, row.Key.Scope = pim.Group, pim.Scope(draw{t}.guid("group"))
			row.Key.Role = rapid.SampledFrom([]pim.RoleID{pim.Member, pim.Owner}).Draw(t, "side")
		}
		row.validated = false
		if wire.Removal(row.Action) {
			row.Target = "" // as the core makes them
		}
		row.By.Kind = pim.UserPrincipal
		text := filterOf(t, row, 3)
		q, err := odata.Parse(url.Values{"$filter": {text}})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if q, err = c.kindsOf(w.provider).assignmentRequest.Schema.Check(q); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want, err := odata.Eval(q.Filter, func(path []string) any { return requestValue(c, row, path) })
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		where, exact := requestColumns(w, row.Kind).Compile(q.Filter)
		got := where == nil || store.Match(where, requestColumn(row.Request))
		if want && !got {
			t.Fatalf("%s is true of the row, but the store leaves it out by %#v", text, where)
		}
		if exact && got != want {
			t.Fatalf("%s: exact, got %v, want %v by %#v", text, got, want, where)
		}
	})
}
