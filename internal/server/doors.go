package server

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"portcullis/internal/app"
	"portcullis/internal/catalog"
	"portcullis/internal/config"
	"portcullis/internal/connector"
	"portcullis/internal/connector/postgres"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// openDoors makes the connectors and finds what the settings name: tenants, roles and groups.
func (s *Server) openDoors(ctx context.Context) error {
	s.doors = map[string]connector.Connector{}
	for _, d := range s.settings.Doors {
		bindings, err := s.bindings(ctx, d)
		if err != nil {
			return unable(ExitSettings, "door %q: %w", d.Name, err)
		}
		c, err := s.connect(d)
		if err != nil {
			return unable(ExitSettings, "door %q: %w", d.Name, err)
		}
		s.doors[d.Name] = c
		s.App.Doors = append(s.App.Doors, bindings...)
	}
	return nil
}

// connect makes the connector of a door. It connects when it is first used: a target that is down keeps nobody from
// starting.
func (s *Server) connect(d config.Door) (connector.Connector, error) {
	address, err := d.Address()
	if err != nil {
		return nil, err
	}
	var privileges []string
	for _, b := range d.Bindings {
		if !slices.Contains(privileges, b.Privilege) {
			privileges = append(privileges, b.Privilege)
		}
	}
	c, err := postgres.New(postgres.Options{URL: address, Privileges: privileges, OwnsLogins: d.OwnsLogins})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, c.Close)
	return c, nil
}

func (s *Server) bindings(ctx context.Context, d config.Door) ([]app.Binding, error) {
	tenant, err := s.tenant(ctx, d.Tenant)
	if err != nil {
		return nil, err
	}
	var out []app.Binding
	for _, b := range d.Bindings {
		bound := app.Binding{Door: d.Name, Tenant: tenant, Privilege: b.Privilege, Account: accountForm(d.Account)}
		switch b.Provider {
		case "group":
			bound.Provider, bound.Role = pim.Group, pim.RoleID(b.Role)
			id, err := s.group(ctx, tenant, b.Scope)
			if err != nil {
				return nil, err
			}
			bound.Scope = pim.Scope(id)
		case "resource":
			bound.Provider = pim.Resource
			place, err := resource.ParseFor(tenant, b.Scope)
			if err != nil {
				return nil, fmt.Errorf("scope %q: %w", b.Scope, err)
			}
			bound.Scope = place.Scope
			if bound.Role, err = s.resourceRole(tenant, b.Role); err != nil {
				return nil, err
			}
		default:
			bound.Provider, bound.Scope = pim.Directory, directoryScope(b.Scope)
			if bound.Role, err = s.role(ctx, tenant, b.Role); err != nil {
				return nil, err
			}
		}
		out = append(out, bound)
	}
	return out, nil
}

func accountForm(name string) app.AccountForm {
	switch name {
	case config.UserPrincipalName:
		return app.FullAccount
	case config.ID:
		return app.ObjectID
	default:
		return app.LocalPart
	}
}

// directoryScope spells a scope as the core does.
func directoryScope(text string) pim.Scope {
	const units = "/administrativeunits/"
	if lower := strings.ToLower(text); strings.HasPrefix(lower, units) {
		return pim.AdministrativeUnit(lower[len(units):])
	}
	return pim.Scope(strings.ToLower(text))
}

// tenant finds a tenant by id or domain; without either it is the oldest.
func (s *Server) tenant(ctx context.Context, name string) (pim.TenantID, error) {
	return findTenant(ctx, s.Store, name)
}

func findTenant(ctx context.Context, st store.Directory, name string) (pim.TenantID, error) {
	list, err := st.Tenants(ctx)
	if err != nil {
		return "", err
	}
	slices.SortFunc(list, func(a, b directory.Tenant) int { return a.Created.Compare(b.Created) })
	for _, t := range list {
		if name == "" || strings.EqualFold(name, string(t.ID)) || strings.EqualFold(name, t.Domain) {
			return t.ID, nil
		}
	}
	return "", fmt.Errorf("there is no tenant %q", name)
}

// role finds a directory role by id or display name.
func (s *Server) role(ctx context.Context, t pim.TenantID, name string) (pim.RoleID, error) {
	roles, err := s.App.Roles(ctx, t)
	if err != nil {
		return "", err
	}
	var found []pim.RoleID
	for _, r := range roles {
		if strings.EqualFold(name, string(r.ID)) || strings.EqualFold(name, r.Name) {
			found = append(found, r.ID)
		}
	}
	return theOnly(found, name)
}

// resourceRole finds a role of resources, built-in or the tenant's own, by id or name.
func (s *Server) resourceRole(t pim.TenantID, name string) (pim.RoleID, error) {
	var found []pim.RoleID
	for _, list := range [][]*rbac.Role{catalog.AzureRoles(), s.App.Index.ResourceRoles(t)} {
		for _, r := range list {
			if strings.EqualFold(name, r.ID) || strings.EqualFold(name, r.Name) {
				found = append(found, pim.RoleID(r.ID))
			}
		}
	}
	return theOnly(found, name)
}

func theOnly(found []pim.RoleID, name string) (pim.RoleID, error) {
	if len(found) != 1 {
		return "", fmt.Errorf("there are %d roles %q in the tenant; name one by its id or display name", len(found), name)
	}
	return found[0], nil
}

// group finds a group by id or display name.
func (s *Server) group(ctx context.Context, t pim.TenantID, name string) (pim.PrincipalID, error) {
	page, err := s.Store.Objects(ctx, store.Query{Tenant: t, Limit: 2, Where: store.And{
		store.Is(store.FieldObjectKind, int(directory.KindGroup)),
		store.Or{store.Is(store.FieldID, strings.ToLower(name)), store.Is(store.FieldDisplayName, name)},
	}})
	if err != nil {
		return "", err
	}
	if len(page.Rows) != 1 {
		return "", fmt.Errorf("there are %d groups %q in the tenant; name one by its id or display name", len(page.Rows), name)
	}
	return page.Rows[0].ID, nil
}
