package graph

import (
	"net/http"
	"slices"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/store"
)

// Deleted objects: directory/deletedItems (learn.microsoft.com/graph/api/resources/directory), and custom roles beside
// them.

// listDeleted lists what is in the bin of one type.
func listDeleted(of func(*call) *kind[directory.Object], k directory.Kind) handler {
	return func(c *call) (api.Answer, error) {
		return listing.List(c, of(c), func(q store.Query) (store.Page[directory.Object], error) {
			q.Where = listing.Every(store.Is(store.FieldObjectKind, int(k)), q.Where)
			return c.editor.Deleted(c.Context(), q)
		})
	}
}

// binAccess are the permissions to read and to write deleted objects of a kind: those of the objects themselves.
func binAccess(k directory.Kind, write bool) []string {
	switch {
	case k == directory.KindUser && write:
		return slices.Concat([]string{"User.DeleteRestore.All", "User.ReadWrite.All"}, dirWrite)
	case k == directory.KindUser:
		return usersRead().Delegated
	case k == directory.KindGroup && write:
		return groupsWrite().Delegated
	case k == directory.KindGroup:
		return groupsRead().Delegated
	case k == directory.KindAdministrativeUnit && write:
		return unitsWrite().Delegated
	case k == directory.KindAdministrativeUnit:
		return unitsRead().Delegated
	case k == directory.KindServicePrincipal && write:
		return applicationsWrite().Delegated
	case k == directory.KindServicePrincipal:
		return applicationsRead().Delegated
	}
	return nil
}

// binAccessAny is what opens the addresses of deleted objects; which it must be is seen once it is known what is meant.
func binAccessAny(write bool) api.Access {
	var lists [][]string
	for _, k := range []directory.Kind{directory.KindUser, directory.KindGroup, directory.KindAdministrativeUnit, directory.KindServicePrincipal} {
		lists = append(lists, binAccess(k, write))
	}
	all := slices.Concat(lists...)
	slices.Sort(all)
	return both(slices.Compact(all))
}

// deletedObject is the deleted object that the path names, if the token may read or write it. Role definitions are found
// at their own address only.
func (c *call) deletedObject(role, write bool) (directory.Object, error) {
	id := c.id("id")
	page, err := c.editor.Deleted(c.Context(), store.Query{Tenant: c.Tenant, Limit: 1, Where: store.Is(store.FieldID, id)})
	if err != nil {
		return directory.Object{}, err
	}
	if len(page.Rows) == 0 || role != (page.Rows[0].Kind == directory.KindRole) {
		return directory.Object{}, notFound(c.PathValue("id"))
	}
	o := page.Rows[0]
	if !role {
		err = c.demand(binAccess(o.Kind, write)...)
	}
	if err == nil && write && o.GroupFacts().RoleAssignable {
		err = c.demand(rmWrite...)
	}
	return o, err
}

func getDeleted(c *call) (api.Answer, error) {
	o, err := c.deletedObject(false, false)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.object, http.StatusOK, o)
}

func restoreDeleted(c *call) (api.Answer, error) {
	if _, err := c.Query(c.object.Schema); err != nil {
		return api.Answer{}, err
	}
	o, err := c.deletedObject(false, true)
	if err != nil {
		return api.Answer{}, err
	}
	if o, err = c.editor.RestoreObject(c.Context(), c.Caller, c.Tenant, o.ID); err != nil {
		return api.Answer{}, writeProblem(err, c.PathValue("id"))
	}
	return listing.One(c, &c.object, http.StatusOK, o)
}

func purgeDeleted(role bool) handler {
	return func(c *call) (api.Answer, error) {
		o, err := c.deletedObject(role, true)
		if err != nil {
			return api.Answer{}, err
		}
		if err := c.editor.PurgeObject(c.Context(), c.Caller, c.Tenant, o.ID); err != nil {
			return api.Answer{}, writeProblem(err, c.PathValue("id"))
		}
		return noContent()
	}
}

// listDeletedRoles lists the custom role definitions in the bin.
func listDeletedRoles(c *call) (api.Answer, error) {
	page, err := c.editor.Deleted(c.Context(), store.Query{Tenant: c.Tenant, Limit: listing.ScanSize,
		Where: store.Is(store.FieldObjectKind, int(directory.KindRole))})
	if err != nil {
		return api.Answer{}, err
	}
	roles := make([]app.RoleDefinition, len(page.Rows))
	for i, o := range page.Rows {
		roles[i] = app.CustomRole(o)
	}
	return listAll(c, &c.roleDefinition, roles)
}

func getDeletedRole(c *call) (api.Answer, error) {
	o, err := c.deletedObject(true, false)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.roleDefinition, http.StatusOK, app.CustomRole(o))
}

func restoreDeletedRole(c *call) (api.Answer, error) {
	if _, err := c.Query(c.roleDefinition.Schema); err != nil {
		return api.Answer{}, err
	}
	o, err := c.deletedObject(true, true)
	if err != nil {
		return api.Answer{}, err
	}
	if o, err = c.editor.RestoreObject(c.Context(), c.Caller, c.Tenant, o.ID); err != nil {
		return api.Answer{}, writeProblem(err, c.PathValue("id"))
	}
	return listing.One(c, &c.roleDefinition, http.StatusOK, app.CustomRole(o))
}
