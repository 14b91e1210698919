package access

import (
	"strings"

	"portcullis/internal/pim"
)

// Account is a principal of a tenant.
type Account struct {
	Tenant pim.TenantID
	ID     pim.PrincipalID
}

// Name is what a principal is called by those who do not know its object id.
type Name struct {
	Account
	Kind pim.PrincipalKind
	// Each may be empty.
	UserPrincipalName, ExternalID, ClientID string
}

// Find returns the principal of a tenant that has a name: its object id, user principal name, client id or external id, in whatever
// case. Where several have it, an object id goes before a user principal name, that before a client id, and that before an external
// id; of two that have it alike none is found.
func (ix *Index) Find(t pim.TenantID, name string) (pim.PrincipalID, pim.PrincipalKind, bool) {
	s := ix.snapshot(t)
	if s == nil || name == "" {
		return "", 0, false
	}
	return s.find(name)
}

func (s *snapshot) find(name string) (pim.PrincipalID, pim.PrincipalKind, bool) {
	name = strings.ToLower(name)
	var best *Name
	for _, n := range s.called {
		if strings.ToLower(string(n.ID)) == name || strings.ToLower(n.UserPrincipalName) == name || strings.ToLower(n.ClientID) == name || strings.ToLower(n.ExternalID) == name {
			best = n
		}
	}
	if best == nil {
		return "", 0, false
	}
	return best.ID, best.Kind, true
}

func (e *edit) name(n *Name) {
	e.ownCalled()
	c := *n
	e.called[n.ID] = &c
}

func (e *edit) unname(id pim.PrincipalID) {
	e.ownCalled()
	delete(e.called, id)
}

func (e *edit) ownCalled() {
	if !e.mine.called {
		e.called, e.mine.called = cloneMap(e.called), true
	}
}
