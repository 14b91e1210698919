package client

import (
	"context"
	"net/http"
	"strings"
)

// The sides of a group are roles like those of the directory: the role is member or owner, the scope is the group. They
// come by addresses and names of their own, which stay in this file.

const (
	groups     = "/v1.0/identityGovernance/privilegedAccess/group/"
	betaGroups = "/beta/identityGovernance/privilegedAccess/group/"
)

// The kinds of requests for a side of a group.
const (
	GroupAssignment  Kind = "assignment"
	GroupEligibility Kind = "eligibility"
)

// OfGroup says whether requests of the kind are for a side of a group.
func (k Kind) OfGroup() bool { return k == GroupAssignment || k == GroupEligibility }

// ofGroup is a kind as it is of groups.
func (k Kind) ofGroup() Kind {
	if k == Eligibility {
		return GroupEligibility
	}
	return GroupAssignment
}

// Kind is how requests about the grant are made: kind itself, or the same of groups.
func (g Grant) Kind(kind Kind) Kind {
	if g.OfGroup {
		return kind.ofGroup()
	}
	return kind
}

// side is what grants and requests of groups have in place of role and scope.
type side struct {
	AccessID string  `json:"accessId"`
	GroupID  string  `json:"groupId"`
	Group    *Object `json:"group"`
}

// role is the side by its name.
func (s side) role() *Object {
	switch s.AccessID {
	case "owner":
		return &Object{ID: s.AccessID, Name: "Owner"}
	case "member":
		return &Object{ID: s.AccessID, Name: "Member"}
	}
	return nil
}

// own is the part of a schedule's id that is the schedule's own: the ids of groups name the side before it.
func own(id string) string { return id[strings.LastIndexByte(id, '_')+1:] }

type groupGrant struct {
	Grant
	side
	Assigned string `json:"assignmentScheduleId"`
	Eligible string `json:"eligibilityScheduleId"`
}

func (g groupGrant) grant() Grant {
	out := g.Grant
	out.OfGroup, out.RoleID, out.ScopeID, out.Role, out.Scope = true, g.AccessID, g.GroupID, g.role(), g.Group
	out.AssignmentID, out.EligibilityID = own(g.Assigned), own(g.Eligible)
	return out
}

// EligibleInGroups lists the sides of groups that the person may activate now.
func (c *Client) EligibleInGroups(ctx context.Context) ([]Grant, error) {
	return c.groupGrants(ctx, "eligibilityScheduleInstances")
}

// ActiveInGroups lists the sides of groups that the person holds now.
func (c *Client) ActiveInGroups(ctx context.Context) ([]Grant, error) {
	return c.groupGrants(ctx, "assignmentScheduleInstances")
}

func (c *Client) groupGrants(ctx context.Context, set string) ([]Grant, error) {
	rows, err := all[groupGrant](ctx, c, with(groups+set+"/filterByCurrentUser(on='principal')", "$expand", "group($select=id,displayName)"))
	out := make([]Grant, len(rows))
	for i, r := range rows {
		out[i] = r.grant()
	}
	return out, err
}

// groupAsk is an Ask as groups take it.
type groupAsk struct {
	Action        string    `json:"action"`
	PrincipalID   string    `json:"principalId"`
	AccessID      string    `json:"accessId"`
	GroupID       string    `json:"groupId"`
	Justification string    `json:"justification,omitempty"`
	Schedule      *Schedule `json:"scheduleInfo,omitempty"`
	Ticket        *Ticket   `json:"ticketInfo,omitempty"`
}

// body is an ask as its kind takes it.
func (k Kind) body(a Ask) any {
	if !k.OfGroup() {
		return a
	}
	return groupAsk{a.Action, a.PrincipalID, a.RoleID, a.ScopeID, a.Justification, a.Schedule, a.Ticket}
}

type groupRequest struct {
	Request
	side
}

func (r groupRequest) request() Request {
	out := r.Request
	out.RoleID, out.ScopeID, out.Role, out.Scope, out.TargetID = r.AccessID, r.GroupID, r.role(), r.Group, own(r.TargetID)
	return out
}

// ask makes a call whose answer is one request.
func (c *Client) ask(ctx context.Context, method, path string, k Kind, body any) (Request, error) {
	var r groupRequest
	err := c.call(ctx, method, path, body, &r)
	out := r.Request
	if k.OfGroup() {
		out = r.request()
	}
	out.Kind = k
	return out, err
}

// GroupRules reads what activating a side of a group asks for: "member" or "owner".
func (c *Client) GroupRules(ctx context.Context, group, access string) (Rules, error) {
	return c.rulesBy(ctx, "scopeId eq "+text(group)+" and scopeType eq 'Group' and roleDefinitionId eq "+text(access))
}

// GroupsNamed lists groups with that display name, without letter case.
func (c *Client) GroupsNamed(ctx context.Context, name string) ([]Object, error) {
	return all[Object](ctx, c, with("/v1.0/groups", "$filter", "displayName eq "+text(name), "$select", "id,displayName"))
}

// Deciders are the people who may decide a request now. More says that there are others.
type Deciders struct {
	People []Object `json:"value"`
	More   bool     `json:"more"`
}

// Deciders reads who may decide a request now. Whoever may see the request may read that.
func (c *Client) Deciders(ctx context.Context, request string) (Deciders, error) {
	var d Deciders
	err := c.call(ctx, http.MethodGet, with("/portcullis/v1/approvers", "request", request), nil, &d)
	return d, err
}
