package msgraph

import (
	"testing"

	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/identitygovernance"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"portcullis/test/clients/house"
)

// The sides of a group.
const (
	asMember = models.MEMBER_PRIVILEGEDACCESSGROUPRELATIONSHIPS
	asOwner  = models.OWNER_PRIVILEGEDACCESSGROUPRELATIONSHIPS
)

// The actions that the stories about groups ask for.
const (
	groupAssign     = models.ADMINASSIGN_SCHEDULEREQUESTACTIONS
	groupUpdate     = models.ADMINUPDATE_SCHEDULEREQUESTACTIONS
	groupRemove     = models.ADMINREMOVE_SCHEDULEREQUESTACTIONS
	groupActivate   = models.SELFACTIVATE_SCHEDULEREQUESTACTIONS
	groupDeactivate = models.SELFDEACTIVATE_SCHEDULEREQUESTACTIONS
)

// The names that the SDK's generator gives, in fewer words.
type (
	membershipRow             = models.PrivilegedAccessGroupAssignmentScheduleInstanceable
	membershipQuery           = identitygovernance.PrivilegedAccessGroupAssignmentScheduleInstancesRequestBuilderGetQueryParameters
	membershipConfig          = identitygovernance.PrivilegedAccessGroupAssignmentScheduleInstancesRequestBuilderGetRequestConfiguration
	myMembershipQuery         = identitygovernance.PrivilegedAccessGroupAssignmentScheduleInstancesFilterByCurrentUserWithOnRequestBuilderGetQueryParameters
	myMembershipConfig        = identitygovernance.PrivilegedAccessGroupAssignmentScheduleInstancesFilterByCurrentUserWithOnRequestBuilderGetRequestConfiguration
	groupEligibilityQuery     = identitygovernance.PrivilegedAccessGroupEligibilityScheduleInstancesRequestBuilderGetQueryParameters
	groupEligibilityConfig    = identitygovernance.PrivilegedAccessGroupEligibilityScheduleInstancesRequestBuilderGetRequestConfiguration
	myGroupEligibilityQuery   = identitygovernance.PrivilegedAccessGroupEligibilitySchedulesFilterByCurrentUserWithOnRequestBuilderGetQueryParameters
	myGroupEligibilityConfig  = identitygovernance.PrivilegedAccessGroupEligibilitySchedulesFilterByCurrentUserWithOnRequestBuilderGetRequestConfiguration
	groupRequestQuery         = identitygovernance.PrivilegedAccessGroupEligibilityScheduleRequestsRequestBuilderGetQueryParameters
	groupRequestConfig        = identitygovernance.PrivilegedAccessGroupEligibilityScheduleRequestsRequestBuilderGetRequestConfiguration
	groupDecisionQuery        = identitygovernance.PrivilegedAccessGroupAssignmentScheduleRequestsFilterByCurrentUserWithOnRequestBuilderGetQueryParameters
	groupDecisionConfig       = identitygovernance.PrivilegedAccessGroupAssignmentScheduleRequestsFilterByCurrentUserWithOnRequestBuilderGetRequestConfiguration
	groupApprovalQuery        = identitygovernance.PrivilegedAccessGroupAssignmentApprovalsApprovalItemRequestBuilderGetQueryParameters
	groupApprovalConfig       = identitygovernance.PrivilegedAccessGroupAssignmentApprovalsApprovalItemRequestBuilderGetRequestConfiguration
	membershipRequest         = models.PrivilegedAccessGroupAssignmentScheduleRequestable
	groupEligibilityRequest   = models.PrivilegedAccessGroupEligibilityScheduleRequestable
	privilegedGroupOperations = identitygovernance.PrivilegedAccessGroupRequestBuilder
)

// joining is what one person wants of one side of a group, for themselves or somebody else.
type joining struct {
	action           models.ScheduleRequestActions
	principal, group string
	side             models.PrivilegedAccessGroupRelationships
	// duration is in ISO 8601; empty: no schedule is sent.
	duration      string
	justification string
}

// joins is what a person asks who wants to be a member for an hour.
func joins(p *person, group string) joining {
	return joining{action: groupActivate, principal: p.ID, group: group, side: asMember, duration: "PT1H", justification: "Ticket 4711"}
}

// fill writes an ask into a request of either kind.
func (j joining) fill(t *testing.T, r interface {
	SetAction(*models.ScheduleRequestActions)
	SetAccessId(*models.PrivilegedAccessGroupRelationships)
	SetPrincipalId(*string)
	SetGroupId(*string)
	SetScheduleInfo(models.RequestScheduleable)
	SetJustification(*string)
}) {
	t.Helper()
	r.SetAction(&j.action)
	r.SetAccessId(&j.side)
	r.SetPrincipalId(&j.principal)
	r.SetGroupId(&j.group)
	r.SetScheduleInfo(lasting(t, j.duration))
	r.SetJustification(&j.justification)
}

// pimForGroups is where the SDK has PIM for groups.
func (g *graph) pimForGroups() *privilegedGroupOperations {
	return g.IdentityGovernance().PrivilegedAccess().Group()
}

// membership asks for an active membership or ownership, or the end of one.
func (g *graph) membership(t *testing.T, j joining) (membershipRequest, error) {
	t.Helper()
	r := models.NewPrivilegedAccessGroupAssignmentScheduleRequest()
	j.fill(t, r)
	return g.pimForGroups().AssignmentScheduleRequests().Post(t.Context(), r, nil)
}

// groupEligibility asks for an eligibility, or the end of one.
func (g *graph) groupEligibility(t *testing.T, j joining) (groupEligibilityRequest, error) {
	t.Helper()
	r := models.NewPrivilegedAccessGroupEligibilityScheduleRequest()
	j.fill(t, r)
	return g.pimForGroups().EligibilityScheduleRequests().Post(t.Context(), r, nil)
}

// opens makes a person eligible for a side of a group for a month, and must succeed; it returns the schedule's id.
func (g *graph) opens(t *testing.T, p *person, group string, side models.PrivilegedAccessGroupRelationships) string {
	t.Helper()
	got, err := g.groupEligibility(t, joining{
		action: groupAssign, principal: p.ID, group: group, side: side, duration: "P30D", justification: "Joins the project",
	})
	done(t, "make "+p.UserPrincipalName+" eligible for the group", got, err, "Provisioned")
	house.Equal(t, "target schedule", house.Value(got.GetTargetScheduleId()), group+"_"+side.String()+"_"+house.Value(got.GetId()))
	return house.Value(got.GetTargetScheduleId())
}

// makeGroup makes a security group with a name of its own, after what was said of it.
func (g *graph) makeGroup(t *testing.T, name string, say ...func(*models.Group)) string {
	t.Helper()
	group := models.NewGroup()
	group.SetDisplayName(&name)
	group.SetMailNickname(&name)
	group.SetMailEnabled(new(false))
	group.SetSecurityEnabled(new(true))
	for _, s := range say {
		s(group)
	}
	got, err := g.Groups().Post(t.Context(), group, nil)
	must(t, "make the group "+name, err)
	return house.Value(got.GetId())
}

// with binds members and owners to a group that is being made.
func with(members, owners []*person) func(*models.Group) {
	return func(g *models.Group) {
		more := map[string]any{}
		if len(members) > 0 {
			more["members@odata.bind"] = addresses(members...)
		}
		if len(owners) > 0 {
			more["owners@odata.bind"] = addresses(owners...)
		}
		g.SetAdditionalData(more)
	}
}

// addresses are those of people as directory objects.
func addresses(people ...*person) []string {
	var out []string
	for _, p := range people {
		out = append(out, sample.URL+"/v1.0/directoryObjects/"+p.ID)
	}
	return out
}

// memberships lists the active memberships and ownerships of a group.
func (g *graph) memberships(t *testing.T, group string) []membershipRow {
	t.Helper()
	got, err := g.pimForGroups().AssignmentScheduleInstances().Get(t.Context(), &membershipConfig{
		QueryParameters: &membershipQuery{Filter: new("groupId eq '" + group + "'"), Expand: []string{"principal"}},
	})
	must(t, "list memberships", err)
	return got.GetValue()
}

// members are the ids of a group's members.
func (g *graph) members(t *testing.T, group string) []string {
	t.Helper()
	got, err := g.Groups().ByGroupId(group).Members().Get(t.Context(), &groups.ItemMembersRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.ItemMembersRequestBuilderGetQueryParameters{Select: []string{"id"}},
	})
	must(t, "list members", err)
	return ids(got.GetValue())
}

// owners are the ids of a group's owners.
func (g *graph) owners(t *testing.T, group string) []string {
	t.Helper()
	got, err := g.Groups().ByGroupId(group).Owners().Get(t.Context(), nil)
	must(t, "list owners", err)
	return ids(got.GetValue())
}

func ids(objects []models.DirectoryObjectable) []string {
	var out []string
	for _, o := range objects {
		out = append(out, house.Value(o.GetId()))
	}
	return out
}
