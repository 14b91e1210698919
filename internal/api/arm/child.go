package arm

import (
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/resource"
)

// Where below a scope the caller could activate a role: EligibleChildResource (reference arm-pim §11).

func childRoutes() []route { return []route{{get, under("eligibleChildResources"), listChildren}} }

func listChildren(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	f, err := c.filter(filterWords{members: []string{"resourceType"}, or: true})
	if err != nil {
		return api.Answer{}, err
	}
	kinds, err := kindsIn(f.members["resourceType"])
	if err != nil {
		return api.Answer{}, err
	}
	after, err := c.after()
	if err != nil {
		return api.Answer{}, err
	}
	page, err := c.app.ChildResources(c.Context(), c.Caller, c.Tenant, n.Scope, kinds, after, c.limit())
	if err != nil {
		return api.Answer{}, c.at(n, err)
	}
	rows := make([][]byte, len(page.Rows))
	for i, child := range page.Rows {
		o := wire.New(nil, nil)
		o.Str("id", child.ID)
		o.Str("name", child.Title())
		o.Str("type", scopeType(child))
		rows[i] = o.End()
	}
	return c.page(rows, page.Next), nil
}

// kindsIn are the kinds of nodes that words for types ask for.
func kindsIn(words []string) ([]resource.Kind, error) {
	var kinds []resource.Kind
	for _, word := range words {
		switch strings.ToLower(word) {
		case "managementgroup":
			kinds = append(kinds, resource.ManagementGroup)
		case "subscription":
			kinds = append(kinds, resource.Subscription)
		case "resourcegroup":
			kinds = append(kinds, resource.Group)
		case "resource":
			kinds = append(kinds, resource.Resource)
		default:
			return nil, filterRefused("the type '" + printable(word) + "' is not known here")
		}
	}
	return kinds, nil
}
