package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"portcullis/internal/catalog"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// RoleDefinition is a role with what callers read of it.
type RoleDefinition struct {
	pim.Role
	TemplateID  string
	Description string
	Privileged  bool
	// Inherits are ids of roles whose actions it has as well.
	Inherits []string
	Actions  []string
	// Blocks are the lengths of the parts in which the actions of a custom role came, where there were several.
	Blocks []int
	// Version is free text of custom roles.
	Version string
}

// Roles returns the directory role definitions of a tenant, built-in ones first, then custom ones, each by name.
func (a *App) Roles(ctx context.Context, t pim.TenantID) ([]RoleDefinition, error) {
	var out []RoleDefinition
	for _, r := range catalog.Roles() {
		out = append(out, builtInDefinition(r))
	}
	q := store.Query{Tenant: t, Limit: most, Where: store.Is(store.FieldObjectKind, int(directory.KindRole)),
		Order: []store.Order{{Field: store.FieldDisplayName}}}
	for {
		page, err := a.Store.Objects(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Rows {
			out = append(out, customDefinition(o))
		}
		if len(page.Next) == 0 {
			return out, nil
		}
		q.After = page.Next
	}
}

// Role returns one role definition. Refusal: UnknownRole.
func (a *App) Role(ctx context.Context, t pim.TenantID, id pim.RoleID) (RoleDefinition, error) {
	id = pim.RoleID(strings.ToLower(string(id)))
	if r, ok := catalog.ByID(string(id)); ok {
		return builtInDefinition(r), nil
	}
	objects, err := a.Store.ObjectsByID(ctx, t, []pim.PrincipalID{pim.PrincipalID(id)})
	if err != nil {
		return RoleDefinition{}, err
	}
	for _, o := range objects {
		if o.Kind == directory.KindRole {
			return customDefinition(o), nil
		}
	}
	return RoleDefinition{}, &pim.Refusal{Code: pim.UnknownRole, Detail: "the role definition does not exist"}
}

func builtInDefinition(r catalog.Role) RoleDefinition {
	return RoleDefinition{Role: builtIn(r), TemplateID: r.TemplateID, Description: r.Description,
		Privileged: r.Privileged, Inherits: r.Inherits, Actions: r.Actions}
}

func customDefinition(o directory.Object) RoleDefinition {
	return RoleDefinition{
		Role:       pim.Role{ID: pim.RoleID(o.ID), Name: o.DisplayName, Enabled: o.Role.Enabled, ForUnits: true, ForObjects: true},
		TemplateID: o.Role.TemplateID, Description: o.Description, Actions: o.Role.Actions, Blocks: o.Role.Blocks, Version: o.Role.Version,
	}
}

// Policies returns the policies of roles of one tenant, all of one provider: the stored ones, or the defaults. Refusals: Forbidden,
// for resources what pim.MayDo says; UnknownScope.
func (a *App) Policies(ctx context.Context, by pim.Caller, keys []pim.RoleKey) (map[pim.RoleKey]policy.Policy, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	if keys[0].Provider == pim.Resource {
		// What the caller may do is known of their own tenant.
		if err := a.counts(ctx, by, keys[0].Tenant); err != nil {
			return nil, err
		}
	}
	foreign, err := a.unreadable(ctx, by, keys)
	if err != nil {
		return nil, err
	}
	if len(foreign) > 0 {
		if err := a.concernsAll(ctx, by, foreign); err != nil {
			return nil, err
		}
	}
	if err := a.placesThere(ctx, keys); err != nil {
		return nil, err
	}
	return a.policies(ctx, keys)
}

// placesThere refuses policies of roles at scopes of resources where nothing is.
func (a *App) placesThere(ctx context.Context, keys []pim.RoleKey) error {
	var scopes []pim.Scope
	for _, k := range keys {
		if k.Provider == pim.Resource {
			scopes = append(scopes, k.Scope)
		}
	}
	found, err := a.NodesByScope(ctx, keys[0].Tenant, scopes)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(scopes, func(s pim.Scope) bool { return found[s].Kind == 0 }) {
		return unknownNode()
	}
	return nil
}

// unreadable are the keys of roles that the caller may not read as one of those who read everybody's rows.
func (a *App) unreadable(ctx context.Context, by pim.Caller, keys []pim.RoleKey) ([]pim.RoleKey, error) {
	var out []pim.RoleKey
	groups, err := a.groupsOfKeys(ctx, keys)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if !pim.MayReadPolicy(by, k, groups[k.Scope]) {
			out = append(out, k)
		}
	}
	return out, nil
}

// mayReadGroup says whether the caller may see everybody's rows of a group.
func (a *App) mayReadGroup(ctx context.Context, by pim.Caller, k pim.RoleKey) (bool, error) {
	onto, err := a.groupFacts(ctx, k)
	return pim.MayReadGroup(by, pim.Key{Tenant: k.Tenant, Provider: k.Provider, Scope: k.Scope}, onto), err
}

// groupFacts reads the group that a key of the group provider names; zero for any other key.
func (a *App) groupFacts(ctx context.Context, k pim.RoleKey) (pim.GroupFacts, error) {
	if k.Provider != pim.Group {
		return pim.GroupFacts{}, nil
	}
	found, err := a.Store.ObjectsByID(ctx, k.Tenant, []pim.PrincipalID{pim.PrincipalID(k.Scope)})
	if err != nil || len(found) == 0 {
		return pim.GroupFacts{}, err
	}
	return found[0].GroupFacts(), nil
}

// concernsAll refuses to show policies of roles that the caller is neither eligible for nor has: people may read the
// rules that bind them, to know what activating will ask of them.
func (a *App) concernsAll(ctx context.Context, by pim.Caller, keys []pim.RoleKey) error {
	if keys[0].Provider == pim.Resource {
		return a.concernsAllResources(ctx, by, keys)
	}
	mine := map[pim.RoleKey]bool{}
	for _, kind := range []pim.Kind{pim.Eligibility, pim.Assignment} {
		page, err := a.Grants(ctx, by, GrantQuery{Provider: keys[0].Provider, Kind: kind, View: Mine,
			Query: store.Query{Tenant: keys[0].Tenant, Limit: most}})
		if err != nil {
			return err
		}
		for _, i := range page.Rows {
			mine[i.Schedule.Key.Policy()] = true
		}
	}
	for _, k := range keys {
		if !mine[k] {
			return forbidden
		}
	}
	return nil
}

// concernsAllResources is concernsAll for roles of resources, which also concern whoever has them at a wider scope.
func (a *App) concernsAllResources(ctx context.Context, by pim.Caller, keys []pim.RoleKey) error {
	mine := map[pim.RoleKey]bool{}
	for _, kind := range []pim.Kind{pim.Eligibility, pim.Assignment} {
		page, err := a.ResourceGrants(ctx, by, ResourceQuery{Kind: kind, View: Mine, Scope: pim.Everywhere,
			Query: store.Query{Tenant: keys[0].Tenant, Limit: most}})
		if err != nil {
			return err
		}
		for _, i := range page.Rows {
			mine[i.Schedule.Key.Policy()] = true
		}
	}
	for _, k := range keys {
		wider := func(s pim.Scope) bool {
			return mine[pim.RoleKey{Tenant: k.Tenant, Provider: k.Provider, Scope: s, Role: k.Role}]
		}
		if !mine[k] && !slices.ContainsFunc(a.Index.Above(k.Tenant, k.Scope), wider) {
			return pim.MayDo(by, pim.ReadPolicies, k.Scope)
		}
	}
	return nil
}

func (a *App) policies(ctx context.Context, keys []pim.RoleKey) (map[pim.RoleKey]policy.Policy, error) {
	stored, err := a.Store.Policies(ctx, keys[0].Tenant, keys)
	if err != nil {
		return nil, err
	}
	out := make(map[pim.RoleKey]policy.Policy, len(keys))
	for _, k := range keys {
		out[k] = completePolicy(k, stored[k])
	}
	return out, nil
}

// EditPolicy changes a policy. edit is given the present rules and may be called again; its error is returned as it is.
// Refusals: Forbidden, or for resources what pim.MayDo says; InvalidPolicy, ConflictingPolicy, UnknownRole, UnknownScope,
// LastAdministrator. What runs already goes on under the rules it began with.
func (a *App) EditPolicy(ctx context.Context, by pim.Caller, k pim.RoleKey, edit func(*policy.Rules) error) (policy.Policy, error) {
	onto, err := a.groupFacts(ctx, k)
	if err != nil {
		return policy.Policy{}, err
	}
	if err := pim.MayEditPolicy(by, k, onto); err != nil {
		return policy.Policy{}, err
	}
	if err := a.counts(ctx, by, k.Tenant); err != nil {
		return policy.Policy{}, err
	}
	role, err := a.ruledRole(ctx, k, onto)
	if err != nil {
		return policy.Policy{}, err
	}
	for range attempts {
		p, err := a.tryEditPolicy(ctx, by, k, role, edit)
		if !errors.Is(err, store.ErrStale) {
			return p, err
		}
	}
	return policy.Policy{}, store.ErrUnavailable
}

// ruledRole finds the role whose policy is edited: UnknownRole, UnknownScope. The sides of groups have no name of their own.
func (a *App) ruledRole(ctx context.Context, k pim.RoleKey, onto pim.GroupFacts) (pim.Role, error) {
	switch k.Provider {
	case pim.Directory:
		role, err := a.Role(ctx, k.Tenant, k.Role)
		return role.Role, err
	case pim.Group:
		if onto.ID == "" || completeRole(pim.Key{Provider: pim.Group, Role: k.Role}, pim.Role{}).ID == "" {
			return pim.Role{}, &pim.Refusal{Code: pim.UnknownRole, Detail: "the group does not exist"}
		}
	case pim.Resource:
		r, ok := a.Index.ResourceRole(k.Tenant, k.Role)
		if !ok {
			return pim.Role{}, &pim.Refusal{Code: pim.UnknownRole, Detail: "the role definition does not exist"}
		}
		return resourceRole(r), a.placeThere(ctx, k.Tenant, k.Scope)
	}
	return pim.Role{}, nil
}

func (a *App) tryEditPolicy(ctx context.Context, by pim.Caller, k pim.RoleKey, role pim.Role, edit func(*policy.Rules) error) (policy.Policy, error) {
	now := a.Time()
	have, err := a.policies(ctx, []pim.RoleKey{k})
	if err != nil {
		return policy.Policy{}, err
	}
	old := have[k]
	p := old
	p.Rules = old.Rules.Clone()
	if err := edit(&p.Rules); err != nil {
		return policy.Policy{}, err
	}
	if err := pim.ValidRules(now, k, p.Rules); err != nil {
		return policy.Policy{}, policyRefusal(err)
	}
	p.Version, p.Modified = old.Version+1, now
	p.ModifiedBy, p.ModifiedByName = string(by.Principal), by.Name
	out := pim.Outcome{Events: []pim.Event{a.policyEvent(now, by, k, role)}}
	if out.Touches, err = a.guardPolicy(ctx, k, old.Rules, p.Rules); err != nil {
		return policy.Policy{}, err
	}
	return p, a.commit(ctx, store.Commit{Outcome: out, Policy: &store.PolicyEdit{Key: k, Policy: p}})
}

func policyRefusal(err error) error {
	bad, ok := errors.AsType[*policy.Error](err)
	if !ok {
		return err
	}
	code := pim.InvalidPolicy
	if bad.Reason == policy.Conflict {
		code = pim.ConflictingPolicy
	}
	return &pim.Refusal{Code: code, Field: bad.Rule, Detail: bad.Detail}
}

func (a *App) policyEvent(now time.Time, by pim.Caller, k pim.RoleKey, role pim.Role) pim.Event {
	return pim.Event{
		ID: pim.EventID(a.newID()), Tenant: k.Tenant, At: now, Activity: pim.PolicyChanged, Success: true, By: by.Actor,
		Key:      pim.Key{Tenant: k.Tenant, Provider: k.Provider, Scope: k.Scope, Role: k.Role},
		RoleName: role.Name, Details: []string{"policy", PolicyID(k)},
	}
}

// guardPolicy judges an edit of Global Administrator's policy by promise P6.
func (a *App) guardPolicy(ctx context.Context, k pim.RoleKey, before, after policy.Rules) ([]pim.Touch, error) {
	key := pim.AdministratorsKey(k.Tenant)
	if k != key.Policy() {
		return nil, nil
	}
	c, err := a.Store.Case(ctx, pim.Need{Key: key, Administrators: true})
	if err != nil {
		return nil, err
	}
	if err := pim.KeepsAdministrator(a.Time(), c.Administrators, before, c.Administrators, after); err != nil {
		return nil, err
	}
	return []pim.Touch{{Key: key, Version: c.AdministratorsVersion}}, nil
}
