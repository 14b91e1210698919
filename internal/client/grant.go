package client

import (
	"context"
	"net/http"
	"strings"
	"time"
)

const (
	directory = "/v1.0/roleManagement/directory/"
	beta      = "/beta/roleManagement/directory/"
)

// Object is a user, a group, an application, an administrative unit or a role, by its names.
type Object struct {
	ID   string `json:"id"`
	Type string `json:"@odata.type"`
	Name string `json:"displayName"`
	// Account is the user principal name of a user.
	Account string `json:"userPrincipalName"`
}

// Kind is "user", "group", "servicePrincipal" and so on; empty: the server did not say.
func (o Object) Kind() string { return strings.TrimPrefix(o.Type, "#microsoft.graph.") }

// Grant is what somebody holds or may activate now: an instance of a schedule.
type Grant struct {
	ID          string     `json:"id"`
	PrincipalID string     `json:"principalId"`
	RoleID      string     `json:"roleDefinitionId"`
	ScopeID     string     `json:"directoryScopeId"`
	Start       *time.Time `json:"startDateTime"`
	End         *time.Time `json:"endDateTime"`
	// MemberType is Direct, Group or Inherited, and AssignmentType Assigned or Activated; empty for eligibilities.
	MemberType     string  `json:"memberType"`
	AssignmentType string  `json:"assignmentType"`
	AssignmentID   string  `json:"roleAssignmentScheduleId"`
	EligibilityID  string  `json:"roleEligibilityScheduleId"`
	Role           *Object `json:"roleDefinition"`
	Scope          *Object `json:"directoryScope"`
	// OfGroup says that it is a side of a group: the role is member or owner, the scope the group's id.
	OfGroup bool `json:"-"`
}

// ScheduleID is the schedule that the grant is an instance of.
func (g Grant) ScheduleID() string { return g.AssignmentID + g.EligibilityID }

// Activated says whether the person activated it.
func (g Grant) Activated() bool { return strings.EqualFold(g.AssignmentType, "Activated") }

const expandGrant = "roleDefinition($select=id,displayName),directoryScope($select=id,displayName)"

// Eligible lists what the person may activate now.
func (c *Client) Eligible(ctx context.Context) ([]Grant, error) {
	return all[Grant](ctx, c, with(directory+"roleEligibilityScheduleInstances/filterByCurrentUser(on='principal')", "$expand", expandGrant))
}

// Active lists what the person holds now.
func (c *Client) Active(ctx context.Context) ([]Grant, error) {
	return all[Grant](ctx, c, with(directory+"roleAssignmentScheduleInstances/filterByCurrentUser(on='principal')", "$expand", expandGrant))
}

// RolesNamed lists role definitions with that display name, without letter case.
func (c *Client) RolesNamed(ctx context.Context, name string) ([]Object, error) {
	rows, err := all[Object](ctx, c, with(directory+"roleDefinitions", "$filter", "displayName eq "+text(name), "$select", "id,displayName"))
	return rows, err
}

// Role is a role definition by its id.
func (c *Client) Role(ctx context.Context, id string) (Object, error) {
	var o Object
	err := c.call(ctx, http.MethodGet, with(directory+"roleDefinitions/"+id, "$select", "id,displayName"), nil, &o)
	return o, err
}

// Effect is how far a door outside has come.
type Effect struct {
	ID         string `json:"id"`
	ScheduleID string `json:"scheduleId"`
	RoleID     string `json:"roleDefinitionId"`
	Door       string `json:"door"`
	Privilege  string `json:"privilege"`
	Account    string `json:"account"`
	// State is pending, usable, revoking or gone.
	State    string     `json:"state"`
	Stuck    bool       `json:"stuck"`
	Problem  string     `json:"problem"`
	Attempts int        `json:"attempts"`
	Next     *time.Time `json:"nextAttemptDateTime"`
	Until    *time.Time `json:"untilDateTime"`
	Usable   *time.Time `json:"usableDateTime"`
	Gone     *time.Time `json:"goneDateTime"`
}

// Effects lists the doors of a schedule or, with none named, all of the person's.
func (c *Client) Effects(ctx context.Context, schedule string) ([]Effect, error) {
	if schedule == "" {
		return all[Effect](ctx, c, "/portcullis/v1/effects?principal=me")
	}
	return all[Effect](ctx, c, with("/portcullis/v1/effects", "schedule", schedule))
}

// Event is an entry of the audit log.
type Event struct {
	ID       string    `json:"id"`
	At       time.Time `json:"dateTime"`
	Activity string    `json:"activity"`
	Success  bool      `json:"success"`
	Reason   string    `json:"reason"`
	Actor    struct {
		ID      string `json:"id"`
		Name    string `json:"displayName"`
		Account string `json:"account"`
		Clock   bool   `json:"clock"`
	} `json:"actor"`
}

// Events lists what the audit log tells of a request, or of a schedule and its doors, for those who may read it. An
// empty id does not narrow.
func (c *Client) Events(ctx context.Context, request, schedule string) ([]Event, error) {
	return all[Event](ctx, c, with("/portcullis/v1/events", "request", request, "schedule", schedule))
}

// Held is the answer of a check.
type Held struct {
	Held   bool       `json:"held"`
	At     time.Time  `json:"dateTime"`
	Until  *time.Time `json:"until"`
	Reason string     `json:"reason"`
}

// Check asks whether the person holds a role now.
func (c *Client) Check(ctx context.Context, role, scope string) (Held, error) {
	var h Held
	err := c.call(ctx, http.MethodGet, with("/portcullis/v1/check", "role", role, "scope", scope), nil, &h)
	return h, err
}
