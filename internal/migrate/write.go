package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"portcullis/internal/api/wire"
	"portcullis/internal/client"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// What a copy writes, in the words of the third iteration: Microsoft Graph's for directory roles and groups, Azure Resource
// Manager's for resources.

// Calls that the target cannot answer for the moment are repeated so often, with pauses that double up to the longest.
const (
	mostTries    = 5
	longestPause = 30 * time.Second
)

// patient is a server that is asked again where it cannot answer for the moment. That is harmless also where it has written
// something after all: it says then that it is there.
type patient struct {
	Server
	sleep func(context.Context, time.Duration) error
}

func (p patient) Call(ctx context.Context, method, path string, in, out any) error {
	pause := time.Second
	for try := 1; ; try++ {
		err := p.Server.Call(ctx, method, path, in, out)
		if err == nil || !temporary(err) || try == mostTries {
			return err
		}
		if err := p.sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

func temporary(err error) bool {
	if _, ok := errors.AsType[*client.Unreachable](err); ok {
		return true
	}
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Temporary()
}

// refusalOf is what the rules of the target said to one item. Who is not signed in, or has to prove more, cannot go on at all.
func refusalOf(err error) (*client.Error, bool) {
	e, ok := errors.AsType[*client.Error](err)
	return e, ok && !e.Temporary() && e.StepUp == nil && e.Status != http.StatusUnauthorized
}

// alreadyThere says whether a target refused because it has what was to be written.
func alreadyThere(e *client.Error) bool {
	return e.Code == "RoleAssignmentExists" || e.Code == "AlreadyPending" || e.Status == http.StatusBadRequest && strings.Contains(e.Message, "references already exist")
}

// expiration and scheduleInfo are a schedule in both dialects, which spell the types alike but for letter case, and read any.
type expiration struct {
	Type string     `json:"type"`
	End  *time.Time `json:"endDateTime,omitempty"`
}

type scheduleInfo struct {
	Start      *time.Time `json:"startDateTime,omitempty"`
	Expiration expiration `json:"expiration"`
}

func (h hold) schedule() scheduleInfo {
	s := scheduleInfo{Expiration: expiration{Type: "noExpiration"}}
	if !h.from.IsZero() {
		s.Start = &h.from
	}
	if !h.until.IsZero() {
		s.Expiration = expiration{"afterDateTime", &h.until}
	}
	return s
}

// give writes that somebody may activate a role, or has it.
func (c *copying) give(ctx context.Context, to cell, h hold, how making) error {
	switch {
	case how.outside && to.Provider == pim.Resource && h.from.IsZero() && h.until.IsZero():
		return c.assignOutside(ctx, to, h)
	case how.outside && to.Provider == pim.Group && h.from.IsZero() && h.until.IsZero():
		path := "/v1.0/groups/" + url.PathEscape(string(to.Scope)) + "/" + string(to.Role) + "s/$ref"
		return c.server.Call(ctx, http.MethodPost, path, map[string]string{"@odata.id": c.server.Origin() + "/v1.0/directoryObjects/" + to.principal}, nil)
	}
	return c.ask(ctx, pim.AdminAssign, to, h)
}

// update writes other times for what somebody may activate or has.
func (c *copying) update(ctx context.Context, to cell, h hold) error {
	return c.ask(ctx, pim.AdminUpdate, to, h)
}

func (c *copying) ask(ctx context.Context, a pim.Action, to cell, h hold) error {
	word := map[pim.Action]string{pim.AdminAssign: "adminAssign", pim.AdminUpdate: "adminUpdate"}[a]
	set := "Assignment"
	if to.kind == pim.Eligibility {
		set = "Eligibility"
	}
	in := map[string]any{"principalId": to.principal, "justification": c.o.Reason, "scheduleInfo": h.schedule()}
	switch to.Provider {
	case pim.Resource:
		in["requestType"], in["roleDefinitionId"] = strings.ToUpper(word[:1])+word[1:], at(to.Scope, "roleDefinitions/"+string(to.Role))
		if h.condition != "" {
			in["condition"], in["conditionVersion"] = h.condition, h.version
		}
		path := asked(escaped(at(to.Scope, "role"+set+"ScheduleRequests/"+uuid.NewString())), "api-version", requestsVersion)
		return c.server.Call(ctx, http.MethodPut, path, map[string]any{"properties": in}, nil)
	case pim.Group:
		in["action"], in["groupId"], in["accessId"] = word, to.Scope, to.Role
		return c.server.Call(ctx, http.MethodPost, "/v1.0/identityGovernance/privilegedAccess/group/"+strings.ToLower(set)+"ScheduleRequests", in, nil)
	case pim.Directory:
	}
	in["action"], in["directoryScopeId"], in["roleDefinitionId"] = word, to.Scope, to.Role
	return c.server.Call(ctx, http.MethodPost, "/v1.0/roleManagement/directory/role"+set+"ScheduleRequests", in, nil)
}

// assignOutside writes a role assignment that PIM did not make.
func (c *copying) assignOutside(ctx context.Context, to cell, h hold) error {
	in := map[string]any{"principalId": to.principal, "roleDefinitionId": at(to.Scope, "roleDefinitions/"+string(to.Role)), "description": c.o.Reason}
	if h.condition != "" {
		in["condition"], in["conditionVersion"] = h.condition, h.version
	}
	path := asked(escaped(at(to.Scope, "roleAssignments/"+uuid.NewString())), "api-version", definitionsVersion)
	return c.server.Call(ctx, http.MethodPut, path, map[string]any{"properties": in}, nil)
}

// carry writes a request that waits for a decision at the source, so that it waits here. No iteration of PIM has words for asking in
// somebody's place: it is Portcullis' own call.
func (c *copying) carry(ctx context.Context, to cell, r Request) error {
	in := map[string]any{
		"provider": to.Provider, "scope": to.Scope, "role": to.Role, "principalId": to.principal, "action": wire.ActionName(r.Action),
		"kind":          map[pim.Kind]string{pim.Assignment: "assignment", pim.Eligibility: "eligibility"}[to.kind],
		"justification": r.Reason, "scheduleInfo": json.RawMessage(wire.AppendSchedule(nil, r.Asked)),
		"ticketInfo": map[string]string{"ticketNumber": r.Ticket.Number, "ticketSystem": r.Ticket.System},
	}
	return c.server.Call(ctx, http.MethodPost, "/portcullis/v1/carriedRequests", in, nil)
}

// at is the id of something that Microsoft.Authorization keeps at a scope.
func at(s pim.Scope, what string) string {
	return strings.TrimSuffix(string(s), "/") + "/providers/Microsoft.Authorization/" + what
}

// escaped is an id as an address has it.
func escaped(id string) string {
	parts := strings.Split(id, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// putRules writes all rules of a role at a place. Which policy that is, the target tells.
func (c *copying) putRules(ctx context.Context, to Place, r policy.Rules) error {
	list := json.RawMessage(appendRules(nil, to.Provider, r, nil))
	if to.Provider == pim.Resource {
		var found struct {
			Value []struct{ Properties struct{ PolicyID string } }
		}
		path := asked(escaped(at(to.Scope, "roleManagementPolicyAssignments")), "api-version", policiesVersion,
			"$filter", "roleDefinitionId eq "+quoted(at(to.Scope, "roleDefinitions/"+string(to.Role))))
		if err := c.server.Call(ctx, http.MethodGet, path, nil, &found); err != nil {
			return err
		}
		if len(found.Value) != 1 {
			return noPolicy()
		}
		return c.server.Call(ctx, http.MethodPatch, asked(escaped(found.Value[0].Properties.PolicyID), "api-version", policiesVersion),
			map[string]any{"properties": map[string]any{"rules": list}}, nil)
	}
	scopeType := "DirectoryRole"
	if to.Provider == pim.Group {
		scopeType = "Group"
	}
	var found struct{ Value []struct{ PolicyID string } }
	path := asked("/v1.0/policies/roleManagementPolicyAssignments",
		"$filter", fmt.Sprintf("scopeId eq %s and scopeType eq %s and roleDefinitionId eq %s", quoted(string(to.Scope)), quoted(scopeType), quoted(string(to.Role))))
	if err := c.server.Call(ctx, http.MethodGet, path, nil, &found); err != nil {
		return err
	}
	if len(found.Value) != 1 {
		return noPolicy()
	}
	return c.server.Call(ctx, http.MethodPatch, "/v1.0/policies/roleManagementPolicies/"+url.PathEscape(found.Value[0].PolicyID), map[string]any{"rules": list}, nil)
}

func noPolicy() error {
	return &client.Error{Status: http.StatusNotFound, Code: "PolicyNotFound", Message: "the target has no such policy"}
}

// makeRole writes a custom role, and returns the id that it has at the target: that of the source where the target lets one choose.
func (c *copying) makeRole(ctx context.Context, r Role) (pim.RoleID, error) {
	if r.Definition == nil {
		return "", &client.Error{Status: http.StatusNotFound, Code: "RoleNotDefined", Message: "the source does not tell what the role allows"}
	}
	if r.Provider == pim.Resource {
		return r.Role, c.makeResourceRole(ctx, r)
	}
	in, err := r.directoryBody()
	if err != nil {
		return "", err
	}
	var made struct{ ID string }
	err = c.server.Call(ctx, http.MethodPost, "/v1.0/roleManagement/directory/roleDefinitions", in, &made)
	return pim.RoleID(strings.ToLower(made.ID)), err
}

// directoryBody is what a custom directory role is written with.
func (r Role) directoryBody() (map[string]any, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(r.Definition, &in); err != nil {
		return nil, fmt.Errorf("read its definition: %w", err)
	}
	out := map[string]any{"isEnabled": true}
	for _, name := range []string{"displayName", "description", "isEnabled", "rolePermissions", "version"} {
		if v, ok := in[name]; ok && !bytes.Equal(v, []byte("null")) {
			out[name] = v
		}
	}
	return out, nil
}

func (c *copying) makeResourceRole(ctx context.Context, r Role) error {
	type properties struct {
		RoleName         string          `json:"roleName"`
		Description      string          `json:"description"`
		AssignableScopes []string        `json:"assignableScopes"`
		Permissions      json.RawMessage `json:"permissions"`
	}
	var in struct{ Properties properties }
	if err := json.Unmarshal(r.Definition, &in); err != nil {
		return fmt.Errorf("read its definition: %w", err)
	}
	p := in.Properties
	for i, s := range p.AssignableScopes {
		p.AssignableScopes[i] = c.source.moved(s)
	}
	if len(p.AssignableScopes) == 0 {
		return &client.Error{Status: http.StatusBadRequest, Code: "RoleNotDefined", Message: "the source does not tell where the role may be given"}
	}
	path := asked(escaped(at(pim.Scope(p.AssignableScopes[0]), "roleDefinitions/"+string(r.Role))), "api-version", definitionsVersion)
	return c.server.Call(ctx, http.MethodPut, path, map[string]any{"properties": p}, nil)
}

const managementGroups = "/providers/microsoft.management/managementgroups/"

// isRoot says whether a path is the root of the estate's tree, which also goes by the name of its tenant.
func (e *Estate) isRoot(path string) bool {
	path = strings.ToLower(strings.TrimSuffix(path, "/"))
	return path == "" || e.Tenant != "" && path == managementGroups+strings.ToLower(e.Tenant)
}

// moved is a path of the estate's tree in that of any other: only the root may have another name.
func (e *Estate) moved(path string) string {
	if e.isRoot(path) {
		return "/"
	}
	return path
}

// node is a scope as an import of the tree takes it; false: it is the root, which every tree has.
func (c *copying) node(s Scope) (any, bool) {
	if c.source.isRoot(s.ID) {
		return nil, false
	}
	id := strings.ToLower(s.ID)
	out := map[string]string{"id": s.ID}
	if strings.Count(id, "/") == 2 || strings.HasPrefix(id, managementGroups) { // a subscription or a management group
		out["displayName"] = s.Name
		if !c.source.isRoot(s.Parent) {
			out["parent"] = s.Parent
		}
	}
	return out, true
}

// nodesAtOnce is how many nodes go in one call.
const nodesAtOnce = 500

func (c *copying) importNodes(ctx context.Context, nodes []any) error {
	path := asked("/providers/Portcullis.Resources/import", "api-version", treeVersion)
	for len(nodes) > 0 {
		n := min(len(nodes), nodesAtOnce)
		if err := c.server.Call(ctx, http.MethodPost, path, map[string]any{"nodes": nodes[:n]}, nil); err != nil {
			return err
		}
		nodes = nodes[n:]
	}
	return nil
}
