package scim

import (
	"cmp"
	"net/http"

	lib "github.com/elimity-com/scim"

	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// Groups (RFC 7643 §4.2).

// writeGroup is a group without its members and what only the server knows.
func writeGroup(o directory.Object) resource {
	r := resource{"displayName": o.DisplayName}
	if o.ExternalID != "" {
		r["externalId"] = o.ExternalID
	}
	return r
}

// readGroup makes a group what the resource says, but for its members.
func readGroup(r resource, o *directory.Object) error {
	o.DisplayName, _ = r["displayName"].(string)
	o.ExternalID, _ = r["externalId"].(string)
	if o.DisplayName == "" {
		return invalidValue("displayName: a group has a name.")
	}
	return nil
}

// group is a group as it is told, with the members that the directory gave it.
func (c *call) group(o directory.Object, members []any) resource {
	r := writeGroup(o)
	if len(members) > 0 {
		r["members"] = members
	}
	return c.complete(c.s.groups, o, r)
}

// groups serves the operations on groups for the library.
type groups struct{ *call }

// Create implements scim.ResourceHandler.
func (g groups) Create(_ *http.Request, a lib.ResourceAttributes) (lib.Resource, error) {
	o := directory.Object{Group: &directory.Group{SecurityEnabled: true}}
	err := readGroup(resource(a), &o)
	var named []pim.PrincipalID
	if err == nil {
		named, err = memberIDs(a["members"])
	}
	if err == nil {
		err = g.suitable(named)
	}
	if err != nil {
		return lib.Resource{}, g.failed(err)
	}
	o.Group.MailNickname = cmp.Or(nickname(o.DisplayName), "group")
	made, err := g.s.app.CreateGroup(g.Context(), g.Caller, g.Tenant,
		app.NewGroup{DisplayName: o.DisplayName, ExternalID: o.ExternalID, Group: *o.Group, Members: named})
	if err != nil {
		return lib.Resource{}, g.failed(changed(err))
	}
	return g.reply(http.StatusCreated, made)
}

// reply answers with a group.
func (g groups) reply(status int, o directory.Object) (lib.Resource, error) {
	var members []any
	if wanted(g.URL.Query(), "members") {
		all, err := g.members([]directory.Object{o})
		if err != nil {
			return lib.Resource{}, g.failed(err)
		}
		members = all[o.ID]
	}
	return g.done(status, g.group(o, members))
}

// Get implements scim.ResourceHandler.
func (g groups) Get(_ *http.Request, id string) (lib.Resource, error) {
	o, err := g.object(id)
	if err != nil {
		return lib.Resource{}, g.failed(err)
	}
	return g.reply(http.StatusOK, o)
}

// GetAll implements scim.ResourceHandler.
func (g groups) GetAll(*http.Request, lib.ListRequestParams) (lib.Page, error) { return g.listed() }

// Replace implements scim.ResourceHandler.
func (g groups) Replace(_ *http.Request, id string, a lib.ResourceAttributes) (lib.Resource, error) {
	named, err := memberIDs(a["members"])
	if err != nil {
		return lib.Resource{}, g.failed(err)
	}
	m := newMembership()
	m.replace(named)
	return g.edit(id, m, func(o *directory.Object) error { return readGroup(resource(a), o) })
}

// Patch implements scim.ResourceHandler.
func (g groups) Patch(_ *http.Request, id string, ops []lib.PatchOperation) (lib.Resource, error) {
	m := newMembership()
	var rest []lib.PatchOperation
	for _, op := range ops {
		left, err := g.membersOf(op, m)
		if err != nil {
			return lib.Resource{}, g.failed(err)
		}
		if left != nil {
			rest = append(rest, *left)
		}
	}
	return g.edit(id, m, func(o *directory.Object) error {
		r := writeGroup(*o)
		for _, op := range rest {
			if err := g.k.patch(r, op); err != nil {
				return err
			}
		}
		return readGroup(r, o)
	})
}

// membersOf takes out of an operation what it says of members; nil: that was all.
func (g groups) membersOf(op lib.PatchOperation, m *membership) (*lib.PatchOperation, error) {
	if op.Path == nil {
		in, ok := op.Value.(resource)
		if !ok {
			return nil, invalidValue("The value of an operation without a path is a JSON object.")
		}
		rest := resource{}
		for name, v := range in {
			a, err := g.k.target(name)
			if err != nil {
				return nil, err
			}
			if !a.is("members") {
				rest[name] = v
				continue
			}
			if err := m.apply(op.Op, v); err != nil {
				return nil, err
			}
		}
		if len(rest) == 0 {
			return nil, nil
		}
		op.Value = rest
		return &op, nil
	}
	a, ok := g.k.resolve(op.Path.AttributePath, op.Path.SubAttributeName())
	switch {
	case !ok || !a.is("members"):
		return &op, nil
	case a.sub != nil:
		return nil, bad(kindMutability, "A member is added and removed as a whole.")
	case op.Path.ValueExpression != nil:
		return nil, m.some(op.Op, op.Path.ValueExpression)
	}
	return nil, m.apply(op.Op, op.Value)
}

// rounds bounds how often a change is tried again because the members changed meanwhile.
const rounds = 20

// edit changes a group and its members, as long as it is the one that the caller has seen and this call has read.
func (g groups) edit(id string, m *membership, change func(*directory.Object) error) (lib.Resource, error) {
	for range rounds {
		seen, err := g.object(id)
		if err == nil {
			err = mayChange(seen)
		}
		var todo app.MembershipChange
		if err == nil {
			todo, err = g.outstanding(seen, m)
		}
		if err == nil {
			err = g.suitable(todo.AddMembers)
		}
		if err != nil {
			return lib.Resource{}, g.failed(err)
		}
		stale := false
		after, err := g.s.app.UpdateGroup(g.Context(), g.Caller, g.Tenant, seen.ID, func(o *directory.Object) error {
			if err := g.unchanged(*o); err != nil {
				return err
			}
			// What replaces all members must have seen all of them.
			if stale = m.whole && !o.Modified.Equal(seen.Modified); stale {
				return &problem{status: http.StatusConflict, detail: "The group is being changed by others. Please try again."}
			}
			return change(o)
		}, todo)
		switch {
		case err == nil:
			return g.reply(http.StatusOK, after)
		case !stale:
			return lib.Resource{}, g.failed(changed(err))
		}
	}
	return lib.Resource{}, g.failed(&problem{status: http.StatusConflict, detail: "The group is being changed by others. Please try again."})
}

// mayChange refuses groups that may hold directory roles: who is in them is decided where these are.
func mayChange(o directory.Object) error {
	if o.GroupFacts().RoleAssignable {
		return &problem{status: http.StatusForbidden, detail: "A group that may hold directory roles is not for a directory source to change."}
	}
	return nil
}

// Delete implements scim.ResourceHandler.
func (g groups) Delete(_ *http.Request, id string) error {
	o, err := g.object(id)
	if err == nil {
		err = mayChange(o)
	}
	if err == nil {
		err = g.unchanged(o)
	}
	if err == nil {
		err = g.s.app.DeleteGroup(g.Context(), g.Caller, g.Tenant, o.ID)
	}
	if err != nil {
		return g.failed(err)
	}
	return nil
}
