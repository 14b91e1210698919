package pimv2

import (
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/pim"
)

// decisionIn is an administrator's answer to a request to extend or renew
// (learn.microsoft.com/graph/api/governanceroleassignmentrequest-update).
type decisionIn struct {
	Decision string               `json:"decision"`
	State    string               `json:"assignmentState"`
	Reason   string               `json:"reason"`
	Schedule *governance.Schedule `json:"schedule"`
}

// updateRequest decides a request that waits for an administrator: a yes is the administrator's own extension or renewal of the
// grant, which settles what waits for it, and a no ends the request (reference pim-v2 §13.1).
func updateRequest(c *call) (api.Answer, error) {
	var in decisionIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	r, err := c.request()
	if err != nil {
		return api.Answer{}, err
	}
	ask, err := in.toAsk(c.Caller, r.Request)
	if err != nil {
		return api.Answer{}, err
	}
	if _, err := c.app.Do(c.Context(), ask); err != nil {
		return api.Answer{}, err
	}
	return noContent()
}

// toAsk reads the answer to a request.
func (in decisionIn) toAsk(by pim.Caller, r pim.Request) (pim.Ask, error) {
	ask := pim.Ask{By: by, Kind: r.Kind, Key: r.Key, Justification: in.Reason}
	if strings.TrimSpace(in.Reason) == "" {
		return ask, invalidRequest("reason", "is missing")
	}
	yes := strings.EqualFold(in.Decision, "AdminApproved")
	if !yes && !strings.EqualFold(in.Decision, "AdminDenied") {
		return ask, invalidRequest("decision", "is missing, or neither AdminApproved nor AdminDenied")
	}
	if r.Status != pim.PendingAdminDecision {
		return ask, invalidRequest("", "The request does not wait for an administrator's decision.")
	}
	if !yes {
		ask.Action, ask.Request = pim.Cancel, r.ID
		return ask, nil
	}
	kind, ok := governance.ParseState(in.State)
	switch {
	case !ok || kind != r.Kind:
		return ask, invalidRequest("assignmentState", "is missing, or not that of the request")
	case in.Schedule == nil:
		return ask, invalidRequest("schedule", "is missing")
	}
	ask.Answers = r.ID
	if ask.Action = pim.AdminExtend; r.Action == pim.SelfRenew {
		ask.Action = pim.AdminRenew
	}
	var err error
	ask.Schedule, err = in.Schedule.Info()
	return ask, err
}
