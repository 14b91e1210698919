package msgraph

import (
	"net/http"
	"testing"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"portcullis/test/clients/house"
)

// approval is an approval of a directory role, which only beta knows.
type approval struct {
	ID    string `json:"id"`
	Steps []step `json:"steps"`
}

type step struct {
	ID            string               `json:"id"`
	Status        string               `json:"status"`
	ReviewResult  string               `json:"reviewResult"`
	AssignedToMe  bool                 `json:"assignedToMe"`
	Justification string               `json:"justification"`
	ReviewedBy    *struct{ ID string } `json:"reviewedBy"`
}

const roleApprovals = "roleManagement/directory/roleAssignmentApprovals/"

func (g *graph) approval(t *testing.T, id string) approval {
	t.Helper()
	var a approval
	must(t, "read the approval", g.readBeta(t, roleApprovals+id, &a))
	house.Rows(t, "steps of the approval", a.Steps, 1)
	return a
}

// decides answers the step of an approval.
func (g *graph) decides(t *testing.T, a approval, result string) error {
	t.Helper()
	return g.patchBeta(t, roleApprovals+a.ID+"/steps/"+a.Steps[0].ID,
		map[string]string{"reviewResult": result, "justification": "As agreed"})
}

// waiting asks for a role that needs approval, and returns the request.
func (g *graph) waiting(t *testing.T, p *person, role string) models.UnifiedRoleAssignmentScheduleRequestable {
	t.Helper()
	got, err := g.assignment(t, activates(p, role))
	done(t, "activate", got, err, "PendingApproval")
	house.Equal(t, "approval of the request", house.Value(got.GetApprovalId()), house.Value(got.GetId()))
	return got
}

// toDecide lists what waits for the caller's decision on one role.
func (g *graph) toDecide(t *testing.T, role string) []models.UnifiedRoleAssignmentScheduleRequestable {
	t.Helper()
	got, err := g.RoleManagement().Directory().RoleAssignmentScheduleRequests().FilterByCurrentUserWithOn(new("approver")).
		GetAsFilterByCurrentUserWithOnGetResponse(t.Context(), &myRequestConfig{QueryParameters: &myRequestQuery{
			Filter: new("status eq 'PendingApproval' and roleDefinitionId eq '" + role + "'"), Expand: []string{"principal", "roleDefinition"},
		}})
	must(t, "list what to decide", err)
	return got.GetValue()
}

func TestAnActivationWaitsForApproval(t *testing.T) {
	app, bob, ana := sample.application(t), sample.Someone(t, "bob"), sample.Someone(t, "ana")
	role := app.role(t, "License Administrator")
	app.makesEligible(t, bob, role, "P30D")
	app.ruled(t, role, demands("Justification"))
	// Bob is an approver too, which must not let him decide on himself.
	app.ruled(t, role, demandsApproval(ana, bob))

	asBob, asAna := sample.signIn(t, bob), sample.signIn(t, ana)
	asked := asBob.waiting(t, bob, role)
	house.Rows(t, "active assignments while waiting", app.holds(t, bob, role), 0)
	_, err := asBob.assignment(t, activates(bob, role))
	refused(t, "ask twice", err, http.StatusBadRequest, "PendingRoleAssignmentRequest")

	own := approval{ID: house.Value(asked.GetApprovalId()), Steps: []step{{ID: house.Value(asked.GetApprovalId())}}}
	refused(t, "decide on oneself", asBob.decides(t, own, "Approve"), http.StatusForbidden, "Authorization_RequestDenied")
	if err := app.decides(t, own, "Approve"); err == nil {
		t.Error("an application could approve")
	}

	found := house.Rows(t, "requests that Ana sees", asAna.toDecide(t, role), 1)[0]
	house.Equal(t, "the request to decide", house.Value(found.GetId()), house.Value(asked.GetId()))
	if user, ok := found.GetPrincipal().(models.Userable); !ok || house.Value(user.GetDisplayName()) != bob.DisplayName {
		t.Errorf("principal of the request: got %T, want the user %s", found.GetPrincipal(), bob.DisplayName)
	}
	open := asAna.approval(t, house.Value(found.GetApprovalId()))
	if s := open.Steps[0]; s.Status != "InProgress" || s.ReviewResult != "NotReviewed" || !s.AssignedToMe {
		t.Errorf("open step: got %+v, want one that is in progress, not reviewed and Ana's", s)
	}

	must(t, "approve", asAna.decides(t, open, "Approve"))
	s := asAna.approval(t, open.ID).Steps[0]
	if s.Status != "Completed" || s.ReviewResult != "Approved" || s.Justification != "As agreed" || s.ReviewedBy == nil || s.ReviewedBy.ID != ana.ID {
		t.Errorf("decided step: got %+v, want it completed and approved by Ana", s)
	}
	refused(t, "decide again", asAna.decides(t, open, "Deny"), http.StatusConflict, "Conflict")
	house.Rows(t, "requests that Ana sees afterwards", asAna.toDecide(t, role), 0)

	after, err := asBob.RoleManagement().Directory().RoleAssignmentScheduleRequests().
		ByUnifiedRoleAssignmentScheduleRequestId(house.Value(asked.GetId())).Get(t.Context(), nil)
	done(t, "the request after approval", after, err, "Provisioned")
	row := house.Rows(t, "active assignments after approval", app.holds(t, bob, role), 1)[0]
	house.Equal(t, "how it is held", house.Value(row.GetAssignmentType()), "Activated")
}

func TestAnActivationIsDeniedAndOneIsWithdrawn(t *testing.T) {
	app, alice, ana := sample.application(t), sample.Someone(t, "alice"), sample.Someone(t, "ana")
	role := app.role(t, "Printer Technician")
	app.makesEligible(t, alice, role, "P30D")
	app.ruled(t, role, demands("Justification"))
	app.ruled(t, role, demandsApproval(ana))
	asAlice, asAna := sample.signIn(t, alice), sample.signIn(t, ana)
	requests := asAlice.RoleManagement().Directory().RoleAssignmentScheduleRequests()

	asked := asAlice.waiting(t, alice, role)
	must(t, "deny", asAna.decides(t, asAna.approval(t, house.Value(asked.GetApprovalId())), "Deny"))
	after, err := requests.ByUnifiedRoleAssignmentScheduleRequestId(house.Value(asked.GetId())).Get(t.Context(), nil)
	done(t, "the request after denial", after, err, "Denied")

	asked = asAlice.waiting(t, alice, role)
	item := requests.ByUnifiedRoleAssignmentScheduleRequestId(house.Value(asked.GetId()))
	must(t, "cancel", item.Cancel().Post(t.Context(), nil))
	after, err = item.Get(t.Context(), nil)
	done(t, "the request after cancelling", after, err, "Canceled")
	refused(t, "cancel again", item.Cancel().Post(t.Context(), nil), http.StatusBadRequest, "RequestCannotBeCancelled")
	house.Rows(t, "active assignments", app.holds(t, alice, role), 0)
}
