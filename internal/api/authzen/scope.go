package authzen

import (
	"strings"

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
func place(t pim.TenantID, r entity, scope string) (pim.Provider, pim.Scope, bool) {
	switch r.kind {
	case typeDirectory:
		at, ok := directoryScope(r.id)
		return pim.Directory, at, ok
	case typeGroup:
		at, ok := groupScope(r.id)
		return pim.Group, at, ok
	case typeAzure, typeResource:
		at, ok := scopeOf(t, r.id)
		return pim.Resource, at, ok
	}
	return placeOf(t, scope)
}

// placeOf finds the provider and the scope that a text names by its form. Of "/" the directory is meant.
func placeOf(t pim.TenantID, text string) (pim.Provider, pim.Scope, bool) {
	if at, ok := groupScope(text); ok {
		return pim.Group, at, true
	}
	if at, ok := directoryScope(text); ok {
		return pim.Directory, at, true
	}
	at, ok := scopeOf(t, text)
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

// usualScope reads a path of resources that is written as most are, in ASCII and without anything that resource.ParseFor would leave
// out or put in: then the scope is the same in lower case. False: let ParseFor read it, whose word counts.
func usualScope(t pim.TenantID, text string) (pim.Scope, bool) {
	s := steps{rest: text}
	switch first, second := s.next(), s.next(); {
	case strings.EqualFold(first, "subscriptions") && len(second) == lengthOfID:
		if !pim.IsUUID(strings.ToLower(second)) {
			return "", false
		}
		if s.rest != "" && s.follows("resourceGroups") {
			s.next()
			s.next()
		}
	case strings.EqualFold(first, "providers") && strings.EqualFold(second, "Microsoft.Management"):
		if !strings.EqualFold(s.next(), "managementGroups") || strings.EqualFold(s.next(), string(t)) {
			return "", false // the tenant's own one is the root
		}
	default:
		return "", false
	}
	s.resource()
	if s.odd || len(text) > longestUsual {
		return "", false
	}
	return pim.Scope(strings.ToLower(text)), true
}

// longestUsual and the longest step of such paths are far below their bounds, so that these need no thought here.
const longestUsual = 512

// steps takes a path apart from its beginning. At anything unusual it is odd.
type steps struct {
	rest string
	odd  bool
}

// next is the next segment, and passes over it.
func (s *steps) next() string {
	if len(s.rest) < 2 || s.rest[0] != '/' {
		s.odd = true
		return ""
	}
	text := s.rest[1:]
	n := 0
	for n < len(text) && text[n] != '/' {
		if c := text[n]; c < ' ' || c > '~' {
			s.odd = true
		}
		n++
	}
	s.rest = text[n:]
	text = text[:n]
	s.odd = s.odd || n == 0 || n > longestStep || text == "." || text == ".."
	return text
}

const longestStep = 128

// follows says whether the next segment is that one, in whatever case.
func (s *steps) follows(name string) bool {
	n := len(name) + 1
	return len(s.rest) > n && s.rest[n] == '/' && s.rest[0] == '/' && strings.EqualFold(s.rest[1:n], name)
}

// resource passes over /providers/{namespace} and pairs of a type and a name behind it, if something comes at all. More than one
// namespace is unusual.
func (s *steps) resource() {
	if s.rest == "" || s.odd {
		return
	}
	if !strings.EqualFold(s.next(), "providers") {
		s.odd = true
		return
	}
	s.next()
	for pairs := 0; !s.odd && (pairs == 0 || s.rest != ""); pairs++ {
		if strings.EqualFold(s.next(), "providers") || pairs == mostPairs {
			s.odd = true
		}
		s.next()
	}
}

// mostPairs keeps usual paths below the bound of segments.
const mostPairs = 8

// scopeOf is the scope of a path of resources; false: it names none.
func scopeOf(t pim.TenantID, text string) (pim.Scope, bool) {
	if at, ok := usualScope(t, text); ok {
		return at, true
	}
	n, err := resource.ParseFor(t, text)
	if err != nil || !strings.HasPrefix(text, "/") {
		return "", false
	}
	return n.Scope, true
}
