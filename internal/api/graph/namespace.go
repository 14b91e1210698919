package graph

import (
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
)

// The catalogue of actions: unifiedRbacResourceNamespace and unifiedRbacResourceAction (learn.microsoft.com/graph/api/
// resources, pages of these names). It is made of the actions that the roles of the tenant have.

// actionRow is one action of a namespace. Its id is its name with dashes, as the service writes it.
type actionRow struct{ namespace, name string }

func (r actionRow) id() string {
	_, rest, _ := strings.Cut(r.name, "/")
	return strings.ReplaceAll(rest, "/", "-")
}

// verb is the HTTP method that an action stands for, as far as its last word tells.
func (r actionRow) verb() string {
	switch r.name[strings.LastIndexByte(r.name, '/')+1:] {
	case "read":
		return "GET"
	case "create":
		return "POST"
	case "update":
		return "PATCH"
	case "delete":
		return "DELETE"
	}
	return ""
}

func namespaceProperties() []odata.Property {
	return []odata.Property{idProperty("id"), textProperty("name")}
}

func writeNamespace(_ *call, o *object, name string) {
	o.Str("id", name)
	o.Str("name", name)
}

func namespaceValue(_ *call, name string, _ []string) any { return name }

func actionProperties(beta bool) []odata.Property {
	out := append([]odata.Property{idProperty("id"), textProperty("name"), textProperty("description"), textProperty("actionVerb"),
		boolProperty("isAuthenticationContextSettable")}, listing.PlainProperties("authenticationContextId", "resourceScopeId")...)
	if beta {
		out = append(out, boolProperty("isPrivileged"))
	}
	return out
}

func writeAction(c *call, o *object, r actionRow) {
	o.Str("id", r.id())
	o.Text("actionVerb", r.verb())
	o.Null("authenticationContextId", "description")
	o.Bool("isAuthenticationContextSettable", false)
	if c.beta {
		o.Null("isPrivileged")
	}
	o.Str("name", r.name)
	o.Null("resourceScopeId")
}

func actionValue(_ *call, r actionRow, path []string) any {
	switch path[0] {
	case "id":
		return r.id()
	case "name":
		return r.name
	case "actionVerb":
		return listing.TextValue(r.verb())
	case "isAuthenticationContextSettable":
		return false
	}
	return nil
}

// actions are the actions of all roles, by namespace and name.
func (c *call) actions() ([]actionRow, error) {
	roles, err := c.app.Roles(c.Context(), c.Tenant)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range roles {
		names = append(names, r.Actions...)
	}
	slices.Sort(names)
	var out []actionRow
	for _, n := range slices.Compact(names) {
		namespace, _, _ := strings.Cut(n, "/")
		out = append(out, actionRow{namespace, n})
	}
	return out, nil
}

func (c *call) namespaces() ([]string, error) {
	all, err := c.actions()
	var out []string
	for _, a := range all {
		out = append(out, a.namespace)
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

func listNamespaces(c *call) (api.Answer, error) {
	names, err := c.namespaces()
	if err != nil {
		return api.Answer{}, err
	}
	return listAll(c, &c.namespace, names)
}

func getNamespace(c *call) (api.Answer, error) {
	names, err := c.namespaces()
	if err != nil {
		return api.Answer{}, err
	}
	i := wire.IndexFold(names, c.PathValue("id"))
	if i < 0 {
		return api.Answer{}, notFound(c.PathValue("id"))
	}
	return listing.One(c, &c.namespace, http.StatusOK, names[i])
}

func (c *call) actionsOfNamespace() ([]actionRow, error) {
	all, err := c.actions()
	all = slices.DeleteFunc(all, func(r actionRow) bool { return !strings.EqualFold(r.namespace, c.PathValue("id")) })
	if err == nil && len(all) == 0 {
		err = notFound(c.PathValue("id"))
	}
	return all, err
}

func listActions(c *call) (api.Answer, error) {
	rows, err := c.actionsOfNamespace()
	if err != nil {
		return api.Answer{}, err
	}
	return listAll(c, &c.action, rows)
}

func getAction(c *call) (api.Answer, error) {
	rows, err := c.actionsOfNamespace()
	if err != nil {
		return api.Answer{}, err
	}
	for _, r := range rows {
		if strings.EqualFold(r.id(), c.PathValue("action")) {
			return listing.One(c, &c.action, http.StatusOK, r)
		}
	}
	return api.Answer{}, notFound(c.PathValue("action"))
}
