package pimv1

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// Approvals: privilegedApproval (reference pim-v2 §11). An approval is a view of the request that has to pass it, and has its id.

// approvalStates are the members of the enumeration approvalState.
func approvalStates() []string {
	return []string{"pending", "approved", "denied", "aborted", "canceled"}
}

func approvalState(r pim.Request) string {
	switch r.Status {
	case pim.PendingApproval:
		return "pending"
	case pim.Denied:
		return "denied"
	case pim.Failed, pim.TimedOut:
		return "aborted"
	case pim.Canceled:
		return "canceled"
	case pim.PendingAdminDecision, pim.Granted, pim.Provisioned, pim.Revoked:
	}
	return "approved"
}

func approvalKind(roleInfo, request *odata.Schema) kind[pim.Request] {
	return kind[pim.Request]{
		Set: approvalSet, Type: "privilegedApproval",
		Schema: &odata.Schema{
			Properties: []odata.Property{
				listing.IDProperty("id"), listing.IDProperty("userId"), listing.IDProperty("roleId"), listing.TextProperty("approvalType"), listing.EnumProperty("approvalState", approvalStates()...),
				listing.PlainProperty("approvalDuration"), listing.TextProperty("requestorReason"), listing.TextProperty("approverReason"), listing.TimeProperty("startDateTime"),
				listing.TimeProperty("endDateTime"), listing.Within("roleInfo", listing.IDProperty("id")), listing.Within("request", listing.IDProperty("id")),
			},
			Navigations: []odata.Navigation{{Name: "roleInfo", Schema: roleInfo}, {Name: "request", Schema: request}},
		},
		Columns: listing.Columns{
			"id": listing.IDColumn(store.FieldID), "request/id": listing.IDColumn(store.FieldID), "userId": listing.IDColumn(store.FieldPrincipal),
			"roleId": listing.IDColumn(store.FieldRole), "roleInfo/id": listing.IDColumn(store.FieldRole),
			"approvalState": listing.WordColumn(store.FieldStatus, func(word string) []int {
				var out []int
				for s := pim.PendingApproval; s <= pim.TimedOut; s++ {
					if strings.EqualFold(word, approvalState(pim.Request{Status: s})) {
						out = append(out, int(s))
					}
				}
				return out
			}),
		},
		Key:   func(r pim.Request) string { return string(r.ID) },
		Write: writeApproval, Value: approvalValue, Relate: relateApproval,
	}
}

func writeApproval(_ *call, o *object, r pim.Request) {
	start, end, _ := span(r)
	o.Str("id", string(r.ID))
	o.Str("userId", string(r.Key.Principal))
	o.Str("roleId", string(r.Key.Role))
	o.Str("approvalType", "activation")
	o.Str("approvalState", approvalState(r))
	o.Text("approvalDuration", approvalDuration(r))
	o.Text("requestorReason", r.Justification)
	o.Text("approverReason", approverReason(r))
	o.Time("startDateTime", start)
	o.Time("endDateTime", end)
}

// approvalDuration is how long the activation was asked for, or else may last.
func approvalDuration(r pim.Request) string {
	if e := r.Asked.Expiration; e.Kind == schedule.AfterDuration {
		return e.Duration.String()
	}
	return r.Maximum.String()
}

// approverReason is that of the last answer.
func approverReason(r pim.Request) string {
	var last pim.Decision
	for _, s := range r.Approval.Stages {
		for _, d := range s.Decisions {
			if d.At.After(last.At) {
				last = d
			}
		}
	}
	return last.Justification
}

func approvalValue(_ *call, r pim.Request, path []string) any {
	start, end, _ := span(r)
	switch strings.Join(path, "/") {
	case "id", "request/id":
		return string(r.ID)
	case "userId":
		return string(r.Key.Principal)
	case "roleId", "roleInfo/id":
		return string(r.Key.Role)
	case "approvalType":
		return "activation"
	case "approvalState":
		return approvalState(r)
	case "requestorReason":
		return listing.TextValue(r.Justification)
	case "approverReason":
		return listing.TextValue(approverReason(r))
	case "startDateTime":
		return listing.TimeValue(start)
	case "endDateTime":
		return listing.TimeValue(end)
	}
	return nil
}

func relateApproval(c *call, expands []odata.Expand, rows []pim.Request) ([]related, error) {
	var out []related
	for _, e := range expands {
		var at func(int) []byte
		var err error
		if e.Path == "roleInfo" {
			at, err = c.relateRoleInfo(e.Query, func(i int) pim.RoleID { return rows[i].Key.Role })
		} else {
			var encoded [][]byte
			encoded, err = listing.Encode(c, &c.kinds.request, e.Query, false, rows)
			at = func(i int) []byte { return encoded[i] }
		}
		if err != nil {
			return nil, err
		}
		out = append(out, related{Name: e.Path, At: at})
	}
	return out, nil
}

// approvals reads pages of requests that have to pass an approval.
func (c *call) approvals(view app.View) listing.Fetcher[pim.Request] {
	read := c.requests(view, store.Is(store.FieldAction, int(pim.SelfActivate)))
	return func(q store.Query) (store.Page[pim.Request], error) {
		page, err := read(q)
		page.Rows = slices.DeleteFunc(page.Rows, func(r pim.Request) bool { return r.Approval == nil })
		return page, err
	}
}

// listApprovals lists all to those who may read everybody's requests, and to others those that they can decide, or have.
func listApprovals(c *call) (api.Answer, error) {
	view := app.Everybody
	if c.mayRead() != nil {
		view = app.ForMe
	}
	return listing.List(c, &c.kinds.approval, c.approvals(view))
}

// myApprovals lists those of the caller's own requests.
func myApprovals(c *call) (api.Answer, error) {
	c.Function = true
	return listing.List(c, &c.kinds.approval, c.approvals(app.Mine))
}

func (c *call) findApproval() (pim.Request, error) {
	r, err := c.findRequest()
	if err == nil && r.Approval == nil {
		err = listing.NotFound(c.PathValue("id"))
	}
	return r, err
}

func getApproval(c *call) (api.Answer, error) {
	r, err := c.findApproval()
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.kinds.approval, http.StatusOK, r)
}

func navigateApproval(name string) handler {
	return func(c *call) (api.Answer, error) {
		r, err := c.findApproval()
		if err != nil {
			return api.Answer{}, err
		}
		return listing.Navigate(c, &c.kinds.approval, r, name)
	}
}

// approvalIn is the body of a new approval, and of an answer.
type approvalIn struct {
	UserID          string     `json:"userId"`
	RoleID          string     `json:"roleId"`
	Duration        string     `json:"approvalDuration"`
	RequestorReason string     `json:"requestorReason"`
	Start           *time.Time `json:"startDateTime"`
	End             *time.Time `json:"endDateTime"`
	State           string     `json:"approvalState"`
	ApproverReason  string     `json:"approverReason"`
}

// createApproval asks for an activation that needs an approval, for an approval here is made by its request alone. What would need
// none is refused before anything is done.
func createApproval(c *call) (api.Answer, error) {
	var in approvalIn
	if err := listing.Decode(c, &c.kinds.approval, &in); err != nil {
		return api.Answer{}, err
	}
	ask, err := c.approvalAsk(in)
	if err != nil {
		return api.Answer{}, err
	}
	ask.ValidationOnly = true
	out, err := c.do(ask)
	if err != nil {
		return api.Answer{}, err
	}
	if out.Request.Approval == nil {
		return api.Answer{}, badRequest("The role is activated without approval. Ask for it by privilegedRoleAssignmentRequests.")
	}
	ask.ValidationOnly = false
	if out, err = c.do(ask); err != nil {
		return api.Answer{}, err
	}
	r := *out.Request
	if r.Approval == nil { // its settings have changed in between
		r.Approval = &pim.Approval{}
	}
	answer, err := listing.One(c, &c.kinds.approval, http.StatusCreated, r)
	if err == nil {
		answer.Header.Set("Location", c.Base()+"/"+approvalSet+"/"+string(r.ID))
	}
	return answer, err
}

func (c *call) approvalAsk(in approvalIn) (pim.Ask, error) {
	if in.RoleID == "" {
		return pim.Ask{}, badRequest("RoleId is required.")
	}
	if err := shortEnough(in.RequestorReason); err != nil {
		return pim.Ask{}, err
	}
	ask := pim.Ask{By: c.Caller, Action: pim.SelfActivate, Kind: pim.Assignment, Justification: in.RequestorReason,
		Key: c.key(c.personOf(in.UserID), pim.RoleID(strings.ToLower(in.RoleID)))}
	if in.Start != nil {
		ask.Schedule.Start = in.Start.UTC()
	}
	switch {
	case in.Duration != "":
		d, err := schedule.ParseDuration(in.Duration)
		if err != nil {
			return ask, badRequest("Property 'approvalDuration' is not a duration.")
		}
		if !d.IsZero() {
			ask.Schedule.Expiration = schedule.Expiration{Kind: schedule.AfterDuration, Duration: d}
		}
	case in.End != nil && in.End.Year() > 1:
		ask.Schedule.Expiration = schedule.Expiration{Kind: schedule.AfterDateTime, End: in.End.UTC()}
	}
	return ask, nil
}

// decideApproval is an approver's answer.
func decideApproval(c *call) (api.Answer, error) {
	var in approvalIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	action := pim.Approve
	switch {
	case strings.EqualFold(in.State, "approved"):
	case strings.EqualFold(in.State, "denied"):
		action = pim.Deny
	default:
		return api.Answer{}, badRequest("ApprovalState must be approved or denied.")
	}
	r, err := c.findApproval()
	if err != nil {
		return api.Answer{}, err
	}
	_, err = c.app.Do(c.Context(), pim.Ask{By: c.Caller, Action: action, Kind: r.Kind, Key: r.Key, Request: r.ID, Justification: in.ApproverReason})
	if err != nil {
		return api.Answer{}, err
	}
	return noContent()
}
