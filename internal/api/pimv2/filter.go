package pimv2

import (
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// target is what the address and the key equalities of a filter narrow a set to.
type target struct {
	// place is the resource; nil: any.
	place *place
	// role, subject and state are any where they are empty.
	role    pim.RoleID
	subject pim.PrincipalID
	state   pim.Kind
	// rest is what is left of the filter.
	rest odata.Expr
	// nothing says that no row can be so.
	nothing bool
}

// The key properties of assignments, requests and settings, by the names that callers use (reference pim-v2 §8).
func namesResource(name string) bool {
	return name == "resourceId" || name == "resource/id" || name == "roleDefinition/resource/id" || name == "roleDefinition/resourceId"
}

func namesRole(name string) bool { return name == "roleDefinitionId" || name == "roleDefinition/id" }

func namesSubject(name string) bool { return name == "subjectId" || name == "subject/id" }

// narrow takes the key equalities out of a checked filter. The resource that it or the address names is refused where the caller
// cannot reach it.
func (c *call) narrow(f odata.Expr) (target, error) {
	t := target{}
	if id := c.id("resource"); id != "" {
		if err := c.narrowPlace(&t, id); err != nil {
			return t, err
		}
	}
	terms := termsOf(f)
	for i := 0; i < len(terms); i++ {
		if id, ok := equals(terms[i], namesResource); ok {
			if err := c.narrowPlace(&t, id); err != nil {
				return t, err
			}
			terms = slices.Delete(terms, i, i+1)
			i--
		}
	}
	left := odata.And{}
	for _, e := range terms {
		used, err := c.narrowBy(&t, e)
		if err != nil {
			return t, err
		}
		if !used {
			left = append(left, e)
		}
	}
	switch len(left) {
	case 0:
	case 1:
		t.rest = left[0]
	default:
		t.rest = left
	}
	return t, nil
}

// listNarrowed answers with the page of a set that is narrowed by its keys.
func listNarrowed[T any](c *call, k *kind[T], page func(target, odata.Query) (listing.Page[T], error)) (api.Answer, error) {
	q, err := c.Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	t, err := c.narrow(q.Filter)
	if err != nil {
		return api.Answer{}, err
	}
	p, err := page(t, q)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.Finish(c, k, q, p)
}

func termsOf(f odata.Expr) []odata.Expr {
	switch f := f.(type) {
	case nil:
		return nil
	case odata.And:
		return slices.Clone(f)
	default:
		return []odata.Expr{f}
	}
}

// equals is the text that a term holds a property against, if it does so and is about one of the names.
func equals(e odata.Expr, names func(string) bool) (string, bool) {
	c, ok := e.(odata.Compare)
	if !ok || c.Op != odata.Eq || c.Path.Wrap != odata.Plain || !names(c.Path.Name()) {
		return "", false
	}
	text, ok := c.Value.(odata.String)
	return strings.ToLower(string(text)), ok
}

// narrowPlace narrows to one resource.
func (c *call) narrowPlace(t *target, id string) error {
	if t.place != nil {
		t.nothing = t.nothing || t.place.id != id
		return nil
	}
	p, err := c.place(id)
	t.place = &p
	return err
}

// narrowBy narrows by one term, where it is about a key. True: nothing is left of it.
func (c *call) narrowBy(t *target, e odata.Expr) (bool, error) {
	if id, ok := equals(e, namesSubject); ok {
		// The empty id is nobody's, and must not be taken for anybody's.
		t.nothing = t.nothing || id == "" || t.subject != "" && t.subject != pim.PrincipalID(id)
		t.subject = pim.PrincipalID(id)
		return true, nil
	}
	if word, ok := equals(e, func(name string) bool { return name == "assignmentState" }); ok {
		state, known := governance.ParseState(word)
		t.nothing = t.nothing || !known || t.state != 0 && t.state != state
		t.state = state
		return true, nil
	}
	if id, ok := equals(e, namesRole); ok {
		return c.narrowRole(t, id)
	}
	return false, nil
}

// narrowRole narrows to one role. Where the resource is not known, only roles of the directory are told by their ids.
func (c *call) narrowRole(t *target, id string) (bool, error) {
	at := pim.RoleKey{Tenant: c.Tenant, Provider: c.provider, Scope: pim.Everywhere}
	switch {
	case t.place != nil:
		at = t.place.key
	case c.provider != pim.Directory:
		return false, nil
	}
	key, err := c.roleAt(at, id)
	if wire.Refused(err, pim.UnknownRole) {
		t.nothing = true
		return true, nil
	}
	t.nothing = t.nothing || t.role != "" && t.role != key.Role
	t.role = key.Role
	return true, err
}

// keyIs is the condition on a key; nil where the key is left open.
func keyIs[K ~string](f store.Field, key K) store.Filter {
	if key == "" {
		return nil
	}
	return store.Is(f, string(key))
}
