package catalog

// ScopeKind is a kind of place that a directory role can be assigned at. The zero value is none and is taken by no role.
type ScopeKind int

const (
	NoScope                 ScopeKind = iota
	TenantScope                       // "/"
	AdministrativeUnitScope           // "/administrativeUnits/{id}"
	ObjectScope                       // "/{objectId}": one application, service principal or group
)

// TakesScope reports whether the role can be assigned at a scope of this kind.
//
// The published catalogue does not say which built-in roles take which scopes (reference "graph-pim" §2 only knows that some refuse a single
// object), so this is our decision, and this function the one place of it: whoever can be assigned at all can be
// assigned for the tenant and for an administrative unit; a single object is taken by the roles that run applications or groups.
func (r Role) TakesScope(kind ScopeKind) bool {
	if r.AssignedBySystem {
		return false
	}
	switch kind {
	case TenantScope, AdministrativeUnitScope:
		return true
	case ObjectScope:
		switch r.TemplateID {
		case ApplicationAdministrator, CloudApplicationAdministrator, GroupsAdministrator:
			return true
		}
		return false
	case NoScope:
		return false
	}
	return false
}
