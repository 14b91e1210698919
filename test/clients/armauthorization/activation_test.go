package armauthorization

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"portcullis/test/clients/house"
)

// The walk of an activation that is narrower than what it rests on, which another person approves.
func TestASubscriptionsEligibilityIsActivatedInOneResourceGroup(t *testing.T) {
	app, bob, ana := sample.owner(t), sample.Someone(t, "bob"), sample.Someone(t, "ana")
	e := app.plants(t, "narrow")
	role := app.role(t, e.subscription, "Contributor")
	rest := app.makesEligible(t, e.subscription, bob.ID, role, "P30D")
	// Bob is an approver too, which must not let him decide on himself.
	app.ruled(t, e.subscription, role, demandsApproval(ana, bob))
	asBob, asAna := sample.signIn(t, bob), sample.signIn(t, ana)

	asBob.findsWhatHeMayActivate(t, e, rest, role)
	asBob.mayNotWrite(t, e.orders)

	looked, err := asBob.NewRoleAssignmentScheduleRequestsClient().Validate(t.Context(), e.data, newID(), activates(bob, role).assignment(), nil)
	asked(t, "look at what would come", looked.RoleAssignmentScheduleRequest, err, armauthorization.StatusPendingEvaluation)
	house.Rows(t, "requests after looking", asBob.requests(t, e.subscription, "asRequestor()"), 0)
	request, approval := asBob.waiting(t, e.data, bob, role)
	house.Equal(t, "scope of the request", house.Value(request.Properties.Scope), e.data)
	_, err = asBob.assignment(t, e.data, activates(bob, role))
	house.Contains(t, "what is said of a second request", refused(t, "ask twice", err, http.StatusBadRequest, "PendingRoleAssignmentRequest"),
		"There is already an existing pending Role assignment request")
	house.Rows(t, "active assignments while waiting", asBob.holds(t, e.data, "asTarget()"), 0)

	asAna.approves(t, asBob, e, request, approval)
	after, err := asBob.request(t, e.data, house.Value(request.Name))
	asked(t, "the request after approval", after, err, armauthorization.StatusProvisioned)
	bobHoldsAt(t, app, e, bob, rest, role)
	must(t, "write the database", asBob.puts(t, e.orders))
	asBob.mayNotWrite(t, e.web+"/providers/"+ownType+"/another")
	roles, _ := asBob.within(t, e.id)
	may := all(t, "permissions", roles.NewPermissionsClient().NewListForResourceGroupPager("data", nil),
		func(page armauthorization.PermissionsClientListForResourceGroupResponse) []*armauthorization.Permission {
			return page.Value
		})
	house.Equal(t, "what Bob may do in the resource group", house.Value(house.Rows(t, "permissions", may, 1)[0].Actions[0]), "*")

	sample.After(t, time.Hour+time.Minute)
	house.Until(t, "the activation has ended", func() bool { return len(asBob.holds(t, e.data, "asTarget()")) == 0 })
	asBob.mayNotWrite(t, e.orders)
	house.Rows(t, "eligibilities afterwards", asBob.eligibilities(t, e.subscription), 1)
}

// findsWhatHeMayActivate walks from nothing to the places where an eligibility can be activated, as clients do.
func (a *azure) findsWhatHeMayActivate(t *testing.T, e estate, schedule, role string) {
	t.Helper()
	mine := slices.DeleteFunc(a.eligibilities(t, ""), func(r *eligibilityRow) bool { return house.Value(r.Properties.Scope) != e.subscription })
	p := house.Rows(t, "eligibilities in the tenant", mine, 1)[0].Properties
	house.Equal(t, "role of the eligibility", house.Value(p.RoleDefinitionID), role)
	house.Equal(t, "how it is reached", house.Value(p.MemberType), armauthorization.MemberTypeDirect)
	house.Equal(t, "schedule of the eligibility", lastPart(house.Value(p.RoleEligibilityScheduleID)), schedule)
	house.Equal(t, "type of the scope", house.Value(p.ExpandedProperties.Scope.Type), "subscription")
	house.Equal(t, "name of the scope", house.Value(p.ExpandedProperties.Scope.DisplayName), "Subscription of narrow")
	house.Equal(t, "name of the role", house.Value(p.ExpandedProperties.RoleDefinition.DisplayName), "Contributor")
	for _, scope := range []string{e.data, e.orders} {
		p := house.Rows(t, "eligibilities at "+scope, a.eligibilities(t, scope), 1)[0].Properties
		house.Equal(t, "scope of the eligibility", house.Value(p.Scope), e.subscription)
		house.Equal(t, "how it is reached at "+scope, house.Value(p.MemberType), armauthorization.MemberTypeInherited)
	}
	house.Equal(t, "resource groups below", a.children(t, e.subscription, "resourceType eq 'resourcegroup'"), e.data+" "+e.web)
	house.Equal(t, "resources below", a.children(t, e.data, ""), e.orders)
	house.Equal(t, "nothing below what is not there", a.children(t, e.web, ""), "")
}

// children are the ids of what is below a scope where the caller may activate a role.
func (a *azure) children(t *testing.T, scope, filter string) string {
	t.Helper()
	options := &armauthorization.EligibleChildResourcesClientGetOptions{}
	if filter != "" {
		options.Filter = &filter
	}
	var ids []string
	for _, c := range all(t, "eligible children", a.NewEligibleChildResourcesClient().NewGetPager(scope, options),
		func(page armauthorization.EligibleChildResourcesClientGetResponse) []*armauthorization.EligibleChildResource {
			return page.Value
		}) {
		ids = append(ids, house.Value(c.ID))
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// approves finds what waits for the caller, and agrees to it; whoever asked may not.
func (a *azure) approves(t *testing.T, requestor *azure, e estate, request assignmentRequest, approval string) {
	t.Helper()
	refused(t, "decide on oneself", requestor.decides(t, http.MethodPatch, approval, "Approve"), http.StatusForbidden, "AuthorizationFailed")
	house.Rows(t, "what the requestor sees to decide", requestor.requests(t, e.subscription, "asApprover()"), 0)
	found := house.Rows(t, "requests to decide", a.requests(t, e.subscription, "asApprover()"), 1)[0]
	house.Equal(t, "the request to decide", house.Value(found.ID), house.Value(request.ID))
	open := house.Rows(t, "stages", a.stages(t, house.Value(found.Properties.ApprovalID)), 1)[0]
	house.Equal(t, "id of the stage", open.Name, lastPart(approval))
	if p := open.Properties; p.Status != "InProgress" || p.ReviewResult != "NotReviewed" || !p.AssignedToMe {
		t.Errorf("open stage: got %+v, want one that is in progress, not reviewed and the caller's", p)
	}
	must(t, "approve", a.decides(t, http.MethodPut, approval, "Approve"))
	closed := a.stages(t, approval)[0].Properties
	if closed.Status != "Completed" || closed.ReviewResult != "Approve" || closed.Justification != "As agreed" || closed.ReviewedBy == nil {
		t.Errorf("decided stage: got %+v, want it completed and approved", closed)
	}
	house.Rows(t, "requests to decide afterwards", a.requests(t, e.subscription, "asApprover()"), 0)
}

// bobHoldsAt looks at the activation from above, at its place and from below.
func bobHoldsAt(t *testing.T, app *azure, e estate, bob *person, rest, role string) {
	t.Helper()
	held := func(scope, filter string, member armauthorization.MemberType) *assignmentRow {
		t.Helper()
		row := house.Rows(t, "active assignments at "+scope, app.holds(t, scope, filter), 1)[0]
		p := row.Properties
		house.Equal(t, "scope of the assignment", house.Value(p.Scope), e.data)
		house.Equal(t, "role of the assignment", house.Value(p.RoleDefinitionID), role)
		house.Equal(t, "how it is reached at "+scope, house.Value(p.MemberType), member)
		house.Equal(t, "how it is held", house.Value(p.AssignmentType), armauthorization.AssignmentTypeActivated)
		house.Equal(t, "how long it lasts", house.Value(p.EndDateTime).Sub(house.Value(p.StartDateTime)), time.Hour)
		return row
	}
	row := held(e.data, principalIs(bob), armauthorization.MemberTypeDirect)
	held(e.orders, principalIs(bob), armauthorization.MemberTypeInherited)
	held(e.orders, "assignedTo('"+bob.ID+"')", armauthorization.MemberTypeInherited)
	held(e.subscription, principalIs(bob), armauthorization.MemberTypeDirect)
	house.Rows(t, "active assignments beside it", app.holds(t, e.web, principalIs(bob)), 0)
	house.Equal(t, "what it rests on", lastPart(house.Value(row.Properties.LinkedRoleEligibilityScheduleID)), rest)
	behind, err := app.NewRoleAssignmentsClient().GetByID(t.Context(), house.Value(row.Properties.OriginRoleAssignmentID), nil)
	must(t, "the role assignment behind it", err)
	house.Equal(t, "its principal", house.Value(behind.Properties.PrincipalID), bob.ID)
}

func TestAnActivationTakesASecondFactorAndIsGivenBack(t *testing.T) {
	app, eve := sample.owner(t), sample.Someone(t, "eve")
	e := app.plants(t, "factor")
	role := app.role(t, e.subscription, "Reader")
	app.makesEligible(t, e.data, eve.ID, role, "P30D")
	app.ruled(t, e.data, role, demands(armauthorization.EnablementRulesMultiFactorAuthentication, armauthorization.EnablementRulesJustification))

	asEve := sample.signIn(t, eve)
	silent := activates(eve, role)
	silent.justification = ""
	_, err := asEve.assignment(t, e.data, silent)
	message := refused(t, "activate without a reason and a second factor", err, http.StatusBadRequest, policyFailed)
	house.Contains(t, "the rules that failed", message, "JustificationRule")
	house.Contains(t, "the rules that failed", message, "MfaRule")
	_, err = asEve.assignment(t, e.subscription, activates(eve, role))
	house.Contains(t, "the rules that failed above the eligibility", refused(t, "activate above it", err, http.StatusBadRequest, policyFailed), "EligibilityRule")

	asEve = sample.signInWithMFA(t, eve)
	got, err := asEve.assignment(t, e.data, activates(eve, role))
	asked(t, "activate", got, err, armauthorization.StatusProvisioned)
	_, err = asEve.assignment(t, e.data, activates(eve, role))
	house.Contains(t, "what is said of it", refused(t, "activate again", err, http.StatusBadRequest, "RoleAssignmentExists"), "The Role assignment already exists")

	back := ask{kind: armauthorization.RequestTypeSelfDeactivate, principal: eve.ID, role: role}
	_, err = asEve.assignment(t, e.data, back)
	refused(t, "give it back at once", err, http.StatusBadRequest, "ActiveDurationTooShort")
	sample.After(t, 6*time.Minute)
	got, err = asEve.assignment(t, e.data, back)
	asked(t, "give it back", got, err, armauthorization.StatusRevoked)
	house.Rows(t, "active assignments afterwards", asEve.holds(t, e.data, "asTarget()"), 0)
}

func TestAMemberOfAGroupActivatesWhatTheGroupIsEligibleFor(t *testing.T) {
	app, owen := sample.owner(t), sample.Someone(t, "owen")
	e := app.plants(t, "grouped")
	role := app.role(t, e.subscription, "Reader")
	app.makesEligible(t, e.unit, sample.Groups["application-owners"].ID, role, "P30D")

	asOwen := sample.signIn(t, owen)
	p := house.Rows(t, "eligibilities", asOwen.eligibilities(t, e.subscription), 1)[0].Properties
	house.Equal(t, "whose it is", house.Value(p.PrincipalType), armauthorization.PrincipalTypeGroup)
	house.Equal(t, "how it is reached", house.Value(p.MemberType), armauthorization.MemberTypeGroup)
	house.Equal(t, "where it is", house.Value(p.Scope), e.unit)
	got, err := asOwen.assignment(t, e.subscription, activates(owen, role))
	asked(t, "activate", got, err, armauthorization.StatusProvisioned)
	row := house.Rows(t, "active assignments", asOwen.holds(t, e.subscription, "asTarget()"), 1)[0].Properties
	house.Equal(t, "who holds it", house.Value(row.PrincipalID), owen.ID)
	house.Equal(t, "how it is reached", house.Value(row.MemberType), armauthorization.MemberTypeDirect)
	asOwen.mayNotWrite(t, e.orders)
	_, resources := asOwen.within(t, e.id)
	_, err = resources.NewResourceGroupsClient().Get(t.Context(), "data", nil)
	must(t, "read a resource group", err)
}

func TestAnEligibilityIsPlannedExtendedAndTaken(t *testing.T) {
	app, mia := sample.owner(t), sample.Someone(t, "mia")
	e := app.plants(t, "planned")
	role := app.role(t, e.subscription, "Reader")
	planned := ask{kind: armauthorization.RequestTypeAdminAssign, principal: mia.ID, role: role, duration: "P10D", start: new(sample.Now().Add(24 * time.Hour))}
	got, err := app.eligibility(t, e.web, planned)
	must(t, "plan an eligibility", err)
	house.Equal(t, "status of what is planned", house.Value(got.Properties.Status), armauthorization.StatusGranted)
	asMia := sample.signIn(t, mia)
	house.Rows(t, "eligibilities before the start", asMia.eligibilities(t, e.web), 0)
	list := all(t, "schedules", asMia.NewRoleEligibilitySchedulesClient().NewListForScopePager(e.web,
		&armauthorization.RoleEligibilitySchedulesClientListForScopeOptions{Filter: new("asTarget()")}),
		func(page armauthorization.RoleEligibilitySchedulesClientListForScopeResponse) []*armauthorization.RoleEligibilitySchedule {
			return page.Value
		})
	schedule := house.Rows(t, "schedules before the start", list, 1)[0]
	house.Equal(t, "request of the schedule", house.Value(schedule.Properties.RoleEligibilityScheduleRequestID), house.Value(got.ID))

	sample.After(t, 25*time.Hour)
	house.Rows(t, "eligibilities after the start", asMia.eligibilities(t, e.web), 1)
	_, err = app.eligibility(t, e.web, ask{kind: armauthorization.RequestTypeAdminAssign, principal: mia.ID, role: role, duration: "P5D"})
	refused(t, "assign it again", err, http.StatusBadRequest, "RoleAssignmentExists")
	_, err = app.eligibility(t, e.web, ask{kind: armauthorization.RequestTypeAdminUpdate, principal: mia.ID, role: role, duration: "P20D", justification: "The project goes on"})
	must(t, "change how long it lasts", err)
	p := house.Rows(t, "eligibilities after the change", asMia.eligibilities(t, e.web), 1)[0].Properties
	if lasts := house.Value(p.EndDateTime).Sub(sample.Now()); lasts < 15*24*time.Hour {
		t.Errorf("the eligibility lasts %s from now, want about 20 days", lasts)
	}
	got, err = app.eligibility(t, e.web, ask{kind: armauthorization.RequestTypeAdminRemove, principal: mia.ID, role: role})
	must(t, "take it", err)
	house.Equal(t, "status of the removal", house.Value(got.Properties.Status), armauthorization.StatusRevoked)
	house.Rows(t, "eligibilities after that", asMia.eligibilities(t, e.web), 0)
	_, err = app.eligibility(t, e.web, ask{kind: armauthorization.RequestTypeAdminRemove, principal: mia.ID, role: role})
	refused(t, "take it again", err, http.StatusBadRequest, "RoleAssignmentDoesNotExist")
}

// The name of a request is the caller's choice, and can be used once.
func TestARequestIsNamedOnce(t *testing.T) {
	app, nora := sample.owner(t), sample.Someone(t, "nora")
	e := app.plants(t, "named")
	role := app.role(t, e.subscription, "Reader")
	requests := app.NewRoleEligibilityScheduleRequestsClient()
	q, name := ask{kind: armauthorization.RequestTypeAdminAssign, principal: nora.ID, role: role, duration: "P1D"}, newID()
	made, err := requests.Create(t.Context(), e.subscription, name, q.eligibility(), nil)
	must(t, "make somebody eligible", err)
	house.Equal(t, "name of the request", house.Value(made.Name), name)
	house.Equal(t, "id of the request", house.Value(made.ID), e.subscription+authorizationPath+"roleEligibilityScheduleRequests/"+name)
	_, err = requests.Create(t.Context(), e.subscription, name, q.eligibility(), nil)
	house.Contains(t, "what is said of the name", refused(t, "use the name again", err, http.StatusConflict, "RoleAssignmentRequestExists"), name)
	_, err = app.eligibility(t, e.subscription, ask{kind: armauthorization.RequestTypeAdminAssign, principal: newID(), role: role, duration: "P1D"})
	refused(t, "make nobody eligible", err, http.StatusBadRequest, "SubjectNotFound")
	_, err = app.eligibility(t, e.subscription, ask{kind: armauthorization.RequestTypeAdminAssign, principal: nora.ID, role: tenantRoles + newID(), duration: "P1D"})
	refused(t, "make somebody eligible for no role", err, http.StatusNotFound, "RoleDefinitionDoesNotExist")
}

// A policy may demand an authentication context; the refusal tells which claims to sign in with.
func TestAnActivationTakesAnAuthenticationContext(t *testing.T) {
	app, mia := sample.owner(t), sample.Someone(t, "mia")
	e := app.plants(t, "context")
	role := app.role(t, e.subscription, "Reader")
	app.makesEligible(t, e.web, mia.ID, role, "P30D")
	app.ruled(t, e.web, role, demandsContext("c1"))

	asMia := sample.connect(t, sample.Device(t, sample.NewBrowser(mia)))
	_, err := asMia.assignment(t, e.web, activates(mia, role))
	message := refused(t, "activate without the context", err, http.StatusBadRequest, "RoleAssignmentRequestAcrsValidationFailed")
	_, escaped, found := strings.Cut(message, "&claims=")
	escaped, _, _ = strings.Cut(escaped, `"`)
	claims, err := url.QueryUnescape(escaped)
	if !found || err != nil {
		t.Fatalf("claims in the message: got %q (%v)", message, err)
	}
	asMia.token(t, claims)
	got, err := asMia.assignment(t, e.web, activates(mia, role))
	asked(t, "activate with it", got, err, armauthorization.StatusProvisioned)
}
