package main

import (
	"context"
	"strings"
	"time"

	"portcullis/internal/client"
)

// The views are what client commands write with --json. Their names are a promise: they may only be added to. Times
// are UTC; null is no end, or not yet.

// roleView is a role that somebody may activate or holds.
type roleView struct {
	RoleID  string `json:"roleId"`
	Role    string `json:"role"`
	ScopeID string `json:"scopeId"`
	Scope   string `json:"scope"`
	// Group says that it is a side of a group: the role is member or owner, the scope the group.
	Group bool `json:"group"`
	// State is eligible, active (activated) or assigned (without activating).
	State      string     `json:"state"`
	ByGroup    bool       `json:"byGroup"`
	Start      *time.Time `json:"start"`
	Until      *time.Time `json:"until"`
	ScheduleID string     `json:"scheduleId"`
	Doors      []doorView `json:"doors,omitempty"`
}

func viewRole(g client.Grant) roleView {
	v := roleView{
		RoleID: g.RoleID, Role: nameOf(g.Role, g.RoleID), ScopeID: g.ScopeID, Scope: scopeName(g.ScopeID, g.Scope),
		Group: g.OfGroup, State: "eligible", ByGroup: strings.EqualFold(g.MemberType, "Group"), Start: utc(g.Start), Until: utc(g.End), ScheduleID: g.ScheduleID(),
	}
	switch {
	case g.Activated():
		v.State = "active"
	case g.AssignmentType != "":
		v.State = "assigned"
	}
	return v
}

// doorView is something outside that a role opens.
type doorView struct {
	Door      string `json:"door"`
	Privilege string `json:"privilege"`
	Account   string `json:"account"`
	// State is pending, usable, revoking or gone.
	State   string     `json:"state"`
	Stuck   bool       `json:"stuck"`
	Problem string     `json:"problem"`
	Usable  *time.Time `json:"usable"`
	Gone    *time.Time `json:"gone"`
}

func viewDoors(list []client.Effect) []doorView {
	out := make([]doorView, len(list))
	for i, e := range list {
		out[i] = doorView{
			Door: e.Door, Privilege: e.Privilege, Account: e.Account, State: e.State, Stuck: e.Stuck, Problem: e.Problem,
			Usable: utc(e.Usable), Gone: utc(e.Gone),
		}
	}
	return out
}

// requestView is a request and what became of it.
type requestView struct {
	ID string `json:"id"`
	// Kind is assignment or eligibility.
	Kind        string     `json:"kind"`
	Action      string     `json:"action"`
	Status      string     `json:"status"`
	RoleID      string     `json:"roleId"`
	Role        string     `json:"role"`
	ScopeID     string     `json:"scopeId"`
	Scope       string     `json:"scope"`
	PrincipalID string     `json:"principalId"`
	Principal   string     `json:"principal"`
	Reason      string     `json:"reason"`
	Ticket      string     `json:"ticket"`
	Duration    string     `json:"duration"`
	Created     time.Time  `json:"created"`
	Completed   *time.Time `json:"completed"`
	Start       *time.Time `json:"start"`
	Until       *time.Time `json:"until"`
	ScheduleID  string     `json:"scheduleId"`
	Approvers   []string   `json:"approvers,omitempty"`
	// WaitsFor are the people who may decide now, by name.
	WaitsFor []string    `json:"waitsFor,omitempty"`
	Stages   []stageView `json:"stages,omitempty"`
	Doors    []doorView  `json:"doors,omitempty"`
	Events   []eventView `json:"events,omitempty"`
}

// stageView is one stage of an approval.
type stageView struct {
	ID       string     `json:"id"`
	Status   string     `json:"status"`
	Result   string     `json:"result"`
	Mine     bool       `json:"mine"`
	By       string     `json:"by"`
	Reason   string     `json:"reason"`
	Reviewed *time.Time `json:"reviewed"`
}

// eventView is an entry of the audit log.
type eventView struct {
	At       time.Time `json:"at"`
	Activity string    `json:"activity"`
	By       string    `json:"by"`
	Success  bool      `json:"success"`
	Reason   string    `json:"reason"`
}

func viewRequest(r client.Request) requestView {
	v := requestView{
		ID: r.ID, Kind: "assignment", Action: r.Action, Status: r.Status, RoleID: r.RoleID, Role: nameOf(r.Role, r.RoleID),
		ScopeID: r.ScopeID, Scope: scopeName(r.ScopeID, r.Scope), PrincipalID: r.PrincipalID,
		Principal: nameOf(r.Principal, r.PrincipalID), Reason: r.Justification, Created: r.Created.UTC(),
		Completed: utc(r.Completed), ScheduleID: r.TargetID,
	}
	if r.Kind == client.Eligibility || r.Kind == client.GroupEligibility {
		v.Kind = "eligibility"
	}
	if r.Ticket != nil {
		v.Ticket = r.Ticket.Number
	}
	if r.Schedule != nil {
		v.Start, v.Until, v.Duration = utc(r.Schedule.Start), utc(r.Schedule.Expiration.End), r.Schedule.Expiration.Duration
	}
	return v
}

func viewStages(steps []client.Step) []stageView {
	out := make([]stageView, len(steps))
	for i, s := range steps {
		out[i] = stageView{ID: s.ID, Status: s.Status, Result: s.Result, Mine: s.Mine, Reason: s.Justification, Reviewed: utc(s.Reviewed)}
		if s.By != nil {
			out[i].By = s.By.Name
		}
	}
	return out
}

func nameOf(o *client.Object, otherwise string) string {
	if o == nil || o.Name == "" {
		return otherwise
	}
	return o.Name
}

// scopeName is a scope as people call it.
func scopeName(id string, o *client.Object) string {
	if id == "/" {
		return "everywhere"
	}
	return nameOf(o, id)
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// doorRows are doors as a table shows them.
func (c *console) doorRows(role string, doors []doorView) [][]string {
	rows := [][]string{}
	for _, d := range doors {
		state := d.State
		switch {
		case d.Stuck:
			state = bad(state + ", stuck")
		case state == "usable":
			state = good(state)
		case state != "gone":
			state = amber(state)
		}
		rows = append(rows, []string{role, d.Door, d.Privilege, d.Account, state, d.Problem})
	}
	return rows
}

func doorHeads() []string {
	return []string{"ROLE", "DOOR", "PRIVILEGE", "ACCOUNT", "STATE", "PROBLEM"}
}

// doors are those of a schedule.
func (s *session) doors(ctx context.Context, schedule string) ([]doorView, error) {
	if schedule == "" {
		return nil, nil
	}
	effects, err := s.Effects(ctx, schedule)
	return viewDoors(effects), err
}

// settled says whether all doors have come to a state, or will not by themselves.
func settled(doors []doorView, state string) bool {
	for _, d := range doors {
		if d.State != state && !d.Stuck {
			return false
		}
	}
	return true
}

// astray says whether a door is not as it should be.
func astray(doors []doorView, state string) bool {
	for _, d := range doors {
		if d.State != state {
			return true
		}
	}
	return false
}
