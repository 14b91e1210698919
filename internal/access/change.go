package access

import (
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
)

// Edge is a membership in a tenant's group.
type Edge struct {
	Tenant pim.TenantID
	pim.Membership
}

// Change is what one commit changes, as far as the index knows it: schedules as they are afterwards (those that have ended hold no
// more), then the memberships that come and those that go, then resources, then names. Those gone are taken away before others
// come.
type Change struct {
	Schedules      []pim.Schedule
	Links, Unlinks []Edge
	Resources      []ResourceChange
	Names          []Name
	GoneNames      []Account
}

// ResourceChange is what one commit changes of a tenant's resources, as far as the index knows them: management groups and
// subscriptions (what lies above anything else is told by its path), custom roles, and deny assignments. Each is in the place
// of what was known under the same name; first goes what is gone.
type ResourceChange struct {
	Tenant pim.TenantID
	// Containers may be nodes of any kind: others than management groups and subscriptions are left out.
	Containers  []resource.Node
	Gone        []pim.Scope
	Roles       []rbac.Role
	GoneRoles   []pim.RoleID
	Denials     []rbac.Denial
	GoneDenials []string
}

func (c ResourceChange) size() int {
	return len(c.Containers) + len(c.Gone) + len(c.Roles) + len(c.GoneRoles) + len(c.Denials) + len(c.GoneDenials)
}

func (c Change) size() int {
	n := len(c.Schedules) + len(c.Links) + len(c.Unlinks) + len(c.Names) + len(c.GoneNames)
	for _, r := range c.Resources {
		n += r.size()
	}
	return n
}

// Publish makes changes known at once: no question about a tenant sees a part of them.
func (ix *Index) Publish(changes ...Change) {
	n := 0
	for i := range changes {
		n += changes[i].size()
	}
	ix.change(func(e *edits) {
		for i := range changes {
			e.publish(&changes[i])
		}
	}, n)
}

func (e *edits) publish(c *Change) {
	for i := range c.Schedules {
		e.of(c.Schedules[i].Key.Tenant).schedule(&c.Schedules[i])
	}
	for _, l := range c.Links {
		e.of(l.Tenant).link(l.Membership)
	}
	for _, l := range c.Unlinks {
		e.of(l.Tenant).unlink(l.Membership)
	}
	for _, r := range c.Resources {
		e.of(r.Tenant).resources(r)
	}
	for _, a := range c.GoneNames {
		e.of(a.Tenant).unname(a.ID)
	}
	for i := range c.Names {
		e.of(c.Names[i].Tenant).name(&c.Names[i])
	}
}

func (e *edit) resources(c ResourceChange) {
	for _, s := range c.Gone {
		e.clear(s)
	}
	for _, id := range c.GoneRoles {
		e.forgetRole(id)
	}
	for _, id := range c.GoneDenials {
		e.undeny(id)
	}
	for _, n := range c.Containers {
		e.contain(n)
	}
	for _, r := range c.Roles {
		e.customRole(r)
	}
	for _, d := range c.Denials {
		e.deny(d)
	}
}
