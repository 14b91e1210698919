package migrate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

const (
	amiraThere = "a0000000-0000-4000-8000-000000000001"
	amiraHere  = "b0000000-0000-4000-8000-000000000001"
	teamThere  = "a0000000-0000-4000-8000-000000000002"
	teamHere   = "b0000000-0000-4000-8000-000000000002"
	reader     = pim.RoleID("acdd72a7-3385-48ef-bd42-f606fba81ae7")
	vault      = pim.Scope("/subscriptions/11111111-2222-4333-8444-555555555555/resourcegroups/vault")
)

var noon = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

// twins are two estates of the same people under other ids, who hold the same.
func twins() (source, target *Estate) {
	of := func(amira, team string) *Estate {
		at := Place{pim.Resource, vault, reader}
		side := Place{pim.Group, pim.Scope(team), pim.Member}
		return &Estate{
			Principals: map[string]Principal{
				amira: {ID: amira, Kind: pim.UserPrincipal, Name: "Amira Haddad", Account: "amira@example.org"},
				team:  {ID: team, Kind: pim.GroupPrincipal, Name: "Team"},
			},
			Roles: map[RoleRef]Role{
				{pim.Resource, reader}:   {RoleRef: RoleRef{pim.Resource, reader}, Name: "Reader"},
				{pim.Group, pim.Member}:  {RoleRef: RoleRef{pim.Group, pim.Member}, Name: "Member"},
				{pim.Directory, "there"}: {RoleRef: RoleRef{pim.Directory, "there"}, Name: "Reports Reader"},
			},
			Grants: []Grant{
				{Place: at, Principal: amira, Kind: pim.Eligibility, Start: noon.Add(-time.Hour), End: noon.AddDate(0, 1, 0)},
				{Place: at, Principal: team, Kind: pim.Assignment},
				{Place: side, Principal: amira, Kind: pim.Eligibility, End: noon.AddDate(0, 2, 0)},
			},
			Policies: map[Place]Policy{},
		}
	}
	return of(amiraThere, teamThere), of(amiraHere, teamHere)
}

// compared are the differences of two estates at noon, in short.
func compared(source, target *Estate) []string {
	var out []string
	for _, d := range Compare(source, target, Match(source, target, Overrides{}), CompareOptions{Now: noon}) {
		out = append(out, strings.TrimSpace(string(d.Aspect)+" "+d.Name+" "+d.RoleName+" "+d.Rule))
	}
	return out
}

func TestWhatIsEqual(t *testing.T) {
	for name, change := range map[string]func(source, target *Estate){
		"nothing changed": func(_, _ *Estate) {},
		"begun at another time": func(_, target *Estate) {
			target.Grants[0].Start = noon.Add(-time.Minute)
		},
		"an end told to the second": func(source, _ *Estate) {
			source.Grants[0].End = source.Grants[0].End.Add(600 * time.Millisecond)
		},
		"what is over": func(source, _ *Estate) {
			source.Grants = append(source.Grants, Grant{Place: source.Grants[0].Place, Principal: amiraThere, Kind: pim.Assignment, End: noon})
		},
		"the same told in two stretches": func(source, _ *Estate) {
			g := source.Grants[0]
			source.Grants[0].End = noon.AddDate(0, 0, 3)
			g.Start = noon.AddDate(0, 0, 2)
			source.Grants = append(source.Grants, g)
		},
		"planned by a request here, by a schedule there": func(source, target *Estate) {
			at, start, end := source.Grants[0].Place, noon.AddDate(0, 0, 1), noon.AddDate(0, 0, 2)
			source.Requests = append(source.Requests, Request{Place: at, Principal: amiraThere, Kind: pim.Assignment, Action: pim.AdminAssign, Status: pim.Granted,
				Asked: schedule.Info{Start: start, Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.MustDuration("P1D")}}})
			target.Grants = append(target.Grants, Grant{Place: at, Principal: amiraHere, Kind: pim.Assignment, Start: start, End: end})
		},
		"rules that nobody changed, told and not told": func(source, _ *Estate) {
			source.Policies[source.Grants[0].Place] = Policy{Rules: policy.ForResource(), Default: true}
		},
		"a duration in other words": func(source, target *Estate) {
			for words, e := range map[string]*Estate{"PT480M": source, "PT8H": target} {
				r := policy.ForResource()
				r.EndUserAssignment.Expiration.Maximum = schedule.MustDuration(words)
				e.Policies[e.Grants[0].Place] = Policy{Rules: r}
			}
		},
		"approvers under their other ids and in another order": func(source, target *Estate) {
			for i, e := range []*Estate{source, target} {
				list := []policy.Approver{{Kind: policy.User, ID: []string{amiraThere, amiraHere}[i], Description: "somebody"}, {Kind: policy.Group, ID: []string{teamThere, teamHere}[i]}}
				if i == 1 {
					slices.Reverse(list)
				}
				r := policy.ForResource()
				r.Approval.Required, r.Approval.Stages[0].Approvers = true, list
				e.Policies[e.Grants[0].Place] = Policy{Rules: r}
			}
		},
	} {
		source, target := twins()
		change(source, target)
		if got := compared(source, target); len(got) != 0 {
			t.Errorf("%s: got %q, want no difference", name, got)
		}
	}
}

func TestWhatDiffers(t *testing.T) {
	for name, c := range map[string]struct {
		change func(source, target *Estate)
		want   string
	}{
		"an end":                   {func(_, e *Estate) { e.Grants[0].End = e.Grants[0].End.Add(time.Minute) }, "eligible amira@example.org Reader"},
		"no end":                   {func(_, e *Estate) { e.Grants[0].End = time.Time{} }, "eligible amira@example.org Reader"},
		"a condition":              {func(_, e *Estate) { e.Grants[0].Condition = "true" }, "eligible amira@example.org Reader"},
		"gone":                     {func(_, e *Estate) { e.Grants = slices.Delete(e.Grants, 1, 2) }, "active Team Reader"},
		"new at the target":        {func(e, _ *Estate) { e.Grants = slices.Delete(e.Grants, 1, 2) }, "active Team Reader"},
		"starts later":             {func(_, e *Estate) { e.Grants[1].Start = noon.Add(time.Hour) }, "active Team Reader"},
		"a person without account": {func(_, e *Estate) { delete(e.Principals, amiraHere); e.Grants = e.Grants[1:2] }, "eligible amira@example.org Member,eligible amira@example.org Reader"},
		"a rule": {func(_, e *Estate) {
			r := policy.ForResource()
			r.EndUserAssignment.Enablement.Ticketing = true
			e.Policies[e.Grants[0].Place] = Policy{Rules: r}
		}, "rules  Reader Enablement_EndUser_Assignment"},
		"who is excepted": {func(_, e *Estate) {
			r := policy.ForResource()
			r.AdminAssignment.Expiration.Exceptions = []policy.UserSet{{Kind: policy.User, ID: amiraHere}}
			e.Policies[e.Grants[0].Place] = Policy{Rules: r}
		}, "rules  Reader Expiration_Admin_Assignment"},
		"a request that waits": {func(e, _ *Estate) {
			e.Requests = []Request{{Place: e.Grants[0].Place, Principal: amiraThere, Kind: pim.Assignment, Action: pim.SelfActivate, Status: pim.PendingApproval}}
		}, "request amira@example.org Reader"},
	} {
		source, target := twins()
		c.change(source, target)
		if got := strings.Join(compared(source, target), ","); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// TestWhatRolesAllow: definitions are held against each other by what they say, however it is written.
func TestWhatRolesAllow(t *testing.T) {
	const here, there = "11111111-2222-4333-8444-555555555555", "66666666-7777-4888-9999-aaaaaaaaaaaa"
	arm := func(text string) string { return `{"properties":` + text + `}` }
	many := `{"rolePermissions":[{"allowedResourceActions":["a/1","a/2","a/3","a/4","a/5","a/6","a/7","a/8","a/9","b/1"]}]}`
	for _, c := range []struct{ name, source, target, onlySource, onlyTarget string }{
		{"the same", `{"rolePermissions":[{"allowedResourceActions":["A/b","a/c","a/c"]}]}`, `{"displayName":"Other","isEnabled":true,"rolePermissions":[{"allowedResourceActions":["a/c","a/b"],"condition":null}]}`, "", ""},
		{"permissions in another order", arm(`{"permissions":[{"actions":["b"]},{"actions":["a"],"notActions":["c"]}]}`), arm(`{"permissions":[{"actions":["a"],"notActions":["c"]},{"actions":["b"]}]}`), "", ""},
		{"the root by either name", arm(`{"assignableScopes":["/providers/Microsoft.Management/managementGroups/` + here + `"]}`), arm(`{"assignableScopes":["/"]}`), "", ""},
		{"less", arm(`{"permissions":[{"actions":["a"],"dataActions":["d"]}]}`), arm(`{"permissions":[{"actions":["a"]}]}`), "data d besides", "nothing besides"},
		{"an exclusion of another permission", arm(`{"permissions":[{"actions":["a","b"],"notActions":["c"]},{"actions":["d"]}]}`), arm(`{"permissions":[{"actions":["a","b"]},{"actions":["d"],"notActions":["c"]}]}`),
			"not c besides", "permission 2: not c besides"},
		{"a condition", `{"rolePermissions":[{"allowedResourceActions":["a"],"condition":"$SubjectIsOwner"}]}`, `{"rolePermissions":[{"allowedResourceActions":["a"]}]}`, "under the condition $SubjectIsOwner besides", "nothing besides"},
		{"switched off", `{"isEnabled":false}`, `{"isEnabled":true}`, "switched off besides", "nothing besides"},
		{"elsewhere", arm(`{"assignableScopes":["/subscriptions/X"]}`), arm(`{"assignableScopes":["/"]}`), "at /subscriptions/x besides", "at / besides"},
		{"many", many, `{}`, "a/1, a/2, a/3, a/4, a/5, a/6, a/7, a/8 and 2 more besides", "nothing besides"},
		{"not told", `{"rolePermissions":[{"allowedResourceActions":["a"]}]}`, "", "", ""},
		{"no definition", `[]`, `{}`, "a definition that cannot be read", "what it is to be held against"},
	} {
		ref := RoleRef{pim.Resource, "r"}
		role := func(text string) Role {
			r := Role{RoleRef: ref, Custom: true}
			if text != "" {
				r.Definition = []byte(text)
			}
			return r
		}
		source, target := &Estate{Tenant: here}, &Estate{Tenant: there, Roles: map[RoleRef]Role{ref: role(c.target)}}
		if a, b := source.differingRole(role(c.source), target, ref); a != c.onlySource || b != c.onlyTarget {
			t.Errorf("%s: got %q and %q, want %q and %q", c.name, a, b, c.onlySource, c.onlyTarget)
		}
	}
}

func TestWhoIsWho(t *testing.T) {
	user := func(id, account string) Principal {
		return Principal{ID: id, Kind: pim.UserPrincipal, Name: "Same Name", Account: account}
	}
	source := &Estate{Principals: map[string]Principal{
		"same": user("same", "x@old"), "moved": user("moved", "M@example.org"), "gone": user("gone", "gone@example.org"), "by-hand": user("by-hand", ""),
		"team": {ID: "team", Kind: pim.GroupPrincipal, Name: "Team"}, "twice": {ID: "twice", Kind: pim.GroupPrincipal, Name: "Twice"},
		"robot": {ID: "robot", Kind: pim.ServicePrincipal, Name: "Robot", Account: "app-1"},
	}}
	target := &Estate{Principals: map[string]Principal{
		"same": user("same", "y@new"), "2": user("2", "m@example.org"), "3": user("3", "somebody@example.org"),
		"4": {ID: "4", Kind: pim.GroupPrincipal, Name: "team"}, "5": {ID: "5", Kind: pim.GroupPrincipal, Name: "Twice"}, "6": {ID: "6", Kind: pim.GroupPrincipal, Name: "Twice"},
		"7": {ID: "7", Kind: pim.ServicePrincipal, Name: "Other", Account: "app-1"},
	}}
	by, err := ReadOverrides(strings.NewReader(`{"principals": {"BY-HAND": "3"}}`))
	if err != nil {
		t.Fatal(err)
	}
	m := Match(source, target, by)
	for from, want := range map[string]string{"same": "same", "moved": "2", "gone": "", "by-hand": "3", "team": "4", "twice": "", "robot": "7"} {
		if got := m.Principals[from]; got != want {
			t.Errorf("%s is %q at the target, want %q", from, got, want)
		}
	}
	var codes []string
	for _, n := range m.Notes {
		codes = append(codes, n.Code)
	}
	if want := []string{"NotAtTarget", "Ambiguous"}; !slices.Equal(codes, want) {
		t.Errorf("the notes are %q, want %q", codes, want)
	}
	for _, text := range []string{"", "[]", `{"people": {}}`, `{"principals": {"a": 1}}`} {
		if _, err := ReadOverrides(strings.NewReader(text)); err == nil {
			t.Errorf("the mapping %q is taken", text)
		}
	}
}
