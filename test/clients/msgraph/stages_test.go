package msgraph

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"portcullis/test/clients/house"
)

// unseen is the answer to whom something is not theirs to decide: as if it were not there.
const unseen = "RoleAssignmentRequestNotFound"

// approvals are those of one kind, about one role or group: of roles in steps, which only beta has; of groups in typed stages.
type approvals interface {
	stages(t *testing.T, g *graph, id string) []step
	decide(t *testing.T, g *graph, id, stage, result string) error
	// waiting is how many requests wait for the caller's decision.
	waiting(t *testing.T, g *graph) int
	status(t *testing.T, g *graph, id string) string
}

type approvalsOfRole struct{ role string }

func (a approvalsOfRole) stages(t *testing.T, g *graph, id string) []step {
	t.Helper()
	var got approval
	must(t, "read the approval", g.readBeta(t, roleApprovals+id+"?$expand=steps", &got))
	return got.Steps
}

func (a approvalsOfRole) decide(t *testing.T, g *graph, id, stage, result string) error {
	t.Helper()
	return g.decides(t, approval{ID: id, Steps: []step{{ID: stage}}}, result)
}

func (a approvalsOfRole) waiting(t *testing.T, g *graph) int {
	t.Helper()
	return len(g.toDecide(t, a.role))
}

func (a approvalsOfRole) status(t *testing.T, g *graph, id string) string {
	t.Helper()
	got, err := g.RoleManagement().Directory().RoleAssignmentScheduleRequests().
		ByUnifiedRoleAssignmentScheduleRequestId(id).Get(t.Context(), nil)
	must(t, "read the request", err)
	return house.Value(got.GetStatus())
}

type approvalsOfGroup struct{ group string }

func (a approvalsOfGroup) stages(t *testing.T, g *graph, id string) []step {
	t.Helper()
	got, err := g.pimForGroups().AssignmentApprovals().ByApprovalId(id).Get(t.Context(), &groupApprovalConfig{
		QueryParameters: &groupApprovalQuery{Expand: []string{"stages"}},
	})
	must(t, "read the approval", err)
	house.Equal(t, "id of the approval", house.Value(got.GetId()), id)
	var out []step
	for _, s := range got.GetStages() {
		one := step{
			ID: house.Value(s.GetId()), Status: house.Value(s.GetStatus()), ReviewResult: house.Value(s.GetReviewResult()),
			AssignedToMe: house.Value(s.GetAssignedToMe()), Justification: house.Value(s.GetJustification()),
		}
		if by := s.GetReviewedBy(); by != nil {
			one.ReviewedBy = &struct{ ID string }{house.Value(by.GetId())}
		}
		out = append(out, one)
	}
	return out
}

func (a approvalsOfGroup) decide(t *testing.T, g *graph, id, stage, result string) error {
	t.Helper()
	answer := models.NewApprovalStage()
	answer.SetReviewResult(&result)
	answer.SetJustification(new("As agreed"))
	_, err := g.pimForGroups().AssignmentApprovals().ByApprovalId(id).Stages().ByApprovalStageId(stage).Patch(t.Context(), answer, nil)
	return err
}

func (a approvalsOfGroup) waiting(t *testing.T, g *graph) int {
	t.Helper()
	got, err := g.pimForGroups().AssignmentScheduleRequests().FilterByCurrentUserWithOn(new("approver")).
		GetAsFilterByCurrentUserWithOnGetResponse(t.Context(), &groupDecisionConfig{QueryParameters: &groupDecisionQuery{
			Filter: new("status eq 'PendingApproval' and groupId eq '" + a.group + "'"), Expand: []string{"principal", "group"},
		}})
	must(t, "list what to decide", err)
	return len(got.GetValue())
}

func (a approvalsOfGroup) status(t *testing.T, g *graph, id string) string {
	t.Helper()
	got, err := g.pimForGroups().AssignmentScheduleRequests().ByPrivilegedAccessGroupAssignmentScheduleRequestId(id).Get(t.Context(), nil)
	must(t, "read the request", err)
	return house.Value(got.GetStatus())
}

// answers decides the stage that waits for the caller, and returns its id.
func (g *graph) answers(t *testing.T, a approvals, id, result string) string {
	t.Helper()
	var open []string
	for _, s := range a.stages(t, g, id) {
		if s.Status == "InProgress" && s.AssignedToMe {
			open = append(open, s.ID)
		}
	}
	stage := house.Rows(t, "stages that wait for the caller", open, 1)[0]
	must(t, result, a.decide(t, g, id, stage, result))
	return stage
}

// states are the stages of an approval as the caller sees them.
func (g *graph) states(t *testing.T, a approvals, id string) string {
	t.Helper()
	var out []string
	for _, s := range a.stages(t, g, id) {
		state := s.Status
		if s.AssignedToMe {
			state += " for me"
		}
		out = append(out, state)
	}
	return strings.Join(out, ", ")
}

// threeStages are Alice's manager; then Ben, whose deputy Ana is asked when an hour has passed; then Eve.
func threeStages(t *testing.T) models.UnifiedRoleManagementPolicyRuleable {
	t.Helper()
	manager := models.NewRequestorManager()
	manager.SetManagerLevel(new(int32(1)))
	second := stage(singleUsers(sample.Someone(t, "ben"))...)
	second.SetIsEscalationEnabled(new(true))
	second.SetEscalationTimeInMinutes(new(int32(60)))
	second.SetEscalationApprovers(singleUsers(sample.Someone(t, "ana")))
	return demandsStages(stage(manager), second, stage(singleUsers(sample.Someone(t, "eve"))...))
}

// followThreeStages sees a request of Alice's through. Whoever's turn it is not cannot decide. given tells whether she has it.
func followThreeStages(t *testing.T, a approvals, asAlice *graph, id string, given func() bool) {
	t.Helper()
	asMia, asBen := sample.signIn(t, sample.Someone(t, "mia")), sample.signIn(t, sample.Someone(t, "ben"))
	asAna, asEve := sample.signIn(t, sample.Someone(t, "ana")), sample.signIn(t, sample.Someone(t, "eve"))
	house.Equal(t, "stages at first", asMia.states(t, a, id), "InProgress for me, Initializing, Initializing")
	refused(t, "decide before one's turn", a.decide(t, asBen, id, id, "Approve"), http.StatusNotFound, unseen)
	house.Equal(t, "id of the first stage", asMia.answers(t, a, id, "Approve"), id)
	house.Equal(t, "given after the first stage", given(), false)

	// Ana may not decide before the hour is over; then she may, and Ben still may.
	house.Equal(t, "requests that Ben sees", a.waiting(t, asBen), 1)
	house.Equal(t, "requests that Ana sees", a.waiting(t, asAna), 0)
	refused(t, "decide before the escalation", a.decide(t, asAna, id, id, "Approve"), http.StatusNotFound, unseen)
	sample.After(t, 61*time.Minute)
	house.Until(t, "Ana sees the request", func() bool { return a.waiting(t, asAna) == 1 })
	house.Equal(t, "requests that Ben sees after the escalation", a.waiting(t, asBen), 1)
	asAna.answers(t, a, id, "Approve")
	house.Equal(t, "given after the second stage", given(), false)

	house.Equal(t, "stages at last", asEve.states(t, a, id), "Completed, Completed, InProgress for me")
	asEve.answers(t, a, id, "Approve")
	house.Equal(t, "status", a.status(t, asAlice, id), "Provisioned")
	house.Equal(t, "given after the third stage", given(), true)
	var by []string
	for _, s := range a.stages(t, asEve, id) {
		by = append(by, house.Value(s.ReviewedBy).ID)
	}
	house.Equal(t, "who decided", text(t, by), text(t, []string{
		sample.Someone(t, "mia").ID, sample.Someone(t, "ana").ID, sample.Someone(t, "eve").ID,
	}))
}

func TestThreeStagesAgreeToARole(t *testing.T) {
	app, alice := sample.application(t), sample.Someone(t, "alice")
	role := app.role(t, "Exchange Administrator")
	app.makesEligible(t, alice, role, "P30D")
	app.ruled(t, role, demands("Justification"))
	app.ruled(t, role, threeStages(t))
	g := sample.signIn(t, alice)
	followThreeStages(t, approvalsOfRole{role}, g, house.Value(g.waiting(t, alice, role).GetId()), func() bool {
		return len(app.holds(t, alice, role)) == 1
	})
}

func TestThreeStagesAgreeToAMembership(t *testing.T) {
	app, alice := sample.application(t), sample.Someone(t, "alice")
	group := app.makeGroup(t, "three-stages")
	app.opens(t, alice, group, asMember)
	app.memberRuled(t, group, threeStages(t))
	g := sample.signIn(t, alice)
	asked, err := g.membership(t, joins(alice, group))
	done(t, "activate", asked, err, "PendingApproval")
	house.Equal(t, "approval of the request", house.Value(asked.GetApprovalId()), house.Value(asked.GetId()))
	followThreeStages(t, approvalsOfGroup{group}, g, house.Value(asked.GetId()), func() bool {
		return len(app.members(t, group)) == 1
	})
}

// The schema has no word for how many must agree; minimum is the server's own, and is left out where one is enough.
func agree(minimum int32, approvers ...*person) models.UnifiedRoleManagementPolicyRuleable {
	s := stage(singleUsers(approvers...)...)
	s.SetAdditionalData(map[string]any{"minimum": minimum})
	return demandsStages(s)
}

func TestTwoOfThreeAgreeToAMembership(t *testing.T) {
	app, bob := sample.application(t), sample.Someone(t, "bob")
	ana, ben, eve := sample.Someone(t, "ana"), sample.Someone(t, "ben"), sample.Someone(t, "eve")
	group := app.makeGroup(t, "two-of-three")
	app.opens(t, bob, group, asMember)
	app.memberRuled(t, group, agree(2, ana, ben, eve))
	g, a := sample.signIn(t, bob), approvalsOfGroup{group}
	asAna, asEve := sample.signIn(t, ana), sample.signIn(t, eve)
	asked, err := g.membership(t, joins(bob, group))
	done(t, "activate", asked, err, "PendingApproval")
	id := house.Value(asked.GetId())
	mine, err := asAna.pimForGroups().AssignmentApprovals().FilterByCurrentUserWithOn(new("approver")).
		GetAsFilterByCurrentUserWithOnGetResponse(t.Context(), nil)
	must(t, "list one's own approvals", err)
	if !slices.ContainsFunc(mine.GetValue(), func(one models.Approvalable) bool { return house.Value(one.GetId()) == id }) {
		t.Error("the approval is not among those that Ana is to decide")
	}
	asAna.answers(t, a, id, "Approve")
	house.Equal(t, "status after one has agreed", a.status(t, g, id), "PendingApproval")
	refused(t, "agree twice", a.decide(t, asAna, id, id, "Approve"), http.StatusConflict, "Conflict")
	asEve.answers(t, a, id, "Approve")
	house.Equal(t, "status after two have agreed", a.status(t, g, id), "Provisioned")
	house.Equal(t, "whose the membership is", house.Value(house.Rows(t, "memberships", app.memberships(t, group), 1)[0].GetPrincipalId()), bob.ID)
}

// One "no" is enough, whoever said "yes" before.
func TestOneOfTwoDeniesARole(t *testing.T) {
	app, bob := sample.application(t), sample.Someone(t, "bob")
	ana, ben := sample.Someone(t, "ana"), sample.Someone(t, "ben")
	role := app.role(t, "Hybrid Identity Administrator")
	app.makesEligible(t, bob, role, "P30D")
	app.ruled(t, role, demands("Justification"))
	app.ruled(t, role, agree(2, ana, ben))
	g, a := sample.signIn(t, bob), approvalsOfRole{role}
	id := house.Value(g.waiting(t, bob, role).GetId())
	sample.signIn(t, ana).answers(t, a, id, "Approve")
	sample.signIn(t, ben).answers(t, a, id, "Deny")
	house.Equal(t, "status", a.status(t, g, id), "Denied")
	house.Rows(t, "active assignments", app.holds(t, bob, role), 0)
}

func TestARequestLapses(t *testing.T) {
	app, alice, ben := sample.application(t), sample.Someone(t, "alice"), sample.Someone(t, "ben")
	group := app.makeGroup(t, "nobody-decides")
	app.opens(t, alice, group, asMember)
	app.memberRuled(t, group, demandsApproval(ben))
	g, a := sample.signIn(t, alice), approvalsOfGroup{group}
	asked, err := g.membership(t, joins(alice, group))
	done(t, "activate", asked, err, "PendingApproval")
	id := house.Value(asked.GetId())
	sample.After(t, 24*time.Hour+time.Minute)
	house.Until(t, "the request lapses", func() bool { return a.status(t, g, id) == "Failed" })
	refused(t, "decide afterwards", a.decide(t, sample.signIn(t, ben), id, id, "Approve"), http.StatusNotFound, unseen)
	house.Rows(t, "members", app.members(t, group), 0)
}
