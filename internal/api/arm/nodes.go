package arm

import (
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Lists of nodes of the tree.

// filterComparisons are the operators of $filter. Names and types of resources compare without letter case.
func filterComparisons() map[string]func(any, []string) bool {
	return map[string]func(any, []string) bool{
		"eq": func(have any, want []string) bool { return strings.EqualFold(textOf(have), want[0]) },
		"ne": func(have any, want []string) bool { return !strings.EqualFold(textOf(have), want[0]) },
	}
}

// nodeFilter reads the $filter of a list of nodes; nil: there is none. Beside the members of a row it knows tagName and tagValue,
// resourceGroup and subscriptionId.
func nodeFilter(text string) (func(resource.Node) bool, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	list, err := tokens(text, false)
	if err != nil {
		return nil, invalidFilter(err)
	}
	r := &reader{list: list, comparisons: filterComparisons()}
	holds, err := r.or()
	if err == nil && r.peek().kind != endToken {
		err = r.unexpected()
	}
	if err != nil {
		return nil, invalidFilter(err)
	}
	for _, t := range list {
		if unknown := t.kind == wordToken && !slices.ContainsFunc(nodeFilterWords(), func(w string) bool { return strings.EqualFold(w, t.value) }); unknown {
			return nil, &problem{Status: http.StatusBadRequest, Code: "InvalidFilter", Message: "The filter names '" + printable(t.value) + "', which is not known here."}
		}
	}
	return func(n resource.Node) bool { return heldByTag(n, holds) }, nil
}

func nodeFilterWords() []string {
	return []string{"eq", "ne", "and", "or", "not", "substringof", "contains", "startswith", "endswith", "true", "false",
		"resourceType", "type", "name", "displayName", "location", "id", "tagName", "tagValue", "resourceGroup", "subscriptionId", "kind"}
}

func invalidFilter(err error) *problem {
	return &problem{Status: http.StatusBadRequest, Code: "InvalidFilter", Message: "The filter cannot be read: " + err.Error() + "."}
}

// heldByTag says whether a condition holds for a node with one of its tags, or without any.
func heldByTag(n resource.Node, holds condition) bool {
	column := func(tag string) row {
		return func(path []string) any {
			switch strings.ToLower(path[0]) {
			case "resourcetype", "type":
				return n.Type
			case "name":
				return n.Name
			case "displayname":
				return n.Title()
			case "location":
				return n.Location
			case "id":
				return n.ID
			case "resourcegroup":
				return groupOf(n)
			case "subscriptionid":
				return subscriptionOf(n)
			case "tagname":
				return tag
			case "tagvalue":
				return n.Tags[tag]
			}
			return nil
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(n.Tags)) {
		if holds(column(tag)) {
			return true
		}
	}
	return holds(column(""))
}

// groupOf is the name of the resource group that a node is in, and subscriptionOf the id of its subscription; empty: none.
func groupOf(n resource.Node) string {
	parts := strings.SplitN(n.ID, "/", 6)
	if len(parts) > 4 && parts[1] == "subscriptions" && parts[3] == "resourceGroups" {
		return parts[4]
	}
	return ""
}

func subscriptionOf(n resource.Node) string {
	if rest, ok := strings.CutPrefix(string(n.Scope), "/subscriptions/"); ok {
		id, _, _ := strings.Cut(rest, "/")
		return id
	}
	return ""
}

// mostNodes bounds a page of nodes.
const mostNodes = 1000

// listNodes answers with the nodes that a condition holds for and the caller may read, behind rows that are written already.
func (c *call) listNodes(where store.Filter, write func([]byte, resource.Node) []byte, rows ...[]byte) (api.Answer, error) {
	page, err := c.nodePage(where)
	if err != nil {
		return api.Answer{}, err
	}
	for _, n := range page.Rows {
		rows = append(rows, write(nil, n))
	}
	return c.page(rows, page.Next), nil
}

// nodePage reads the page that the call asks for.
func (c *call) nodePage(where store.Filter) (page store.Page[resource.Node], err error) {
	keep, err := nodeFilter(c.option("$filter"))
	if err != nil {
		return page, err
	}
	q := store.Query{Tenant: c.Tenant, Where: where, Limit: mostNodes}
	if text := c.option("$top"); text != "" {
		top, err := strconv.Atoi(text)
		if err != nil || top < 1 {
			return page, &problem{Status: http.StatusBadRequest, Code: "InvalidTopParameter", Message: "The $top parameter is a whole number from 1."}
		}
		q.Limit = min(top, mostNodes)
	}
	if q.After, err = c.after(); err != nil {
		return page, err
	}
	return c.app.NodesWhere(c.Context(), c.Caller, q, keep)
}

// eachNode gives all nodes that a condition holds for and the caller may read, by scope, and ends with an error if there is one.
func (c *call) eachNode(where store.Filter) iter.Seq2[resource.Node, error] {
	return func(yield func(resource.Node, error) bool) {
		q := store.Query{Tenant: c.Tenant, Where: where, Limit: mostNodes}
		for {
			page, err := c.app.NodesWhere(c.Context(), c.Caller, q, nil)
			if err != nil {
				yield(resource.Node{}, err)
				return
			}
			for _, n := range page.Rows {
				if !yield(n, nil) {
					return
				}
			}
			if q.After = page.Next; len(page.Next) == 0 {
				return
			}
		}
	}
}

// containers holds for management groups and subscriptions.
func containers() store.Filter {
	return store.Compare{Field: store.FieldResourceKind, Op: store.Lt, Value: int(resource.Group)}
}

// rootID is the id by which clients call the root of a tenant's tree.
func rootID(t pim.TenantID) string {
	return "/providers/" + resource.ManagementGroupType + "/" + string(t)
}
