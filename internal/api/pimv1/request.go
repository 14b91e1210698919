package pimv1

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// Requests: privilegedRoleAssignmentRequest (reference pim-v2 §11). The dialect knows two types of them: an administrator assigns,
// and a person activates. Others are not shown.

// self is how a person is called in answers to themselves, and may be called in what they send.
const self = "Self"

// requestStatuses are all words of status.
func requestStatuses() []string {
	return []string{"NotStarted", "Completed", "RequestedApproval", "Scheduled", "Approved", "ApprovalDenied", "ApprovalAborted", "Cancelling",
		"Cancelled", "Revoked", "RequestExpired"}
}

// requestStatus is a state in the words of this dialect (reference pim-v2 §13.8).
func requestStatus(r pim.Request) string {
	switch r.Status {
	case pim.PendingApproval:
		return "RequestedApproval"
	case pim.PendingAdminDecision:
		return "NotStarted"
	case pim.Granted:
		return "Scheduled"
	case pim.Provisioned:
		return "Completed"
	case pim.Revoked, pim.Canceled: // what is revoked here was asked for and taken back before it held
		return "Cancelled"
	case pim.Denied:
		return "ApprovalDenied"
	case pim.TimedOut:
		return "RequestExpired"
	case pim.Failed:
		if r.Approval != nil {
			return "ApprovalAborted"
		}
	}
	return "Revoked"
}

// statesOf are the states that may be told by a word.
func statesOf(word string) store.Filter {
	any := store.Or{}
	for s := pim.PendingApproval; s <= pim.TimedOut; s++ {
		for _, approval := range []*pim.Approval{nil, {}} {
			if strings.EqualFold(word, requestStatus(pim.Request{Status: s, Approval: approval})) {
				any = append(any, store.Is(store.FieldStatus, int(s)))
			}
		}
	}
	return any
}

func requestKind(roleInfo *odata.Schema) kind[pim.Request] {
	return kind[pim.Request]{
		Set: requestSet, Type: "privilegedRoleAssignmentRequest",
		Schema: &odata.Schema{
			Properties: []odata.Property{
				listing.IDProperty("id"), listing.IDProperty("userId"), listing.IDProperty("roleId"), listing.EnumProperty("type", governance.TypeName(pim.AdminAssign), governance.TypeName(pim.SelfActivate)),
				listing.EnumProperty("assignmentState", governance.StateName(pim.Eligibility), governance.StateName(pim.Assignment)), listing.PlainProperty("schedule"),
				listing.TextProperty("duration"), listing.TextProperty("reason"), listing.TextProperty("ticketNumber"), listing.TextProperty("ticketSystem"),
				listing.TimeProperty("requestedDateTime"), listing.EnumProperty("status", requestStatuses()...), listing.Within("roleInfo", listing.IDProperty("id")),
			},
			Navigations: []odata.Navigation{{Name: "roleInfo", Schema: roleInfo}},
		},
		Columns: requestColumns(),
		Key:     func(r pim.Request) string { return string(r.ID) },
		Write:   writeRequest, Value: requestValue,
		Relate: func(c *call, expands []odata.Expand, rows []pim.Request) ([]related, error) {
			at, err := c.relateRoleInfo(expands[0].Query, func(i int) pim.RoleID { return rows[i].Key.Role })
			return []related{{Name: expands[0].Path, At: at}}, err
		},
	}
}

func requestColumns() listing.Columns {
	status := listing.Column{Loose: true, Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		word, ok := v.(odata.String)
		return statesOf(string(word)), ok && op == odata.Eq
	}}
	return listing.Columns{
		"id": listing.IDColumn(store.FieldID), "userId": listing.IDColumn(store.FieldPrincipal),
		"roleId": listing.IDColumn(store.FieldRole), "roleInfo/id": listing.IDColumn(store.FieldRole),
		"requestedDateTime": listing.TimeColumn(store.FieldCreated), "status": status,
		"type": listing.WordColumn(store.FieldAction, func(word string) []int {
			a, _ := governance.ParseType(word)
			return []int{int(a)}
		}),
		"assignmentState": listing.WordColumn(store.FieldKind, func(word string) []int {
			k, _ := governance.ParseState(word)
			return []int{int(k)}
		}),
	}
}

// userOf is whom a request is for, as the caller reads it.
func (c *call) userOf(r pim.Request) string {
	if r.Key.Principal == c.Caller.Principal {
		return self
	}
	return string(r.Key.Principal)
}

func writeRequest(c *call, o *object, r pim.Request) { writeRequestAs(c, o, r, requestStatus(r)) }

func writeRequestAs(c *call, o *object, r pim.Request, status string) {
	o.Text("id", string(r.ID))
	o.Str("userId", c.userOf(r))
	o.Str("roleId", string(r.Key.Role))
	o.Text("type", governance.TypeName(r.Action))
	o.Text("assignmentState", governance.StateName(r.Kind))
	if o.Member("schedule") {
		o.B = appendSchedule(o.B, r)
	}
	o.Text("duration", hoursOf(r))
	o.Text("reason", r.Justification)
	o.Text("ticketNumber", r.Ticket.Number)
	o.Text("ticketSystem", r.Ticket.System)
	o.Time("requestedDateTime", r.Created)
	o.Str("status", status)
}

// hoursOf is the duration of a request as hours; empty where none was said.
func hoursOf(r pim.Request) string {
	if e := r.Asked.Expiration; e.Kind == schedule.AfterDuration {
		return formatHours(lasting(e.Duration))
	}
	return ""
}

// appendSchedule writes governanceSchedule with this dialect's two types, and with the end that a duration comes to.
func appendSchedule(b []byte, r pim.Request) []byte {
	start, end, length := span(r)
	o := wire.New(b, nil)
	if r.Action == pim.SelfActivate {
		o.Str("type", "activation")
	} else {
		o.Str("type", "assignment")
	}
	o.Time("startDateTime", start)
	o.Time("endDateTime", end)
	o.Str("duration", length)
	return o.End()
}

// span is from when until when a request asks, as far as that is known, and how long it says.
func span(r pim.Request) (start, end time.Time, length string) {
	start, length = r.Asked.Start, "PT0S"
	if !r.Start.IsZero() {
		start = r.Start
	}
	switch e := r.Asked.Expiration; e.Kind {
	case schedule.AfterDateTime:
		end = e.End
	case schedule.AfterDuration:
		length = e.Duration.String()
		if !start.IsZero() {
			end = e.Duration.AddTo(start)
		}
	case schedule.NoExpiration, schedule.NotSpecified:
	}
	return start, end, length
}

func requestValue(_ *call, r pim.Request, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return string(r.ID)
	case "userId":
		return string(r.Key.Principal)
	case "roleId", "roleInfo/id":
		return string(r.Key.Role)
	case "type":
		return governance.TypeName(r.Action)
	case "assignmentState":
		return governance.StateName(r.Kind)
	case "duration":
		return listing.TextValue(hoursOf(r))
	case "reason":
		return listing.TextValue(r.Justification)
	case "ticketNumber":
		return listing.TextValue(r.Ticket.Number)
	case "ticketSystem":
		return listing.TextValue(r.Ticket.System)
	case "requestedDateTime":
		return r.Created
	case "status":
		return requestStatus(r)
	}
	return nil
}

// shown are the requests that this dialect has words for.
func shown() store.Filter {
	return listing.Every(store.Is(store.FieldScope, string(pim.Everywhere)),
		store.Or{store.Is(store.FieldAction, int(pim.AdminAssign)), store.Is(store.FieldAction, int(pim.SelfActivate))})
}

// requests reads pages of requests for people. Groups and applications are left out, so that nobody has counted these rows yet.
func (c *call) requests(view app.View, where store.Filter) listing.Fetcher[pim.Request] {
	return func(q store.Query) (store.Page[pim.Request], error) {
		q.Where = listing.Every(shown(), where, q.Where)
		page, err := c.app.Requests(c.Context(), c.Caller, pim.Directory, 0, view, q)
		if err != nil {
			return page, err
		}
		people := map[pim.PrincipalID]bool{c.Caller.Principal: true}
		for part := range slices.Chunk(page.Rows, peoplePage) {
			ids := make([]pim.PrincipalID, len(part))
			for i, r := range part {
				ids[i] = r.Key.Principal
			}
			found, err := c.people(ids)
			if err != nil {
				return page, err
			}
			for id := range found {
				people[id] = true
			}
		}
		page.Rows = slices.DeleteFunc(page.Rows, func(r pim.Request) bool { return !people[r.Key.Principal] })
		page.Count = -1
		return page, nil
	}
}

// listRequests lists everybody's requests to those who may read them, and to others their own.
func listRequests(c *call) (api.Answer, error) {
	view := app.Everybody
	if c.mayRead() != nil {
		view = app.Mine
	}
	return listing.List(c, &c.kinds.request, c.requests(view, nil))
}

// myRequests lists the caller's own, with their roles and their number whether or not these are asked for.
func myRequests(c *call) (api.Answer, error) {
	c.Function = true
	c.byDefault("$count", "true")
	c.byDefault("$expand", "roleInfo")
	return listing.List(c, &c.kinds.request, c.requests(app.Mine, nil))
}

// byDefault gives a query option to a call that does not have it.
func (c *call) byDefault(name, value string) {
	values, err := odata.Values(c.URL.RawQuery)
	if err != nil {
		return // which reading the query will tell
	}
	for have := range values {
		if strings.EqualFold(strings.TrimPrefix(have, "$"), name[1:]) {
			return
		}
	}
	address := *c.URL
	address.RawQuery = strings.TrimPrefix(address.RawQuery+"&"+name+"="+value, "&")
	c.URL = &address
}

// findRequest is the request with the path's id, which is not there for who may not see it.
func (c *call) findRequest() (pim.Request, error) {
	r, err := c.app.Request(c.Context(), c.Caller, c.Tenant, pim.Directory, 0, pim.RequestID(c.id("id")))
	switch {
	case err != nil && !wire.Refused(err, pim.UnknownRequest):
		return r, err
	case err == nil && r.Key.Scope == pim.Everywhere && (r.Action == pim.AdminAssign || r.Action == pim.SelfActivate):
		return r, nil
	}
	return pim.Request{}, listing.NotFound(c.PathValue("id"))
}

func getRequest(c *call) (api.Answer, error) {
	r, err := c.findRequest()
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.kinds.request, http.StatusOK, r)
}

func requestRoleInfo(c *call) (api.Answer, error) {
	r, err := c.findRequest()
	if err != nil {
		return api.Answer{}, err
	}
	return listing.Navigate(c, &c.kinds.request, r, "roleInfo")
}

// requestIn is the body of a request.
type requestIn struct {
	UserID          string               `json:"userId"`
	RoleID          string               `json:"roleId"`
	Type            string               `json:"type"`
	AssignmentState string               `json:"assignmentState"`
	Schedule        *governance.Schedule `json:"schedule"`
	Duration        string               `json:"duration"`
	Reason          string               `json:"reason"`
	TicketNumber    string               `json:"ticketNumber"`
	TicketSystem    string               `json:"ticketSystem"`
	EvaluateOnly    bool                 `json:"evaluateOnly"`
}

// requestBody reads the body in the words of errors that the dialect has.
func (c *call) requestBody() (requestIn, error) {
	var in requestIn
	if _, err := c.Query(c.kinds.request.Schema); err != nil {
		return in, err
	}
	body, err := c.Body()
	if err != nil {
		return in, err
	}
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || string(trimmed) == "null" {
		return in, badRequest("RoleAssignmentRequest property was NULL")
	}
	if err := api.DecodeBytes(body, &in); err != nil {
		if f, ok := errors.AsType[*api.Fault](err); ok && f.Problem == api.BadBody {
			return in, badRequest("Unable to deserialize roleAssignmentRequest Object. " + f.Detail)
		}
		return in, err
	}
	return in, nil
}

func createRequest(c *call) (api.Answer, error) {
	in, err := c.requestBody()
	if err != nil {
		return api.Answer{}, err
	}
	ask, err := c.toAsk(in)
	if err != nil {
		return api.Answer{}, err
	}
	out, err := c.do(ask)
	if err != nil {
		return api.Answer{}, err
	}
	answer, err := listing.One(c, &c.kinds.request, http.StatusCreated, *out.Request)
	if err == nil && !out.ValidationOnly {
		answer.Header.Set("Location", c.Base()+"/"+requestSet+"/"+string(out.Request.ID))
	}
	return answer, err
}

// toAsk reads what is asked for.
func (c *call) toAsk(in requestIn) (pim.Ask, error) {
	action, state, err := in.wants()
	if err != nil {
		return pim.Ask{}, err
	}
	user := c.personOf(in.UserID)
	if in.RoleID == "" {
		return pim.Ask{}, badRequest("RoleId is required.")
	}
	if err := shortEnough(in.Reason); err != nil {
		return pim.Ask{}, err
	}
	ask := pim.Ask{By: c.Caller, Action: action, Kind: state, Key: c.key(user, pim.RoleID(strings.ToLower(in.RoleID))), Justification: in.Reason,
		Ticket: pim.Ticket{Number: in.TicketNumber, System: in.TicketSystem}, ValidationOnly: in.EvaluateOnly}
	if action == pim.AdminAssign {
		if err := c.givesToPerson(user); err != nil {
			return pim.Ask{}, err
		}
	}
	ask.Schedule, err = c.times(in, ask)
	return ask, err
}

// personOf is whom a body means: the caller where it names nobody.
func (c *call) personOf(id string) pim.PrincipalID {
	if id == "" || strings.EqualFold(id, self) {
		return c.Caller.Principal
	}
	return pim.PrincipalID(strings.ToLower(id))
}

// wants reads type and assignmentState. An activation is always of the active state.
func (in requestIn) wants() (pim.Action, pim.Kind, error) {
	action, ok := governance.ParseType(in.Type)
	if !ok || action != pim.AdminAssign && action != pim.SelfActivate {
		return 0, 0, badRequest("Type must be AdminAdd or UserAdd.")
	}
	state, ok := governance.ParseState(in.AssignmentState)
	switch {
	case in.AssignmentState == "" && action == pim.SelfActivate:
		return action, pim.Assignment, nil
	case !ok:
		return 0, 0, badRequest("AssignmentState must be Eligible or Active.")
	case action == pim.SelfActivate && state != pim.Assignment:
		return 0, 0, badRequest("AssignmentState of a UserAdd must be Active.")
	}
	return action, state, nil
}

// times reads from when until when. The hours in duration count before what the schedule says of its end; an activation that says
// neither lasts as long as the settings say, an assignment for good.
func (c *call) times(in requestIn, ask pim.Ask) (schedule.Info, error) {
	var info schedule.Info
	if in.Schedule != nil {
		if in.Schedule.Start.IsZero() {
			return info, badRequest(startText)
		}
		in.Schedule.Type = "" // which is that of the request
		var err error
		if info, err = in.Schedule.Info(); err != nil {
			return info, err
		}
	}
	if in.Duration != "" {
		length, err := c.elevation(in.Duration, ask.Key.Role)
		info.Expiration = length
		return info, err
	}
	if open := info.Expiration.Kind == schedule.NoExpiration || info.Expiration.Kind == schedule.NotSpecified; open {
		info.Expiration = forGood
		if ask.Action == pim.SelfActivate {
			info.Expiration = noTime
		}
	}
	return info, nil
}

// cancelRequest withdraws a request, and tells it as being withdrawn: what it reads from then on is Cancelled.
func cancelRequest(c *call) (api.Answer, error) {
	q, err := c.Query(c.kinds.request.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	r, err := c.findRequest()
	if _, absent := errors.AsType[*problem](err); absent {
		return api.Answer{}, badRequest("Request with request ID not found.")
	}
	if err != nil {
		return api.Answer{}, err
	}
	out, err := c.app.Do(c.Context(), pim.Ask{By: c.Caller, Action: pim.Cancel, Kind: r.Kind, Key: r.Key, Request: r.ID})
	switch {
	case wire.Refused(err, pim.UnknownRequest): // who may see it may still not withdraw it
		return api.Answer{}, forbidden("Requester not allowed to make Cancel call or request not found.")
	case err != nil:
		return api.Answer{}, err
	}
	k := c.kinds.request
	k.Write = func(c *call, o *object, r pim.Request) { writeRequestAs(c, o, r, "Cancelling") }
	rows, err := listing.Encode(c, &k, q, false, []pim.Request{*out.Request})
	if err != nil {
		return api.Answer{}, err
	}
	return c.Entity(http.StatusOK, k.Set, odata.Query{Select: q.Select, Expand: q.Expand}, rows[0]), nil
}
