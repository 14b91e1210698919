package pim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
)

// putting has root give amira a role of resources under the name x, and returns it as it is then.
func putting(s *pimtest.Story, role string, words ...string) pim.Schedule {
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "amira", role, append(words, "named x")...)
	return s.World.Schedules["x"]
}

func TestRoleAssignmentsHaveNames(t *testing.T) {
	s := site(t)
	made := putting(s, "Reader on /one", "under "+onlyBlobs, "about the blobs")
	if made.Condition != onlyBlobs || made.ConditionVersion != "2.0" || made.Description != "the blobs" || made.CreatedBy != "root" || !made.Modified.IsZero() {
		t.Errorf("made: %+v", made)
	}
	s.Audited(pim.AssignedOutside)
	s.After("1h")
	changed := putting(s, "Reader on /one", "about nothing")
	if changed.Condition != "" || changed.Description != "nothing" || changed.ModifiedBy != "root" || !changed.Modified.Equal(s.Now) || !changed.Created.Equal(made.Created) {
		t.Errorf("changed: %+v", changed)
	}
	s.Audited(pim.ChangedOutside)

	put := func(want pim.Code, whom, role, name string, words ...string) {
		t.Helper()
		s.As("root").Cannot(want).Asks(pim.AssignOutside, pim.Assignment, whom, role, append(words, "named "+name)...)
	}
	put(pim.AlreadyThere, "amira", "Reader on /one", "y")
	put(pim.GrantFixed, "bo", "Reader on /one", "x")
	put(pim.GrantFixed, "amira", "Reader on /two", "x")
	put(pim.GrantFixed, "amira", "Contributor on /one", "x")
	put(pim.InvalidCondition, "amira", "Contributor on /one", "z", "under "+brokenWords)
	put(pim.InvalidRequest, "amira", "Contributor on /one", "z", "about "+strings.Repeat("x", 1025))

	// What PIM gave is not for others to change, nor is the name of a request.
	s.As("root").Assigns("bo", "Reader on /one", "for 24h", "ticket 1", "named pim")
	put(pim.GrantFixed, "bo", "Reader on /one", "pim")
	s.As("root").MakesEligible("bo", "Contributor on /one", "for 24h", "named maybe")
	put(pim.GrantFixed, "bo", "Contributor on /one", "maybe")

	// Taken away, and made again: the name is free for the same, and for nobody else.
	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "Reader on /one", "named x")
	s.HoldsNot("amira", "Reader on /one")
	put(pim.GrantFixed, "bo", "Contributor on /one", "x")
	again := putting(s, "Reader on /one")
	if !again.Created.Equal(s.Now) || !again.Holds(s.Now) {
		t.Errorf("made again: %+v", again)
	}
}

// What is made again under its name while its door still closes opens that door again.
func TestARoleAssignmentMadeAgainOpensItsDoor(t *testing.T) {
	s := site(t)
	s.Door("Writer on /one/rg-1", "db", "writer")
	for range 2 {
		putting(s, "Writer on /one")
		s.DoorIs("amira", "db", pim.EffectPending)
		s.After("1s")
		s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "Writer on /one", "named x")
		s.DoorIs("amira", "db", pim.Revoking)
		s.After("1s")
	}
}

func TestAnActivationIsARoleAssignment(t *testing.T) {
	s := site(t)
	s.As("root").MakesEligible("amira", "Contributor on /one", "for 24h")
	s.As("amira").Activates("Contributor on /one", "for 8h", "ticket 1", "named active")
	s.As("root").Cannot(pim.AlreadyThere).Asks(pim.AssignOutside, pim.Assignment, "amira", "Contributor on /one", "named x")
	s.As("root").Cannot(pim.NotThere).Asks(pim.RemoveOutside, pim.Assignment, "amira", "Contributor on /one", "named other")
	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "Contributor on /one", "named active") // within five minutes, too
	s.HoldsNot("amira", "Contributor on /one")
	s.As("root").Assigns("amira", "Contributor on /two", "from 1h", "for 8h", "ticket 1")
	s.As("root").Cannot(pim.NotThere).Asks(pim.RemoveOutside, pim.Assignment, "amira", "Contributor on /two") // it is none yet
}

func TestPIMOnlyMode(t *testing.T) {
	s := site(t)
	s.Is("robot", func(p *pim.Principal) { p.Kind = pim.ServicePrincipal })
	s.Delegates("robot", "/one", "")
	s.Group("crew", "cy")
	mode := func(m policy.PIMOnlyMode, change func(*policy.PIMOnly)) {
		s.Policy("Contributor on /one", func(r *policy.Rules) {
			r.PIMOnly = policy.PIMOnly{Mode: m}
			if change != nil {
				change(&r.PIMOnly)
			}
		})
	}
	n := 0
	check := func(what, by, whom string, want pim.Code) {
		t.Helper()
		n++
		name := fmt.Sprint("pim-only-", n)
		actor := s.As(by).Cannot(want)
		if by == "robot" {
			actor.AsApp()
		}
		before := len(s.World.Events)
		actor.Asks(pim.AssignOutside, pim.Assignment, whom, "Contributor on /one", "named "+name)
		if want != "" {
			return
		}
		reported := slices.Equal(s.World.Events[before].Details, []string{"PIM-only mode", "report only"})
		if wantReport := strings.HasPrefix(what, "reported"); reported != wantReport {
			t.Errorf("%s: the audit log reports it: %v, want %v", what, reported, wantReport)
		}
		s.As("root").Asks(pim.RemoveOutside, pim.Assignment, whom, "Contributor on /one", "named "+name)
	}
	check("allowed by default", "root", "amira", "")
	mode(policy.PIMOnlyEnabled, nil)
	check("refused", "root", "amira", pim.OutsidePIM)
	check("refused an application", "robot", "amira", pim.OutsidePIM)
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "amira", "Contributor on /one/rg-1", "named below") // a policy is of one scope
	s.As("root").Assigns("amira", "Contributor on /one", "for 24h", "ticket 1")                              // by PIM
	s.After("5m")
	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "amira", "Contributor on /one")
	mode(policy.PIMOnlyEnabled, func(p *policy.PIMOnly) {
		p.Excluded = []policy.Excluded{{Kind: policy.ExcludedUser, ID: "bo"}, {Kind: policy.ExcludedGroup, ID: "crew"}}
	})
	check("another", "root", "amira", pim.OutsidePIM)
	check("excluded", "root", "bo", "")
	check("excluded group", "root", "crew", "")
	check("member of an excluded group", "root", "cy", "")
	mode(policy.PIMOnlyEnabled, func(p *policy.PIMOnly) { p.ToApplications = true })
	check("to an application", "root", "robot", "")
	check("by an application", "robot", "bo", pim.OutsidePIM)
	mode(policy.PIMOnlyEnabled, func(p *policy.PIMOnly) { p.ByApplications = true })
	check("to an application", "root", "robot", pim.OutsidePIM)
	check("by an application", "robot", "bo", "")
	mode(policy.PIMOnlyReportOnly, nil)
	check("reported", "root", "amira", "")
	mode(policy.PIMOnlyDisabled, nil)
	check("disabled", "root", "amira", "")
}

// Whom an expiration rule excepts may be eligible for ever; an activation of theirs lasts a day at most.
func TestExceptionsOfExpirationRules(t *testing.T) {
	s := site(t)
	s.Group("crew", "cy")
	s.Policy("Contributor on /one", func(r *policy.Rules) {
		some := []policy.UserSet{{Kind: policy.User, ID: "amira"}, {Kind: policy.Group, ID: "crew"}}
		r.AdminEligibility.Expiration.Exceptions, r.EndUserAssignment.Expiration.Exceptions = some, some
	})
	for _, who := range []string{"amira", "crew", "cy"} {
		s.As("root").MakesEligible(who, "Contributor on /one", "for ever")
	}
	s.As("root").Cannot(pim.PolicyFailed).MakesEligible("bo", "Contributor on /one", "for ever")
	s.As("root").Cannot(pim.PolicyFailed).Assigns("amira", "Contributor on /one", "for ever", "ticket 1") // another rule
	s.As("root").MakesEligible("bo", "Contributor on /one", "for 24h")
	s.As("bo").Cannot(pim.PolicyFailed).Activates("Contributor on /one", "for 9h", "ticket 1")
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Contributor on /one", "for 25h", "ticket 1")
	s.As("amira").Activates("Contributor on /one", "for 24h", "ticket 1")
	s.As("cy").Activates("Contributor on /one/rg-1", "for 9h", "ticket 1")
}

// Whom and what a condition on the caller's own role lets them give and take.
func TestDelegation(t *testing.T) {
	const (
		write = "Microsoft.Authorization/roleAssignments/write"
		take  = "Microsoft.Authorization/roleAssignments/delete"
		facts = "Microsoft.Authorization/roleAssignments:"
	)
	guarded := func(action, source, rule string) string {
		return fmt.Sprintf("((!(ActionMatches{'%s'})) OR (@%s[%s%s))", action, source, facts, rule)
	}
	both := func(rule string) string {
		return guarded(write, "Request", rule) + " AND " + guarded(take, "Resource", rule)
	}
	readers := both("RoleDefinitionId] ForAnyOfAnyValues:StringEqualsIgnoreCase {'resource-reader', 'x'}")
	groups := both("PrincipalType] StringEqualsIgnoreCase 'Group'")
	applications := both("PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {'ServicePrincipal', 'Device'}")
	toBo := both("PrincipalId] ForAnyOfAnyValues:StringEqualsIgnoreCase {'bo'}")
	butOwner := both("RoleDefinitionId] ForAnyOfAllValues:StringNotEqualsIgnoreCase {'resource-owner'}")
	writeOnly := guarded(write, "Request", "RoleDefinitionId] StringEqualsIgnoreCase 'resource-reader'")

	s := site(t)
	s.Group("crew", "cy")
	s.Is("robot", func(p *pim.Principal) { p.Kind = pim.ServicePrincipal })
	for who, condition := range map[string]string{
		"readers": readers, "groups": groups, "applications": applications, "to-bo": toBo, "but-owner": butOwner, "write-only": writeOnly,
		"unreadable": brokenWords, "readers-to-bo": readers + " AND " + toBo,
	} {
		s.Delegates(who, "/one", condition)
	}
	s.RoleIs("Rule keeper on /one", func(*pim.Role) {})
	s.World.Definitions["resource-rule-keeper"] = rbac.Role{Permissions: []rbac.Permission{{Actions: []string{"Microsoft.Authorization/roleManagementPolicies/*"}}}}.Compiled()
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "keeper", "Rule keeper on /one")
	check := func(who, whom, role string, give, takes pim.Code) {
		t.Helper()
		k := pim.Key{Tenant: pimtest.Tenant, Provider: pim.Resource, Scope: "/one/rg-1", Role: pim.RoleID("resource-" + role), Principal: s.World.Principals[pim.PrincipalID(whom)].ID}
		kind := s.World.Principals[k.Principal].Kind
		by := s.As(who).Caller()
		if got := codeOf(pim.MayGive(by, k, kind)); got != give {
			t.Errorf("%s gives %s to %s: %q, want %q", who, role, whom, got, give)
		}
		if got := codeOf(pim.MayTake(by, k, kind)); got != takes {
			t.Errorf("%s takes %s from %s: %q, want %q", who, role, whom, got, takes)
		}
	}
	s.Person("bo")
	s.Person("amira")
	const no = pim.Constrained
	check("readers", "amira", "reader", "", "")
	check("readers", "amira", "owner", no, no)
	check("readers", "crew", "reader", "", "")
	check("groups", "crew", "owner", "", "")
	check("groups", "amira", "owner", no, no)
	check("groups", "robot", "reader", no, no)
	check("applications", "robot", "reader", "", "")
	check("applications", "crew", "reader", no, no)
	check("to-bo", "bo", "owner", "", "")
	check("to-bo", "amira", "owner", no, no)
	check("but-owner", "amira", "contributor", "", "")
	check("but-owner", "amira", "owner", no, no)
	check("write-only", "amira", "owner", no, "")
	check("write-only", "amira", "reader", "", "")
	check("readers-to-bo", "bo", "reader", "", "")
	check("readers-to-bo", "bo", "owner", no, no)
	check("readers-to-bo", "amira", "reader", no, no)
	check("unreadable", "bo", "reader", no, no)
	check("root", "amira", "owner", "", "")
	check("amira", "bo", "reader", pim.Forbidden, pim.Forbidden)

	// Who may give only some roles loosens no rules of the others.
	policyOf := func(who string, role pim.RoleID) pim.Code {
		return codeOf(pim.MayEditPolicy(s.As(who).Caller(), pim.RoleKey{Provider: pim.Resource, Scope: "/one/rg-1", Role: role}, pim.GroupFacts{}))
	}
	for _, fact := range []struct {
		who  string
		role pim.RoleID
		want pim.Code
	}{
		{"root", "resource-owner", ""}, {"readers", "resource-reader", ""}, {"readers", "resource-owner", no}, {"groups", "resource-reader", no},
		{"amira", "resource-reader", pim.Forbidden}, {"keeper", "resource-owner", ""},
	} {
		if got := policyOf(fact.who, fact.role); got != fact.want {
			t.Errorf("%s edits the policy of %s: %q, want %q", fact.who, fact.role, got, fact.want)
		}
	}

	// They bind requests of every kind, and what is written outside PIM.
	s.As("readers").MakesEligible("amira", "Reader on /one", "for 24h")
	s.As("readers").Cannot(no).MakesEligible("amira", "Owner on /one", "for 24h")
	s.As("readers").Cannot(no).Assigns("amira", "Owner on /one/rg-1", "for 24h", "ticket 1")
	s.As("readers").Cannot(no).Asks(pim.AssignOutside, pim.Assignment, "amira", "Owner on /one/rg-1")
	s.As("root").MakesEligible("amira", "Owner on /one", "for 24h")
	for _, action := range []pim.Action{pim.AdminRemove, pim.AdminUpdate, pim.AdminExtend} {
		s.As("readers").Cannot(no).Asks(action, pim.Eligibility, "amira", "Owner on /one", "for 48h")
		s.As("to-bo").Cannot(no).Asks(action, pim.Eligibility, "amira", "Reader on /one", "for 48h")
	}
	s.As("readers").Asks(pim.AdminExtend, pim.Eligibility, "amira", "Reader on /one", "for 48h")
	s.As("readers").Asks(pim.AdminRemove, pim.Eligibility, "amira", "Reader on /one")
}

func codeOf(err error) pim.Code {
	if r, ok := err.(*pim.Refusal); ok { //nolint:errorlint // the core returns it bare
		return r.Code
	}
	return ""
}
