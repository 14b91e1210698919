package arm

import (
	"cmp"
	"encoding/json"
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Resource groups (reference arm-pim §14). Nothing is under way for long: a group is made and deleted before the answer.

func (s *Surface) groupRoutes() []route {
	const all = "/subscriptions/{subscription}/resourceGroups"
	const one = all + "/{group}"
	return []route{
		{get, all, listGroups},
		{get, one, getGroup},
		{put, one, putGroup},
		{patch, one, patchGroup},
		{del, one, deleteGroup},
	}
}

// fromGroup writes a resource group.
func fromGroup(b []byte, n resource.Node) []byte {
	o := wire.New(b, nil)
	o.Str("id", n.ID)
	o.Str("name", n.Name)
	o.Str("type", "Microsoft.Resources/resourceGroups")
	o.Str("location", cmp.Or(n.Location, elsewhere))
	if n.Tags != nil {
		o.Raw("tags", wire.MustJSON(n.Tags))
	}
	var further struct{ ManagedBy string }
	_ = json.Unmarshal(n.Further, &further) // an object, or nothing
	if further.ManagedBy != "" {
		o.Str("managedBy", further.ManagedBy)
	}
	o.Raw("properties", []byte(`{"provisioningState":"Succeeded"}`))
	return o.End()
}

func listGroups(c *call) (api.Answer, error) {
	at, err := c.there(1)
	if err != nil {
		return api.Answer{}, err
	}
	return c.listNodes(store.And{
		store.Is(store.FieldResourceKind, int(resource.Group)), store.Under{Field: store.FieldScope, Scopes: []pim.Scope{at.Scope}},
	}, fromGroup)
}

func getGroup(c *call) (api.Answer, error) {
	n, err := c.there(0)
	if err != nil {
		return api.Answer{}, err
	}
	return c.found(fromGroup(nil, n)), nil
}

func putGroup(c *call) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		return api.Answer{}, err
	}
	in, err := c.members(genericMembers()...)
	if err != nil {
		return api.Answer{}, err
	}
	delete(in, "properties") // read-only
	if err := apply(&n, in, true); err != nil {
		return api.Answer{}, err
	}
	made, created, err := c.app.PutNode(c.Context(), c.Caller, n)
	if err != nil {
		return api.Answer{}, c.treeProblem(n, err)
	}
	return c.json(statusOf(created), fromGroup(nil, made)), nil
}

func patchGroup(c *call) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		return api.Answer{}, err
	}
	after, err := c.patchNode(n)
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, fromGroup(nil, after)), nil
}

func deleteGroup(c *call) (api.Answer, error) {
	n, err := c.addressed(0)
	if err != nil {
		return api.Answer{}, err
	}
	return c.deleteNode(n, http.StatusNotFound)
}
