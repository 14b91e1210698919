package pimv2

import (
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
			at, err = relatedTo(c, &c.kinds.resource, e.Query, refs, atResource, c.places)
		case "scopedResource":
			at, err = relatedTo(c, &c.kinds.resource, e.Query, refs, atScoped, c.places)
		case "roleDefinition":
			at, err = relatedTo(c, &c.kinds.roleDefinition, e.Query, refs, ofRole, c.roles)
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

// deepValues gives the values of rows and of what they lead to.
func deepValues[T any](c *call, rows []T, ref func(T) reference, own func(*call, T, []string) any) (func(int, []string) any, error) {
	refs := make([]reference, len(rows))
	for i, row := range rows {
		refs[i] = ref(row)
	}
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
