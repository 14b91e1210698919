package migrate

import (
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"

	"portcullis/internal/api/governance"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
)

// oldQuery is what the query of an older call asks for.
type oldQuery struct {
	// resource, role, subject, state, subStatus and id are what the filter demands of these; empty: nothing.
	resource, role, subject, state, subStatus, id string
	// rest are the filter's other conditions.
	rest []odata.Expr
	odata.Query
	// evaluate says that nothing is to be stored.
	evaluate bool
}

// keys are the properties that choose an address or a scope, by their names in lower case.
func (a *oldQuery) keys() map[string]*string {
	return map[string]*string{
		"resourceid": &a.resource, "resource/id": &a.resource, "roledefinition/resource/id": &a.resource,
		"roledefinitionid": &a.role, "roledefinition/id": &a.role,
		"subjectid": &a.subject, "subject/id": &a.subject,
		"assignmentstate": &a.state, "status/substatus": &a.subStatus, "id": &a.id,
	}
}

// readQuery reads the query of a call. What cannot be read is noted.
func readQuery(t *translation, values url.Values) oldQuery {
	var a oldQuery
	for name, list := range values {
		if strings.EqualFold(name, "evaluateOnly") && len(list) > 0 {
			a.evaluate, _ = strconv.ParseBool(list[0]) // what is no truth value is none
		}
	}
	q, err := odata.Parse(values)
	if err != nil {
		t.changed("query", fmt.Sprintf("The query cannot be read (%v): write it anew.", err))
		return a
	}
	a.Query = q
	keys := a.keys()
	for _, term := range odata.Terms(q.Filter) {
		if c, ok := term.(odata.Compare); ok && c.Op == odata.Eq {
			if key := keys[strings.ToLower(c.Path.Name())]; key != nil && *key == "" && odata.TextOf(c.Value) != "" {
				*key = odata.TextOf(c.Value)
				continue
			}
		}
		a.rest = append(a.rest, term)
	}
	return a
}

// kinds are the kinds of grants that are asked for.
func (a oldQuery) kinds() []pim.Kind {
	if k, ok := governance.ParseState(a.state); ok {
		return []pim.Kind{k}
	}
	return []pim.Kind{pim.Eligibility, pim.Assignment}
}

// renamed are the properties of the second iteration by their names in lower case, in Microsoft Graph's words. What is not here
// has no counterpart.
func (t *translation) renamed(set string) map[string]string {
	group := t.provider == pim.Group
	names := map[string]string{
		"id": "id", "subjectid": "principalId", "subject/id": "principalId", "subject/displayname": "principal/displayName",
		"startdatetime": "startDateTime", "enddatetime": "endDateTime", "membertype": "memberType",
		"roledefinition/displayname": "roleDefinition/displayName",
	}
	switch {
	case group:
		maps.Copy(names, map[string]string{"resourceid": "groupId", "resource/id": "groupId", "resource/displayname": "group/displayName", "roledefinitionid": "accessId"})
		delete(names, "roledefinition/displayname")
	default:
		maps.Copy(names, map[string]string{"roledefinitionid": "roleDefinitionId", "roledefinition/id": "roleDefinitionId", "scopedresourceid": "directoryScopeId",
			"roledefinition/templateid": "roleDefinitionId"})
	}
	switch set {
	case "roleassignmentrequests":
		maps.Copy(names, map[string]string{"status/substatus": "status", "requesteddatetime": "createdDateTime", "type": "action", "reason": "justification"})
		delete(names, "startdatetime")
		delete(names, "enddatetime")
		delete(names, "membertype")
	case "roledefinitions":
		return map[string]string{"id": "id", "templateid": "templateId", "displayname": "displayName"}
	}
	return names
}

// rewritten is a condition in other words; false: a property in it has none.
func rewritten(e odata.Expr, names map[string]string) (odata.Expr, bool) {
	each := func(list []odata.Expr) ([]odata.Expr, bool) {
		out := make([]odata.Expr, len(list))
		for i, x := range list {
			var ok bool
			if out[i], ok = rewritten(x, names); !ok {
				return nil, false
			}
		}
		return out, true
	}
	switch e := e.(type) {
	case odata.And:
		list, ok := each(e)
		return odata.And(list), ok
	case odata.Or:
		list, ok := each(e)
		return odata.Or(list), ok
	case odata.Not:
		x, ok := rewritten(e.X, names)
		return odata.Not{X: x}, ok
	case odata.Compare:
		var ok bool
		e.Path, ok = renamedPath(e.Path, names)
		return e, ok
	case odata.In:
		var ok bool
		e.Path, ok = renamedPath(e.Path, names)
		return e, ok
	case odata.Call:
		return rewrittenCall(e, names)
	case odata.Any, odata.All:
	}
	return nil, false
}

func rewrittenCall(e odata.Call, names map[string]string) (odata.Expr, bool) {
	args := make([]odata.Operand, len(e.Args))
	for i, a := range e.Args {
		args[i] = a
		if p, isPath := a.(odata.Path); isPath {
			var ok bool
			if args[i], ok = renamedPath(p, names); !ok {
				return nil, false
			}
		}
	}
	e.Args = args
	return e, true
}

func renamedPath(p odata.Path, names map[string]string) (odata.Path, bool) {
	name, ok := names[strings.ToLower(p.Name())]
	return odata.Path{Segments: strings.Split(name, "/"), Wrap: p.Wrap}, ok
}

// restOf is the rest of the filter in other words. What has none is noted.
func (t *translation) restOf(names map[string]string) []string {
	var out []string
	for _, term := range t.q.rest {
		e, ok := rewritten(term, names)
		if !ok {
			t.changed("$filter", "The condition "+term.String()+" has no counterpart: hold the rows against it in the program.")
			continue
		}
		out = append(out, e.String())
	}
	return out
}

// filterOption is a $filter of conditions that all must hold; empty: there are none.
func filterOption(conditions ...string) string {
	var all []string
	for _, c := range conditions {
		if c != "" {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "$filter=" + strings.Join(all, " and ")
}

// equals is a condition on a text; empty: on none.
func equals(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " eq " + odata.String(value).String()
}

// graphOptions are the options of a list beside its filter, in Microsoft Graph's words.
func (t *translation) graphOptions(names, expands map[string]string) []string {
	var out []string
	if list := t.selected(names); len(list) > 0 {
		out = append(out, "$select="+strings.Join(list, ","))
	}
	var expand []string
	for _, e := range t.q.Expand {
		name, ok := expands[strings.ToLower(e.Path)]
		if !ok {
			t.changed("$expand", "There is nothing to expand in place of "+e.Path+".")
			continue
		}
		expand = append(expand, name)
		if len(e.Query.Expand) > 0 {
			// The role's resource was two steps away; it is a step from the row now.
			if scope, ok := expands["resource"]; ok {
				expand = append(expand, scope)
			}
		}
	}
	if expand = distinct(expand); len(expand) > 0 {
		out = append(out, "$expand="+strings.Join(expand, ","))
	}
	if t.q.Top != nil {
		out = append(out, "$top="+strconv.Itoa(*t.q.Top))
	}
	if t.q.Count {
		out = append(out, "$count=true")
	}
	t.unordered()
	return out
}

func (t *translation) selected(names map[string]string) []string {
	var out []string
	for _, s := range t.q.Select {
		if name, ok := names[strings.ToLower(s)]; ok {
			out = append(out, name)
		} else {
			t.changed("$select", "There is no property in place of "+s+".")
		}
	}
	return distinct(out)
}

func (t *translation) unordered() {
	if len(t.q.OrderBy) > 0 {
		t.changed("$orderby", "Rows are not sorted by this: sort them in the program.")
	}
	if t.q.Skip > 0 {
		t.changed("$skip", "Rows are not skipped: follow @odata.nextLink.")
	}
}

func distinct(list []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// armList notes what a list of Azure Resource Manager does not take.
func (t *translation) armList() {
	if len(t.q.Expand) > 0 {
		t.changed("$expand", "Every row has expandedProperties with principal, roleDefinition and scope.")
	}
	if len(t.q.Select) > 0 {
		t.changed("$select", "Rows come whole.")
	}
	if t.q.Top != nil || t.q.Count {
		t.changed("$top", "Pages are the server's: follow nextLink and count the rows.")
	}
	t.unordered()
	for _, term := range t.q.rest {
		t.changed("$filter", "The condition "+term.String()+" has no counterpart: hold the rows against it in the program.")
	}
}
