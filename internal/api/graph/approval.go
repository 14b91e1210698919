package graph

import (
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Approvals of activations: approval, with approvalStage in v1.0 and approvalStep in beta
// (learn.microsoft.com/graph/api/resources/approval, /approvalstage, /approvalstep; reference graph-pim §12).

// approvalRow is a request that has to pass an approval, as the caller sees it.
type approvalRow struct {
	pim.Request
	// mine says that the caller is an approver of the open step.
	mine bool
}

// stepRow is one step.
type stepRow = wire.Step

func (r approvalRow) steps() []stepRow { return wire.StepsOf(r.Request, r.mine) }

// stepList is a name by which steps are reached, and which of them stand there; nil: all.
type stepList struct {
	name  string
	holds func(pim.StageStatus) bool
}

// stepLists are the lists of an approval. Those that do not hold all are beta's alone.
func stepLists() []stepList {
	open := func(s pim.StageStatus) bool { return s == pim.Waiting || s == pim.InProgress }
	return []stepList{
		{name: "steps"}, {name: "stages"}, {"pendingSteps", open},
		{"completedSteps", func(s pim.StageStatus) bool { return !open(s) }},
	}
}

// stepsName is the version's own name of the list of all steps.
func stepsName(beta bool) string {
	if beta {
		return "steps"
	}
	return "stages"
}

// of is the list of an approval's steps.
func (l stepList) of(r approvalRow) []stepRow {
	rows := r.steps()
	if l.holds == nil {
		return rows
	}
	return slices.DeleteFunc(rows, func(s stepRow) bool { return !l.holds(s.Stage.Status) })
}

func (c *call) approvalKind(r approvalRow) *kind[approvalRow] {
	return &c.kindsOf(r.Key.Provider).approval
}

func (c *call) stepKind(r approvalRow) *kind[stepRow] { return &c.kindsOf(r.Key.Provider).step }

// stepsContext is the context of a list of steps within an approval.
func (c *call) stepsContext(r approvalRow, name string) string {
	return c.approvalKind(r).Set + "('" + string(r.ID) + "')/" + name
}

// approvalRows are the approvals of those requests that have one, with what the caller may decide of them.
func (c *call) approvalRows(requests []pim.Request) ([]approvalRow, error) {
	requests = slices.DeleteFunc(slices.Clone(requests), func(r pim.Request) bool { return r.Approval == nil })
	if len(requests) == 0 {
		return nil, nil
	}
	mine, err := c.app.MayDecideEach(c.Context(), c.Caller, c.Tenant, requests)
	if err != nil {
		return nil, err
	}
	rows := make([]approvalRow, len(requests))
	for i, r := range requests {
		rows[i] = approvalRow{r, mine[i] && r.Approval.Current() != nil}
	}
	return rows, nil
}

// writeApproval writes an approval with its steps, which stand in it although they are a navigation.
func writeApproval(c *call, o *object, r approvalRow) {
	name := stepsName(c.beta)
	o.Text("id", string(r.ID))
	if c.Meta != listing.None {
		o.Name(name + "@odata.context")
		o.B = api.AppendText(o.B, c.Base()+"/$metadata#"+c.stepsContext(r, name))
	}
	o.Name(name)
	o.B = append(o.B, '[')
	for i, s := range r.steps() {
		if i > 0 {
			o.B = append(o.B, ',')
		}
		step := c.Begin(o.B, nil, c.stepKind(r).Type, false, "")
		writeStep(c, &step, s)
		o.B = step.End()
	}
	o.B = append(o.B, ']')
}

func writeStep(_ *call, o *object, s stepRow) {
	d := s.Decision()
	o.Str("id", s.ID)
	o.Null("displayName")
	o.Time("reviewedDateTime", d.At)
	o.Str("reviewResult", reviewResult(s))
	o.Str("status", s.Status())
	o.Bool("assignedToMe", s.Mine)
	o.Str("justification", d.Justification)
	if o.Member("reviewedBy") {
		o.B = appendReviewer(o.B, d.By)
	}
}

func appendReviewer(b []byte, a pim.Actor) []byte {
	if a.Principal == "" {
		return append(b, "null"...)
	}
	b = append(b, `{"id":`...)
	b = api.AppendText(b, string(a.Principal))
	b = append(b, `,"displayName":`...)
	b = wire.AppendText(b, a.Name)
	return append(b, '}')
}

func reviewResult(s stepRow) string { return s.Result("Approved", "Denied", "NotReviewed") }

func approvalValue(_ *call, r approvalRow, path []string) any {
	if len(path) == 1 && path[0] == "id" {
		return string(r.ID)
	}
	return nil
}

func stepProperties() []odata.Property {
	return []odata.Property{
		idProperty("id"), textProperty("displayName"), timeProperty("reviewedDateTime", false),
		enumProperty("reviewResult", "NotReviewed", "Approved", "Denied"),
		enumProperty("status", "Initializing", "InProgress", "Completed", "Expired"),
		boolProperty("assignedToMe"), textProperty("justification"), {Name: "reviewedBy", Kind: odata.KindComplex},
	}
}

func stepValue(_ *call, s stepRow, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return s.ID
	case "reviewResult":
		return reviewResult(s)
	case "status":
		return s.Status()
	case "assignedToMe":
		return s.Mine
	case "reviewedDateTime":
		return listing.TimeValue(s.Decision().At)
	case "justification":
		return listing.TextValue(s.Decision().Justification)
	}
	return nil
}

// relateApprovalParts serves the request and the lists of steps but the version's own, which is there anyway.
func relateApprovalParts(c *call, expands []odata.Expand, rows []approvalRow) ([]related, error) {
	var out []related
	for _, e := range expands {
		switch e.Path {
		case stepsName(c.beta):
		case "request":
			at, err := c.relateAsked(e.Query, rows)
			if err != nil {
				return nil, err
			}
			out = append(out, related{Name: e.Path, At: at})
		default:
			list, err := c.relateSteps(e, rows)
			if err != nil {
				return nil, err
			}
			out = append(out, list)
		}
	}
	return out, nil
}

// relateAsked loads the requests that approvals are about.
func (c *call) relateAsked(q odata.Query, rows []approvalRow) (func(int) []byte, error) {
	requests := make([]requestRow, len(rows))
	for i, r := range rows {
		requests[i].Request = r.Request
	}
	encoded, err := listing.Encode(c, &c.kindsOf(rows[0].Key.Provider).assignmentRequest, q, true, requests)
	return func(i int) []byte { return encoded[i] }, err
}

func (c *call) relateSteps(e odata.Expand, rows []approvalRow) (related, error) {
	lists := make([][][]byte, len(rows))
	for _, l := range stepLists() {
		for i := range rows {
			if l.name != e.Path {
				break
			}
			steps, err := c.stepKind(rows[i]).Sifted(c, e.Query, l.of(rows[i]))
			if err != nil {
				return related{}, err
			}
			if lists[i], err = listing.Encode(c, c.stepKind(rows[i]), e.Query, false, steps); err != nil {
				return related{}, err
			}
		}
	}
	list := relateList(e.Path, func(i int) [][]byte { return lists[i] })
	list.Context = func(i int) string { return c.stepsContext(rows[i], e.Path) + listing.Shape(e.Query) }
	return list, nil
}

// relateApprovals serves the approval of a request.
func (c *call) relateApprovals(q odata.Query, rows []requestRow) (func(int) []byte, error) {
	var requests []pim.Request
	for _, r := range rows {
		requests = append(requests, r.Request)
	}
	approvals, err := c.approvalRows(requests)
	if err != nil || len(approvals) == 0 {
		return func(int) []byte { return nil }, err
	}
	encoded, err := listing.Encode(c, c.approvalKind(approvals[0]), q, false, approvals)
	if err != nil {
		return nil, err
	}
	found := map[pim.RequestID][]byte{}
	for i, a := range approvals {
		found[a.ID] = encoded[i]
	}
	return func(i int) []byte { return found[rows[i].ID] }, nil
}

// approvalSet is the set of approvals of a provider's roles.
type approvalSet struct{ provider pim.Provider }

// find returns the approval that the path names, if the caller may see its request.
func (s approvalSet) find(c *call) (approvalRow, error) {
	id := c.id("id")
	r, err := c.app.Request(c.Context(), c.Caller, c.Tenant, s.provider, pim.Assignment, pim.RequestID(id))
	if err != nil {
		return approvalRow{}, err
	}
	rows, err := c.approvalRows([]pim.Request{r})
	if err != nil {
		return approvalRow{}, err
	}
	if len(rows) == 0 {
		return approvalRow{}, notFound(id)
	}
	return rows[0], nil
}

func (s approvalSet) get(c *call) (api.Answer, error) {
	row, err := s.find(c)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, c.approvalKind(row), http.StatusOK, row)
}

func (s approvalSet) request(c *call) (api.Answer, error) {
	row, err := s.find(c)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.Navigate(c, c.approvalKind(row), row, "request")
}

func (s approvalSet) listSteps(l stepList) handler {
	return func(c *call) (api.Answer, error) {
		row, err := s.find(c)
		if err != nil {
			return api.Answer{}, err
		}
		return listAll(c, c.stepKind(row), l.of(row))
	}
}

func (r approvalRow) findStep(id string) (stepRow, bool) {
	return wire.FindStep(r.Request, r.steps(), id)
}

func (s approvalSet) getStep(c *call) (api.Answer, error) {
	row, err := s.find(c)
	if err != nil {
		return api.Answer{}, err
	}
	step, ok := row.findStep(c.id("step"))
	if !ok {
		return api.Answer{}, notFound(c.id("step"))
	}
	return listing.One(c, c.stepKind(row), http.StatusOK, step)
}

// mine serves filterByCurrentUser.
func (s approvalSet) mine(c *call) (api.Answer, error) {
	allowed := map[string]app.View{"approver": app.ForMe, "createdBy": app.ByMe, "target": app.Mine}
	if err := c.filterByCurrentUser(allowed); err != nil {
		return api.Answer{}, err
	}
	return listing.List(c, &c.kindsOf(s.provider).approval, func(q store.Query) (store.Page[approvalRow], error) {
		page, err := c.app.Requests(c.Context(), c.Caller, s.provider, pim.Assignment, c.view, q)
		if err != nil {
			return store.Page[approvalRow]{}, err
		}
		rows, err := c.approvalRows(page.Rows)
		// Requests without an approval are left out, so that nobody has counted these rows yet.
		return store.Page[approvalRow]{Rows: rows, Next: page.Next, Count: -1}, err
	})
}

// refuseList refuses to list all approvals, as the service does (reference graph-pim §3.3).
func refuseList(*call) (api.Answer, error) {
	return api.Answer{}, &problem{Status: http.StatusForbidden, Code: "Authorization_RequestDenied",
		Message: "Only app tokens are supported. Approvals are listed by filterByCurrentUser(on='approver')."}
}

func (s approvalSet) decide(c *call) (api.Answer, error) {
	var in wire.Answer
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	action, ok := in.Action()
	if !ok {
		return api.Answer{}, badRequest("reviewResult must be Approve or Deny.")
	}
	row, err := s.find(c)
	if err != nil {
		return api.Answer{}, err
	}
	step, ok := row.findStep(c.id("step"))
	if !ok {
		return api.Answer{}, notFound(c.id("step"))
	}
	ask := pim.Ask{By: c.Caller, Action: action, Kind: pim.Assignment, Key: row.Key, Request: row.ID,
		Stage: step.Stage.ID, Justification: in.Justification}
	if _, err := c.app.Do(c.Context(), ask); err != nil {
		return api.Answer{}, err
	}
	return noContent()
}
