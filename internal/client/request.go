package client

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind says whether a request is about having a role or about being allowed to activate it.
type Kind string

// The kinds, by the beginning of their sets' names.
const (
	Assignment  Kind = "roleAssignment"
	Eligibility Kind = "roleEligibility"
)

// Expiration is how something ends: type noExpiration, afterDateTime or afterDuration.
type Expiration struct {
	Type     string     `json:"type"`
	End      *time.Time `json:"endDateTime,omitempty"`
	Duration string     `json:"duration,omitempty"`
}

// Schedule is when something shall hold. A nil Expiration is as long as the role's rules allow.
type Schedule struct {
	Start      *time.Time  `json:"startDateTime,omitempty"`
	Expiration *Expiration `json:"expiration,omitempty"`
}

// Ticket is a reference into a ticket system.
type Ticket struct {
	Number string `json:"ticketNumber"`
	System string `json:"ticketSystem,omitempty"`
}

// Ask is a request that is to be made.
type Ask struct {
	Action        string    `json:"action"`
	PrincipalID   string    `json:"principalId"`
	RoleID        string    `json:"roleDefinitionId"`
	ScopeID       string    `json:"directoryScopeId"`
	Justification string    `json:"justification,omitempty"`
	Schedule      *Schedule `json:"scheduleInfo,omitempty"`
	Ticket        *Ticket   `json:"ticketInfo,omitempty"`
}

// Request is a request that was made.
type Request struct {
	ID     string `json:"id"`
	Kind   Kind   `json:"-"`
	Action string `json:"action"`
	// Status is PendingApproval, Granted, Provisioned and so on.
	Status        string     `json:"status"`
	ApprovalID    string     `json:"approvalId"`
	PrincipalID   string     `json:"principalId"`
	RoleID        string     `json:"roleDefinitionId"`
	ScopeID       string     `json:"directoryScopeId"`
	TargetID      string     `json:"targetScheduleId"`
	Justification string     `json:"justification"`
	Created       time.Time  `json:"createdDateTime"`
	Completed     *time.Time `json:"completedDateTime"`
	Schedule      *struct {
		Start      *time.Time `json:"startDateTime"`
		Expiration struct {
			Type     string     `json:"type"`
			End      *time.Time `json:"endDateTime"`
			Duration string     `json:"duration"`
		} `json:"expiration"`
	} `json:"scheduleInfo"`
	Ticket *struct {
		Number string `json:"ticketNumber"`
		System string `json:"ticketSystem"`
	} `json:"ticketInfo"`
	CreatedBy struct {
		User *Object `json:"user"`
	} `json:"createdBy"`
	Role      *Object `json:"roleDefinition"`
	Principal *Object `json:"principal"`
	Scope     *Object `json:"directoryScope"`
}

// Pending says whether somebody has yet to decide.
func (r Request) Pending() bool { return strings.HasPrefix(r.Status, "Pending") }

// In says whether the status is one of the names.
func (r Request) In(statuses ...string) bool {
	for _, s := range statuses {
		if strings.EqualFold(r.Status, s) {
			return true
		}
	}
	return false
}

func (k Kind) requests() string {
	if k.OfGroup() {
		return groups + string(k) + "ScheduleRequests"
	}
	return directory + string(k) + "ScheduleRequests"
}

func (k Kind) expand() string {
	if k.OfGroup() {
		return "group($select=id,displayName),principal"
	}
	return "roleDefinition($select=id,displayName),principal,directoryScope($select=id,displayName)"
}

// Submit makes a request. It is never repeated by itself.
func (c *Client) Submit(ctx context.Context, k Kind, a Ask) (Request, error) {
	return c.ask(ctx, http.MethodPost, k.requests(), k, k.body(a))
}

// Request reads one request that the person may see.
func (c *Client) Request(ctx context.Context, k Kind, id string) (Request, error) {
	return c.ask(ctx, http.MethodGet, with(k.requests()+"/"+id, "$expand", k.expand()), k, nil)
}

// View says whose requests are meant.
type View string

// The views: those for the person, those the person made, those the person can decide or has decided, and everybody's.
const (
	Mine      View = "principal"
	ByMe      View = "createdBy"
	ToApprove View = "approver"
	Everybody View = ""
)

// Requests lists requests of a kind, the newest first, as many as wanted at most. status is the only one wanted; empty:
// all.
func (c *Client) Requests(ctx context.Context, k Kind, v View, status string, wanted int) ([]Request, error) {
	path := k.requests()
	if v != Everybody {
		path += "/filterByCurrentUser(on='" + string(v) + "')"
	}
	filter := ""
	if status != "" {
		filter = "status eq " + text(status)
	}
	rows, err := some[groupRequest](ctx, c, with(path, "$filter", filter, "$expand", k.expand(),
		"$orderby", "createdDateTime desc", "$top", strconv.Itoa(min(wanted, 100))), wanted)
	out := make([]Request, len(rows))
	for i, r := range rows {
		out[i] = r.Request
		if k.OfGroup() {
			out[i] = r.request()
		}
		out[i].Kind = k
	}
	return out, err
}

// Cancel withdraws a request.
func (c *Client) Cancel(ctx context.Context, k Kind, id string) error {
	return c.call(ctx, http.MethodPost, k.requests()+"/"+id+"/cancel", nil, nil)
}

// Step is one stage of an approval.
type Step struct {
	ID string `json:"id"`
	// Status is Initializing, InProgress, Completed or Expired, and Result NotReviewed, Approved or Denied.
	Status        string     `json:"status"`
	Result        string     `json:"reviewResult"`
	Mine          bool       `json:"assignedToMe"`
	Justification string     `json:"justification"`
	Reviewed      *time.Time `json:"reviewedDateTime"`
	By            *Object    `json:"reviewedBy"`
}

// approvals is where the approvals of requests of a kind are.
func (k Kind) approvals() string {
	if k.OfGroup() {
		return betaGroups + "assignmentApprovals/"
	}
	return beta + "roleAssignmentApprovals/"
}

// Approval reads the stages that a request has to pass.
func (c *Client) Approval(ctx context.Context, k Kind, id string) ([]Step, error) {
	var a struct {
		Steps []Step `json:"steps"`
	}
	err := c.call(ctx, http.MethodGet, k.approvals()+id, nil, &a)
	return a.Steps, err
}

// Decide answers a stage.
func (c *Client) Decide(ctx context.Context, k Kind, approval, step string, approve bool, reason string) error {
	result := "Deny"
	if approve {
		result = "Approve"
	}
	return c.call(ctx, http.MethodPatch, k.approvals()+approval+"/steps/"+step,
		map[string]string{"reviewResult": result, "justification": reason}, nil)
}
