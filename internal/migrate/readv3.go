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
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// ReadV3 reads what a server tells in the words of the third iteration: Microsoft Graph for directory roles and groups, and Azure
// Resource Manager for resources. Of the rules of resources it reads those where somebody holds something or asks for it, and those
// at the options' places.
func ReadV3(ctx context.Context, s Server, o ReadOptions) (*Estate, error) {
	r := newReading(s, s.Origin(), o)
	if r.wants(pim.Directory) {
		if err := r.graphDirectory(ctx); err != nil {
			return nil, fmt.Errorf("read directory roles: %w", err)
		}
	}
	if r.wants(pim.Group) {
		if err := r.graphGroups(ctx); err != nil {
			return nil, fmt.Errorf("read groups: %w", err)
		}
	}
	if r.wants(pim.Resource) {
		if err := r.armResources(ctx); err != nil {
			return nil, fmt.Errorf("read roles of resources: %w", err)
		}
	}
	if err := r.names(ctx); err != nil {
		return nil, fmt.Errorf("read who they are: %w", err)
	}
	return r.finish(), nil
}

const (
	graphDirectoryRoot = "/v1.0/roleManagement/directory/"
	graphGroupRoot     = "/v1.0/identityGovernance/privilegedAccess/group/"
	graphPolicies      = "/v1.0/policies/roleManagementPolicyAssignments"
)

// openStatuses are the states in which a request is still to be carried over.
func openStatuses() map[string]pim.Status {
	return map[string]pim.Status{"PendingApproval": pim.PendingApproval, "PendingAdminDecision": pim.PendingAdminDecision, "Granted": pim.Granted}
}

// graphGrant is a schedule or a request of Microsoft Graph, of a directory role or of a group.
type graphGrant struct {
	ID               string
	PrincipalID      string
	RoleDefinitionID string
	DirectoryScopeID string
	AppScopeID       string
	GroupID          string
	AccessID         string
	MemberType       string
	AssignmentType   string
	CreatedUsing     string
	ScheduleInfo     *wire.Schedule
	Principal        *object

	// Of requests.
	Action        string
	Justification string
	TicketInfo    struct{ TicketNumber, TicketSystem string }
	CreatedBy     struct{ User struct{ ID string } }
}

func (g graphGrant) place() Place {
	if g.GroupID != "" {
		return Place{pim.Group, pim.Scope(strings.ToLower(g.GroupID)), pim.RoleID(strings.ToLower(g.AccessID))}
	}
	return Place{pim.Directory, directoryScope(g.DirectoryScopeID), pim.RoleID(strings.ToLower(g.RoleDefinitionID))}
}

// directoryScope is a scope of directory roles as the core writes it.
func directoryScope(text string) pim.Scope {
	text = strings.ToLower(text)
	if unit, ok := strings.CutPrefix(text, "/administrativeunits/"); ok {
		return pim.AdministrativeUnit(unit)
	}
	return pim.Scope("/" + strings.Trim(text, "/"))
}

func (o *object) kind() pim.PrincipalKind {
	switch strings.ToLower(strings.TrimPrefix(o.Type, "#microsoft.graph.")) {
	case "user":
		return pim.UserPrincipal
	case "group":
		return pim.GroupPrincipal
	case "serviceprincipal":
		return pim.ServicePrincipal
	}
	return 0
}

func (r *reading) who(id string, o *object) string {
	id = strings.ToLower(id)
	p := Principal{ID: id}
	if o != nil {
		p.Kind, p.Name, p.Account = o.kind(), o.DisplayName, o.UserPrincipalName
		if p.Kind == pim.ServicePrincipal {
			p.Account = o.AppID
		}
	}
	r.principal(p)
	return id
}

// derived says whether a row follows from another one.
func derived(memberType string) bool {
	return memberType != "" && !strings.EqualFold(memberType, "Direct")
}

// graphSchedule takes a schedule.
func (r *reading) graphSchedule(k pim.Kind, in graphGrant) error {
	if derived(in.MemberType) {
		return nil
	}
	item := "schedule " + in.ID
	if in.AppScopeID != "" {
		r.note(Lost, item, "AppScope", "it holds within an application alone, which has no counterpart")
		return nil
	}
	info, err := in.ScheduleInfo.Info()
	if err != nil {
		return fmt.Errorf("%s: %w", item, err)
	}
	if info.Recurrence != nil {
		r.note(Lost, item, "Recurrence", "it holds again and again, which is not carried over")
		return nil
	}
	at := in.place()
	r.grant(Grant{
		Place: at, Principal: r.who(in.PrincipalID, in.Principal), Kind: k, ID: in.ID, Start: info.Start, End: endOf(info),
		Activated: strings.EqualFold(in.AssignmentType, "Activated"), Outside: in.CreatedUsing == "",
	})
	r.groupPlace(at)
	return nil
}

// groupPlace notes the group of a place among those whom the estate names: it has to have a counterpart.
func (r *reading) groupPlace(at Place) {
	if at.Provider == pim.Group {
		r.principal(Principal{ID: string(at.Scope), Kind: pim.GroupPrincipal})
	}
}

// endOf is when what was asked for ends; zero: never.
func endOf(in schedule.Info) time.Time {
	switch in.Expiration.Kind {
	case schedule.AfterDateTime:
		return in.Expiration.End
	case schedule.AfterDuration:
		return in.Expiration.Duration.AddTo(in.Start)
	case schedule.NotSpecified, schedule.NoExpiration:
	}
	return time.Time{}
}

// graphRequest takes an open request.
func (r *reading) graphRequest(k pim.Kind, status pim.Status, in graphGrant) error {
	action, ok := wire.ParseAction(in.Action)
	if !ok {
		r.note(Lost, "request "+in.ID, "UnknownAction", "it asks for %.100q, which is not known", in.Action)
		return nil
	}
	info, err := in.ScheduleInfo.Info()
	if err != nil {
		return fmt.Errorf("request %s: %w", in.ID, err)
	}
	at := in.place()
	q := Request{Place: at, ID: strings.ToLower(in.ID), Principal: r.who(in.PrincipalID, in.Principal), Kind: k, Action: action, Status: status,
		Asked: info, Reason: in.Justification, Ticket: pim.Ticket{Number: in.TicketInfo.TicketNumber, System: in.TicketInfo.TicketSystem}}
	if by := strings.ToLower(in.CreatedBy.User.ID); by != q.Principal {
		q.By = by
	}
	if r.counts(q) {
		r.request(q)
		r.groupPlace(at)
	}
	return nil
}

// counts says whether a request is still to be carried over: it waits for somebody, or for its start.
func (r *reading) counts(q Request) bool {
	return q.Status != pim.Granted || q.Asked.Start.After(r.o.Now())
}

// graphSides are the two sets that directory roles and groups have of schedules and of requests, by the word before them.
func graphSides(p pim.Provider) map[pim.Kind]string {
	if p == pim.Group {
		return map[pim.Kind]string{pim.Eligibility: graphGroupRoot + "eligibilitySchedule", pim.Assignment: graphGroupRoot + "assignmentSchedule"}
	}
	return map[pim.Kind]string{pim.Eligibility: graphDirectoryRoot + "roleEligibilitySchedule", pim.Assignment: graphDirectoryRoot + "roleAssignmentSchedule"}
}

// graphRows reads schedules and open requests, those that a filter leaves.
func (r *reading) graphRows(ctx context.Context, p pim.Provider, filter string) error {
	for _, k := range []pim.Kind{pim.Eligibility, pim.Assignment} {
		root := graphSides(p)[k]
		var wrong error
		take := func(g graphGrant) { keep(&wrong, r.graphSchedule(k, g)) }
		pairs, step := []string{"$expand", "principal"}, rowsStep(p, k)
		if filter != "" {
			pairs, step = append(pairs, "$filter", filter), ""
		}
		if err := counted(ctx, r, r, step, asked(root+"s", pairs...), take); err != nil || wrong != nil {
			return either(err, wrong)
		}
		for word, status := range openStatuses() {
			where := "status eq " + quoted(word)
			if filter != "" {
				where = filter + " and " + where
			}
			take := func(g graphGrant) { keep(&wrong, r.graphRequest(k, status, g)) }
			if err := pages(ctx, r, asked(root+"Requests", "$filter", where, "$expand", "principal"), take); err != nil || wrong != nil {
				return either(err, wrong)
			}
		}
	}
	return nil
}

// rowsStep is what reading rows of a kind is called.
func rowsStep(p pim.Provider, k pim.Kind) string {
	return map[pim.Provider]string{pim.Directory: "directory roles: ", pim.Group: "groups: ", pim.Resource: "resources: "}[p] + string(aspectOf(k))
}

// keep keeps the first error.
func keep(first *error, err error) {
	if *first == nil {
		*first = err
	}
}

func either(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// graphDirectory reads directory roles.
func (r *reading) graphDirectory(ctx context.Context) error {
	if err := pages(ctx, r, "/v1.0/organization?$select=id", func(o object) { r.e.Tenant = strings.ToLower(o.ID) }); err != nil {
		return err
	}
	if err := r.graphRoles(ctx); err != nil {
		return err
	}
	if err := r.graphRows(ctx, pim.Directory, ""); err != nil {
		return err
	}
	return r.graphRules(ctx, pim.Directory, "rules of directory roles", "scopeId eq '/' and scopeType eq 'DirectoryRole'")
}

// definition is a role definition of Microsoft Graph, with its body as it came.
type definition struct {
	ID, TemplateID, DisplayName string
	IsBuiltIn                   bool
}

func (r *reading) graphRoles(ctx context.Context) error {
	var wrong error
	err := pages(ctx, r, graphDirectoryRoot+"roleDefinitions", func(raw json.RawMessage) {
		var d definition
		keep(&wrong, json.Unmarshal(raw, &d))
		role := Role{RoleRef: RoleRef{pim.Directory, pim.RoleID(strings.ToLower(d.ID))}, Name: d.DisplayName, Custom: !d.IsBuiltIn}
		if role.Custom {
			role.Definition = raw
		}
		r.role(role)
	})
	return either(err, wrong)
}

// policyRow is the binding of a policy to a role.
type policyRow struct {
	ScopeID, RoleDefinitionID string
	Policy                    struct {
		LastModifiedDateTime *time.Time
		Rules                []wire.ARMRule
	}
}

// graphRules reads the rules of the roles that a filter leaves.
func (r *reading) graphRules(ctx context.Context, p pim.Provider, step, filter string) error {
	return counted(ctx, r, r, step, asked(graphPolicies, "$filter", filter, "$expand", "policy($expand=rules)"), func(row policyRow) {
		at := Place{p, directoryScope(row.ScopeID), pim.RoleID(strings.ToLower(row.RoleDefinitionID))}
		if p == pim.Group {
			at.Scope = pim.Scope(strings.ToLower(row.ScopeID))
		}
		r.rules(at, row.Policy.Rules, row.Policy.LastModifiedDateTime == nil)
	})
}

// graphGroups reads who is, or may become, a member or owner of groups.
func (r *reading) graphGroups(ctx context.Context) error {
	var groups []object
	if err := pages(ctx, r, "/v1.0/groups?$select=id,displayName", func(o object) { groups = append(groups, o) }); err != nil {
		return err
	}
	err := r.graphRows(ctx, pim.Group, "")
	if statusOf(err) == http.StatusBadRequest {
		// Other servers list nothing without a group.
		r.e.Grants = slices.DeleteFunc(r.e.Grants, func(g Grant) bool { return g.Provider == pim.Group })
		err = r.each(ctx, "groups", len(groups), func(ctx context.Context, i int) error {
			return r.graphRows(ctx, pim.Group, "groupId eq "+quoted(groups[i].ID))
		})
	}
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, at := range r.used(pim.Group) {
		used[string(at.Scope)] = true
	}
	names := map[string]string{}
	for _, g := range groups {
		names[strings.ToLower(g.ID)] = g.DisplayName
	}
	for id := range used {
		r.principal(Principal{ID: id, Kind: pim.GroupPrincipal, Name: names[id]})
	}
	return r.each(ctx, "rules of groups", len(groups), func(ctx context.Context, i int) error {
		id := strings.ToLower(groups[i].ID)
		err := r.graphRules(ctx, pim.Group, "", "scopeId eq "+quoted(id)+" and scopeType eq 'Group'")
		if status := statusOf(err); !used[id] && (status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusForbidden) {
			return nil // a group of which the server knows no rules, and nobody has anything there
		}
		return err
	})
}

// rules takes the rules of a role at a place. What is not told is as it is where nobody has changed anything.
func (r *reading) rules(at Place, list []wire.ARMRule, unchanged bool) {
	out := (&Estate{}).policyAt(at)
	for _, in := range list {
		if err := applyRule(at.Provider, in, &out); err != nil {
			r.note(Lost, fmt.Sprintf("%s: %.100s", settingsItem(at), in.ID), "Rule", "%v", err)
		}
	}
	r.policy(at, Policy{Rules: out, Default: unchanged})
	if !unchanged {
		r.groupPlace(at)
	}
}

// applyRule changes one rule of a policy by what a server says of it, in the words of its provider.
func applyRule(p pim.Provider, in wire.ARMRule, to *policy.Rules) error {
	in.ODataType, in.RuleType = "", "" // the id says which it is
	if p == pim.Resource {
		return in.Apply(to)
	}
	return in.Rule.Apply(wire.GraphRules{}, to)
}

// names looks up those of whom an id alone is known, or no account.
func (r *reading) names(ctx context.Context) error {
	var ids []string
	for id, p := range r.e.Principals {
		if wire.IsGUID(id) && (p.Kind == 0 || p.Name == "" || p.Account == "" && p.Kind != pim.GroupPrincipal) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for some := range slices.Chunk(ids, idsAtOnce) {
		var found struct{ Value []object }
		in := map[string]any{"ids": some, "types": []string{"user", "group", "servicePrincipal"}}
		err := r.Call(ctx, http.MethodPost, "/v1.0/directoryObjects/getByIds", in, &found)
		if status := statusOf(err); status > 0 && status < 500 && !r.wants(pim.Directory) && !r.wants(pim.Group) {
			return nil // a server of resources alone knows ids, and need not know more
		}
		if err != nil {
			return err
		}
		for _, o := range found.Value {
			r.who(o.ID, &o)
		}
	}
	return nil
}
