package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"portcullis/internal/catalog"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// mostActions bounds a custom role, which is read whole wherever it is shown.
const mostActions = 1000

// CreateRole makes a custom role definition out of what edit fills in. Refusals: Forbidden, InvalidRequest, and
// AlreadyThere where the id is taken.
func (a *App) CreateRole(ctx context.Context, by pim.Caller, t pim.TenantID, edit func(*directory.Object) error) (RoleDefinition, error) {
	o := directory.Object{Tenant: t, ID: pim.PrincipalID(a.newID()), Kind: directory.KindRole, Enabled: true,
		Created: a.Time(), Role: &directory.Role{Enabled: true}}
	if err := a.editRole(ctx, by, &o, edit); err != nil {
		return RoleDefinition{}, err
	}
	if have, err := a.Store.ObjectsByID(ctx, t, []pim.PrincipalID{o.ID}); err != nil {
		return RoleDefinition{}, err
	} else if _, builtIn := catalog.ByID(string(o.ID)); builtIn || len(have) > 0 {
		return RoleDefinition{}, &pim.Refusal{Code: pim.AlreadyThere, Field: "templateId", Detail: "the id is taken"}
	}
	return customDefinition(o), a.putRole(ctx, by, o, "created")
}

// UpdateRole changes a custom role definition in place; edit may be called again. Refusals: Forbidden, UnknownRole, and
// InvalidRequest for built-in roles.
func (a *App) UpdateRole(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.RoleID, edit func(*directory.Object) error) (RoleDefinition, error) {
	o, err := a.customRole(ctx, by, t, id)
	if err != nil {
		return RoleDefinition{}, err
	}
	role := *o.Role
	role.Actions = slices.Clone(role.Actions)
	o.Role = &role
	was := o.ID
	if err := a.editRole(ctx, by, &o, edit); err != nil {
		return RoleDefinition{}, err
	}
	if o.ID != was {
		return RoleDefinition{}, &pim.Refusal{Code: pim.InvalidRequest, Field: "id", Detail: "the id of a role does not change"}
	}
	return customDefinition(o), a.putRole(ctx, by, o, "changed")
}

// DeleteRole puts a custom role definition into the bin. Refusals: Forbidden, UnknownRole, and InvalidRequest for built-in roles
// and roles in use.
func (a *App) DeleteRole(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.RoleID) error {
	o, err := a.customRole(ctx, by, t, id)
	if err != nil {
		return err
	}
	used, err := a.Store.Schedules(ctx, store.Query{Tenant: t, Limit: 1, Where: store.And{
		store.Is(store.FieldProvider, string(pim.Directory)), store.Is(store.FieldRole, string(o.ID)), store.LiveAt(a.Time()),
	}})
	if err != nil {
		return err
	}
	if len(used.Rows) > 0 {
		return &pim.Refusal{Code: pim.InvalidRequest, Field: "id", Detail: "the role is in use"}
	}
	event := a.roleEvent(by, o, "deleted")
	o.Deleted, o.Modified = event.At, event.At
	return a.commit(ctx, store.Commit{
		Outcome: pim.Outcome{Events: []pim.Event{event}}, Objects: []directory.Object{o},
	})
}

// customRole reads a custom role that the caller may change.
func (a *App) customRole(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.RoleID) (directory.Object, error) {
	if err := a.mayEditRoles(ctx, by, t); err != nil {
		return directory.Object{}, err
	}
	if _, ok := catalog.ByID(string(id)); ok {
		return directory.Object{}, &pim.Refusal{Code: pim.InvalidRequest, Field: "id", Detail: "a built-in role cannot be changed"}
	}
	objects, err := a.Store.ObjectsByID(ctx, t, []pim.PrincipalID{pim.PrincipalID(strings.ToLower(string(id)))})
	if err != nil {
		return directory.Object{}, err
	}
	if len(objects) == 0 || objects[0].Kind != directory.KindRole {
		return directory.Object{}, &pim.Refusal{Code: pim.UnknownRole, Detail: "the role definition does not exist"}
	}
	return objects[0], nil
}

// mayEditRoles asks the core, and that the account behind the caller still counts in this tenant.
func (a *App) mayEditRoles(ctx context.Context, by pim.Caller, t pim.TenantID) error {
	if !pim.MayAdminister(by, pim.Key{Tenant: t, Provider: pim.Directory}, pim.GroupFacts{}) {
		return &pim.Refusal{Code: pim.Forbidden, Detail: "the caller holds no active role that manages role definitions"}
	}
	return a.counts(ctx, by, t)
}

// counts refuses a caller whose account is not in the tenant or is disabled: a token outlives neither.
func (a *App) counts(ctx context.Context, by pim.Caller, t pim.TenantID) error {
	yes, err := a.Counts(ctx, t, by.Principal)
	if err != nil {
		return err
	}
	if !yes {
		return &pim.Refusal{Code: pim.Forbidden, Detail: "the account is unknown or disabled"}
	}
	return nil
}

func (a *App) editRole(ctx context.Context, by pim.Caller, o *directory.Object, edit func(*directory.Object) error) error {
	if err := a.mayEditRoles(ctx, by, o.Tenant); err != nil {
		return err
	}
	if err := edit(o); err != nil {
		return err
	}
	if o.Role.TemplateID == "" {
		o.Role.TemplateID = string(o.ID)
	}
	bad := func(field, detail string) error {
		return &pim.Refusal{Code: pim.InvalidRequest, Field: field, Detail: detail}
	}
	switch {
	case strings.TrimSpace(o.DisplayName) == "" || len(o.DisplayName) > 256:
		return bad("displayName", "a role has a display name of at most 256 bytes")
	case len(o.Description) > 1024:
		return bad("description", "a description has at most 1024 bytes")
	case len(o.Role.Actions) == 0 || len(o.Role.Actions) > mostActions:
		return bad("rolePermissions", "a role allows between 1 and 1000 actions")
	}
	return nil
}

func (a *App) putRole(ctx context.Context, by pim.Caller, o directory.Object, what string) error {
	err := a.commit(ctx, store.Commit{
		Outcome: pim.Outcome{Events: []pim.Event{a.roleEvent(by, o, what)}}, Objects: []directory.Object{o},
	})
	if errors.Is(err, store.ErrConflict) {
		return &pim.Refusal{Code: pim.AlreadyThere, Field: "templateId", Detail: "the id is taken"}
	}
	return err
}

func (a *App) roleEvent(by pim.Caller, o directory.Object, what string) pim.Event {
	return pim.Event{
		ID: pim.EventID(a.newID()), Tenant: o.Tenant, At: a.Time(), Activity: pim.DirectoryChanged, Success: true, By: by.Actor,
		Key:      pim.Key{Tenant: o.Tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.RoleID(o.ID)},
		RoleName: o.DisplayName, Details: []string{"role", what},
	}
}

// CustomRole is a role definition that the directory keeps, as callers read it.
func CustomRole(o directory.Object) RoleDefinition { return customDefinition(o) }
