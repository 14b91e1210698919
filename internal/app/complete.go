package app

import (
	"context"
	"slices"
	"strings"

	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
	"portcullis/internal/store"
)

// AccountForm says by which name a principal goes on a target.
type AccountForm int

// The forms. The zero value is the part of the user principal name before the "@", in lower case.
const (
	LocalPart AccountForm = iota
	FullAccount
	ObjectID
)

// Binding binds a role to a privilege of a door.
type Binding struct {
	Door string
	// Tenant is whose role it is, for built-in roles have the same id in every tenant (promise P10). Empty: every tenant.
	Tenant    pim.TenantID
	Provider  pim.Provider
	Role      pim.RoleID
	Scope     pim.Scope
	Privilege string
	Account   AccountForm
}

// opens says whether holding the role at the key's scope opens the door: at the same scope or a wider one. above lists the
// scopes that contain one of resources.
func (b Binding) opens(k pim.Key, above func(pim.TenantID, pim.Scope) []pim.Scope) bool {
	if b.Tenant != "" && b.Tenant != k.Tenant || b.Provider != k.Provider || b.Role != k.Role {
		return false
	}
	switch k.Provider {
	case pim.Directory:
		return b.Scope == k.Scope || k.Scope == pim.Everywhere
	case pim.Group:
		return b.Scope == k.Scope
	case pim.Resource:
		return b.Scope == k.Scope || slices.Contains(above(k.Tenant, b.Scope), k.Scope)
	}
	return false
}

func (f AccountForm) of(p pim.Principal) string {
	switch f {
	case ObjectID:
		return string(p.ID)
	case FullAccount:
		return strings.ToLower(p.Account)
	case LocalPart:
		name, _, _ := strings.Cut(p.Account, "@")
		return strings.ToLower(name)
	default:
		return ""
	}
}

// complete fills in what is not in the store: the built-in role, the defaults of a policy that nobody edited, and the
// doors that the role opens.
func (a *App) complete(c *pim.Case) {
	c.Role = completeRole(c.Key, c.Role)
	c.Policy = completePolicy(c.Key.Policy(), c.Policy)
	c.Doors = doorsOf(a.bindings(c.Key), c.Principal)
}

// bindings are those by which holding the role of a key opens doors.
func (a *App) bindings(k pim.Key) []Binding {
	var out []Binding
	for _, b := range a.Doors {
		if b.opens(k, a.Index.Above) {
			out = append(out, b)
		}
	}
	return out
}

// doorsOf are the doors of bindings, as they know a principal.
func doorsOf(bindings []Binding, p pim.Principal) []pim.Door {
	var out []pim.Door
	for _, b := range bindings {
		out = append(out, pim.Door{
			Name: b.Door, Provider: b.Provider, Role: b.Role, Scope: b.Scope, Privilege: b.Privilege, Account: b.Account.of(p),
		})
	}
	return out
}

// know reads what only some asks need to know of a case, beside what the store reads of every one.
func (a *App) know(ctx context.Context, c *pim.Case, ask pim.Ask) error {
	for _, learn := range []func(context.Context, *pim.Case, pim.Ask) error{a.knowManager, a.knowGrounds, a.knowNamed, a.knowDoors} {
		if err := learn(ctx, c, ask); err != nil {
			return err
		}
	}
	return nil
}

// knowGrounds gives eligibilities at wider scopes of resources the policies of their scopes, which bind who activates from them.
func (a *App) knowGrounds(ctx context.Context, c *pim.Case, _ pim.Ask) error {
	if c.Key.Provider != pim.Resource {
		return nil
	}
	var wider []pim.RoleKey
	for _, b := range c.Backing {
		if k := b.Schedule.Key.Policy(); k != c.Key.Policy() && !slices.Contains(wider, k) {
			wider = append(wider, k)
		}
	}
	if len(wider) == 0 {
		return nil
	}
	found, err := a.policies(ctx, wider)
	for i, b := range c.Backing {
		c.Backing[i].Policy = found[b.Schedule.Key.Policy()]
	}
	return err
}

// knowNamed finds what has the id that the caller chose for a grant outside PIM.
func (a *App) knowNamed(ctx context.Context, c *pim.Case, ask pim.Ask) error {
	if ask.Action != pim.AssignOutside || ask.Target == "" {
		return nil
	}
	q := store.Query{Tenant: c.Key.Tenant, Limit: 1, Where: store.Is(store.FieldID, string(ask.Target))}
	schedules, err := a.Store.Schedules(ctx, q)
	if err != nil {
		return err
	}
	if len(schedules.Rows) > 0 {
		c.Named = &schedules.Rows[0]
		return nil
	}
	requests, err := a.Store.Requests(ctx, q)
	if err == nil && len(requests.Rows) > 0 {
		r := requests.Rows[0]
		c.Named = &pim.Schedule{ID: ask.Target, Key: r.Key, Request: r.ID}
	}
	return err
}

// nameRoles gives events about cases of other roles than their own the names that only the catalogue and the index know.
func (a *App) nameRoles(events []pim.Event) {
	for i := range events {
		if e := &events[i]; e.RoleName == "" && e.Key.Role != "" {
			e.RoleName = a.roleName(e.Key)
		}
	}
}

// roleName is the name of a role where it can be told without a look into the store.
func (a *App) roleName(k pim.Key) string {
	if k.Provider == pim.Resource {
		if r, ok := a.Index.ResourceRole(k.Tenant, k.Role); ok {
			return r.Name
		}
	}
	return completeRole(k, pim.Role{}).Name
}

func completeRole(k pim.Key, stored pim.Role) pim.Role {
	switch k.Provider {
	case pim.Directory:
		if stored.ID != "" {
			stored.ForUnits, stored.ForObjects = true, true
			return stored
		}
		if r, ok := catalog.ByID(string(k.Role)); ok {
			return builtIn(r)
		}
	case pim.Group:
		if k.Role == pim.Member || k.Role == pim.Owner {
			return pim.Role{ID: k.Role, Name: string(k.Role), BuiltIn: true, Enabled: true}
		}
	case pim.Resource:
		if r, ok := catalog.AzureRole(string(k.Role)); ok {
			return resourceRole(r)
		}
	}
	return stored
}

// resourceRole is a role of resources as the core sees it: one that is held everywhere names no scopes.
func resourceRole(r *rbac.Role) pim.Role {
	role := pim.Role{ID: pim.RoleID(r.ID), Name: r.Name, BuiltIn: r.BuiltIn, Enabled: true}
	if r.BuiltIn {
		return role
	}
	for _, s := range r.Assignable {
		role.Assignable = append(role.Assignable, pim.Scope(s))
	}
	return role
}

func builtIn(r catalog.Role) pim.Role {
	return pim.Role{
		ID: pim.RoleID(r.ID), Name: r.DisplayName, BuiltIn: true, Enabled: true,
		ForUnits: r.TakesScope(catalog.AdministrativeUnitScope), ForObjects: r.TakesScope(catalog.ObjectScope),
	}
}

func completePolicy(k pim.RoleKey, stored policy.Policy) policy.Policy {
	if stored.Version == 0 {
		switch k.Provider {
		case pim.Directory:
			stored.Rules = policy.ForDirectoryRole()
		case pim.Group:
			stored.Rules = policy.ForGroup()
		case pim.Resource:
			stored.Rules = policy.ForResource()
		}
	}
	stored.ID = PolicyID(k)
	return stored
}
