package armauthorization

import (
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"portcullis/test/clients/house"
)

// stage is a stage of an approval, for which the SDK has no type.
type stage struct {
	ID, Name   string
	Properties struct {
		Status, ReviewResult, Justification string
		AssignedToMe                        bool
		ReviewedBy                          *struct{ PrincipalID string }
	}
}

// stages reads the stages of an approval by its id.
func (a *azure) stages(t *testing.T, approval string) []stage {
	t.Helper()
	var list struct{ Value []stage }
	must(t, "read the stages", a.call(t, http.MethodGet, approval+"/stages", versionApprovals, nil, &list))
	return list.Value
}

// decides answers a stage; the first has the id of the approval.
func (a *azure) decides(t *testing.T, method, approval, result string) error {
	t.Helper()
	return a.call(t, method, approval+"/stages/"+lastPart(approval), versionApprovals,
		map[string]any{"properties": map[string]string{"reviewResult": result, "justification": "As agreed"}}, nil)
}

// waiting asks for a role that needs approval, and returns the request and the id of its approval.
func (a *azure) waiting(t *testing.T, scope string, p *person, role string) (assignmentRequest, string) {
	t.Helper()
	got, err := a.assignment(t, scope, activates(p, role))
	asked(t, "activate", got, err, armauthorization.StatusPendingApproval)
	return got, house.Value(got.Properties.ApprovalID)
}

// request reads a request again.
func (a *azure) request(t *testing.T, scope, name string) (assignmentRequest, error) {
	t.Helper()
	got, err := a.NewRoleAssignmentScheduleRequestsClient().Get(t.Context(), scope, name, nil)
	return got.RoleAssignmentScheduleRequest, err
}

func TestAnActivationIsDeniedAndOneIsWithdrawn(t *testing.T) {
	app, alice, ana := sample.owner(t), sample.Someone(t, "alice"), sample.Someone(t, "ana")
	e := app.plants(t, "denied")
	role := app.role(t, e.subscription, "Reader")
	app.makesEligible(t, e.subscription, alice.ID, role, "P30D")
	app.ruled(t, e.subscription, role, demandsApproval(ana))
	asAlice, asAna := sample.signIn(t, alice), sample.signIn(t, ana)
	requests := asAlice.NewRoleAssignmentScheduleRequestsClient()

	denied, approval := asAlice.waiting(t, e.subscription, alice, role)
	must(t, "deny", asAna.decides(t, http.MethodPatch, approval, "Deny"))
	after, err := asAlice.request(t, e.subscription, house.Value(denied.Name))
	asked(t, "the request after denial", after, err, armauthorization.StatusDenied)

	withdrawn, _ := asAlice.waiting(t, e.subscription, alice, role)
	_, err = requests.Cancel(t.Context(), e.subscription, house.Value(withdrawn.Name), nil)
	must(t, "cancel", err)
	after, err = asAlice.request(t, e.subscription, house.Value(withdrawn.Name))
	asked(t, "the request after cancelling", after, err, armauthorization.StatusCanceled)
	_, err = requests.Cancel(t.Context(), e.subscription, house.Value(withdrawn.Name), nil)
	refused(t, "cancel again", err, http.StatusBadRequest, "RequestCannotBeCancelled")

	house.Rows(t, "own requests", asAlice.requests(t, e.subscription, "asRequestor()"), 2)
	house.Rows(t, "active assignments", asAlice.holds(t, e.subscription, "asTarget()"), 0)
}

// Who has something for a time may ask for more of it, with a second factor; whoever may give the role says yes or no.
func TestAnExtensionIsAskedForAndGiven(t *testing.T) {
	app, nora, pat := sample.owner(t), sample.Someone(t, "nora"), sample.Someone(t, "pat")
	e := app.plants(t, "extended")
	role := app.role(t, e.subscription, "Reader")
	app.makesEligible(t, e.web, nora.ID, role, "P10D")
	asNora, asPat := sample.signInWithMFA(t, nora), sample.signIn(t, pat)
	more := ask{kind: armauthorization.RequestTypeSelfExtend, principal: nora.ID, role: role, duration: "P20D", justification: "The project goes on"}
	got, err := asNora.eligibility(t, e.web, more)
	must(t, "ask for more", err)
	house.Equal(t, "status of the request", house.Value(got.Properties.Status), armauthorization.StatusPendingAdminDecision)
	approval := house.Value(got.Properties.ApprovalID)
	if err := asNora.decides(t, http.MethodPatch, approval, "Approve"); err == nil {
		t.Error("Nora could agree to her own request")
	}
	must(t, "agree", asPat.decides(t, http.MethodPatch, approval, "Approve"))
	after, err := asNora.NewRoleEligibilityScheduleRequestsClient().Get(t.Context(), e.web, house.Value(got.Name), nil)
	must(t, "read the request", err)
	house.Equal(t, "status afterwards", house.Value(after.Properties.Status), armauthorization.StatusAdminApproved)
	p := house.Rows(t, "eligibilities", asNora.eligibilities(t, e.web), 1)[0].Properties
	if lasts := house.Value(p.EndDateTime).Sub(sample.Now()); lasts < 15*24*time.Hour {
		t.Errorf("the eligibility lasts %s from now, want about 20 days", lasts)
	}
}
