package app

import (
	"strings"

	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
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

// opens says whether holding the role at the key's scope opens the door: at the same scope or a wider one.
func (b Binding) opens(k pim.Key) bool {
	return (b.Tenant == "" || b.Tenant == k.Tenant) && b.Provider == k.Provider && b.Role == k.Role &&
		(b.Scope == k.Scope || k.Provider == pim.Directory && k.Scope == pim.Everywhere)
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
	for _, b := range a.Doors {
		if b.opens(c.Key) {
			c.Doors = append(c.Doors, pim.Door{
				Name: b.Door, Provider: b.Provider, Role: b.Role, Scope: b.Scope,
				Privilege: b.Privilege, Account: b.Account.of(c.Principal),
			})
		}
	}
}

// nameRoles gives events about cases of other roles than their own the names that only the catalogue knows.
func nameRoles(events []pim.Event) {
	for i := range events {
		if e := &events[i]; e.RoleName == "" && e.Key.Role != "" {
			e.RoleName = completeRole(e.Key, pim.Role{}).Name
		}
	}
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
	}
	return stored
}

func builtIn(r catalog.Role) pim.Role {
	return pim.Role{
		ID: pim.RoleID(r.ID), Name: r.DisplayName, BuiltIn: true, Enabled: true,
		ForUnits: r.TakesScope(catalog.AdministrativeUnitScope), ForObjects: r.TakesScope(catalog.ObjectScope),
	}
}

func completePolicy(k pim.RoleKey, stored policy.Policy) policy.Policy {
	if stored.Version == 0 {
		stored.Rules = policy.ForDirectoryRole()
		if k.Provider == pim.Group {
			stored.Rules = policy.ForGroup()
		}
	}
	stored.ID = PolicyID(k)
	return stored
}
