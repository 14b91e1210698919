package msgraph

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"portcullis/test/clients/house"
)

// isMember tells whether a person is a member of a group, by every way that tells.
func (g *graph) isMember(t *testing.T, p *person, group string) bool {
	t.Helper()
	own := sample.signIn(t, p) // a new sign-in, for a new token
	said := map[string]bool{
		"members":            slices.Contains(g.members(t, group), p.ID),
		"the token's groups": slices.Contains(own.token(t, "").Groups, group),
	}
	below, err := g.Groups().ByGroupId(group).TransitiveMembers().Get(t.Context(), nil)
	must(t, "list transitive members", err)
	said["transitiveMembers"] = slices.Contains(ids(below.GetValue()), p.ID)
	above, err := g.Users().ByUserId(p.ID).TransitiveMemberOf().GraphGroup().Get(t.Context(), nil)
	must(t, "list transitive groups", err)
	for _, o := range above.GetValue() {
		said["transitiveMemberOf"] = said["transitiveMemberOf"] || house.Value(o.GetId()) == group
	}
	body := users.NewItemCheckMemberGroupsPostRequestBody()
	body.SetGroupIds([]string{group})
	checked, err := own.Users().ByUserId(p.ID).CheckMemberGroups().PostAsCheckMemberGroupsPostResponse(t.Context(), body, nil)
	must(t, "check member groups", err)
	said["checkMemberGroups"] = slices.Contains(checked.GetValue(), group)
	for way, is := range said {
		if is != said["members"] {
			t.Errorf("whether a member: %s says %t, members says %t", way, is, said["members"])
		}
	}
	return said["members"]
}

// The main story: eligible, refused without a reason, a member by every way that tells, ended by hand, a member again, and
// none when the hour is over.
func TestAPersonActivatesAMembership(t *testing.T) {
	app, alice, owen := sample.application(t), sample.Someone(t, "alice"), sample.Someone(t, "owen")
	group := app.makeGroup(t, "vault-keepers", with(nil, []*person{owen}))
	schedule := app.opens(t, alice, group, asMember)
	g := sample.signIn(t, alice)
	g.seesEligibility(t, schedule, group)
	house.Equal(t, "a member before", app.isMember(t, alice, group), false)

	without := joins(alice, group)
	without.justification = ""
	_, err := g.membership(t, without)
	r := refused(t, "activate without a reason", err, http.StatusBadRequest, policyFailed)
	house.Contains(t, "the message", r.message, "JustificationRule")
	got, err := g.membership(t, joins(alice, group))
	done(t, "activate", got, err, "Provisioned")
	house.Equal(t, "target schedule", house.Value(got.GetTargetScheduleId()), group+"_member_"+house.Value(got.GetId()))
	g.seesMembership(t, group, house.Value(got.GetTargetScheduleId()), schedule)
	house.Equal(t, "a member while it runs", app.isMember(t, alice, group), true)
	_, err = g.membership(t, joins(alice, group))
	refused(t, "activate twice", err, http.StatusBadRequest, "RoleAssignmentExists")

	leaves := joining{action: groupDeactivate, principal: alice.ID, group: group, side: asMember}
	_, err = g.membership(t, leaves)
	refused(t, "deactivate at once", err, http.StatusBadRequest, "ActiveDurationTooShort")
	sample.After(t, 6*time.Minute)
	got, err = g.membership(t, leaves)
	done(t, "deactivate", got, err, "Revoked")
	house.Equal(t, "a member after the end by hand", app.isMember(t, alice, group), false)

	got, err = g.membership(t, joins(alice, group))
	done(t, "activate again", got, err, "Provisioned")
	house.Equal(t, "a member again", app.isMember(t, alice, group), true)
	sample.After(t, time.Hour)
	house.Equal(t, "a member after an hour", app.isMember(t, alice, group), false)
}

// seesEligibility checks that a person sees what they are eligible for.
func (g *graph) seesEligibility(t *testing.T, schedule, group string) {
	t.Helper()
	got, err := g.pimForGroups().EligibilitySchedules().FilterByCurrentUserWithOn(new("principal")).
		GetAsFilterByCurrentUserWithOnGetResponse(t.Context(), &myGroupEligibilityConfig{QueryParameters: &myGroupEligibilityQuery{
			Filter: new("groupId eq '" + group + "'"), Expand: []string{"group", "principal"},
		}})
	must(t, "list one's own eligibilities", err)
	row := house.Rows(t, "one's own eligibilities", got.GetValue(), 1)[0]
	house.Equal(t, "schedule", house.Value(row.GetId()), schedule)
	house.Equal(t, "group", house.Value(row.GetGroup().GetId()), group)
	house.Equal(t, "side", house.Value(row.GetAccessId()), asMember)
	house.Equal(t, "member type", house.Value(row.GetMemberType()), models.DIRECT_PRIVILEGEDACCESSGROUPMEMBERTYPE)
	one, err := g.pimForGroups().EligibilitySchedules().ByPrivilegedAccessGroupEligibilityScheduleId(schedule).Get(t.Context(), nil)
	must(t, "read one's own eligibility", err)
	house.Equal(t, "schedule by its id", house.Value(one.GetId()), schedule)
}

// seesMembership checks that a person sees their own activation and what it rests on.
func (g *graph) seesMembership(t *testing.T, group, schedule, eligibility string) {
	t.Helper()
	got, err := g.pimForGroups().AssignmentScheduleInstances().FilterByCurrentUserWithOn(new("principal")).
		GetAsFilterByCurrentUserWithOnGetResponse(t.Context(), &myMembershipConfig{QueryParameters: &myMembershipQuery{
			Filter: new("groupId eq '" + group + "'"), Expand: []string{"activatedUsing", "group"},
		}})
	must(t, "list one's own memberships", err)
	row := house.Rows(t, "one's own memberships", got.GetValue(), 1)[0]
	house.Equal(t, "schedule", house.Value(row.GetAssignmentScheduleId()), schedule)
	house.Equal(t, "how it is held", house.Value(row.GetAssignmentType()), models.ACTIVATED_PRIVILEGEDACCESSGROUPASSIGNMENTTYPE)
	if using := row.GetActivatedUsing(); using == nil {
		t.Error("activatedUsing was not expanded")
	} else {
		house.Equal(t, "what the activation rests on", house.Value(using.GetEligibilityScheduleId()), eligibility)
	}
	if held := lasts(row); held != time.Hour {
		t.Errorf("the membership lasts %s, want 1h", held)
	}
}

// Who activates a membership holds what the group holds, as long as the membership runs.
func TestAnActivatedMembershipCarriesTheGroupsRoles(t *testing.T) {
	app, bob := sample.application(t), sample.Someone(t, "bob")
	group := app.makeGroup(t, "report-readers", func(g *models.Group) {
		g.SetIsAssignableToRole(new(true))
		g.SetVisibility(new("Private"))
	})
	role := app.role(t, "Reports Reader")
	assigned, err := app.assignment(t, ask{action: adminAssign, principal: group, role: role, duration: "P90D", justification: "Reports"})
	done(t, "give the group a role", assigned, err, "Provisioned")
	app.opens(t, bob, group, asMember)

	g := sample.signIn(t, bob)
	house.Rows(t, "roles before", g.ownRoles(t, role), 0)
	_, err = g.AuditLogs().DirectoryAudits().Get(t.Context(), nil)
	refused(t, "read the log before", err, http.StatusForbidden, "Authentication_RequestFromUnsupportedUserRole")
	got, err := g.membership(t, joins(bob, group))
	done(t, "activate", got, err, "Provisioned")
	row := house.Rows(t, "roles of the member", g.ownRoles(t, role), 1)[0]
	house.Equal(t, "member type", house.Value(row.GetMemberType()), "Group")
	house.Equal(t, "principal", house.Value(row.GetPrincipalId()), bob.ID)
	_, err = g.AuditLogs().DirectoryAudits().Get(t.Context(), nil)
	must(t, "read the log as a member", err)

	sample.After(t, time.Hour)
	house.Rows(t, "roles afterwards", g.ownRoles(t, role), 0)
	_, err = g.AuditLogs().DirectoryAudits().Get(t.Context(), nil)
	refused(t, "read the log afterwards", err, http.StatusForbidden, "Authentication_RequestFromUnsupportedUserRole")
}

// ownRoles lists the caller's own active assignments of a role.
func (g *graph) ownRoles(t *testing.T, role string) []assignmentRow {
	t.Helper()
	got, err := g.RoleManagement().Directory().RoleAssignmentScheduleInstances().FilterByCurrentUserWithOn(new("principal")).
		GetAsFilterByCurrentUserWithOnGetResponse(t.Context(), &myAssignmentConfig{QueryParameters: &myAssignmentQuery{
			Filter: new("roleDefinitionId eq '" + role + "'"),
		}})
	must(t, "list one's own roles", err)
	return got.GetValue()
}

func TestAnActivatedOwnerAdministersTheGroup(t *testing.T) {
	app, mia, bob := sample.application(t), sample.Someone(t, "mia"), sample.Someone(t, "bob")
	group := app.makeGroup(t, "owned-by-the-hour")
	app.opens(t, mia, group, asOwner)
	g := sample.signIn(t, mia)
	a := joining{action: groupAssign, principal: bob.ID, group: group, side: asMember, duration: "P30D", justification: "Helps"}
	_, err := g.groupEligibility(t, a)
	refused(t, "make eligible before", err, http.StatusForbidden, "Authorization_RequestDenied")

	own := joins(mia, group)
	own.side = asOwner
	got, err := g.membership(t, own)
	done(t, "activate the ownership", got, err, "Provisioned")
	house.Equal(t, "owners", text(t, app.owners(t, group)), text(t, []string{mia.ID}))
	house.Rows(t, "members", app.members(t, group), 0)
	given, err := g.groupEligibility(t, a)
	done(t, "make eligible as an owner", given, err, "Provisioned")
	house.Equal(t, "creator", creator(given), mia.ID)
	sample.After(t, time.Hour)
	house.Rows(t, "owners afterwards", app.owners(t, group), 0)
	a.action = groupRemove
	_, err = g.groupEligibility(t, a)
	refused(t, "remove afterwards", err, http.StatusForbidden, "Authorization_RequestDenied")
}

// What programs manage: assign, change, take away; each change gives the schedule a new id.
func TestMembershipsAreGivenChangedAndTaken(t *testing.T) {
	app, bob, dan := sample.application(t), sample.Someone(t, "bob"), sample.Someone(t, "dan")
	group := app.makeGroup(t, "managed")
	first := app.opens(t, bob, group, asMember)
	changes := joining{action: groupUpdate, principal: bob.ID, group: group, side: asMember, duration: "P60D", justification: "Longer"}
	changed, err := app.groupEligibility(t, changes)
	done(t, "change the eligibility", changed, err, "Provisioned")
	if house.Value(changed.GetTargetScheduleId()) == first {
		t.Error("the change kept the schedule's id")
	}
	_, err = app.pimForGroups().EligibilitySchedules().ByPrivilegedAccessGroupEligibilityScheduleId(first).Get(t.Context(), nil)
	refused(t, "read the old schedule", err, http.StatusNotFound, "Request_ResourceNotFound")
	asked, err := app.pimForGroups().EligibilityScheduleRequests().Get(t.Context(), &groupRequestConfig{QueryParameters: &groupRequestQuery{
		Filter: new("groupId eq '" + group + "' and targetScheduleId eq '" + house.Value(changed.GetTargetScheduleId()) + "'"),
		Expand: []string{"targetSchedule", "group"},
	}})
	must(t, "list requests", err)
	last := house.Rows(t, "requests of the schedule", asked.GetValue(), 1)[0]
	house.Equal(t, "reason", house.Value(last.GetJustification()), "Longer")
	house.Equal(t, "schedule of the request", house.Value(last.GetTargetSchedule().GetId()), house.Value(changed.GetTargetScheduleId()))

	gives := joining{action: groupAssign, principal: dan.ID, group: group, side: asMember, duration: "P7D", justification: "Stands in"}
	given, err := app.membership(t, gives)
	done(t, "give a membership", given, err, "Provisioned")
	row := house.Rows(t, "memberships", app.memberships(t, group), 1)[0]
	house.Equal(t, "how it is held", house.Value(row.GetAssignmentType()), models.ASSIGNED_PRIVILEGEDACCESSGROUPASSIGNMENTTYPE)
	house.Equal(t, "whose it is", house.Value(row.GetPrincipal().GetId()), dan.ID)
	house.Equal(t, "a member", app.isMember(t, dan, group), true)
	sample.After(t, 6*time.Minute)
	taken, err := app.membership(t, joining{action: groupRemove, principal: dan.ID, group: group, side: asMember})
	done(t, "take the membership", taken, err, "Revoked")
	house.Rows(t, "memberships afterwards", app.memberships(t, group), 0)
	removed, err := app.groupEligibility(t, joining{action: groupRemove, principal: bob.ID, group: group, side: asMember})
	done(t, "remove the eligibility", removed, err, "Revoked")
	left, err := app.pimForGroups().EligibilityScheduleInstances().Get(t.Context(), &groupEligibilityConfig{
		QueryParameters: &groupEligibilityQuery{Filter: new("groupId eq '" + group + "'")},
	})
	must(t, "list eligibilities", err)
	house.Rows(t, "eligibilities afterwards", left.GetValue(), 0)
}

// Members made outside PIM are members without a request and without an end.
func TestMembersMadeOutsidePIM(t *testing.T) {
	app, owen := sample.application(t), sample.Someone(t, "owen")
	var sides []models.PrivilegedAccessGroupRelationships
	for _, row := range app.memberships(t, sample.Groups["data-stewards"].ID) {
		if house.Value(row.GetPrincipalId()) != owen.ID {
			continue
		}
		sides = append(sides, house.Value(row.GetAccessId()))
		house.Equal(t, "how it is held", house.Value(row.GetAssignmentType()), models.ASSIGNED_PRIVILEGEDACCESSGROUPASSIGNMENTTYPE)
		if row.GetEndDateTime() != nil {
			t.Errorf("a membership made outside PIM ends at %s", row.GetEndDateTime())
		}
	}
	house.Rows(t, "sides of the group that Owen is on", sides, 2)
	_, err := app.pimForGroups().AssignmentScheduleInstances().Get(t.Context(), nil)
	refused(t, "list every membership", err, http.StatusBadRequest, "InvalidFilter")
}
