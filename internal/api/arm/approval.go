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

// Approvals: RoleAssignmentApproval with its stages, which the published paths call steps (reference arm-pim §8). An approval has
// the id of its request. What a policy wants approved has the stages of the policy; a request to extend or renew what one has, which
// any administrator of the role decides, has one.

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

// approved says whether somebody has to approve a request.
func approved(r pim.Request) bool { return r.Approval != nil || wire.ForAdministrators(r.Action) }

// stepsOf are the stages of the approval of a request; mine says that the caller can answer what is open.
func stepsOf(r pim.Request, mine bool) []wire.Step {
	if !wire.ForAdministrators(r.Action) {
		return wire.StepsOf(r, mine)
	}
	s := pim.Stage{ID: pim.StageID(r.ID), Status: pim.Completed}
	switch r.Status { //nolint:exhaustive // the others are done, and by whom is in the audit log alone
	case pim.PendingAdminDecision:
		s.Status = pim.InProgress
	case pim.Failed, pim.TimedOut:
		s.Status = pim.Lapsed
	}
	return []wire.Step{{ID: string(s.ID), Stage: s, Mine: mine && s.Status == pim.InProgress}}
}

// resultOf is how a stage was answered.
func resultOf(r pim.Request, s wire.Step) string {
	const approve, deny, open = "Approve", "Deny", "NotReviewed"
	if !wire.ForAdministrators(r.Action) {
		return s.Result(approve, deny, open)
	}
	switch r.Status { //nolint:exhaustive // the others were not answered
	case pim.Provisioned:
		return approve
	case pim.Denied:
		return deny
	}
	return open
}

// approvalRow is a request that has to pass an approval, as the caller sees it.
type approvalRow struct {
	pim.Request
	steps []wire.Step
}

// approvalRows are the approvals of those requests that have one, with what the caller may decide of them.
func (c *call) approvalRows(requests []pim.Request) ([]approvalRow, error) {
	requests = slices.DeleteFunc(slices.Clone(requests), func(r pim.Request) bool { return !approved(r) })
	if len(requests) == 0 {
		return nil, nil
	}
	mine, err := c.app.MayDecideEach(c.Context(), c.Caller, c.Tenant, requests)
	if err != nil {
		return nil, err
	}
	rows := make([]approvalRow, len(requests))
	for i, r := range requests {
		rows[i] = approvalRow{r, stepsOf(r, mine[i])}
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
	p.Str("reviewResult", resultOf(r.Request, s))
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
	q := app.ResourceQuery{Scope: n.Scope, Query: store.Query{Tenant: c.Tenant, After: after, Limit: c.limit(), Where: store.Or{
		store.Is(store.FieldAction, int(pim.SelfActivate)), store.Is(store.FieldAction, int(pim.SelfExtend)), store.Is(store.FieldAction, int(pim.SelfRenew)),
	}}}
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
	r, err := c.app.ResourceRequest(c.Context(), c.Caller, c.Tenant, 0, pim.RequestID(c.id("name")))
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
	if wire.Refused(err, pim.UnknownRequest) {
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
	ask := pim.Ask{By: c.Caller, Action: action, Kind: row.Kind, Key: row.Key, Request: row.ID, Stage: step.Stage.ID, Justification: in.Justification}
	if wire.ForAdministrators(row.Action) {
		if ask, err = administrate(ask, row, step); err != nil {
			return "", err
		}
	}
	_, err = c.app.Do(c.Context(), ask)
	return step.ID, approvalProblem(err)
}

// administrate turns an answer to what is for administrators into their own act: they extend or renew as was asked, or cancel the
// request.
func administrate(ask pim.Ask, row approvalRow, step wire.Step) (pim.Ask, error) {
	switch {
	case row.Status != pim.PendingAdminDecision:
		return ask, &pim.Refusal{Code: pim.AlreadyDecided, Detail: "the request was decided already"}
	case !step.Mine:
		return ask, &pim.Refusal{Code: pim.Forbidden, Detail: "the request is for others to decide"}
	case ask.Action == pim.Deny:
		ask.Action = pim.Cancel
		return ask, nil
	}
	ask.Request, ask.Stage, ask.Schedule = "", "", row.Asked
	if ask.Action = pim.AdminExtend; row.Action == pim.SelfRenew {
		ask.Action = pim.AdminRenew
	}
	return ask, nil
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
