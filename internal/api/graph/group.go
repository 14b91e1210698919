package graph

import (
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
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
	), plainProperties(absentGroup()...)...)
}

// absentGroup are declared properties of which nothing is known here: they are null.
func absentGroup() []string {
	return []string{"classification", "expirationDateTime", "isManagementRestricted", "mail", "membershipRule", "membershipRuleProcessingState",
		"onPremisesDomainName", "onPremisesLastSyncDateTime", "onPremisesSamAccountName", "onPremisesSecurityIdentifier",
		"onPremisesSyncEnabled", "renewedDateTime", "securityIdentifier", "uniqueName", "deletedDateTime"}
}

var absentGroupNames = absentGroup()

func writeGroup(o *object, d directory.Object) {
	g := d.Group
	o.time("createdDateTime", d.Created)
	o.text("description", d.Description)
	o.text("displayName", d.DisplayName)
	o.texts("groupTypes", g.Types)
	o.bool("isAssignableToRole", g.RoleAssignable)
	o.bool("mailEnabled", g.MailEnabled)
	o.text("mailNickname", g.MailNickname)
	o.texts("proxyAddresses", nil)
	o.bool("securityEnabled", g.SecurityEnabled)
	o.text("visibility", g.Visibility)
	o.null(absentGroupNames...)
}

func groupValue(g directory.Group, path []string) any {
	switch strings.Join(path, "/") {
	case "mailNickname":
		return textValue(g.MailNickname)
	case "securityEnabled":
		return g.SecurityEnabled
	case "mailEnabled":
		return g.MailEnabled
	case "isAssignableToRole":
		return g.RoleAssignable
	case "visibility":
		return textValue(g.Visibility)
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
		if l.During.Contains(c.now) {
			down[l.From] = append(down[l.From], l.To)
		}
	}
	return c.listObjects(reach(down, o.ID))
}
