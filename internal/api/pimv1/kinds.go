package pimv1

import (
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
)

// The sets, as contexts and addresses name them. That of approvals and that of the sign-up are singular.
const (
	roleSet       = "privilegedRoles"
	assignmentSet = "privilegedRoleAssignments"
	requestSet    = "privilegedRoleAssignmentRequests"
	approvalSet   = "privilegedApproval"
	eventSet      = "privilegedOperationEvents"
	signupSet     = "privilegedSignupStatus"
)

// kind is one entity type of the dialect.
type kind[T any] = listing.Kind[*call, T]

// object is a JSON object being written.
type object = wire.Object

// related is one expanded navigation property.
type related = listing.Related

// kinds are the entity types of the dialect. They are made once and not changed.
type kinds struct {
	role       kind[app.RoleDefinition]
	assignment kind[assignmentRow]
	setting    kind[settingRow]
	summary    kind[summaryRow]
	request    kind[pim.Request]
	approval   kind[pim.Request]
	event      kind[pim.Event]
	signup     kind[pim.TenantID]
}

func newKinds() *kinds {
	k := &kinds{}
	roleInfo := &odata.Schema{Properties: roleProperties()}
	k.setting = settingKind()
	k.summary = summaryKind()
	k.assignment = assignmentKind(roleInfo)
	k.role = roleKind(&k.setting, &k.summary, &k.assignment)
	k.request = requestKind(roleInfo)
	k.approval = approvalKind(roleInfo, k.request.Schema)
	k.event = eventKind()
	k.signup = signupKind()
	return k
}

// answer is a value that is no entity: that of a function, or a list of complex values.
func (c *call) answer(context string, write func([]byte) []byte) (api.Answer, error) {
	o := wire.New(nil, nil)
	if c.Meta != listing.None {
		o.Name("@odata.context")
		o.B = api.AppendText(o.B, c.Base()+"/$metadata#"+context)
	}
	o.Name("value")
	o.B = write(o.B)
	return c.JSON(http.StatusOK, o.End()), nil
}

func noContent() (api.Answer, error) { return api.Answer{Status: http.StatusNoContent}, nil }
