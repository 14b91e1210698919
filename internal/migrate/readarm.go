package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// Versions of Azure Resource Manager's interfaces by which a source is read, beside those by which a target is written.
const (
	tenantsVersion       = "2022-12-01"
	groupsVersion        = "2020-05-01"
	subscriptionsVersion = "2022-12-01"
)

// roleIDsAtOnce is how many roles one filter names.
const roleIDsAtOnce = 15

// arm is a path of the server of resources with the version of the interface.
func arm(path, version string, pairs ...string) string {
	return asked(path, append([]string{"api-version", version}, pairs...)...)
}

// armResources reads the tree of resources and the roles there.
func (r *reading) armResources(ctx context.Context) error {
	err := pages(ctx, r.o.Resources, arm("/tenants", tenantsVersion), func(t struct{ TenantID string }) {
		if r.e.Tenant == "" {
			r.e.Tenant = strings.ToLower(t.TenantID)
		}
	})
	if err != nil {
		return err
	}
	subscriptions, err := r.armTree(ctx)
	if err != nil {
		return err
	}
	if err := r.armRoles(ctx); err != nil {
		return err
	}
	if err := r.armRows(ctx, subscriptions); err != nil {
		return err
	}
	if err := r.armMissingRoles(ctx); err != nil {
		return err
	}
	return r.armRules(ctx)
}

// armNode is a place in the tree.
type armNode struct {
	ID, Type, Name, DisplayName string
	Properties                  struct {
		DisplayName string
		Parent      struct{ ID string }
	}
}

// armTree reads management groups, subscriptions, resource groups and resources, and returns the subscriptions.
func (r *reading) armTree(ctx context.Context) ([]string, error) {
	root := managementGroupsPath + r.e.Tenant
	subscriptions := map[string]Scope{}
	var groups []Scope
	err := pages(ctx, r.o.Resources, arm(escaped(root)+"/descendants", groupsVersion), func(n armNode) {
		s := Scope{ID: n.ID, Parent: n.Properties.Parent.ID, Name: n.Properties.DisplayName}
		if strings.HasPrefix(strings.ToLower(n.ID), managementGroups) {
			groups = append(groups, s)
			return
		}
		// The descendants spell a subscription as it lies in its group on some servers.
		s.ID = "/subscriptions/" + n.ID[strings.LastIndexByte(n.ID, '/')+1:]
		subscriptions[strings.ToLower(s.ID)] = s
	})
	if status := statusOf(err); err != nil && status != http.StatusForbidden && status != http.StatusNotFound {
		return nil, err
	}
	if err != nil {
		r.note(Changed, "management groups", "TreeNotShown", "the server does not show its management groups to the caller: only subscriptions are read")
	}
	err = pages(ctx, r.o.Resources, arm("/subscriptions", subscriptionsVersion), func(n armNode) {
		s := subscriptions[strings.ToLower(n.ID)]
		s.ID, s.Name = n.ID, n.DisplayName
		subscriptions[strings.ToLower(n.ID)] = s
	})
	if err != nil {
		return nil, err
	}
	r.e.Scopes = append(r.e.Scopes, topDown(groups)...)
	var ids []string
	for _, s := range sortedByID(subscriptions) {
		r.e.Scopes = append(r.e.Scopes, s)
		ids = append(ids, s.ID)
	}
	below := make([][]Scope, len(ids))
	err = r.each(ctx, "the tree of resources", len(ids), func(ctx context.Context, i int) error {
		for _, list := range []string{"/resourceGroups", "/resources"} {
			take := func(n armNode) { below[i] = append(below[i], Scope{ID: n.ID, Name: n.Name}) }
			if err := pages(ctx, r.o.Resources, arm(escaped(ids[i])+list, treeVersion), take); err != nil {
				return err
			}
		}
		return nil
	})
	for _, list := range below {
		r.e.Scopes = append(r.e.Scopes, list...)
	}
	return ids, err
}

const managementGroupsPath = "/providers/Microsoft.Management/managementGroups/"

// topDown orders management groups so that what contains others comes first.
func topDown(groups []Scope) []Scope {
	byID := map[string]Scope{}
	for _, g := range groups {
		byID[strings.ToLower(g.ID)] = g
	}
	var out []Scope
	done := map[string]bool{}
	var place func(id string, deep int)
	place = func(id string, deep int) {
		g, ok := byID[id]
		if !ok || done[id] || deep > len(groups) {
			return
		}
		place(strings.ToLower(g.Parent), deep+1)
		if !done[id] {
			done[id] = true
			out = append(out, g)
		}
	}
	for _, g := range sortedByID(byID) {
		place(strings.ToLower(g.ID), 0)
	}
	return out
}

func sortedByID(scopes map[string]Scope) []Scope {
	out := make([]Scope, 0, len(scopes))
	for _, s := range scopes {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Scope) int { return strings.Compare(strings.ToLower(a.ID), strings.ToLower(b.ID)) })
	return out
}

// armRole is a role definition.
type armRole struct {
	Name       string
	Properties struct{ RoleName, Type string }
}

func (r *reading) armRoles(ctx context.Context) error {
	var wrong error
	path := arm("/providers/Microsoft.Authorization/roleDefinitions", definitionsVersion, "$filter", "atScopeAndBelow()")
	err := pages(ctx, r.o.Resources, path, func(raw json.RawMessage) { keep(&wrong, r.armRole(raw)) })
	return either(err, wrong)
}

func (r *reading) armRole(raw json.RawMessage) error {
	var d armRole
	if err := json.Unmarshal(raw, &d); err != nil {
		return err
	}
	role := Role{RoleRef: RoleRef{pim.Resource, lastPart(d.Name)}, Name: d.Properties.RoleName, Custom: strings.EqualFold(d.Properties.Type, "CustomRole")}
	if role.Custom {
		role.Definition = raw
	}
	r.role(role)
	return nil
}

// armMissingRoles asks for the roles that somebody holds and no list has told: a list at the top need not show what is defined below.
func (r *reading) armMissingRoles(ctx context.Context) error {
	var missing []Place
	seen := map[pim.RoleID]bool{}
	for _, at := range r.used(pim.Resource) {
		if _, known := r.e.Roles[RoleRef{pim.Resource, at.Role}]; !known && !seen[at.Role] {
			seen[at.Role] = true
			missing = append(missing, at)
		}
	}
	return r.each(ctx, "roles", len(missing), func(ctx context.Context, i int) error {
		var raw json.RawMessage
		err := r.o.Resources.Call(ctx, http.MethodGet, arm(escaped(at(missing[i].Scope, "roleDefinitions/"+string(missing[i].Role))), definitionsVersion), nil, &raw)
		if statusOf(err) == http.StatusNotFound {
			r.note(Unresolved, "resource role "+string(missing[i].Role), "RoleNotTold", "somebody holds it, and the server does not know it")
			return nil
		}
		if err != nil {
			return err
		}
		return r.armRole(raw)
	})
}

// lastPart is the last part of an id, in lower case.
func lastPart(id string) pim.RoleID {
	return pim.RoleID(strings.ToLower(id[strings.LastIndexByte(id, '/')+1:]))
}

// armRow is a schedule or a request.
type armRow struct {
	ID, Name   string
	Properties struct {
		Scope, RoleDefinitionID, PrincipalID, PrincipalType string
		MemberType, AssignmentType                          string
		StartDateTime, EndDateTime                          wire.Instant
		Condition, ConditionVersion                         string
		EligibilityRequest                                  string `json:"roleEligibilityScheduleRequestId"`
		AssignmentRequest                                   string `json:"roleAssignmentScheduleRequestId"`
		ExpandedProperties                                  struct {
			Principal      struct{ DisplayName, Email, Type string }
			RoleDefinition struct{ DisplayName, Type string }
		}

		// Of requests.
		RequestType   string
		ScheduleInfo  *wire.Schedule
		Justification string
		RequestorID   string
		TicketInfo    struct{ TicketNumber, TicketSystem string }
	}
}

func (r *reading) armPlace(in armRow) (Place, error) {
	scope, err := r.node(in.Properties.Scope)
	return Place{pim.Resource, scope, lastPart(in.Properties.RoleDefinitionID)}, err
}

func (r *reading) armPrincipal(in armRow) string {
	p := Principal{ID: strings.ToLower(in.Properties.PrincipalID), Kind: kindNamed(in.Properties.PrincipalType), Name: in.Properties.ExpandedProperties.Principal.DisplayName}
	r.principal(p)
	return p.ID
}

// kindNamed is a kind of principal by its name in any letter case.
func kindNamed(name string) pim.PrincipalKind {
	o := object{Type: name}
	return o.kind()
}

func (r *reading) armSchedule(k pim.Kind, in armRow) error {
	if derived(in.Properties.MemberType) || !r.once("schedule", in.ID) {
		return nil
	}
	at, err := r.armPlace(in)
	if err != nil {
		return err
	}
	p := in.Properties
	r.grant(Grant{
		Place: at, Principal: r.armPrincipal(in), Kind: k, ID: in.Name, Start: p.StartDateTime.Time, End: p.EndDateTime.Time,
		Activated: strings.EqualFold(p.AssignmentType, "Activated"), Outside: p.EligibilityRequest == "" && p.AssignmentRequest == "",
		Condition: p.Condition, ConditionVersion: p.ConditionVersion,
	})
	return nil
}

func (r *reading) armRequest(k pim.Kind, status pim.Status, in armRow) error {
	if !r.once("request", in.ID) {
		return nil
	}
	p := in.Properties
	action, ok := wire.ParseAction(p.RequestType)
	if !ok {
		r.note(Lost, "request "+in.Name, "UnknownAction", "it asks for %.100q, which is not known", p.RequestType)
		return nil
	}
	at, err := r.armPlace(in)
	if err != nil {
		return err
	}
	info, err := p.ScheduleInfo.Info()
	if err != nil {
		return fmt.Errorf("request %s: %w", in.Name, err)
	}
	q := Request{Place: at, ID: strings.ToLower(in.Name), Principal: r.armPrincipal(in), Kind: k, Action: action, Status: status, Asked: info,
		Reason: p.Justification, Ticket: pim.Ticket{Number: p.TicketInfo.TicketNumber, System: p.TicketInfo.TicketSystem}}
	if by := strings.ToLower(p.RequestorID); by != q.Principal {
		q.By = by
	}
	if r.counts(q) {
		r.request(q)
	}
	return nil
}

// armRows reads schedules and open requests: of the whole tree where the server shows that to the caller, else of each subscription.
func (r *reading) armRows(ctx context.Context, subscriptions []string) error {
	err := r.armRowsAt(ctx, "")
	if statusOf(err) != http.StatusForbidden {
		return err
	}
	return r.each(ctx, "resources", len(subscriptions), func(ctx context.Context, i int) error { return r.armRowsAt(ctx, subscriptions[i]) })
}

func (r *reading) armRowsAt(ctx context.Context, scope string) error {
	root := escaped(scope) + "/providers/Microsoft.Authorization/role"
	for _, k := range []pim.Kind{pim.Eligibility, pim.Assignment} {
		word := map[pim.Kind]string{pim.Eligibility: "Eligibility", pim.Assignment: "Assignment"}[k]
		var wrong error
		step := ""
		if scope == "" {
			step = rowsStep(pim.Resource, k)
		}
		take := func(row armRow) { keep(&wrong, r.armSchedule(k, row)) }
		if err := counted(ctx, r, r.o.Resources, step, arm(root+word+"Schedules", requestsVersion), take); err != nil || wrong != nil {
			return either(err, wrong)
		}
		for word2, status := range openStatuses() {
			take := func(row armRow) { keep(&wrong, r.armRequest(k, status, row)) }
			path := arm(root+word+"ScheduleRequests", requestsVersion, "$filter", "status eq "+quoted(word2))
			if err := pages(ctx, r.o.Resources, path, take); err != nil || wrong != nil {
				return either(err, wrong)
			}
		}
	}
	return nil
}

// armPolicy is the binding of a policy to a role.
type armPolicy struct {
	Properties struct {
		Scope, RoleDefinitionID string
		EffectiveRules          []wire.ARMRule
		Assignment              struct {
			Policy struct{ LastModifiedDateTime *time.Time }
		} `json:"policyAssignmentProperties"`
	}
}

// armRules reads the rules of the roles that somebody holds, by place.
func (r *reading) armRules(ctx context.Context) error {
	type chunk struct {
		scope pim.Scope
		roles []pim.RoleID
	}
	var chunks []chunk
	held := map[pim.Scope]bool{}
	for _, g := range r.e.Grants {
		held[g.Scope] = true
	}
	for _, at := range r.used(pim.Resource) {
		last := len(chunks) - 1
		switch {
		case at.Scope == pim.Everywhere: // the root has no policies
		case last >= 0 && chunks[last].scope == at.Scope && len(chunks[last].roles) < roleIDsAtOnce:
			chunks[last].roles = append(chunks[last].roles, at.Role)
		default:
			chunks = append(chunks, chunk{at.Scope, []pim.RoleID{at.Role}})
		}
	}
	return r.each(ctx, "rules of resources", len(chunks), func(ctx context.Context, i int) error {
		c := chunks[i]
		err := r.armRulesOf(ctx, c.scope, c.roles...)
		if statusOf(err) == http.StatusNotFound && !held[c.scope] {
			return nil // one of the options' places that is not there, as at a target to which nothing was copied yet
		}
		if len(c.roles) == 1 || statusOf(err) != http.StatusBadRequest {
			return err
		}
		for _, role := range c.roles { // other servers take one at a time
			if err := r.armRulesOf(ctx, c.scope, role); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *reading) armRulesOf(ctx context.Context, scope pim.Scope, roles ...pim.RoleID) error {
	terms := make([]string, len(roles))
	for i, role := range roles {
		terms[i] = "roleDefinitionId eq " + quoted(at(scope, "roleDefinitions/"+string(role)))
		if len(roles) > 1 {
			terms[i] = "roleDefinitionId eq " + quoted(string(role))
		}
	}
	path := arm(escaped(at(scope, "roleManagementPolicyAssignments")), policiesVersion, "$filter", strings.Join(terms, " or "))
	return pages(ctx, r.o.Resources, path, func(row armPolicy) {
		p := row.Properties
		r.rules(Place{pim.Resource, scope, lastPart(p.RoleDefinitionID)}, p.EffectiveRules, p.Assignment.Policy.LastModifiedDateTime == nil)
	})
}
