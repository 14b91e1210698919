package graph

import (
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// Groups: group (learn.microsoft.com/graph/api/resources/group).

func groupProperties() []odata.Property {
	return append(append(commonObjectProperties(),
		sortable("mailNickname"), textProperty("visibility"),
		boolProperty("securityEnabled"), boolProperty("mailEnabled"), boolProperty("isAssignableToRole"), boolProperty("onPremisesSyncEnabled"),
		odata.Property{Name: "groupTypes", Kind: odata.KindCollection, Element: odata.KindText, Filterable: true},
		odata.Property{Name: "proxyAddresses", Kind: odata.KindCollection, Element: odata.KindString},
	), listing.PlainProperties(absentGroup()...)...)
}

// absentGroup are declared properties of which nothing is known here: they are null.
func absentGroup() []string {
	return []string{"classification", "expirationDateTime", "isManagementRestricted", "mail", "membershipRule", "membershipRuleProcessingState",
		"onPremisesDomainName", "onPremisesLastSyncDateTime", "onPremisesSamAccountName", "onPremisesSecurityIdentifier",
		"onPremisesSyncEnabled", "renewedDateTime", "securityIdentifier", "uniqueName"}
}

var absentGroupNames = absentGroup()

func writeGroup(o *object, d directory.Object) {
	g := d.Group
	o.Time("createdDateTime", d.Created)
	o.Text("description", d.Description)
	o.Text("displayName", d.DisplayName)
	o.Texts("groupTypes", g.Types)
	o.Bool("isAssignableToRole", g.RoleAssignable)
	o.Bool("mailEnabled", g.MailEnabled)
	o.Text("mailNickname", g.MailNickname)
	o.Texts("proxyAddresses", nil)
	o.Bool("securityEnabled", g.SecurityEnabled)
	o.Text("visibility", g.Visibility)
	o.Time("deletedDateTime", d.Deleted)
	o.Null(absentGroupNames...)
}

func groupValue(g directory.Group, path []string) any {
	switch strings.Join(path, "/") {
	case "mailNickname":
		return listing.TextValue(g.MailNickname)
	case "securityEnabled":
		return g.SecurityEnabled
	case "mailEnabled":
		return g.MailEnabled
	case "isAssignableToRole":
		return g.RoleAssignable
	case "visibility":
		return listing.TextValue(g.Visibility)
	case "groupTypes":
		out := make([]any, len(g.Types))
		for i, t := range g.Types {
			out[i] = t
		}
		return out
	}
	return nil
}

func groupsKind(c *call) *kind[directory.Object] { return &c.group }

// transitiveMembers lists who is in a group by any way.
func transitiveMembers(c *call) (api.Answer, error) {
	o, err := c.objectOf(directory.KindGroup)
	if err != nil {
		return api.Answer{}, err
	}
	links, err := c.directory.MembersBelow(c.Context(), c.Tenant, o.ID)
	if err != nil {
		return api.Answer{}, err
	}
	down := map[pim.PrincipalID][]pim.PrincipalID{}
	for _, l := range links {
		if l.Contains(c.now) {
			down[l.From] = append(down[l.From], l.To)
		}
	}
	return c.listObjects(reach(down, o.ID))
}

// groupIn is a group as callers make or change one (Graph: "Create group", "Update group").
type groupIn struct {
	DisplayName        patched[string]   `json:"displayName"`
	Description        patched[string]   `json:"description"`
	MailNickname       patched[string]   `json:"mailNickname"`
	MailEnabled        patched[bool]     `json:"mailEnabled"`
	SecurityEnabled    patched[bool]     `json:"securityEnabled"`
	GroupTypes         patched[[]string] `json:"groupTypes"`
	Visibility         patched[string]   `json:"visibility"`
	IsAssignableToRole patched[bool]     `json:"isAssignableToRole"`
	MembershipRule     patched[string]   `json:"membershipRule"`
	Members            bindings          `json:"members@odata.bind"`
	Owners             bindings          `json:"owners@odata.bind"`
}

// apply changes a group. The error is a *problem.
func (in groupIn) apply(o *directory.Object) error {
	g := o.Group
	if in.MembershipRule.value != "" {
		return badRequest("membershipRule: groups whose members follow from a rule are not kept up here.")
	}
	in.DisplayName.to(&o.DisplayName)
	in.Description.to(&o.Description)
	in.MailNickname.to(&g.MailNickname)
	in.MailEnabled.to(&g.MailEnabled)
	in.SecurityEnabled.to(&g.SecurityEnabled)
	in.IsAssignableToRole.to(&g.RoleAssignable)
	in.GroupTypes.to(&g.Types)
	if in.Visibility.value != "" { // null keeps what is there: a group always has one
		g.Visibility = in.Visibility.value
	}
	return nil
}

// readGroup reads the body of a group.
func readGroup(c *call) (groupIn, error) {
	var in groupIn
	if err := listing.Decode(c, &c.group, &in); err != nil {
		return in, err
	}
	if len(in.Members)+len(in.Owners) > 2*maxBindings || len(in.Members) > maxBindings || len(in.Owners) > maxBindings {
		return in, badRequest("A body binds at most %d members and %d owners.", maxBindings, maxBindings)
	}
	return in, nil
}

func createGroup(c *call) (api.Answer, error) {
	o, err := c.createGroup()
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.group, http.StatusCreated, o)
}

// createGroup makes a group, in these administrative units. Who makes one without naming owners owns it, but for an
// application, as Graph has it.
func (c *call) createGroup(units ...pim.PrincipalID) (directory.Object, error) {
	in, err := readGroup(c)
	if err != nil {
		return directory.Object{}, err
	}
	if in.DisplayName.value == "" || in.MailNickname.value == "" || !in.MailEnabled.sent || !in.SecurityEnabled.sent {
		return directory.Object{}, badRequest("displayName, mailEnabled, mailNickname and securityEnabled are required.")
	}
	o := directory.Object{Group: &directory.Group{}}
	if err := in.apply(&o); err != nil {
		return directory.Object{}, err
	}
	if o.Group.RoleAssignable {
		if err := c.demand(rmWrite...); err != nil {
			return directory.Object{}, err
		}
	}
	if len(in.Owners) == 0 && !c.Caller.App() {
		in.Owners = bindings{c.Caller.Principal}
	}
	o, err = c.editor.CreateGroup(c.Context(), c.Caller, c.Tenant, app.NewGroup{
		DisplayName: o.DisplayName, Description: o.Description, Group: *o.Group, Members: in.Members, Owners: in.Owners, Units: units,
	})
	if err != nil {
		return o, writeProblem(err, c.missing(err, in.Members, in.Owners))
	}
	return o, nil
}

// missing is the object that a refusal of unknown ones is about, for its message: clients search for it.
func (c *call) missing(err error, lists ...bindings) string {
	if !wire.Refused(err, pim.UnknownPrincipal) {
		return "group"
	}
	var ids []string
	for _, id := range slices.Concat(lists...) {
		ids = append(ids, string(id))
	}
	found, err := c.objectsByID(ids)
	if err != nil {
		return "group"
	}
	for _, id := range ids {
		if !slices.ContainsFunc(found, func(o directory.Object) bool { return string(o.ID) == id }) {
			return id
		}
	}
	return "group"
}

// writableGroup is the group that the path names, if the token may write it: those that can hold roles take more.
func (c *call) writableGroup() (directory.Object, error) {
	o, err := c.objectOf(directory.KindGroup)
	if err == nil && o.Group.RoleAssignable {
		err = c.demand(rmWrite...)
	}
	return o, err
}

func updateGroup(c *call) (api.Answer, error) {
	in, err := readGroup(c)
	if err != nil {
		return api.Answer{}, err
	}
	o, err := c.writableGroup()
	if err != nil {
		return api.Answer{}, err
	}
	m := app.MembershipChange{AddMembers: in.Members, AddOwners: in.Owners}
	if _, err := c.editor.UpdateGroup(c.Context(), c.Caller, c.Tenant, o.ID, in.apply, m); err != nil {
		what := c.missing(err, in.Members, in.Owners)
		if wire.Refused(err, pim.AlreadyThere) {
			what = "members"
		}
		return api.Answer{}, writeProblem(err, what)
	}
	return noContent()
}

func deleteGroup(c *call) (api.Answer, error) {
	o, err := c.writableGroup()
	if err != nil {
		return api.Answer{}, err
	}
	if err := c.editor.DeleteGroup(c.Context(), c.Caller, c.Tenant, o.ID); err != nil {
		return api.Answer{}, writeProblem(err, string(o.ID))
	}
	return noContent()
}

// addTo adds to the members or owners of a group (Graph: "Add members", "Add group owner").
func addTo(r pim.RoleID) handler {
	return func(c *call) (api.Answer, error) {
		who, err := c.reference()
		if err != nil {
			return api.Answer{}, err
		}
		m, what := app.MembershipChange{AddMembers: []pim.PrincipalID{who}}, "members"
		if r == pim.Owner {
			m, what = app.MembershipChange{AddOwners: []pim.PrincipalID{who}}, "owners"
		}
		return c.changeMembers(m, what, who)
	}
}

// removeFrom takes somebody out of a group.
func removeFrom(r pim.RoleID) handler {
	return func(c *call) (api.Answer, error) {
		who := pim.PrincipalID(c.id("member"))
		m := app.MembershipChange{RemoveMembers: []pim.PrincipalID{who}}
		if r == pim.Owner {
			m = app.MembershipChange{RemoveOwners: []pim.PrincipalID{who}}
		}
		return c.changeMembers(m, string(who), who)
	}
}

func (c *call) changeMembers(m app.MembershipChange, what string, who pim.PrincipalID) (api.Answer, error) {
	o, err := c.writableGroup()
	if err != nil {
		return api.Answer{}, err
	}
	if _, err := c.editor.UpdateGroup(c.Context(), c.Caller, c.Tenant, o.ID, nil, m); err != nil {
		if wire.Refused(err, pim.UnknownPrincipal) {
			what = string(who)
		}
		return api.Answer{}, writeProblem(err, what)
	}
	return noContent()
}
