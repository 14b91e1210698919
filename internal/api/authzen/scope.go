package authzen

import (
	"hash/maphash"
	"strings"
	"sync/atomic"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// target is what a question is about, in the words of the core. Either a role or an operation is asked for.
type target struct {
	provider  pim.Provider
	scope     pim.Scope
	role      pim.RoleID
	operation string
	data      bool
}

// The types of resources that are ours. Resources of any other type are named by their properties.scope.
const (
	typeDirectory = "directory"
	typeGroup     = "group"
	typeAzure     = "azure"
	typeResource  = "resource"
)

// place finds the provider and the scope that a resource names; false: it names none.
func (s *Surface) place(t pim.TenantID, r entity, scope string) (pim.Provider, pim.Scope, bool) {
	switch r.kind {
	case typeDirectory:
		at, ok := directoryScope(r.id)
		return pim.Directory, at, ok
	case typeGroup:
		at, ok := groupScope(r.id)
		return pim.Group, at, ok
	case typeAzure, typeResource:
		at, ok := s.paths.parse(t, r.id)
		return pim.Resource, at, ok
	}
	return s.placeOf(t, scope)
}

// placeOf finds the provider and the scope that a text names by its form. Of "/" the directory is meant.
func (s *Surface) placeOf(t pim.TenantID, text string) (pim.Provider, pim.Scope, bool) {
	if at, ok := groupScope(text); ok {
		return pim.Group, at, true
	}
	if at, ok := directoryScope(text); ok {
		return pim.Directory, at, true
	}
	at, ok := s.paths.parse(t, text)
	return pim.Resource, at, ok
}

const units = "/administrativeUnits/"

// directoryScope reads a scope of the directory as it is kept: everywhere, an administrative unit, or one object.
func directoryScope(text string) (pim.Scope, bool) {
	if text == string(pim.Everywhere) {
		return pim.Everywhere, true
	}
	if len(text) > len(units) && strings.EqualFold(text[:len(units)], units) {
		id := strings.ToLower(text[len(units):])
		if !pim.IsUUID(id) {
			return "", false
		}
		if text[:len(units)] == units && id == text[len(units):] {
			return pim.Scope(text), true
		}
		return pim.AdministrativeUnit(id), true
	}
	if id, ok := strings.CutPrefix(text, "/"); ok && len(id) == lengthOfID {
		lower := strings.ToLower(text)
		return pim.Scope(lower), pim.IsUUID(lower[1:])
	}
	return "", false
}

// lengthOfID is that of a UUID.
const lengthOfID = 36

func groupScope(text string) (pim.Scope, bool) {
	id, ok := uuid(text)
	return pim.Scope(id), ok
}

// uuid is an id in lower case, if it is one.
func uuid(text string) (string, bool) {
	if len(text) != lengthOfID {
		return "", false
	}
	lower := strings.ToLower(text)
	return lower, pim.IsUUID(lower)
}

// paths remembers what the paths of resources mean that were asked for last: doors ask for the same ones again and again, and to
// take one apart takes longer than to answer. Which of two that fall on the same place is remembered does not matter.
type paths struct {
	seed  maphash.Seed
	slots [4096]atomic.Pointer[path]
}

// path is what the text of a path means in a tenant.
type path struct {
	tenant pim.TenantID
	text   string
	scope  pim.Scope
}

// longestKept is the longest path that is remembered, in bytes, so that they cannot take more than some 4 MiB.
const longestKept = 512

func (p *paths) parse(t pim.TenantID, text string) (pim.Scope, bool) {
	slot := &p.slots[maphash.String(p.seed, text)%uint64(len(p.slots))]
	if known := slot.Load(); known != nil && known.text == text && known.tenant == t {
		return known.scope, true
	}
	n, err := resource.ParseFor(t, text)
	if err != nil || !strings.HasPrefix(text, "/") {
		return "", false
	}
	if len(text) <= longestKept {
		// A copy, lest it keeps the body alive that it came in.
		slot.Store(&path{pim.TenantID(strings.Clone(string(t))), strings.Clone(text), pim.Scope(strings.Clone(string(n.Scope)))})
	}
	return n.Scope, true
}
