package pimv2

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// Requests: governanceRoleAssignmentRequest (learn.microsoft.com/graph/api/resources/governanceroleassignmentrequest). One list has
// those for eligible and those for active assignments.

func requestRoutes() []route {
	return inBoth("roleAssignmentRequests", func(set string) []route {
		one := set + "/{id}"
		out := append(counted(set, listRequests), post(set, createRequest), get(one, getRequest),
			post(one+"/cancel", cancelRequest), post(one+"/updateRequest", updateRequest))
		return append(out, led(one, requestNavigations(), navigateRequest)...)
	})
}

// requestNavigations are what a request leads to.
func requestNavigations() []string {
	return []string{"resource", "roleDefinition", "subject", "scopedResource"}
}

// requestRow is a request as it is written; one that was only looked at is kept nowhere.
type requestRow struct {
	pim.Request
	validated bool
}

func (k *kinds) setRequests() {
	k.request = kind[requestRow]{
		Set: "governanceRoleAssignmentRequests", Type: "governanceRoleAssignmentRequest",
		Schema: &odata.Schema{
			Properties:  append(requestProperties(), referenceProperties()...),
			Navigations: k.navigations(requestNavigations()...),
		},
		Key:   func(r requestRow) string { return string(r.ID) },
		Write: writeRequest, Value: requestValue, Relate: relating(requestRow.reference),
		Deep: deep(requestRow.reference, requestValue),
	}
}

func requestProperties() []odata.Property {
	return append([]odata.Property{
		listing.IDProperty("id"), listing.IDProperty("resourceId"), listing.IDProperty("roleDefinitionId"), listing.IDProperty("subjectId"), listing.IDProperty("scopedResourceId"),
		listing.IDProperty(linkedName + "Id"), listing.EnumProperty("type", governance.Types()...),
		listing.EnumProperty("assignmentState", governance.StateName(pim.Eligibility), governance.StateName(pim.Assignment)),
		listing.TimeProperty("requestedDateTime"), listing.TextProperty("reason"), listing.TextProperty("ticketNumber"), listing.TextProperty("ticketSystem"),
		listing.Within("status", listing.EnumProperty("status", governance.InProgress, governance.Closed), listing.EnumProperty("subStatus", governance.SubStatuses()...)),
		listing.Within("schedule", listing.TimeProperty("startDateTime"), listing.TimeProperty("endDateTime")),
	}, listing.PlainProperties("condition", "conditionVersion", "conditionDescription", "roleAssignmentStartDateTime", "roleAssignmentEndDateTime", "metadata")...)
}

// requestColumns are what the store knows of requests. The words of states stand for several, and depend on more than these: what
// the store finds by them is looked at once more.
func requestColumns(p pim.Provider) listing.Columns {
	words := func(states func(string) []pim.Status) listing.Column {
		return listing.Column{Loose: true, Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
			word, ok := v.(odata.String)
			any := store.Or{}
			for _, s := range states(string(word)) {
				any = append(any, store.Is(store.FieldStatus, int(s)))
			}
			return any, ok && op == odata.Eq
		}}
	}
	cs := listing.Columns{
		"id": listing.IDColumn(store.FieldID), "subjectId": listing.IDColumn(store.FieldPrincipal), "subject/id": listing.IDColumn(store.FieldPrincipal),
		"type": listing.WordColumn(store.FieldAction, func(word string) []int {
			a, ok := governance.ParseType(word)
			return numberIf(int(a), ok)
		}),
		"assignmentState": listing.WordColumn(store.FieldKind, func(word string) []int {
			k, ok := governance.ParseState(word)
			return numberIf(int(k), ok)
		}),
		"requestedDateTime": listing.TimeColumn(store.FieldCreated),
		"status/subStatus":  words(governance.ParseSubStatus),
		"status/status":     words(governance.ParseStatus),
	}
	if p == pim.Directory {
		cs["roleDefinitionId"], cs["roleDefinition/id"] = listing.IDColumn(store.FieldRole), listing.IDColumn(store.FieldRole)
	}
	return cs
}

func numberIf(n int, ok bool) []int {
	if !ok {
		return nil
	}
	return []int{n}
}

// key is the role and where, with the narrower scope of a role of the directory.
func (r requestRow) key() pim.RoleKey {
	return pim.RoleKey{Tenant: r.Key.Tenant, Provider: r.Key.Provider, Scope: r.Key.Scope, Role: r.Key.Role}
}

func (r requestRow) reference() reference { return reference{r.key(), r.Key.Principal} }

func writeRequest(c *call, o *object, r requestRow) {
	o.Str("id", string(r.ID))
	o.Str("resourceId", governance.ResourceID(r.key()))
	o.Str("roleDefinitionId", governance.RoleDefinitionID(r.key()))
	o.Str("subjectId", string(r.Key.Principal))
	if c.host {
		o.Str("scopedResourceId", scopedResource(r.key()))
	}
	o.Str(linkedName+"Id", string(r.Eligibility))
	o.Str("type", governance.TypeName(r.Action))
	o.Str("assignmentState", governance.StateName(r.Kind))
	o.Time("requestedDateTime", r.Created)
	o.Text("reason", r.Justification)
	if c.host {
		writeHostRequest(o, r)
	}
	if o.Member("status") {
		o.B = governance.AppendStatus(o.B, r.Request)
	}
	if o.Member("schedule") {
		o.B = governance.AppendSchedule(o.B, r.Request)
	}
}

// writeHostRequest writes the members that the service's own host has beside those of Graph (reference pim-v2 §10).
func writeHostRequest(o *object, r requestRow) {
	o.Str("ticketNumber", r.Ticket.Number)
	o.Str("ticketSystem", r.Ticket.System)
	o.Text("condition", r.Condition)
	o.Text("conditionVersion", r.ConditionVersion)
	o.Null("conditionDescription")
	o.Time("roleAssignmentStartDateTime", r.Start)
	o.Time("roleAssignmentEndDateTime", governance.EndOf(r.Request))
	o.Raw("metadata", []byte("{}"))
}

func requestValue(_ *call, r requestRow, path []string) any {
	status, sub := governance.SubStatus(r.Request)
	switch strings.Join(path, "/") {
	case "id":
		return string(r.ID)
	case "resourceId", "resource/id", "roleDefinition/resource/id":
		return governance.ResourceID(r.key())
	case "roleDefinitionId", "roleDefinition/id":
		return governance.RoleDefinitionID(r.key())
	case "subjectId", "subject/id":
		return string(r.Key.Principal)
	case "scopedResourceId", "scopedResource/id":
		return listing.TextValue(scopedResource(r.key()))
	case linkedName + "Id":
		return string(r.Eligibility)
	case "type":
		return governance.TypeName(r.Action)
	case "assignmentState":
		return governance.StateName(r.Kind)
	case "requestedDateTime":
		return listing.TimeValue(r.Created)
	case "reason":
		return listing.TextValue(r.Justification)
	case "ticketNumber":
		return listing.TextValue(r.Ticket.Number)
	case "ticketSystem":
		return listing.TextValue(r.Ticket.System)
	case "status/status":
		return status
	case "status/subStatus":
		return sub
	case "schedule/startDateTime":
		return listing.TimeValue(r.Start)
	case "schedule/endDateTime":
		return listing.TimeValue(r.Asked.Expiration.End)
	}
	return nil
}

// requests is a list being read.
type requests struct {
	*call
	target target
	view   app.View
}

// requests says whose requests a filter asks for: nobody needs a right for their own. Who asks for those that wait, without saying
// where, gets everybody's or, where they may not read these, those that they can decide themselves.
func (c *call) requests(t target) requests {
	r := requests{call: c, target: t}
	if t.subject != "" && t.subject == c.Caller.Principal {
		r.view = app.Mine
	}
	return r
}

// waits says whether a filter asks for nothing but requests that wait for a decision.
func (t target) waits() bool {
	return slices.ContainsFunc(termsOf(t.rest), func(e odata.Expr) bool {
		word, ok := equals(e, func(name string) bool { return name == "status/subStatus" })
		return ok && (word == "pendingadmindecision" || word == "pendingapproval")
	})
}

func (r requests) fetch(q store.Query) (store.Page[requestRow], error) {
	if r.target.nothing {
		return store.Page[requestRow]{}, nil
	}
	page, err := r.read(q)
	if isForbidden(err) && r.target.place == nil && r.target.waits() {
		r.view = app.ForMe
		page, err = r.read(q)
	}
	rows := make([]requestRow, len(page.Rows))
	for i, row := range page.Rows {
		rows[i].Request = row
	}
	return store.Page[requestRow]{Rows: rows, Next: page.Next, Count: page.Count}, err
}

func (r requests) read(q store.Query) (store.Page[pim.Request], error) {
	scope := pim.Scope("")
	if r.target.place != nil && r.provider != pim.Directory {
		scope = r.target.place.key.Scope
	}
	q.Where = listing.Every(q.Where, keyIs(store.FieldRole, r.target.role), keyIs(store.FieldPrincipal, r.target.subject), keyIs(store.FieldScope, scope))
	if r.provider != pim.Resource {
		return r.app.Requests(r.Context(), r.Caller, r.provider, r.target.state, r.view, q)
	}
	return r.app.ResourceRequests(r.Context(), r.Caller, app.ResourceQuery{Query: q, Kind: r.target.state, View: r.view, Scope: cmp.Or(scope, pim.Everywhere)})
}

// page reads the page of a list that a query asks for. A store sorts by time alone; by anything else it is done here.
func (r requests) page(q odata.Query) (listing.Page[requestRow], error) {
	k := r.kinds.request
	k.Columns = requestColumns(r.provider)
	q.Filter = r.target.rest
	return listing.ReadSorted(r.call, &k, q, r.fetch)
}

func listRequests(c *call) (api.Answer, error) {
	return listNarrowed(c, &c.kinds.request, func(t target, q odata.Query) (listing.Page[requestRow], error) { return c.requests(t).page(q) })
}

// request is the one that the path names, at the resource that it may name too. Refusal: UnknownRequest.
func (c *call) request() (requestRow, error) {
	id := pim.RequestID(c.id("id"))
	var r pim.Request
	var err error
	if c.provider == pim.Resource {
		r, err = c.app.ResourceRequest(c.Context(), c.Caller, c.Tenant, 0, id)
	} else {
		r, err = c.app.Request(c.Context(), c.Caller, c.Tenant, c.provider, 0, id)
	}
	row := requestRow{Request: r}
	if at := c.id("resource"); err == nil && at != "" && at != governance.ResourceID(row.key()) {
		err = &pim.Refusal{Code: pim.UnknownRequest}
	}
	return row, err
}

func getRequest(c *call) (api.Answer, error) {
	r, err := c.request()
	if err != nil {
		return api.Answer{}, err
	}
	return oneThatMatches(c, &c.kinds.request, r)
}

// navigateRequest answers with what a request leads to.
func navigateRequest(name string) handler {
	return func(c *call) (api.Answer, error) {
		r, err := c.request()
		if err != nil {
			return api.Answer{}, err
		}
		return c.navigated(name, r.reference())
	}
}

func noContent() (api.Answer, error) {
	return api.Answer{Status: http.StatusNoContent, Header: http.Header{"Odata-Version": {"4.0"}}}, nil
}

// requestIn is the body of a request. What is null or empty is not there; conditionDescription has no place in the core.
type requestIn struct {
	ResourceID       string               `json:"resourceId"`
	ScopedResourceID string               `json:"scopedResourceId"`
	RoleDefinitionID string               `json:"roleDefinitionId"`
	SubjectID        string               `json:"subjectId"`
	State            string               `json:"assignmentState"`
	Type             string               `json:"type"`
	Reason           string               `json:"reason"`
	TicketNumber     string               `json:"ticketNumber"`
	TicketSystem     string               `json:"ticketSystem"`
	Linked           string               `json:"linkedEligibleRoleAssignmentId"`
	Schedule         *governance.Schedule `json:"schedule"`
	Condition        string               `json:"condition"`
	ConditionVersion string               `json:"conditionVersion"`
}

// toAsk reads what is asked for. Only the place and the role are looked up, for their ids are the dialect's own.
func (in requestIn) toAsk(c *call) (pim.Ask, error) {
	ask := pim.Ask{By: c.Caller, Justification: in.Reason, Ticket: pim.Ticket{Number: in.TicketNumber, System: in.TicketSystem},
		Condition: in.Condition, ConditionVersion: in.ConditionVersion}
	var err error
	if ask.ValidationOnly, err = c.validates(); err != nil {
		return ask, err
	}
	if err := in.words(&ask); err != nil {
		return ask, err
	}
	subject := strings.ToLower(strings.TrimSpace(in.SubjectID))
	if !wire.IsGUID(subject) {
		return ask, invalidRequest("subjectId", "is missing, or no GUID")
	}
	at, err := in.place(c)
	if err != nil {
		return ask, c.hiding(ask.Action, err)
	}
	if strings.TrimSpace(in.RoleDefinitionID) == "" {
		return ask, invalidRequest("roleDefinitionId", "is missing")
	}
	key, err := c.roleAt(at, in.RoleDefinitionID)
	if wire.Refused(err, pim.UnknownRole) && at.Provider == pim.Resource && pim.MayDo(c.Caller, pim.ReadRoleAssignments, at.Scope) != nil {
		err = c.hiding(ask.Action, unknownResource()) // else it would tell that the resource is there
	}
	if err != nil {
		return ask, err
	}
	if key.Scope, err = c.scoped(at, in.ScopedResourceID); err != nil {
		return ask, err
	}
	ask.Key = pim.Key{Tenant: key.Tenant, Provider: key.Provider, Scope: key.Scope, Role: key.Role, Principal: pim.PrincipalID(subject)}
	ask.Eligibility, err = c.hinted(ask, in.Linked)
	return ask, err
}

// words reads the type, the state and the times.
func (in requestIn) words(ask *pim.Ask) error {
	var ok bool
	if ask.Action, ok = governance.ParseType(in.Type); !ok {
		return invalidRequest("type", "is missing or not known")
	}
	if ask.Kind, ok = governance.ParseState(in.State); !ok {
		return invalidRequest("assignmentState", "is missing, or neither Eligible nor Active")
	}
	switch ask.Action { //nolint:exhaustive // the others have times, or may have
	case pim.AdminRemove, pim.SelfDeactivate:
		return nil
	case pim.AdminRenew, pim.SelfExtend, pim.SelfRenew:
	default:
		if in.Schedule == nil {
			return invalidRequest("schedule", "is missing")
		}
	}
	var err error
	ask.Schedule, err = in.Schedule.Info()
	return err
}

// place is the resource that the body or the address names, without a role.
func (in requestIn) place(c *call) (pim.RoleKey, error) {
	id, at := strings.ToLower(strings.TrimSpace(in.ResourceID)), c.id("resource")
	switch {
	case id == "" && at == "":
		return pim.RoleKey{}, invalidRequest("resourceId", "is missing")
	case id == "":
		id = at
	case at != "" && at != id:
		return pim.RoleKey{}, invalidRequest("resourceId", "is not the resource of the address")
	}
	p, err := c.anyPlace(id)
	return p.key, err
}

// hiding tells of a resource that is not there what would be told of one that is and that the caller cannot reach.
func (c *call) hiding(a pim.Action, err error) error {
	if c.provider != pim.Resource || !isNotThere(err) || pim.MayRead(c.Caller, pim.Resource) {
		return err
	}
	switch a { //nolint:exhaustive // the others are for administrators
	case pim.SelfActivate:
		return &pim.Refusal{Code: pim.PolicyFailed, Failures: []pim.Failure{{Rule: pim.EligibilityRule}}}
	case pim.SelfDeactivate, pim.SelfExtend, pim.SelfRenew:
		return &pim.Refusal{Code: pim.NotThere}
	}
	return &pim.Refusal{Code: pim.Forbidden}
}

// scoped is the scope of a request: what a role of the directory is narrowed to by the id of an administrative unit or of an
// object, bare or as its scope has it, or else the resource itself.
func (c *call) scoped(at pim.RoleKey, id string) (pim.Scope, error) {
	id = strings.ToLower(strings.TrimSpace(id))
	id = id[strings.LastIndexByte(id, '/')+1:]
	if id == "" || id == governance.ResourceID(at) {
		return at.Scope, nil
	}
	if at.Provider != pim.Directory || !wire.IsGUID(id) {
		return "", invalidRequest("scopedResourceId", "is not within the resource")
	}
	found, err := c.subjects(map[pim.PrincipalID]bool{pim.PrincipalID(id): true})
	if err != nil {
		return "", err
	}
	o, ok := found[pim.PrincipalID(id)]
	switch {
	case !ok:
		return "", &pim.Refusal{Code: pim.InvalidScope, Field: "scopedResourceId", Detail: "the scope does not exist"}
	case o.Kind == directory.KindAdministrativeUnit:
		return pim.AdministrativeUnit(id), nil
	}
	return pim.Scope("/" + id), nil
}

// hinted is the eligibility that a caller names to activate from. It is a hint: one that is none of theirs for the role here is
// nothing (reference pim-v2 §4).
func (c *call) hinted(ask pim.Ask, text string) (pim.ScheduleID, error) {
	id, _ := cutID(strings.ToLower(text))
	if ask.Action != pim.SelfActivate || !wire.IsGUID(string(id)) {
		return "", nil
	}
	in, err := c.grant(pim.Eligibility, id)
	switch {
	case isNotThere(err) || isForbidden(err):
		return "", nil
	case err != nil || in.Schedule.Key.Role != ask.Key.Role:
		return "", err
	case c.provider != pim.Resource && in.Schedule.Key.Scope != ask.Key.Scope:
		return "", nil
	}
	return id, nil
}

// validates says whether a request is only to be looked at. What is neither true nor false is refused: who asks for a look is not
// to get the deed.
func (c *call) validates() (bool, error) {
	var sent []string
	for name, values := range c.URL.Query() {
		if strings.EqualFold(strings.TrimPrefix(name, "$"), "evaluateOnly") {
			sent = append(sent, values...)
		}
	}
	if len(sent) == 0 {
		return false, nil
	}
	only, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(sent[0])))
	if err != nil || len(sent) > 1 {
		return false, api.BadRequest("evaluateOnly: true or false is wanted, once.")
	}
	return only, nil
}

func createRequest(c *call) (api.Answer, error) {
	var in requestIn
	if err := listing.Decode(c, &c.kinds.request, &in); err != nil {
		return api.Answer{}, err
	}
	ask, err := in.toAsk(c)
	if err != nil {
		return api.Answer{}, err
	}
	out, err := c.do(ask)
	if err != nil {
		return api.Answer{}, err
	}
	c.now = c.app.Time()
	row := requestRow{*out.Request, out.ValidationOnly}
	if row.validated {
		row.Request = wouldBe(row.Request)
	}
	answer, err := listing.One(c, &c.kinds.request, http.StatusCreated, row)
	if err == nil && !row.validated {
		answer.Header.Set("Location", c.Base()+"/privilegedAccess/"+governance.Provider(c.provider)+"/roleAssignmentRequests/"+string(row.ID))
	}
	return answer, err
}

// wouldBe is what a request that was only looked at would be first: waiting for whoever decides it, or granted.
func wouldBe(r pim.Request) pim.Request {
	switch {
	case r.Approval != nil:
		r.Status = pim.PendingApproval
	case wire.ForAdministrators(r.Action):
		r.Status = pim.PendingAdminDecision
	default:
		r.Status = pim.Granted
	}
	return r
}

// do asks. An update of what there is only in the other state makes it of this one, in one commit: the new grant, and then the end
// of the old one (reference pim-v2 §4).
func (c *call) do(ask pim.Ask) (pim.Outcome, error) {
	if ask.Action != pim.AdminUpdate {
		return c.app.Do(c.Context(), ask)
	}
	try := ask
	try.ValidationOnly = true
	if out, err := c.app.Do(c.Context(), try); !wire.Refused(err, pim.NotThere) {
		if err == nil && ask.ValidationOnly {
			return out, nil
		}
		return c.app.Do(c.Context(), ask)
	}
	give, take := ask, ask
	give.Action, take.Action = pim.AdminAssign, pim.AdminRemove
	take.Kind = pim.Eligibility
	if ask.Kind == pim.Eligibility {
		take.Kind = pim.Assignment
	}
	take.Schedule = schedule.Info{}
	outs, err := c.app.InOrder(c.Context(), []pim.Ask{give, take})
	if err != nil {
		return pim.Outcome{}, err
	}
	return outs[0], nil
}
