package graph

import (
	"strings"

	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// reference is what requests, schedules, instances and assignments all point to.
type reference struct {
	principal pim.PrincipalID
	role      pim.RoleID
	scope     pim.Scope
}

// relateReferences loads what is expanded of these, each kind in one go for all rows.
func relateReferences(c *call, expands []odata.Expand, refs []reference) ([]related, error) {
	var out []related
	for _, e := range expands {
		var at func(int) []byte
		var err error
		switch e.Path {
		case "principal":
			at, err = c.relateObjects(e.Query, len(refs), func(i int) string { return string(refs[i].principal) })
		case "directoryScope", "group":
			at, err = c.relateObjects(e.Query, len(refs), func(i int) string { return scopeObject(refs[i].scope) })
		case "roleDefinition":
			at, err = c.relateRoles(e.Query, refs)
		case "appScope":
			at = func(int) []byte { return nil }
		default:
			continue // the caller's own
		}
		if err != nil {
			return nil, err
		}
		out = append(out, related{Name: e.Path, At: at})
	}
	return out, nil
}

// relateObjects loads the directory objects that n rows point to; an empty id points to none.
func (c *call) relateObjects(q odata.Query, n int, id func(int) string) (func(int) []byte, error) {
	wanted := map[string]bool{}
	for i := range n {
		if s := id(i); s != "" {
			wanted[s] = true
		}
	}
	objects, err := c.objectsByID(keys(wanted))
	if err != nil {
		return nil, err
	}
	encoded, err := listing.Encode(c, &c.object, q, true, objects)
	if err != nil {
		return nil, err
	}
	found := make(map[string][]byte, len(objects))
	for i, o := range objects {
		found[string(o.ID)] = encoded[i]
	}
	return func(i int) []byte { return found[id(i)] }, nil
}

func keys(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for k := range set {
		list = append(list, k)
	}
	return list
}

// objectsByID reads directory objects, in no order.
func (c *call) objectsByID(ids []string) ([]directory.Object, error) {
	const most = 500
	var out []directory.Object
	for len(ids) > 0 {
		n := min(len(ids), most)
		part := make([]pim.PrincipalID, n)
		for i, id := range ids[:n] {
			part[i] = pim.PrincipalID(strings.ToLower(id))
		}
		ids = ids[n:]
		objects, err := c.directory.ObjectsByID(c.Context(), c.Tenant, part)
		if err != nil {
			return nil, err
		}
		out = append(out, objects...)
	}
	return out, nil
}

// objectByID reads one directory object.
func (c *call) objectByID(id string) (directory.Object, error) {
	if wire.IsGUID(id) {
		objects, err := c.objectsByID([]string{id})
		if err != nil {
			return directory.Object{}, err
		}
		if len(objects) == 1 {
			return objects[0], nil
		}
	}
	return directory.Object{}, notFound(id)
}

func (c *call) relateRoles(q odata.Query, refs []reference) (func(int) []byte, error) {
	wanted := map[pim.RoleID]bool{}
	for _, r := range refs {
		wanted[r.role] = true
	}
	roles, err := c.rolesOf(wanted)
	if err != nil {
		return nil, err
	}
	encoded, err := listing.Encode(c, &c.expandedRole, q, false, roles)
	if err != nil {
		return nil, err
	}
	found := make(map[pim.RoleID][]byte, len(roles))
	for i, r := range roles {
		found[r.ID] = encoded[i]
	}
	return func(i int) []byte { return found[refs[i].role] }, nil
}

// rolesOf reads the role definitions with these ids.
func (c *call) rolesOf(wanted map[pim.RoleID]bool) ([]app.RoleDefinition, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	all, err := c.app.Roles(c.Context(), c.Tenant)
	if err != nil {
		return nil, err
	}
	var out []app.RoleDefinition
	for _, r := range all {
		if wanted[r.ID] {
			out = append(out, r)
		}
	}
	return out, nil
}

// deepValues gives the values of rows and of the principals and roles that they point to.
func deepValues[T any](c *call, rows []T, ref func(T) reference, own func(*call, T, []string) any) (func(int, []string) any, error) {
	ids, roleIDs := map[string]bool{}, map[pim.RoleID]bool{}
	for _, row := range rows {
		ids[string(ref(row).principal)] = true
		if group := string(ref(row).scope); wire.IsGUID(group) {
			ids[group] = true
		}
		roleIDs[ref(row).role] = true
	}
	objects, err := c.objectsByID(keys(ids))
	if err != nil {
		return nil, err
	}
	roles, err := c.rolesOf(roleIDs)
	if err != nil {
		return nil, err
	}
	byID, byRole := map[pim.PrincipalID]directory.Object{}, map[pim.RoleID]app.RoleDefinition{}
	for _, o := range objects {
		byID[o.ID] = o
	}
	for _, r := range roles {
		byRole[r.ID] = r
	}
	return func(i int, path []string) any {
		switch {
		case len(path) < 2:
		case path[0] == "principal":
			if o, ok := byID[ref(rows[i]).principal]; ok {
				return objectValue(c, o, path[1:])
			}
			return nil
		case path[0] == "group":
			if o, ok := byID[pim.PrincipalID(ref(rows[i]).scope)]; ok {
				return objectValue(c, o, path[1:])
			}
			return nil
		case path[0] == "roleDefinition":
			if r, ok := byRole[ref(rows[i]).role]; ok {
				return roleValue(c, r, path[1:])
			}
			return nil
		}
		return own(c, rows[i], path)
	}, nil
}

// relateGrants loads the schedules or instances that n rows point to, by schedule and principal. Nothing is said of rows
// that the caller may not see.
func (c *call) relateGrants(k *kind[pim.Instance], g grantSet, q odata.Query, n int,
	ref func(int) (pim.ScheduleID, pim.PrincipalID)) (func(int) []byte, error) {
	ids, people := map[string]bool{}, map[string]bool{}
	for i := range n {
		if s, p := ref(i); s != "" {
			ids[string(s)], people[string(p)] = true, true
		}
	}
	if len(ids) == 0 {
		return func(int) []byte { return nil }, nil
	}
	// Who may not read everybody's sees what is their own.
	own := *c
	own.ownToo = true
	rows, err := own.allOf(g, store.And{
		store.In{Field: store.FieldID, Values: keys(ids)}, store.In{Field: store.FieldPrincipal, Values: keys(people)},
	})
	if err != nil {
		return nil, err
	}
	encoded, err := listing.Encode(c, k, q, false, rows)
	if err != nil {
		return nil, err
	}
	type key struct {
		schedule  pim.ScheduleID
		principal pim.PrincipalID
	}
	found := make(map[key][]byte, len(rows))
	for i, r := range rows {
		found[key{r.Schedule.ID, r.Principal}] = encoded[i]
	}
	return func(i int) []byte {
		s, p := ref(i)
		return found[key{s, p}]
	}, nil
}

// relateList makes a related collection of plain JSON rows, nested within each row.
func relateList(name string, rows func(i int) [][]byte) related {
	return related{Name: name, At: func(i int) []byte { return wire.AppendList(nil, rows(i)) }}
}
