package graph

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// Requests: unifiedRoleAssignmentScheduleRequest, unifiedRoleEligibilityScheduleRequest, and
// privilegedAccessGroupAssignmentScheduleRequest, privilegedAccessGroupEligibilityScheduleRequest
// (learn.microsoft.com/graph/api/resources, pages of these names).

// requestIn is the body of a request. A member that is null or empty is not there.
type requestIn struct {
	Action           string         `json:"action"`
	PrincipalID      string         `json:"principalId"`
	RoleDefinitionID string         `json:"roleDefinitionId"`
	DirectoryScopeID string         `json:"directoryScopeId"`
	AppScopeID       string         `json:"appScopeId"`
	GroupID          string         `json:"groupId"`
	AccessID         string         `json:"accessId"`
	Justification    string         `json:"justification"`
	IsValidationOnly bool           `json:"isValidationOnly"`
	ScheduleInfo     *wire.Schedule `json:"scheduleInfo"`
	TicketInfo       *ticketIn      `json:"ticketInfo"`
}

type ticketIn struct {
	Number    string `json:"ticketNumber"`
	System    string `json:"ticketSystem"`
	Submitter string `json:"ticketSubmitterIdentityId"`
	Approver  string `json:"ticketApproverIdentityId"`
}

func invalidRequest(field, detail string) error {
	return &pim.Refusal{Code: pim.InvalidRequest, Field: field, Detail: detail}
}

// toAsk reads what is asked for. The error is a *pim.Refusal.
func (in requestIn) toAsk(by pim.Caller, t pim.TenantID, p pim.Provider, k pim.Kind) (pim.Ask, error) {
	action, ok := wire.ParseAction(in.Action)
	switch {
	case in.Action == "":
		return pim.Ask{}, invalidRequest("action", "is missing")
	case !ok:
		return pim.Ask{}, invalidRequest("action", "is not known")
	case in.PrincipalID == "":
		return pim.Ask{}, invalidRequest("principalId", "is missing")
	}
	role, scope, err := in.roleAt(p)
	if err != nil {
		return pim.Ask{}, err
	}
	ask := pim.Ask{
		By: by, Action: action, Kind: k, Justification: in.Justification, ValidationOnly: in.IsValidationOnly,
		Key: pim.Key{Tenant: t, Provider: p, Scope: scope, Role: role, Principal: pim.PrincipalID(strings.ToLower(in.PrincipalID))},
	}
	if in.TicketInfo != nil {
		ask.Ticket = pim.Ticket{Number: in.TicketInfo.Number, System: in.TicketInfo.System,
			Submitter: in.TicketInfo.Submitter, Approver: in.TicketInfo.Approver}
	}
	if !wire.Removal(action) {
		ask.Schedule, err = in.ScheduleInfo.Info()
	}
	return ask, err
}

// roleAt is the role that is asked for, and where.
func (in requestIn) roleAt(p pim.Provider) (pim.RoleID, pim.Scope, error) {
	if p == pim.Group {
		return in.side()
	}
	if in.RoleDefinitionID == "" {
		return "", "", invalidRequest("roleDefinitionId", "is missing")
	}
	scope, err := in.scope()
	return pim.RoleID(strings.ToLower(in.RoleDefinitionID)), scope, err
}

// side is the side of the group that is asked for.
func (in requestIn) side() (pim.RoleID, pim.Scope, error) {
	role := pim.RoleID(strings.ToLower(in.AccessID))
	switch {
	case in.GroupID == "":
		return "", "", invalidRequest("groupId", "is missing")
	case in.AccessID == "":
		return "", "", invalidRequest("accessId", "is missing")
	case role != pim.Member && role != pim.Owner:
		return "", "", invalidRequest("accessId", "is member or owner")
	case !wire.IsGUID(in.GroupID):
		return "", "", &pim.Refusal{Code: pim.InvalidScope, Field: "groupId", Detail: "is not a GUID"}
	}
	return role, pim.Scope(strings.ToLower(in.GroupID)), nil
}

// scope is the one scope that is given.
func (in requestIn) scope() (pim.Scope, error) {
	switch {
	case in.DirectoryScopeID == "" && in.AppScopeID == "":
		return "", invalidRequest("directoryScopeId", "either directoryScopeId or appScopeId must be given")
	case in.DirectoryScopeID != "" && in.AppScopeID != "":
		return "", invalidRequest("directoryScopeId", "only one of directoryScopeId and appScopeId may be given")
	case in.AppScopeID != "":
		return "", &pim.Refusal{Code: pim.InvalidScope, Field: "appScopeId", Detail: "scopes of applications are not offered for directory roles"}
	}
	scope, ok := parseScope(in.DirectoryScopeID)
	if !ok {
		return "", &pim.Refusal{Code: pim.InvalidScope, Field: "directoryScopeId", Detail: "is not of a known form"}
	}
	return scope, nil
}

// requestRow is a request as it is written; validated ones are told but nowhere kept.
type requestRow struct {
	pim.Request
	validated bool
}

// requestStatus is a state in Graph's spelling (reference graph-pim §7 and §24, points 3 and 4).
func requestStatus(k pim.Kind, s pim.Status) string {
	switch s {
	case pim.PendingApproval:
		return "PendingApproval"
	case pim.PendingAdminDecision:
		return "PendingAdminDecision"
	case pim.Granted:
		return "Granted"
	case pim.Provisioned:
		return "Provisioned"
	case pim.Revoked:
		return "Revoked"
	case pim.Denied:
		return "Denied"
	case pim.Canceled:
		if k == pim.Eligibility {
			return "Revoked"
		}
		return "Canceled"
	case pim.Failed, pim.TimedOut:
		return "Failed"
	}
	return "Failed"
}

func statusWords(k pim.Kind) func(string) []int {
	return func(word string) []int {
		var out []int
		for s := pim.PendingApproval; s <= pim.TimedOut; s++ {
			if strings.EqualFold(word, requestStatus(k, s)) {
				out = append(out, int(s))
			}
		}
		return out
	}
}

func (r requestRow) status() string {
	if r.validated {
		return "Granted"
	}
	return requestStatus(r.Kind, r.Status)
}

// schedule is the schedule that the request made or is to make; empty for removals.
func (r requestRow) schedule() pim.ScheduleID {
	if r.validated || wire.Removal(r.Action) {
		return ""
	}
	return r.Target
}

// target is that schedule's id on the wire.
func (r requestRow) target() string {
	if r.Key.Provider == pim.Group {
		return groupSchedule(r.Key, r.schedule()).String()
	}
	return string(r.schedule())
}

func (r requestRow) completed() time.Time {
	if wire.Removal(r.Action) {
		return time.Time{}
	}
	return r.Completed
}

// approvalID is the request's own id, once it has to pass an approval.
func (r requestRow) approvalID() string {
	if r.Approval == nil {
		return ""
	}
	return string(r.ID)
}

func writeRequest(c *call, o *object, r requestRow) {
	o.Text("id", string(r.ID))
	o.Str("status", r.status())
	o.Time("createdDateTime", r.Created)
	o.Time("completedDateTime", r.completed())
	o.Text("approvalId", r.approvalID())
	o.Null("customData")
	o.Text("action", wire.ActionName(r.Action))
	writeKey(o, r.Key, r.Key.Principal)
	o.Bool("isValidationOnly", r.validated)
	o.Text("targetScheduleId", r.target())
	o.Text("justification", r.Justification)
	if o.Member("createdBy") {
		o.B = appendActor(o.B, r.By)
	}
	if o.Member("scheduleInfo") {
		if wire.Removal(r.Action) {
			o.B = append(o.B, "null"...)
		} else {
			o.B = wire.AppendSchedule(o.B, r.asked())
		}
	}
	if o.Member("ticketInfo") {
		o.B = appendTicket(o.B, r.Ticket, c.beta)
	}
}

// asked is the schedule as it was sent, with the start that came of it (reference graph-pim §5).
func (r requestRow) asked() schedule.Info {
	in := r.Asked
	in.Start = r.Start
	return in
}

// appendActor writes identitySet: an application or a person, the other one null.
func appendActor(b []byte, a pim.Actor) []byte {
	identity := func(b []byte) []byte {
		b = append(b, `{"displayName":null,"id":`...)
		return append(wire.AppendText(b, string(a.Principal)), '}')
	}
	b = append(b, `{"application":`...)
	if a.Kind == pim.ServicePrincipal {
		b = identity(b)
		return append(b, `,"device":null,"user":null}`...)
	}
	b = append(b, `null,"device":null,"user":`...)
	return append(identity(b), '}')
}

func appendTicket(b []byte, t pim.Ticket, beta bool) []byte {
	b = append(b, `{"ticketNumber":`...)
	b = wire.AppendText(b, t.Number)
	b = append(b, `,"ticketSystem":`...)
	b = wire.AppendText(b, t.System)
	if beta {
		b = append(b, `,"ticketSubmitterIdentityId":`...)
		b = wire.AppendText(b, t.Submitter)
		b = append(b, `,"ticketApproverIdentityId":`...)
		b = wire.AppendText(b, t.Approver)
	}
	return append(b, '}')
}

func requestProperties(w words) []odata.Property {
	identity := []odata.Property{idProperty("id"), textProperty("displayName")}
	return append(w.keyProperties(),
		idProperty("id"),
		enumProperty("status", "PendingApproval", "PendingAdminDecision", "Granted", "Provisioned", "Revoked", "Denied", "Canceled", "Failed"),
		timeProperty("createdDateTime", true),
		timeProperty("completedDateTime", true),
		idProperty("approvalId"),
		enumProperty("action", wire.Actions()[1:]...),
		boolProperty("isValidationOnly"),
		w.idProperty("targetScheduleId"),
		textProperty("justification"),
		odata.Property{Name: "createdBy", Kind: odata.KindComplex, Filterable: true, Properties: []odata.Property{
			{Name: "user", Kind: odata.KindComplex, Filterable: true, Properties: identity},
			{Name: "application", Kind: odata.KindComplex, Filterable: true, Properties: identity},
		}},
		odata.Property{Name: "ticketInfo", Kind: odata.KindComplex, Filterable: true, Properties: []odata.Property{
			textProperty("ticketNumber"), textProperty("ticketSystem"),
		}},
		timePathProperty("scheduleInfo"),
		textProperty("customData"),
	)
}

func requestColumns(w words, k pim.Kind) listing.Columns {
	completed := listing.TimeColumn(store.FieldCompleted)
	completed.Compare = nil // a removal tells none
	return listing.Columns{
		"id":                listing.IDColumn(store.FieldID),
		"status":            listing.WordColumn(store.FieldStatus, statusWords(k)),
		"action":            listing.WordColumn(store.FieldAction, actionWords),
		"principalId":       listing.IDColumn(store.FieldPrincipal),
		"principal/id":      listing.IDColumn(store.FieldPrincipal),
		"roleDefinitionId":  listing.IDColumn(store.FieldRole),
		"roleDefinition/id": listing.IDColumn(store.FieldRole),
		"directoryScopeId":  scopeColumn(store.FieldScope),
		"groupId":           listing.IDColumn(store.FieldScope),
		"group/id":          listing.IDColumn(store.FieldScope),
		"accessId":          listing.IDColumn(store.FieldRole),
		"createdDateTime":   listing.TimeColumn(store.FieldCreated),
		"completedDateTime": completed,
		"createdBy/user/id": listing.IDColumn(store.FieldCreatedBy),
		"targetScheduleId":  targetColumn(w),
	}
}

// targetColumn finds requests by the schedule that they made.
func targetColumn(w words) listing.Column {
	if w.provider == pim.Directory {
		return guidOrExact(store.FieldTarget)
	}
	return listing.Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		id, ok := v.(odata.String)
		if !ok || op != odata.Eq {
			return nil, false
		}
		k, ok := parseGroupKey(string(id))
		if !ok || k.member != "" {
			return store.Or{}, true // nothing has such an id
		}
		return append(k.side(), store.Is(store.FieldTarget, k.guid)), true
	}}
}

func actionWords(word string) []int {
	if a, ok := wire.ParseAction(word); ok {
		return []int{int(a)}
	}
	return nil
}

func requestValue(_ *call, r requestRow, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return string(r.ID)
	case "status":
		return r.status()
	case "action":
		return wire.ActionName(r.Action)
	case "approvalId":
		return listing.TextValue(r.approvalID())
	case "createdDateTime":
		return listing.TimeValue(r.Created)
	case "completedDateTime":
		return listing.TimeValue(r.completed())
	case "targetScheduleId":
		return listing.TextValue(r.target())
	case "isValidationOnly":
		return r.validated
	case "justification":
		return listing.TextValue(r.Justification)
	}
	return requestInnerValue(r, path)
}

func requestInnerValue(r requestRow, path []string) any {
	switch strings.Join(path, "/") {
	case "createdBy/user/id":
		if r.By.Kind != pim.ServicePrincipal {
			return string(r.By.Principal)
		}
	case "createdBy/application/id":
		if r.By.Kind == pim.ServicePrincipal {
			return string(r.By.Principal)
		}
	case "ticketInfo/ticketNumber":
		return listing.TextValue(r.Ticket.Number)
	case "ticketInfo/ticketSystem":
		return listing.TextValue(r.Ticket.System)
	case "scheduleInfo/startDateTime":
		return listing.TimeValue(r.Start)
	case "scheduleInfo/expiration/type":
		return r.Asked.Expiration.Kind.String()
	case "scheduleInfo/expiration/endDateTime":
		return listing.TimeValue(r.Asked.Expiration.End)
	}
	return keyValue(r.Key, r.Key.Principal, strings.Join(path, "/"))
}

func requestReference(r requestRow) reference {
	return reference{r.Key.Principal, r.Key.Role, r.Key.Scope}
}

func relateRequests(c *call, expands []odata.Expand, rows []requestRow) ([]related, error) {
	refs := make([]reference, len(rows))
	for i, r := range rows {
		refs[i] = requestReference(r)
	}
	out, err := relateReferences(c, expands, refs)
	if err != nil || len(rows) == 0 {
		return out, err
	}
	provider := rows[0].Key.Provider
	for _, e := range expands {
		var at func(int) []byte
		switch e.Path {
		case "activatedUsing":
			at, err = c.relateGrants(&c.kindsOf(provider).eligibilitySchedule, grantSet{provider: provider, of: pim.Eligibility}, e.Query, len(rows),
				func(i int) (pim.ScheduleID, pim.PrincipalID) { return rows[i].Eligibility, rows[i].Key.Principal })
		case "targetSchedule":
			at, err = c.relateTargets(e.Query, rows)
		case "approval":
			at, err = c.relateApprovals(e.Query, rows)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, related{Name: e.Path, At: at})
	}
	return out, nil
}

func (c *call) relateTargets(q odata.Query, rows []requestRow) (func(int) []byte, error) {
	provider, of := rows[0].Key.Provider, rows[0].Kind
	k := &c.kindsOf(provider).assignmentSchedule
	if of == pim.Eligibility {
		k = &c.kindsOf(provider).eligibilitySchedule
	}
	return c.relateGrants(k, grantSet{provider: provider, of: of}, q, len(rows), func(i int) (pim.ScheduleID, pim.PrincipalID) {
		return rows[i].schedule(), rows[i].Key.Principal
	})
}

// requestSet is one of a provider's two sets of requests.
type requestSet struct {
	provider pim.Provider
	kind     func(*call) *kind[requestRow]
	of       pim.Kind
	// write are the permissions for everything; without them a token may only remove.
	write []string
}

func (s requestSet) fetch(c *call) listing.Fetcher[requestRow] {
	return func(q store.Query) (store.Page[requestRow], error) {
		page, err := c.app.Requests(c.Context(), c.Caller, s.provider, s.of, c.view, q)
		if c.ownToo && isForbidden(err) {
			page, err = c.app.Requests(c.Context(), c.Caller, s.provider, s.of, app.Mine, q)
		}
		return rowsOf(page), err
	}
}

func rowsOf(page store.Page[pim.Request]) store.Page[requestRow] {
	rows := make([]requestRow, len(page.Rows))
	for i, r := range page.Rows {
		rows[i].Request = r
	}
	return store.Page[requestRow]{Rows: rows, Next: page.Next, Count: page.Count}
}

// list lists the set. Of groups an application has to say which, or whose; a person who does not gets their own, as does
// who may not read all that they ask for (reference graph-pim §3.10).
func (s requestSet) list(c *call) (api.Answer, error) {
	if s.provider == pim.Group {
		narrowed, err := narrowed(c, s.kind(c))
		switch {
		case err != nil:
			return api.Answer{}, err
		case narrowed:
			c.ownToo = true
		case c.Caller.App():
			return api.Answer{}, unnarrowed()
		default:
			c.view = app.Mine
		}
	}
	return listing.List(c, s.kind(c), s.fetch(c))
}

func (s requestSet) mine(c *call) (api.Answer, error) {
	allowed := map[string]app.View{"principal": app.Mine, "createdBy": app.ByMe, "approver": app.ForMe}
	if err := c.filterByCurrentUser(allowed); err != nil {
		return api.Answer{}, err
	}
	return listing.List(c, s.kind(c), s.fetch(c))
}

func (s requestSet) find(c *call) (requestRow, error) {
	r, err := c.app.Request(c.Context(), c.Caller, c.Tenant, s.provider, s.of, pim.RequestID(c.id("id")))
	return requestRow{Request: r}, err
}

func (s requestSet) get(c *call) (api.Answer, error) {
	r, err := s.find(c)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, s.kind(c), http.StatusOK, r)
}

func (s requestSet) navigate(name string) handler {
	return func(c *call) (api.Answer, error) {
		r, err := s.find(c)
		if err != nil {
			return api.Answer{}, err
		}
		return listing.Navigate(c, s.kind(c), r, name)
	}
}

func (s requestSet) create(c *call) (api.Answer, error) {
	var in requestIn
	if err := listing.Decode(c, s.kind(c), &in); err != nil {
		return api.Answer{}, err
	}
	ask, err := in.toAsk(c.Caller, c.Tenant, s.provider, s.of)
	if err != nil {
		return api.Answer{}, err
	}
	if !wire.Removal(ask.Action) {
		if err := c.permit(s.write); err != nil {
			return api.Answer{}, err
		}
	}
	out, err := c.app.Do(c.Context(), ask)
	if err != nil {
		return api.Answer{}, nothingToRemove(ask, err)
	}
	c.now = c.app.Time()
	answer, err := listing.One(c, s.kind(c), http.StatusCreated, requestRow{*out.Request, out.ValidationOnly})
	if err == nil && !out.ValidationOnly {
		answer.Header.Set("Location", c.Base()+"/"+s.kind(c).Set+"/"+string(out.Request.ID))
	}
	return answer, err
}

// nothingToRemove answers 404 where an administrator removes a group's grant that is over: Terraform takes that for removed,
// and any other refusal for a failure that keeps it from tearing down what has ended by itself.
func nothingToRemove(ask pim.Ask, err error) error {
	refusal, ok := errors.AsType[*pim.Refusal](err)
	if !ok || refusal.Code != pim.NotThere || ask.Action != pim.AdminRemove || ask.Key.Provider != pim.Group {
		return err
	}
	p := fromRefusal(refusal, 0, groupWords())
	p.Status = http.StatusNotFound
	return p
}

func (s requestSet) cancel(c *call) (api.Answer, error) {
	r, err := s.find(c)
	if err != nil {
		return api.Answer{}, err
	}
	_, err = c.app.Do(c.Context(), pim.Ask{By: c.Caller, Action: pim.Cancel, Kind: s.of, Key: r.Key, Request: r.ID})
	if err != nil {
		return api.Answer{}, err
	}
	return noContent()
}

// permit refuses a token that has none of the permissions.
func (c *call) permit(needs []string) error {
	if c.Token.Permits(needs...) {
		return nil
	}
	return &api.Fault{Problem: api.MissingPermission, Needs: needs,
		Detail: "Authorization failed due to missing permission scope " + strings.Join(needs, ",") + "."}
}

func assignmentRequests(w words) requestSet {
	return requestSet{w.provider, func(c *call) *kind[requestRow] { return &c.kindsOf(w.provider).assignmentRequest }, pim.Assignment,
		accessTo(w.provider).assignments.write}
}

func eligibilityRequests(w words) requestSet {
	return requestSet{w.provider, func(c *call) *kind[requestRow] { return &c.kindsOf(w.provider).eligibilityRequest }, pim.Eligibility,
		accessTo(w.provider).eligibilities.write}
}
