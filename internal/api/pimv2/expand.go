package pimv2

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
)

// reference is what assignments, requests, settings and role definitions lead to.
type reference struct {
	// key names the resource and the role. A role of the directory that is narrowed has the narrower scope.
	key     pim.RoleKey
	subject pim.PrincipalID
}

// references are what rows lead to.
func references[T any](rows []T, ref func(T) reference) []reference {
	out := make([]reference, len(rows))
	for i, row := range rows {
		out[i] = ref(row)
	}
	return out
}

// scopedKey is the key, without a role, of what a role of the directory is narrowed to; zero: nothing.
func scopedKey(k pim.RoleKey) pim.RoleKey {
	if scopedResource(k) == "" {
		return pim.RoleKey{}
	}
	k.Role = ""
	return k
}

// of is the keys of references, without those that are zero.
func of[K comparable](refs []reference, key func(reference) K) map[K]bool {
	var zero K
	out := map[K]bool{}
	for _, r := range refs {
		if k := key(r); k != zero {
			out[k] = true
		}
	}
	return out
}

func atResource(r reference) pim.RoleKey    { return resourceKey(r.key) }
func atScoped(r reference) pim.RoleKey      { return scopedKey(r.key) }
func ofRole(r reference) pim.RoleKey        { return r.key }
func ofSubject(r reference) pim.PrincipalID { return r.subject }

// relateReferences loads what is expanded of references, each kind in one go for all rows. What else is expanded is the
// caller's own.
func relateReferences(c *call, expands []odata.Expand, refs []reference) ([]related, error) {
	var out []related
	for _, e := range expands {
		var at func(int) []byte
		var err error
		switch e.Path {
		case "resource":
			at, err = relatedTo(c, &c.kinds.resource, e.Query, refs, atResource, c.placesFor(e.Query))
		case "scopedResource":
			at, err = relatedTo(c, &c.kinds.resource, e.Query, refs, atScoped, c.placesFor(e.Query))
		case "roleDefinition":
			at, err = relatedTo(c, &c.kinds.roleDefinition, e.Query, refs, ofRole, c.rolesFor(e.Query))
		case "subject":
			at, err = relatedTo(c, &c.kinds.subject, e.Query, refs, ofSubject, c.subjects)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, related{Name: e.Path, At: at})
	}
	return out, nil
}

// relating is relateReferences for rows that lead to nothing else.
func relating[T any](ref func(T) reference) func(*call, []odata.Expand, []T) ([]related, error) {
	return func(c *call, expands []odata.Expand, rows []T) ([]related, error) {
		return relateReferences(c, expands, references(rows, ref))
	}
}

// placesFor reads resources with what they have only where it is selected.
func (c *call) placesFor(q odata.Query) func(map[pim.RoleKey]bool) (map[pim.RoleKey]place, error) {
	return func(keys map[pim.RoleKey]bool) (map[pim.RoleKey]place, error) {
		found, err := c.places(keys)
		if err != nil {
			return nil, err
		}
		at, rows := make([]pim.RoleKey, 0, len(found)), make([]place, 0, len(found))
		for k, p := range found {
			at, rows = append(at, k), append(rows, p)
		}
		err = c.complete(q, rows)
		for i, k := range at {
			found[k] = rows[i]
		}
		return found, err
	}
}

// rolesFor does the same with roles.
func (c *call) rolesFor(q odata.Query) func(map[pim.RoleKey]bool) (map[pim.RoleKey]role, error) {
	return func(keys map[pim.RoleKey]bool) (map[pim.RoleKey]role, error) {
		found, err := c.roles(keys)
		if err != nil || !asksForCounts(q) {
			return found, err
		}
		at := map[pim.RoleKey][]pim.RoleKey{}
		for k := range found {
			at[resourceKey(k)] = append(at[resourceKey(k)], k)
		}
		for key, list := range at {
			rows := make([]role, len(list))
			for i, k := range list {
				rows[i] = found[k]
			}
			if err := c.tally(place{key: key}, rows); err != nil {
				return nil, err
			}
			for i, k := range list {
				found[k] = rows[i]
			}
		}
		return found, nil
	}
}

// relatedTo loads and writes what all references lead to by one key.
func relatedTo[K comparable, T any](c *call, k *kind[T], q odata.Query, refs []reference, key func(reference) K,
	load func(map[K]bool) (map[K]T, error)) (func(int) []byte, error) {
	found, err := load(of(refs, key))
	if err != nil {
		return nil, err
	}
	at, err := encodedBy(c, k, q, found)
	return func(i int) []byte { return at[key(refs[i])] }, err
}

// encodedBy writes what was found, by its keys.
func encodedBy[K comparable, T any](c *call, k *kind[T], q odata.Query, found map[K]T) (map[K][]byte, error) {
	keys := make([]K, 0, len(found))
	rows := make([]T, 0, len(found))
	for key, row := range found {
		keys, rows = append(keys, key), append(rows, row)
	}
	encoded, err := listing.Encode(c, k, q, false, rows)
	if err != nil {
		return nil, err
	}
	out := make(map[K][]byte, len(keys))
	for i, key := range keys {
		out[key] = encoded[i]
	}
	return out, nil
}

// deep gives the values of rows and of what they lead to.
func deep[T any](ref func(T) reference, own func(*call, T, []string) any) func(*call, []T) (func(int, []string) any, error) {
	return func(c *call, rows []T) (func(int, []string) any, error) {
		return deepValues(c, rows, references(rows, ref), own)
	}
}

func deepValues[T any](c *call, rows []T, refs []reference, own func(*call, T, []string) any) (func(int, []string) any, error) {
	at := of(refs, atResource)
	for k := range of(refs, atScoped) {
		at[k] = true
	}
	places, err := c.places(at)
	if err != nil {
		return nil, err
	}
	roles, err := c.roles(of(refs, ofRole))
	if err != nil {
		return nil, err
	}
	subjects, err := c.subjects(of(refs, ofSubject))
	if err != nil {
		return nil, err
	}
	resource := func(k pim.RoleKey, path []string) any { return valueIn(c, places, k, path, resourceValue) }
	return func(i int, path []string) any {
		r := refs[i]
		switch {
		case len(path) < 2:
		case path[0] == "resource":
			return resource(atResource(r), path[1:])
		case path[0] == "scopedResource":
			return resource(atScoped(r), path[1:])
		case path[0] == "roleDefinition" && path[1] == "resource" && len(path) > 2:
			return resource(atResource(r), path[2:])
		case path[0] == "roleDefinition":
			return valueIn(c, roles, r.key, path[1:], roleDefinitionValue)
		case path[0] == "subject":
			return valueIn(c, subjects, r.subject, path[1:], subjectValue)
		}
		return own(c, rows[i], path)
	}, nil
}

// valueIn is a property of what stands under a key; nil where nothing does.
func valueIn[K comparable, T any](c *call, found map[K]T, key K, path []string, value func(*call, T, []string) any) any {
	row, ok := found[key]
	if !ok {
		return nil
	}
	return value(c, row, path)
}

// isFilter and isNoFilter tell the options that find an item from those that say what is shown of what it leads to.
func isFilter(option string) bool {
	return strings.EqualFold(strings.TrimPrefix(option, "$"), "filter")
}

func isNoFilter(option string) bool { return !isFilter(option) }

// withOptions is the call with some of its query options alone. An address that cannot be read is left as it is, to be refused.
func (c *call) withOptions(keep func(string) bool) *call {
	values, err := odata.Values(c.URL.RawQuery)
	if err != nil {
		return c
	}
	for option := range values {
		if !keep(option) {
			delete(values, option)
		}
	}
	out, request, inner := *c, *c.Request, *c.Request.Request
	address := *c.URL
	address.RawQuery = values.Encode()
	inner.URL, request.Request = &address, &inner
	out.Request = &request
	return &out
}

// navigated answers with one thing that a reference leads to, at the address of the navigation. A filter there is about the item
// that the navigation starts from.
func (c *call) navigated(name string, ref reference) (api.Answer, error) {
	c = c.withOptions(isNoFilter)
	switch name {
	case "resource":
		return oneRelated(c, &c.kinds.resource, atResource(ref), c.placesFor)
	case "scopedResource":
		return oneRelated(c, &c.kinds.resource, atScoped(ref), c.placesFor)
	case "roleDefinition":
		return oneRelated(c, &c.kinds.roleDefinition, ofRole(ref), c.rolesFor)
	case "roleSetting":
		return oneRelated(c, &c.kinds.setting, ofRole(ref), plainly(c.settingsByKey))
	case "subject":
		return oneRelated(c, &c.kinds.subject, ofSubject(ref), plainly(c.subjects))
	}
	return api.Answer{}, listing.NotFound(name)
}

// plainly is for what is the same whatever is selected of it.
func plainly[K comparable, T any](load func(map[K]bool) (map[K]T, error)) func(odata.Query) func(map[K]bool) (map[K]T, error) {
	return func(odata.Query) func(map[K]bool) (map[K]T, error) { return load }
}

// oneRelated answers with what stands under a key.
func oneRelated[K comparable, T any](c *call, k *kind[T], key K, load func(odata.Query) func(map[K]bool) (map[K]T, error)) (api.Answer, error) {
	q, err := c.Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	found, err := load(q)(map[K]bool{key: true})
	if err != nil {
		return api.Answer{}, err
	}
	row, ok := found[key]
	if !ok {
		return api.Answer{}, listing.NotFound(k.Set)
	}
	return listing.One(c, k, http.StatusOK, row)
}
