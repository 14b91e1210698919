package access

import (
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
)

// ResourceChange is what one commit changes of a tenant's resources, as far as the index knows them: management groups and
// subscriptions (what lies above anything else is told by its path), custom roles, and deny assignments. Each is in the place
// of what was known under the same name.
type ResourceChange struct {
	Tenant      pim.TenantID
	Containers  []resource.Node
	Gone        []pim.Scope
	Roles       []rbac.Role
	GoneRoles   []pim.RoleID
	Denials     []rbac.Denial
	GoneDenials []string
}

// ChangeResources makes a change known.
func (ix *Index) ChangeResources(c ResourceChange) {}

// Above lists the scopes that contain a scope of resources, the nearest first and "/" last. It does not say whether anything
// is there.
func (ix *Index) Above(t pim.TenantID, s pim.Scope) []pim.Scope { return nil }

// ContainersBelow lists the management groups and subscriptions at or below a management group or "/", ordered by scope.
func (ix *Index) ContainersBelow(t pim.TenantID, s pim.Scope) []pim.Scope { return nil }

// ResourceRole finds a role of resources, built-in or custom.
func (ix *Index) ResourceRole(t pim.TenantID, id pim.RoleID) (*rbac.Role, bool) { return nil, false }

// Rights are what a principal may do to resources at an instant: by roles that it holds then, itself or by groups, at the scope
// in question or above, less what deny assignments forbid. They see the index as of now and are for one call.
func (ix *Index) Rights(now time.Time, t pim.TenantID, p pim.PrincipalID) pim.Rights { return nil }

// Permissions lists the permissions of the roles that a principal holds at a scope or above, one entry for each, not merged.
func (ix *Index) Permissions(now time.Time, t pim.TenantID, p pim.PrincipalID, at pim.Scope) []rbac.Permission {
	return nil
}
