package arm

import (
	"net/http"
	"slices"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Approvals of activations: RoleAssignmentApproval with its stages, which the published paths call steps (reference arm-pim §8).
// An approval has the id of its request.

const (
	approvals = "roleAssignmentApprovals"
	stages    = "stages"
)

func approvalRoutes() []route {
	list := []route{
		{get, under(approvals), listApprovals},
		{get, under(approvals + "/{name}"), getApproval},
	}
	for _, word := range []string{stages, "steps"} {
		all := under(approvals + "/{name}/" + word)
		list = append(list,
			route{get, all, listStages}, route{get, all + "/{stage}", getStage},
			route{put, all + "/{stage}", putDecision}, route{patch, all + "/{stage}", patchDecision},
		)
	}
	return list
}

// approvalID is the id of a request's approval as it is shown.
func approvalID(r pim.Request) string { return idIn("", approvals, string(r.ID)) }

// approvalRow is a request that has to pass an approval, as the caller sees it.
type approvalRow struct {
	pim.Request
	steps []wire.Step
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
		rows[i] = approvalRow{r, wire.StepsOf(r, mine[i])}
	}
	return rows, nil
}

func appendApproval(b []byte, r approvalRow) []byte {
	o := wire.New(b, nil)
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Name(stages)
	p.B = wire.AppendList(p.B, appendedStages(r))
	o.B = p.End()
	o.Str("id", approvalID(r.Request))
	o.Str("name", string(r.ID))
	o.Str("type", typeOf(approvals))
	return o.End()
}

func appendedStages(r approvalRow) [][]byte {
	rows := make([][]byte, len(r.steps))
	for i, s := range r.steps {
		rows[i] = appendStage(nil, r, s)
	}
	return rows
}

func appendStage(b []byte, r approvalRow, s wire.Step) []byte {
	d := s.Decision()
	o := wire.New(b, nil)
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Null("displayName")
	p.Str("status", stageStatus(s))
	p.Bool("assignedToMe", s.Mine)
	p.Name("reviewedBy")
	p.B = appendReviewer(p.B, d.By)
	p.Time("reviewedDateTime", d.At)
	p.Str("reviewResult", s.Result("Approve", "Deny", "NotReviewed"))
	p.Str("justification", d.Justification)
	o.B = p.End()
	o.Str("id", approvalID(r.Request)+"/"+stages+"/"+s.ID)
	o.Str("name", s.ID)
	o.Str("type", typeOf(approvals)+"/"+stages)
	return o.End()
}

// stageStatus is how far a stage has come; one that waits for an earlier one has not started.
func stageStatus(s wire.Step) string {
	if s.Stage.Status == pim.Waiting {
		return "NotStarted"
	}
	return s.Status()
}

func appendReviewer(b []byte, a pim.Actor) []byte {
	if a.Principal == "" {
		return append(b, "null"...)
	}
	o := wire.New(b, nil)
	o.Str("principalId", string(a.Principal))
	o.Str("principalType", "user") // an application decides nothing
	o.Text("principalName", a.Name)
	o.Text("userPrincipalName", a.Account)
	return o.End()
}

func listApprovals(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	f, err := c.filter(filterWords{functions: []string{"asApprover", "asCreatedBy", "asTarget"}})
	if err != nil {
		return api.Answer{}, err
	}
	after, err := c.after()
	if err != nil {
		return api.Answer{}, err
	}
	q := app.ResourceQuery{Kind: pim.Assignment, Scope: n.Scope, Query: store.Query{Tenant: c.Tenant, After: after, Limit: perPage}}
	switch {
	case f.has("asApprover"):
		q.View = app.ForMe
	case f.has("asCreatedBy"):
		q.View = app.ByMe
	case f.has("asTarget"):
		q.View = app.Mine
	}
	page, err := c.app.ResourceRequests(c.Context(), c.Caller, q)
	if err != nil {
		return api.Answer{}, c.reading(n, err)
	}
	list, err := c.approvalRows(page.Rows)
	if err != nil {
		return api.Answer{}, err
	}
	rows := make([][]byte, len(list))
	for i, r := range list {
		rows[i] = appendApproval(nil, r)
	}
	return c.page(rows, page.Next), nil
}

// findApproval returns the one that the address names, if the caller may see its request. The scope before it may be left out and
// says nothing.
func (c *call) findApproval() (approvalRow, error) {
	r, err := c.app.ResourceRequest(c.Context(), c.Caller, c.Tenant, pim.Assignment, pim.RequestID(c.id("name")))
	if err != nil {
		return approvalRow{}, approvalProblem(err)
	}
	rows, err := c.approvalRows([]pim.Request{r})
	if err != nil {
		return approvalRow{}, err
	}
	if len(rows) == 0 {
		return approvalRow{}, absentApproval()
	}
	return rows[0], nil
}

func absentApproval() *problem {
	return &problem{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "The approval is not found."}
}

func approvalProblem(err error) error {
	if has(err, pim.UnknownRequest) {
		return absentApproval()
	}
	return err
}

// findStage returns the stage that the address names. The approval's own id means the open stage.
func (c *call) findStage() (approvalRow, wire.Step, error) {
	row, err := c.findApproval()
	if err != nil {
		return row, wire.Step{}, err
	}
	step, ok := wire.FindStep(row.Request, row.steps, c.id("stage"))
	if !ok {
		return row, step, &pim.Refusal{Code: pim.UnknownStage, Detail: "the approval has no such stage"}
	}
	return row, step, nil
}

func getApproval(c *call) (api.Answer, error) {
	row, err := c.findApproval()
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, appendApproval(nil, row)), nil
}

func listStages(c *call) (api.Answer, error) {
	row, err := c.findApproval()
	if err != nil {
		return api.Answer{}, err
	}
	return c.page(appendedStages(row), nil), nil
}

func getStage(c *call) (api.Answer, error) {
	row, step, err := c.findStage()
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, appendStage(nil, row, step)), nil
}

// decide takes the answer in the body, and returns the stage's id.
func (c *call) decide() (string, error) {
	var in wire.Answer
	if err := c.properties(&in); err != nil {
		return "", err
	}
	action, ok := in.Action()
	if !ok {
		return "", invalidContent("reviewResult is Approve or Deny.")
	}
	row, step, err := c.findStage()
	if err != nil {
		return "", err
	}
	_, err = c.app.Do(c.Context(), pim.Ask{By: c.Caller, Action: action, Kind: pim.Assignment, Key: row.Key, Request: row.ID,
		Stage: step.Stage.ID, Justification: in.Justification})
	return step.ID, approvalProblem(err)
}

// putDecision answers without a body, which clients that decide in a batch insist on.
func putDecision(c *call) (api.Answer, error) {
	_, err := c.decide()
	return api.Answer{Status: http.StatusNoContent}, err
}

// patchDecision answers with the stage as it is then.
func patchDecision(c *call) (api.Answer, error) {
	id, err := c.decide()
	if err != nil {
		return api.Answer{}, err
	}
	row, err := c.findApproval()
	if err != nil {
		return api.Answer{}, err
	}
	for _, s := range row.steps {
		if s.ID == id {
			return c.json(http.StatusOK, appendStage(nil, row, s)), nil
		}
	}
	return api.Answer{}, absentApproval() // stages do not go away
}
