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
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Role definitions of the resource provider (reference arm-pim §10). Built-in ones are public: everybody may read them. Custom
// ones are for who may read definitions where they can be held.

// ResourceRoles lists the roles that can be held at a scope, built-in ones first, each by name; below adds those that can be
// held below it only. Refusals: what pim.MayDo says, but for "/", where those are left out that the caller may not read.
func (a *App) ResourceRoles(_ context.Context, by pim.Caller, t pim.TenantID, scope pim.Scope, below bool) ([]rbac.Role, error) {
	may := pim.MayDo(by, pim.ReadRoleDefinitions, scope)
	if may != nil && scope != pim.Everywhere {
		return nil, may
	}
	var roles []rbac.Role
	for _, r := range catalog.AzureRoles() {
		roles = append(roles, *r)
	}
	builtIn := len(roles)
	wide := append(a.Index.Above(t, scope), scope)
	for _, r := range a.Index.ResourceRoles(t) {
		if a.takenAt(t, r, scope, wide, below) && (may == nil || a.mayReadRole(by, t, r)) {
			roles = append(roles, *r)
		}
	}
	slices.SortFunc(roles[builtIn:], func(a, b rbac.Role) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return roles, nil
}

// takenAt says whether a role can be held at a scope, which lies in the wide ones, or also somewhere below.
func (a *App) takenAt(t pim.TenantID, r *rbac.Role, scope pim.Scope, wide []pim.Scope, below bool) bool {
	return slices.ContainsFunc(r.Assignable, func(s string) bool {
		at := pim.Scope(s)
		return slices.Contains(wide, at) || below && slices.Contains(a.Index.Above(t, at), scope)
	})
}

// mayReadRole says whether the caller may read definitions somewhere where a custom role can be held: at one of its scopes, or
// below one, where they hold a role.
func (a *App) mayReadRole(by pim.Caller, t pim.TenantID, r *rbac.Role) bool {
	for _, s := range r.Assignable {
		if pim.MayDo(by, pim.ReadRoleDefinitions, pim.Scope(s)) == nil {
			return true
		}
	}
	for _, h := range by.Roles {
		if h.Provider != pim.Resource {
			continue
		}
		wide := append(a.Index.Above(t, h.Scope), h.Scope)
		within := slices.ContainsFunc(r.Assignable, func(s string) bool { return slices.Contains(wide, pim.Scope(s)) })
		if within && (string(h.Role) == r.ID || pim.MayDo(by, pim.ReadRoleDefinitions, h.Scope) == nil) {
			return true
		}
	}
	return false
}

func unknownRole() *pim.Refusal {
	return &pim.Refusal{Code: pim.UnknownRole, Field: "role", Detail: "the role definition does not exist"}
}

// ResourceRole returns one role that the caller may see: built-in, readable, or one for which they are eligible. Refusal:
// UnknownRole.
func (a *App) ResourceRole(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.RoleID) (rbac.Role, error) {
	r, known := a.Index.ResourceRole(t, pim.RoleID(strings.ToLower(string(id))))
	switch {
	case !known:
		return rbac.Role{}, unknownRole()
	case r.BuiltIn || a.mayReadRole(by, t, r):
		return *r, nil
	}
	now := a.Time()
	own, err := a.Store.Schedules(ctx, store.Query{Tenant: t, Limit: 1, Where: store.And{
		store.Is(store.FieldProvider, string(pim.Resource)), store.Is(store.FieldRole, r.ID), store.LiveAt(now),
		store.In{Field: store.FieldPrincipal, Values: a.withGroups(now, t, by.Principal)},
	}})
	if err != nil {
		return rbac.Role{}, err
	}
	if len(own.Rows) == 0 {
		return rbac.Role{}, unknownRole()
	}
	return *r, nil
}

// ResourceRolesByID returns those of the roles that are there. It asks no right: it is for the names of what the caller sees.
func (a *App) ResourceRolesByID(t pim.TenantID, ids []pim.RoleID) map[pim.RoleID]rbac.Role {
	found := make(map[pim.RoleID]rbac.Role, len(ids))
	for _, id := range ids {
		if r, ok := a.Index.ResourceRole(t, id); ok {
			found[id] = *r
		}
	}
	return found
}

// mostResourceRoles bounds the custom roles of a tenant, which the access index keeps in memory.
const mostResourceRoles = 5000

// PutResourceRole makes a custom role, or writes one anew: who made it and when stays. Refusals: what pim.MayDo says at any scope
// at which it can be held, or could; InvalidRequest with the member that is wrong; UnknownScope; RoleNameTaken; RoleInUse where it
// is held at a scope at which it could not be held any more.
func (a *App) PutResourceRole(ctx context.Context, by pim.Caller, t pim.TenantID, r rbac.Role) (rbac.Role, error) {
	r.ID = strings.ToLower(r.ID)
	err := a.write(ctx, func(now time.Time) (writing, error) {
		before, version, err := a.resourceRole(ctx, t, r.ID)
		if err != nil {
			return writing{}, err
		}
		if err := a.mayWriteRole(ctx, by, t, pim.WriteRoleDefinitions, before.Assignable, r.Assignable); err != nil {
			return writing{}, err
		}
		if err := a.validRole(ctx, t, &r); err != nil {
			return writing{}, err
		}
		r.Created, r.CreatedBy = before.Created, before.CreatedBy
		if before.ID == "" {
			r.Created, r.CreatedBy = now, string(by.Principal)
		}
		r.Updated, r.UpdatedBy = later(now, before.Updated), string(by.Principal)
		if err := a.rolePlace(ctx, now, t, before, r); err != nil {
			return writing{}, err
		}
		return a.resourceRoleWriting(by, t, before, r, version), nil
	})
	return r, err
}

// definitionsKey is the case that stands for the custom roles of a tenant's resources: it has a version, which every change of one
// raises, so that no two get the same name, and no rows.
func definitionsKey(t pim.TenantID) pim.Key {
	return pim.Key{Tenant: t, Provider: pim.Resource, Scope: pim.Everywhere, Role: "definitions"}
}

// resourceRole reads a custom role as it is stored, with the version that a change of it rests on. The zero role: there is none.
// InvalidRequest: the id is that of a built-in role or of something else.
func (a *App) resourceRole(ctx context.Context, t pim.TenantID, id string) (rbac.Role, pim.Touch, error) {
	key := definitionsKey(t)
	c, err := a.Store.Case(ctx, pim.Need{Key: key})
	if err != nil {
		return rbac.Role{}, pim.Touch{}, err
	}
	version := pim.Touch{Key: key, Version: c.Version}
	if _, builtIn := catalog.AzureRole(id); builtIn {
		return rbac.Role{}, version, badProperty("id", "a built-in role cannot be changed")
	}
	found, err := a.Store.ObjectsByID(ctx, t, []pim.PrincipalID{pim.PrincipalID(id)})
	if err != nil || len(found) == 0 {
		return rbac.Role{}, version, err
	}
	r, ok := found[0].Definition()
	if !ok {
		return rbac.Role{}, version, badProperty("id", "the id is that of something else")
	}
	return r, version, nil
}

// mayWriteRole asks for a right at every scope at which the role can be held, before and after. Who has none learns nothing more.
func (a *App) mayWriteRole(ctx context.Context, by pim.Caller, t pim.TenantID, action string, scopes ...[]string) error {
	all, err := scopesOf(t, slices.Concat(scopes...))
	if err != nil {
		return badProperty("assignable", err.Error())
	}
	if len(all) == 0 { // refused in any case; who has no right learns no more
		all = []pim.Scope{pim.Everywhere}
	}
	for _, s := range all {
		if err := pim.MayDo(by, action, s); err != nil {
			return err
		}
	}
	return a.counts(ctx, by, t)
}

// validRole says whether a custom role can be so, and brings its scopes into their one form.
func (a *App) validRole(ctx context.Context, t pim.TenantID, r *rbac.Role) error {
	r.BuiltIn = false
	switch {
	case !pim.IsUUID(r.ID):
		return badProperty("id", "a role is named by a UUID")
	case !fits(r.Name, 512):
		return badProperty("name", "a name has 1 to 512 characters, none of them a control character")
	case len(r.Permissions) == 0:
		return badProperty("permissions", "a role has at least one permission")
	}
	scopes, err := scopesOf(t, r.Assignable)
	if err != nil {
		return badProperty("assignable", err.Error())
	}
	r.Assignable = nil
	for _, s := range scopes {
		r.Assignable = append(r.Assignable, string(s))
	}
	if err := asBadProperty(r.Check()); err != nil {
		return err
	}
	found, err := a.Store.ResourcesByScope(ctx, t, scopes)
	if err == nil && len(found) < len(scopes) {
		err = &pim.Refusal{Code: pim.UnknownScope, Field: "assignable", Detail: "there is nothing at one of the scopes"}
	}
	return err
}

// mostAssignable bounds what is read of scopes: those of a role as it is, and as it shall be.
const mostAssignable = 4000

// scopesOf reads scopes as callers write them, each once, in their order.
func scopesOf(t pim.TenantID, texts []string) ([]pim.Scope, error) {
	if len(texts) > mostAssignable {
		return nil, errors.New("too many scopes")
	}
	var scopes []pim.Scope
	for _, text := range texts {
		n, err := resource.ParseFor(t, text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(scopes, n.Scope) {
			scopes = append(scopes, n.Scope)
		}
	}
	return scopes, nil
}

// rolePlace refuses a name that another role has, and scopes that would leave out a grant.
func (a *App) rolePlace(ctx context.Context, now time.Time, t pim.TenantID, before, after rbac.Role) error {
	taken := &pim.Refusal{Code: pim.RoleNameTaken, Field: "name", Detail: "another role has this name"}
	for _, r := range catalog.AzureRoles() {
		if strings.EqualFold(r.Name, after.Name) {
			return taken
		}
	}
	same, err := a.Store.Objects(ctx, store.Query{Tenant: t, Limit: 2, Where: store.And{
		store.Is(store.FieldObjectKind, int(directory.KindResourceRole)), store.Is(store.FieldDisplayName, after.Name),
	}})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(same.Rows, func(o directory.Object) bool { return string(o.ID) != after.ID }) {
		return taken
	}
	if before.ID == "" {
		if len(a.Index.ResourceRoles(t)) >= mostResourceRoles {
			return badProperty("", "a tenant has at most 5000 custom roles")
		}
		return nil
	}
	scopes, err := scopesOf(t, after.Assignable)
	if err != nil {
		return err
	}
	return a.unused(ctx, now, t, after.ID, store.Not{Filter: a.below(t, scopes...)})
}

// unused refuses where a role is held, or could be activated, under a condition. RoleInUse.
func (a *App) unused(ctx context.Context, now time.Time, t pim.TenantID, id string, where store.Filter) error {
	page, err := a.Store.Schedules(ctx, store.Query{Tenant: t, Limit: 1, Where: narrowed(where, store.And{
		store.Is(store.FieldProvider, string(pim.Resource)), store.Is(store.FieldRole, id), store.LiveAt(now),
	})})
	if err == nil && len(page.Rows) > 0 {
		err = &pim.Refusal{Code: pim.RoleInUse, Field: "id", Detail: "the role is in use"}
	}
	return err
}

// DeleteResourceRole deletes a custom role and returns it as it was. Refusals: what pim.MayDo says at any scope at which it can be
// held; UnknownRole; RoleInUse; InvalidRequest for built-in roles.
func (a *App) DeleteResourceRole(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.RoleID) (rbac.Role, error) {
	var gone rbac.Role
	err := a.write(ctx, func(now time.Time) (writing, error) {
		before, version, err := a.resourceRole(ctx, t, strings.ToLower(string(id)))
		if err != nil {
			return writing{}, err
		}
		if before.ID == "" {
			return writing{}, unknownRole()
		}
		if err := a.mayWriteRole(ctx, by, t, pim.DeleteRoleDefinitions, before.Assignable); err != nil {
			if !a.mayReadRole(by, t, &before) {
				err = unknownRole()
			}
			return writing{}, err
		}
		if err := a.unused(ctx, now, t, before.ID, nil); err != nil {
			return writing{}, err
		}
		gone = before
		return a.resourceRoleWriting(by, t, before, rbac.Role{}, version), nil
	})
	return gone, err
}

// resourceRoleWriting is the change from one state of a custom role to another; the zero role is none.
func (a *App) resourceRoleWriting(by pim.Caller, t pim.TenantID, before, after rbac.Role, version pim.Touch) writing {
	w := writing{with: store.Commit{Outcome: pim.Outcome{Touches: []pim.Touch{version}}}}
	what, shown := "changed", after
	switch {
	case after.ID == "":
		what, shown = "deleted", before
		w.with.Deleted = []directory.Object{resourceRoleObject(t, before)}
	case before.ID == "":
		what = "created"
		w.with.Objects = []directory.Object{resourceRoleObject(t, after)}
	default:
		w.with.Objects = []directory.Object{resourceRoleObject(t, after)}
	}
	w.with.Events = []pim.Event{{
		ID: pim.EventID(a.newID()), Tenant: t, At: a.Time(), Activity: pim.DirectoryChanged, Success: true, By: by.Actor,
		Key:      pim.Key{Tenant: t, Provider: pim.Resource, Scope: pim.Scope(shown.Assignable[0]), Role: pim.RoleID(shown.ID)},
		RoleName: shown.Name, Details: pim.ChangeDetails("role", what, changesBetween(roleProperties(before), roleProperties(after))),
	}}
	return w
}

func resourceRoleObject(t pim.TenantID, r rbac.Role) directory.Object {
	return directory.Object{Tenant: t, ID: pim.PrincipalID(r.ID), Kind: directory.KindResourceRole, DisplayName: r.Name,
		Description: r.Description, Enabled: true, Created: r.Created, Modified: r.Updated,
		ResourceRole: &directory.ResourceRole{Assignable: r.Assignable, Permissions: r.Permissions,
			CreatedBy: r.CreatedBy, UpdatedBy: r.UpdatedBy, Updated: r.Updated}}
}

// roleProperties are all that is told of a custom role when it changes, by the names of the wire.
func roleProperties(r rbac.Role) []property {
	return append([]property{
		{"roleName", r.Name}, {"description", r.Description}, {"assignableScopes", strings.Join(r.Assignable, ", ")},
	}, permissionProperties(r.Permissions)...)
}

func permissionProperties(list []rbac.Permission) []property {
	texts := [5][]string{}
	for _, p := range list {
		for i, part := range [][]string{p.Actions, p.NotActions, p.DataActions, p.NotDataActions} {
			texts[i] = append(texts[i], strings.Join(part, ", "))
		}
		texts[4] = append(texts[4], p.Condition)
	}
	out := make([]property, 0, len(texts))
	for i, name := range []string{"actions", "notActions", "dataActions", "notDataActions", "conditions"} {
		out = append(out, property{name, strings.Trim(strings.Join(texts[i], "; "), "; ")})
	}
	return out
}

// changesBetween lists the properties in which two states differ. The lists name the same ones in the same order.
func changesBetween(before, after []property) []pim.Change {
	var out []pim.Change
	for i, p := range after {
		if before[i].value != p.value {
			out = append(out, pim.Change{Name: p.name, Old: before[i].value, New: p.value})
		}
	}
	return out
}

// asBadProperty is the refusal of what a role or a denial must not be.
func asBadProperty(err error) error {
	if e, ok := errors.AsType[*rbac.Error](err); ok {
		return badProperty(e.Field, e.Detail)
	}
	return err
}
