package arm

import (
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// Requests: RoleEligibilityScheduleRequest and RoleAssignmentScheduleRequest (reference arm-pim §3 and §6).

func requestRoutes() []route {
	var out []route
	for _, s := range sides() {
		at := under(s.requests())
		out = append(out, route{get, at, s.listRequests}, route{get, at + "/{name}", s.getRequest}, route{put, at + "/{name}", s.putRequest},
			route{post, at + "/{name}/cancel", s.cancelRequest}, route{post, at + "/{name}/validate", s.validateRequest})
	}
	return out
}

// requestIn is the body of a request. What is for reading only, and the schedule that an update names, is not listened to: one is
// found by its scope, role and principal.
type requestIn struct {
	Properties struct {
		PrincipalID      string     `json:"principalId"`
		RoleDefinitionID string     `json:"roleDefinitionId"`
		RequestType      string     `json:"requestType"`
		ScheduleInfo     scheduleIn `json:"scheduleInfo"`
		Justification    string     `json:"justification"`
		TicketInfo       struct {
			Number string `json:"ticketNumber"`
			System string `json:"ticketSystem"`
		} `json:"ticketInfo"`
		Condition        string `json:"condition"`
		ConditionVersion string `json:"conditionVersion"`
		Linked           string `json:"linkedRoleEligibilityScheduleId"`
	} `json:"properties"`
}

// toAsk reads what is asked for at a place.
func (in requestIn) toAsk(c *call, n resource.Node, k pim.Kind) (pim.Ask, error) {
	p := in.Properties
	action, known := wire.ParseAction(p.RequestType)
	role, isRole := lastGUID(p.RoleDefinitionID)
	principal := strings.ToLower(strings.TrimSpace(p.PrincipalID))
	switch {
	case p.RequestType == "" || !known:
		return pim.Ask{}, &pim.Refusal{Code: pim.InvalidRequest, Field: "action", Detail: "is missing or not known"}
	case !isRole:
		return pim.Ask{}, &pim.Refusal{Code: pim.InvalidRequest, Field: "role", Detail: "is missing, or does not end in a GUID"}
	case !wire.IsGUID(principal):
		return pim.Ask{}, &pim.Refusal{Code: pim.InvalidRequest, Field: "principal", Detail: "is missing, or no GUID"}
	}
	ask := pim.Ask{
		By: c.Caller, Action: action, Kind: k, Justification: p.Justification, Ticket: pim.Ticket{Number: p.TicketInfo.Number, System: p.TicketInfo.System},
		Key:       pim.Key{Tenant: c.Tenant, Provider: pim.Resource, Scope: n.Scope, Role: pim.RoleID(role), Principal: pim.PrincipalID(principal)},
		Condition: p.Condition, ConditionVersion: p.ConditionVersion,
	}
	keepsTimes := action == pim.AdminUpdate && p.ScheduleInfo.Schedule == nil
	if wire.Removal(action) || keepsTimes {
		return ask, nil
	}
	var err error
	if ask.Schedule, err = p.ScheduleInfo.info(k); err != nil {
		return ask, err
	}
	ask.Eligibility, err = c.linked(ask, p.Linked)
	return ask, err
}

// linked is the eligibility that a caller names to activate from, by its bare or full id. It is a hint: one that is none of theirs
// for the role here is nothing (reference arm-pim §6).
func (c *call) linked(ask pim.Ask, text string) (pim.ScheduleID, error) {
	id, ok := lastGUID(text)
	if !ok || ask.Action != pim.SelfActivate {
		return "", nil
	}
	row, err := c.app.ResourceGrant(c.Context(), c.Caller, c.Tenant, pim.Eligibility, true, pim.Everywhere, pim.ScheduleID(id))
	if _, refused := refusalOf(err); refused {
		return "", nil
	}
	at := row.Schedule.Key.Scope
	wide := at == ask.Key.Scope || slices.Contains(c.app.Index.Above(c.Tenant, ask.Key.Scope), at)
	if err != nil || row.Schedule.Key.Role != ask.Key.Role || !wide {
		return "", err
	}
	return row.Schedule.ID, nil
}

// requestStatus is a state in the dialect's words (reference arm-pim §7 and §18, points 1 and 3).
func requestStatus(a pim.Action, s pim.Status) string {
	asked := wire.ForAdministrators(a)
	switch s {
	case pim.PendingApproval:
		return "PendingApproval"
	case pim.PendingAdminDecision:
		return "PendingAdminDecision"
	case pim.Granted:
		return planned
	case pim.Provisioned:
		if asked {
			return "AdminApproved"
		}
		return held
	case pim.Revoked:
		if !wire.Removal(a) { // what was asked for was taken back before it held
			return "Canceled"
		}
		return "Revoked"
	case pim.Denied:
		if asked {
			return "AdminDenied"
		}
		return "Denied"
	case pim.Canceled:
		return "Canceled"
	case pim.TimedOut:
		return "TimedOut"
	case pim.Failed:
	}
	return "Failed"
}

// validated is the word for a request that was only looked at: whether somebody would have to decide it.
func validated(r pim.Request) string {
	if approved(r) {
		return "PendingEvaluation"
	}
	return planned
}

// hasStatus holds for requests whose state has a word.
func hasStatus(word string) store.Filter {
	any := store.Or{}
	for s := pim.PendingApproval; s <= pim.TimedOut; s++ {
		of := store.Or{}
		for a := pim.AdminAssign; a <= pim.SelfRenew; a++ {
			if strings.EqualFold(word, requestStatus(a, s)) {
				of = append(of, store.Is(store.FieldAction, int(a)))
			}
		}
		if len(of) > 0 {
			any = append(any, store.And{store.Is(store.FieldStatus, int(s)), of})
		}
	}
	return any
}

// requestRow is a request as it is written, with the word for its state where it was only looked at.
type requestRow struct {
	pim.Request
	status string
}

func (s side) append(c *call, x expansion, r requestRow) []byte {
	place := x.place(r.Key.Scope)
	o := wire.New(make([]byte, 0, 2048), nil)
	o.Str("id", idIn(place, s.requests(), string(r.ID)))
	o.Str("name", string(r.ID))
	o.Str("type", typeOf(s.requests()))
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Str("scope", place)
	p.Str("roleDefinitionId", roleID(place, r.Key.Role))
	p.Str("principalId", string(r.Key.Principal))
	p.Str("principalType", x.principalType(r.Key.Principal))
	name := wire.ActionName(r.Action)
	p.Str("requestType", strings.ToUpper(name[:1])+name[1:])
	p.Str("status", r.status)
	if approved(r.Request) {
		p.Str("approvalId", approvalID(r.Request))
	} else {
		p.Null("approvalId")
	}
	s.writeAsked(&p, r.Request)
	p.Text("requestorId", string(r.By.Principal))
	p.Time("createdOn", r.Created)
	x.write(&p, reference{r.Key.Scope, r.Key.Role, r.Key.Principal})
	o.B = p.End()
	c.writeSystemData(&o, x, r.By.Principal, r.Created, r.By.Principal, r.Completed)
	return o.End()
}

// writeAsked writes what was asked for, and what came of it.
func (s side) writeAsked(p *wire.Object, r pim.Request) {
	p.Name("scheduleInfo")
	if r.Asked.Expiration.Kind == schedule.NotSpecified { // a removal, or an update that keeps the times
		p.B = append(p.B, "null"...)
	} else {
		in := r.Asked
		in.Start = r.Start
		p.B = appendSchedule(p.B, in)
	}
	p.Text(s.target("ScheduleId"), string(r.Target))
	p.Text(s.target("ScheduleInstanceId"), string(r.Target))
	if s.kind == pim.Assignment {
		p.Text("linkedRoleEligibilityScheduleId", string(r.Eligibility))
	}
	p.Text("justification", r.Justification)
	p.Name("ticketInfo")
	t := wire.New(p.B, nil)
	t.Text("ticketNumber", r.Ticket.Number)
	t.Text("ticketSystem", r.Ticket.System)
	p.B = t.End()
	p.Text("condition", r.Condition)
	p.Text("conditionVersion", r.ConditionVersion)
}

// write writes requests with what they point to, which is read in one go.
func (s side) write(c *call, rows ...requestRow) ([][]byte, error) {
	refs := make([]reference, 0, 2*len(rows))
	for _, r := range rows {
		refs = append(refs, reference{r.Key.Scope, r.Key.Role, r.Key.Principal}, reference{principal: r.By.Principal})
	}
	x, err := c.expand(refs...)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(rows))
	for i, r := range rows {
		out[i] = s.append(c, x, r)
	}
	return out, nil
}

func (s side) one(c *call, status int, r requestRow) (api.Answer, error) {
	rows, err := s.write(c, r)
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(status, rows[0]), nil
}

func (s side) listRequests(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	f, err := c.filter(filterWords{functions: []string{"atScope", "asTarget", "assignedTo(id)", "asRequestor", "asApprover"},
		members: []string{"principalId", "roleDefinitionId", "requestorId", "status"}})
	if err != nil {
		return api.Answer{}, err
	}
	q, err := s.requestQuery(c, n.Scope, f)
	if err != nil {
		return api.Answer{}, err
	}
	page, err := c.app.ResourceRequests(c.Context(), c.Caller, q)
	if err != nil {
		return api.Answer{}, c.reading(n, err)
	}
	list := make([]requestRow, len(page.Rows))
	for i, r := range page.Rows {
		list[i] = requestRow{r, requestStatus(r.Action, r.Status)}
	}
	rows, err := s.write(c, list...)
	if err != nil {
		return api.Answer{}, err
	}
	return c.page(rows, page.Next), nil
}

func (s side) requestQuery(c *call, at pim.Scope, f filter) (app.ResourceQuery, error) {
	var where []store.Filter
	if word, ok := f.is("status"); ok {
		where = append(where, hasStatus(word))
	}
	if id, ok := f.is("requestorId"); ok {
		where = append(where, store.Is(store.FieldCreatedBy, strings.ToLower(id)))
	}
	if f.has("asRequestor") {
		where = append(where, store.Is(store.FieldCreatedBy, string(c.Caller.Principal)))
	}
	q, err := c.resourceQuery(at, s.kind, f, where...)
	if q.View == app.Everybody && f.has("asRequestor") {
		q.View = app.ByMe
	}
	if f.has("asApprover") {
		if q.View == app.Mine { // whoever decides is never the one that is decided about
			q.Where = store.Or{}
		}
		q.View = app.ForMe
	}
	return q, err
}

// find is the request that the address names, which may also be named by the schedule that it made: both have one id.
func (s side) find(c *call) (pim.Request, error) {
	n, err := c.place()
	if err != nil {
		return pim.Request{}, err
	}
	r, err := c.app.ResourceRequest(c.Context(), c.Caller, c.Tenant, s.kind, pim.RequestID(c.id("name")))
	if err == nil && !atPlace(n, r.Key.Scope) {
		err = &pim.Refusal{Code: pim.UnknownRequest}
	}
	return r, err
}

func (s side) getRequest(c *call) (api.Answer, error) {
	r, err := s.find(c)
	if err != nil {
		return api.Answer{}, err
	}
	return s.one(c, http.StatusOK, requestRow{r, requestStatus(r.Action, r.Status)})
}

func (s side) cancelRequest(c *call) (api.Answer, error) {
	r, err := s.find(c)
	if err != nil {
		return api.Answer{}, err
	}
	_, err = c.app.Do(c.Context(), pim.Ask{By: c.Caller, Action: pim.Cancel, Kind: s.kind, Key: r.Key, Request: r.ID})
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{Status: http.StatusOK}, nil
}

func (s side) putRequest(c *call) (api.Answer, error) {
	name := c.id("name")
	if !wire.IsGUID(name) {
		return api.Answer{}, invalidContent("the name of a request is a GUID.")
	}
	out, err := s.do(c, pim.Ask{Request: pim.RequestID(name)}, c.mended)
	if err != nil {
		return api.Answer{}, err
	}
	c.now = c.app.Time()
	return s.one(c, http.StatusCreated, requestRow{*out.Request, requestStatus(out.Request.Action, out.Request.Status)})
}

// validateRequest says what would come of a request, and keeps nothing.
func (s side) validateRequest(c *call) (api.Answer, error) {
	out, err := s.do(c, pim.Ask{ValidationOnly: true}, c.body)
	if err != nil {
		return api.Answer{}, err
	}
	r := *out.Request
	status := validated(r)
	r.ID, r.Target, r.Approval = pim.RequestID(c.id("name")), "", nil
	return s.one(c, http.StatusOK, requestRow{r, status})
}

// do asks for what the body says, as another ask does.
func (s side) do(c *call, as pim.Ask, read func(any) error) (pim.Outcome, error) {
	n, err := c.place()
	if err != nil {
		return pim.Outcome{}, err
	}
	var in requestIn
	if err := read(&in); err != nil {
		return pim.Outcome{}, err
	}
	ask, err := in.toAsk(c, n, s.kind)
	if err != nil {
		return pim.Outcome{}, err
	}
	ask.Request, ask.ValidationOnly = as.Request, as.ValidationOnly
	out, err := c.app.Do(c.Context(), ask)
	if wire.Refused(err, pim.Constrained) { // which is told of requests as a rule that failed, not as a right that is missing (§6)
		refusal, _ := refusalOf(err)
		p := fromRefusal(c.Request, refusal)
		p.Status = http.StatusBadRequest
		return out, p
	}
	return out, c.at(n, err)
}
