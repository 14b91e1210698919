package graph

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/schematest"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// eventColumn is the meaning of the columns of events, as the suite of stores has it.
func eventColumn(e pim.Event) func(store.Field) any {
	detail := ""
	if len(e.Details) > 1 {
		detail = e.Details[0] + " " + e.Details[1]
	}
	columns := map[store.Field]any{
		store.FieldID: string(e.ID), store.FieldAt: e.At, store.FieldActivity: int(e.Activity), store.FieldAction: int(e.Action),
		store.FieldKind: int(e.Kind), store.FieldSuccess: e.Success, store.FieldEnd: listing.TimeValue(e.End),
		store.FieldProvider: listing.TextValue(string(e.Key.Provider)), store.FieldScope: listing.TextValue(string(e.Key.Scope)),
		store.FieldRole: listing.TextValue(string(e.Key.Role)), store.FieldRequest: listing.TextValue(string(e.Request)),
		store.FieldActor: listing.TextValue(string(e.By.Principal)), store.FieldActorKind: int(e.By.Kind),
		store.FieldActorName: listing.TextValue(e.By.Name), store.FieldActorAccount: listing.TextValue(e.By.Account),
		store.FieldSubjectID: listing.TextValue(string(cmp.Or(e.Principal.ID, e.Key.Principal))), store.FieldSubject: listing.TextValue(e.Principal.Name),
		store.FieldSubjectKind: int(e.Principal.Kind), store.FieldRoleName: listing.TextValue(e.RoleName), store.FieldDetail: listing.TextValue(detail),
	}
	return func(f store.Field) any {
		v, ok := columns[f]
		if !ok {
			panic("no such column: " + f)
		}
		return v
	}
}

// lastActivity is the one that was added last.
const lastActivity = pim.DoorsAligned

// everyEvent gives an event of each combination that a name could depend on, those that never happen included.
func everyEvent(yield func(pim.Event) bool) {
	details := [][]string{nil, {"user", "created"}, {"group", "changed"}, {"object", "x"}, {"application", "deleted"}, {"x", "y"}, {"user"}}
	for _, thing := range []string{"user", "group", "application", "unit", "role", "denial"} {
		for _, deed := range []string{"created", "changed", "deleted", "restored", "purged"} {
			details = append(details, []string{thing, deed})
		}
	}
	sides := []pim.Key{
		{}, {Provider: pim.Directory, Role: "r"}, {Provider: pim.Resource, Role: "r"}, {Provider: pim.Group, Role: "member"}, {Provider: pim.Group, Role: "owner"},
	}
	for activity := pim.Requested; activity <= lastActivity; activity++ {
		for action := pim.Action(0); action <= pim.Depart; action++ {
			for kind := pim.Kind(0); kind <= pim.Assignment; kind++ {
				for _, end := range []time.Time{{}, time.Unix(1, 0)} {
					for _, side := range sides {
						for i, d := range details {
							if i > 0 && activity != pim.DirectoryChanged {
								break
							}
							for subject := pim.PrincipalKind(0); subject <= pim.ServicePrincipal; subject++ {
								e := pim.Event{Activity: activity, Action: action, Kind: kind, End: end, Key: side, Details: d, Principal: pim.Principal{Kind: subject}}
								if activity == pim.DirectoryChanged && (action > 1 || kind > 1) || activity != pim.DirectoryChanged && subject > 0 {
									break // such names do not depend on it
								}
								if !yield(e) {
									return
								}
							}
						}
					}
				}
			}
		}
	}
}

// TestEveryEventHasOneName: an event has one name, no other one claims it, the name finds it again, and each name of the
// table is some event's.
func TestEveryEventHasOneName(t *testing.T) {
	table := auditTable(auditNames())
	met := map[string]bool{}
	finds := make([]store.Filter, len(table))
	for i, n := range table {
		if met[n.name] {
			t.Errorf("the name %q is in the table twice", n.name)
		}
		met[n.name] = false
		finds[i] = table.events(func(m auditName) bool { return m.name == n.name })
	}
	for e := range everyEvent {
		name, column := table.named(&e), eventColumn(e)
		met[name.name] = true
		for i, n := range table {
			if n.holds(&e) && !n.left && n.name != name.name {
				t.Fatalf("%+v is called %q and %q", e, name.name, n.name)
			}
			if got, want := store.Match(finds[i], column), n.name == name.name; got != want {
				t.Fatalf("%q finds %+v, which is called %q: got %v, want %v", n.name, e, name.name, got, want)
			}
		}
	}
	for name, reached := range met {
		if !reached {
			t.Errorf("nothing is called %q", name)
		}
	}
}

// TestPublishedNames: each activity name of the service (reference graph-pim §16) is in the table, or is never written here
// because what it tells does not happen; the names that are ours alone are named too.
func TestPublishedNames(t *testing.T) {
	published := `Add eligible member to role in PIM requested (permanent)
Add eligible member to role in PIM requested (timebound)
Add eligible member to role in PIM requested (renew)
Add eligible member to role in PIM completed (permanent)
Add eligible member to role in PIM completed (timebound)
Add eligible member to role in PIM canceled (permanent)
Add eligible member to role in PIM canceled (timebound)
Add eligible member to role in PIM canceled (renew)
Add member to role in PIM requested (permanent)
Add member to role in PIM requested (timebound)
Add member to role in PIM requested (renew)
Add member to role in PIM completed (permanent)
Add member to role in PIM completed (timebound)
Add member to role in PIM canceled (permanent)
Add member to role in PIM canceled (timebound)
Add member to role in PIM canceled (renew)
Add member to role requested (PIM activation)
Add member to role approval requested (PIM activation)
Add member to role request approved (PIM activation)
Add member to role request denied (PIM activation)
Add member to role completed (PIM activation)
Add member to role canceled (PIM activation)
PIM activation request expired
Remove member from role requested (PIM deactivate)
Remove member from role completed (PIM deactivate)
Remove member from role (PIM activation expired)
Remove eligible member from role in PIM requested (permanent)
Remove eligible member from role in PIM requested (timebound)
Remove eligible member from role in PIM completed (permanent)
Remove eligible member from role in PIM completed (timebound)
Remove member from role in PIM requested (permanent)
Remove member from role in PIM requested (timebound)
Remove member from role in PIM completed (permanent)
Remove member from role in PIM completed (timebound)
Update eligible member in PIM requested (extend)
Update eligible member in PIM canceled (extend)
Update member in PIM requested (extend)
Update member in PIM canceled (extend)
Update member in PIM approved by admin (extend/renew)
Update member in PIM denied by admin (extend/renew)
Add member to role outside of PIM (permanent)
Update role setting in PIM
Onboarded resource to PIM
Process request
Process role update request
Process role removal request
Cancel request
Remove permanent direct role assignment`
	// What these tell of does not happen here: policies are never taken away, tenants do not leave, alerts are not kept, and the
	// rest are names of steps within steps.
	never := `PIM policy removed
Offboarded resource from PIM
Tenant offboarded from PIM
Triggered PIM alert
Resolve PIM alert
Refresh PIM alert
Deactivate PIM alert
Disable PIM alert
Enable PIM alert
Update PIM alert setting
Cancel request for role update
Cancel request for role removal
Remove request
Remove permanent eligible role assignment`
	ours := []string{
		"Member in PIM about to expire", "Access opened on target by PIM", "Access closed on target by PIM",
		"Access on target cannot be changed by PIM", "Mail cannot be sent by PIM", "Access on targets brought in line by PIM", "Update role assignment outside of PIM",
	}
	var have []string
	for _, n := range auditNames() {
		if n.service() == pimService {
			have = append(have, n.name)
		}
	}
	want := append(strings.Split(published, "\n"), ours...)
	for _, name := range want {
		if !slices.Contains(have, name) {
			t.Errorf("got no name %q", name)
		}
	}
	for _, name := range have {
		if !slices.Contains(want, name) {
			t.Errorf("got the name %q, which neither the service has nor this test", name)
		}
		if slices.Contains(strings.Split(never, "\n"), name) {
			t.Errorf("got the name %q, which is told to be never written", name)
		}
	}
}

// event draws an entry as the core could make it.
func (d draw) event() pim.Event {
	ids := []string{"", "5c3e0000-0000-4000-8000-000000000001", "5c3e0000-0000-4000-8000-000000000002"}
	id := func(name string) string { return rapid.SampledFrom(ids).Draw(d.T, name) }
	word := func(name string) string {
		return rapid.SampledFrom([]string{"", "Ann", "anna@x.example", "MS-PIM", "O'Neil"}).Draw(d.T, name)
	}
	e := pim.Event{
		ID: "5c3e0000-0000-4000-8000-00000000000e", Tenant: auditTenant, At: time.Date(2026, 3, 2, 9, rapid.IntRange(0, 2).Draw(d.T, "minute"), 0, 0, time.UTC),
		Activity: pim.Activity(rapid.IntRange(1, int(lastActivity)).Draw(d.T, "activity")),
		Action:   pim.Action(rapid.IntRange(0, int(pim.Depart)).Draw(d.T, "action")), Kind: pim.Kind(rapid.IntRange(0, 2).Draw(d.T, "kind")),
		Success: rapid.Bool().Draw(d.T, "success"), Reason: word("reason"), Request: pim.RequestID(id("request")), RoleName: word("role name"),
		Key:       pim.Key{Provider: rapid.SampledFrom([]pim.Provider{"", pim.Directory, pim.Group, pim.Resource}).Draw(d.T, "provider"), Role: pim.RoleID(id("role"))},
		By:        pim.Actor{Kind: rapid.SampledFrom([]pim.PrincipalKind{0, pim.UserPrincipal, pim.ServicePrincipal}).Draw(d.T, "by"), Name: word("actor"), Account: word("account"), Principal: pim.PrincipalID(id("actor id"))},
		Principal: pim.Principal{ID: pim.PrincipalID(id("who")), Kind: pim.PrincipalKind(rapid.IntRange(0, 3).Draw(d.T, "who kind")), Name: word("who name")},
		Details:   rapid.SampledFrom([][]string{nil, {"user", "created"}, {"stage", "x"}, {"role", "deleted"}, {"unit", "changed", "displayName", "a", "b"}}).Draw(d.T, "details"),
	}
	if rapid.Bool().Draw(d.T, "ends") {
		e.End = e.At.Add(time.Hour)
	}
	scope := pim.Scope(id("scope"))
	switch {
	case e.Key.Provider == pim.Group || scope == "":
	case rapid.Bool().Draw(d.T, "unit"):
		scope = pim.AdministrativeUnit(string(scope))
	default:
		scope = "/" + scope
	}
	e.Key.Scope = scope
	return e
}

const auditTenant = "5c3e0000-0000-4000-8000-00000000000f"

// auditFilterOf draws a filter on the log.
func auditFilterOf(t *rapid.T, depth int) string {
	pick := func(list ...string) string { return rapid.SampledFrom(list).Draw(t, "pick") }
	id := func() string {
		return "'" + pick("5C3E0000-0000-4000-8000-000000000001", "5c3e0000-0000-4000-8000-000000000002", "5c3e0000-0000-4000-8000-00000000000e", auditTenant) + "'"
	}
	word := func() string { return "'" + pick("ann", "Anna@x.example", "ms-pim", "O''Neil", "zoe") + "'" }
	op := func() string { return pick(" eq ", " ne ") }
	switch n := rapid.IntRange(0, 14).Draw(t, "form"); {
	case n == 0 && depth > 0:
		return "(" + auditFilterOf(t, depth-1) + " and " + auditFilterOf(t, depth-1) + ")"
	case n == 1 && depth > 0:
		return "(" + auditFilterOf(t, depth-1) + " or " + auditFilterOf(t, depth-1) + ")"
	case n <= 3 && depth > 0:
		return "not (" + auditFilterOf(t, depth-1) + ")"
	case n == 4:
		return "activityDisplayName" + op() + "'" + pick("Add user", "Process request", "Add MEMBER to role completed (PIM activation)") + "'"
	case n == 5:
		return "startswith(activityDisplayName,'" + pick("add", "Update", "Remove member from role in PIM") + "')"
	case n == 6:
		return "category" + op() + "'" + pick("RoleManagement", "groupManagement", "UserManagement", "ResourceManagement", "none") + "'"
	case n == 7:
		return pick("result eq 'success'", "result ne 'Failure'", "result eq 'timeout'", "loggedByService eq 'pim'", "loggedByService ne 'Core Directory'")
	case n == 8:
		return "correlationId" + op() + id()
	case n == 9:
		return "initiatedBy/" + pick("user/id", "app/servicePrincipalId") + op() + pick(id(), "null")
	case n == 10:
		return "initiatedBy/" + pick("user/displayName", "user/userPrincipalName", "app/displayName", "app/appId") + op() + pick(word(), "null")
	case n == 11:
		return pick("startswith", "contains") + "(initiatedBy/" + pick("user/displayName", "app/displayName", "user/userPrincipalName") + "," + pick(word(), "'a'", "'m'") + ")"
	case n == 12:
		return "targetResources/any(t:" + pick("t/id eq "+id(), "t/displayName eq "+word(), "startswith(t/displayName,'a')",
			"t/id eq "+id()+" or t/displayName eq "+word(), "t/id eq "+id()+" and t/type eq 'User'", "t/type eq 'Role'") + ")"
	case n == 13:
		return "activityDateTime" + pick(" ge ", " le ", " eq ", " lt ") + "2026-03-02T09:01:00Z"
	default:
		return pick("id eq 'pim_5c3e0000-0000-4000-8000-00000000000e'", "id ne 'x'", "resultReason eq 'ann'", "targetResources/any()",
			"additionalDetails/any(d:d/key eq 'stage')", "operationType eq 'Add'")
	}
}

// TestTheLogLosesNoEntry: whatever a filter says, each entry of which it is true passes the store's condition; and where the
// condition is said to be exact, no other entry does.
func TestTheLogLosesNoEntry(t *testing.T) {
	c := testCall()
	c.Tenant = auditTenant
	kind := c.auditKind()
	exacts := 0
	rapid.Check(t, func(t *rapid.T) {
		e := draw{t}.event()
		text := auditFilterOf(t, 3)
		q, err := odata.Parse(url.Values{"$filter": {text}})
		if err == nil {
			q, err = kind.Schema.Check(q)
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want, err := odata.Eval(q.Filter, func(path []string) any { return auditValue(c, e, path) })
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		where, exact := kind.Columns.Compile(q.Filter)
		got := where == nil || store.Match(where, eventColumn(e))
		if want && !got {
			t.Fatalf("%s is true of %+v, but the store leaves it out by %#v", text, e, where)
		}
		if exact {
			exacts++
			if got != want {
				t.Fatalf("%s of %+v: exact, got %v, want %v by %#v", text, e, got, want, where)
			}
		}
	})
	if exacts == 0 {
		t.Error("no filter was decided by the store")
	}
}

// TestAuditConforms holds drawn entries against the published schema.
func TestAuditConforms(t *testing.T) {
	for _, version := range []string{"v1.0", "beta"} {
		c, schema := testCall(), schematest.Load(version)
		rapid.Check(t, func(t *rapid.T) {
			o := wire.New(nil, nil)
			writeAudit(c, &o, draw{t}.event())
			var got map[string]any
			if err := json.Unmarshal(o.End(), &got); err != nil {
				t.Fatal(err)
			}
			for _, err := range schema.Check("directoryAudit", got) {
				t.Error(err)
			}
			if targets := got["targetResources"].([]any); got["loggedByService"] == pimService {
				for i, want := range []string{"Role", "Request"} {
					if typ := targets[i].(map[string]any)["type"]; typ != want {
						t.Errorf("target %d: got %v, want %s", i, typ, want)
					}
				}
			}
		})
	}
}
