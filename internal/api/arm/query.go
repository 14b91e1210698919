package arm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Resource Graph (reference arm-pim §14): a small part of the Kusto query language over three tables: resources,
// resourcecontainers and authorizationresources. A query is a table and steps behind bars, of these: where, project, order by
// (sort by), limit (take), count.

func (s *Surface) queryRoutes() []route {
	return []route{{post, "/providers/Microsoft.ResourceGraph/resources", queryResources}}
}

// kustoComparisons are the operators of where.
func kustoComparisons() map[string]func(any, []string) bool {
	fold := strings.EqualFold
	anyOf := func(equal func(a, b string) bool) func(any, []string) bool {
		return func(have any, want []string) bool {
			return slices.ContainsFunc(want, func(w string) bool { return equal(textOf(have), w) })
		}
	}
	exact := anyOf(func(a, b string) bool { return a == b })
	lower := func(test func(s, t string) bool) func(any, []string) bool {
		return func(have any, want []string) bool {
			return test(strings.ToLower(textOf(have)), strings.ToLower(want[0]))
		}
	}
	not := func(test func(any, []string) bool) func(any, []string) bool {
		return func(have any, want []string) bool { return !test(have, want) }
	}
	return map[string]func(any, []string) bool{
		"==": exact, "!=": not(exact), "=~": anyOf(fold), "!~": not(anyOf(fold)),
		"in": exact, "!in": not(exact), "in~": anyOf(fold), "!in~": not(anyOf(fold)),
		"contains": lower(strings.Contains), "!contains": not(lower(strings.Contains)), "has": lower(strings.Contains),
		"startswith": lower(strings.HasPrefix), "endswith": lower(strings.HasSuffix),
		"<": ordered(func(o int) bool { return o < 0 }), ">": ordered(func(o int) bool { return o > 0 }),
		"<=": ordered(func(o int) bool { return o <= 0 }), ">=": ordered(func(o int) bool { return o >= 0 }),
	}
}

func ordered(test func(int) bool) func(any, []string) bool {
	return func(have any, want []string) bool { return have != nil && test(compareTexts(textOf(have), want[0])) }
}

// compareTexts orders numbers by their value, and texts by their bytes.
func compareTexts(a, b string) int {
	x, xErr := strconv.ParseFloat(a, 64)
	y, yErr := strconv.ParseFloat(b, 64)
	if xErr == nil && yErr == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(a, b)
}

// column is one of project: what is told, and its name.
type column struct {
	name string
	path []string
}

// sortKey is one of order by.
type sortKey struct {
	path []string
	desc bool
}

// kusto is a query that was read.
type kusto struct {
	table string
	// typed is the one type, in lower case, that rows have to be of; empty: any.
	typed string
	// wanted are the conditions that come before all steps: what they do not hold for is never kept.
	wanted []condition
	steps  []func(rows []record) []record
	// columns are those that are told; nil: all.
	columns []column
	counted bool
}

// record is a row of a table, by its columns in lower case.
type record map[string]any

func (x record) at(path []string) any {
	v := x[strings.ToLower(path[0])]
	for _, name := range path[1:] {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		var known bool
		if v, known = object[name]; !known {
			for k, other := range object {
				if strings.EqualFold(k, name) {
					v = other
				}
			}
		}
	}
	return v
}

// tables are those that can be asked.
func tables() []string { return []string{"resources", "resourcecontainers", "authorizationresources"} }

// parseKusto reads a query. The error is one that callers may see.
func parseKusto(text string) (*kusto, error) {
	list, err := tokens(text, true)
	if err != nil {
		return nil, err
	}
	r := &reader{list: list, comparisons: kustoComparisons()}
	q := &kusto{table: "resources"}
	if r.peek().kind == endToken {
		return q, nil
	}
	if next := r.list[1].kind; next == "|" || next == endToken {
		q.table = strings.ToLower(r.next().value)
	}
	if !slices.Contains(tables(), q.table) {
		return nil, fmt.Errorf("there is no table %.40q; there are %s", q.table, strings.Join(tables(), ", "))
	}
	for first := true; r.peek().kind != endToken; first = false {
		if !r.take("|") && !first {
			return nil, r.unexpected()
		}
		if len(q.wanted)+len(q.steps) > deepestQuery {
			return nil, fmt.Errorf("it has more than %d steps", deepestQuery)
		}
		if err := q.step(r); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (q *kusto) step(r *reader) error {
	switch {
	case q.counted:
		return r.unexpected()
	case r.take("where"):
		return q.where(r)
	case r.take("project"):
		return q.project(r)
	case r.take("limit"), r.take("take"):
		return q.limit(r)
	case r.take("order"), r.take("sort"):
		return q.order(r)
	case r.take("count"):
		q.counted = true
		return nil
	}
	return r.unexpected()
}

func (q *kusto) where(r *reader) error {
	typed := typeIn(r.list[r.pos:])
	c, err := r.or()
	if err != nil {
		return err
	}
	if len(q.steps) == 0 {
		q.typed, q.wanted = cmp.Or(q.typed, typed), append(q.wanted, c)
		return nil
	}
	q.steps = append(q.steps, func(rows []record) []record {
		return slices.DeleteFunc(rows, func(x record) bool { return !c(x.at) })
	})
	return nil
}

// typeIn is the type, in lower case, that a condition begins with and nothing can do without, as there is no or in it; empty: none.
func typeIn(rest []token) string {
	end := slices.IndexFunc(rest, func(t token) bool { return t.kind == "|" || t.kind == endToken })
	isWord := func(t token, word string) bool { return t.kind == wordToken && strings.EqualFold(t.value, word) }
	rest = rest[:end]
	if len(rest) < 3 || !isWord(rest[0], "type") || rest[1].kind != "==" && rest[1].kind != "=~" || rest[2].kind != textToken ||
		slices.ContainsFunc(rest, func(t token) bool { return isWord(t, "or") }) {
		return ""
	}
	return strings.ToLower(rest[2].value)
}

// wants says whether a row of the table passes what comes before all steps.
func (q *kusto) wants(x record) bool {
	return !slices.ContainsFunc(q.wanted, func(c condition) bool { return !c(x.at) })
}

func (q *kusto) project(r *reader) error {
	var columns []column
	for {
		path, err := r.path()
		if err != nil {
			return err
		}
		c := column{strings.Join(path, "_"), path}
		if r.take("=") {
			if c.path, err = r.path(); err != nil {
				return err
			}
		}
		columns = append(columns, c)
		if !r.take(",") {
			break
		}
	}
	q.columns = columns
	q.steps = append(q.steps, func(rows []record) []record {
		for i, x := range rows {
			rows[i] = record{}
			for _, c := range columns {
				rows[i][strings.ToLower(c.name)] = x.at(c.path)
			}
		}
		return rows
	})
	return nil
}

func (q *kusto) limit(r *reader) error {
	t := r.peek()
	n, err := strconv.Atoi(t.value)
	if t.kind != numberToken || err != nil {
		return r.unexpected()
	}
	r.next()
	q.steps = append(q.steps, func(rows []record) []record { return rows[:min(n, len(rows))] })
	return nil
}

func (q *kusto) order(r *reader) error {
	if err := r.want("by"); err != nil {
		return err
	}
	var keys []sortKey
	for {
		path, err := r.path()
		if err != nil {
			return err
		}
		// Kusto sorts downwards unless it is told otherwise.
		key := sortKey{path, !r.take("asc")}
		if key.desc {
			r.take("desc")
		}
		if r.take("nulls") && !r.take("first") && !r.take("last") {
			return r.unexpected()
		}
		if keys = append(keys, key); !r.take(",") {
			break
		}
	}
	q.steps = append(q.steps, func(rows []record) []record {
		slices.SortStableFunc(rows, func(a, b record) int {
			for _, k := range keys {
				if o := compareTexts(textOf(a.at(k.path)), textOf(b.at(k.path))); o != 0 {
					if k.desc {
						return -o
					}
					return o
				}
			}
			return 0
		})
		return rows
	})
	return nil
}

// graphQuery is what is sent.
type graphQuery struct {
	Query            string
	Subscriptions    []string
	ManagementGroups []string
	Options          struct {
		Top          *int   `json:"$top"`
		Skip         *int   `json:"$skip"`
		SkipToken    string `json:"$skipToken"`
		ResultFormat string
	}
}

func queryResources(c *call) (api.Answer, error) {
	var in graphQuery
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	q, err := parseKusto(in.Query)
	if err != nil {
		return api.Answer{}, &problem{Status: http.StatusBadRequest, Code: "BadRequest", Message: "The query cannot be understood: " + err.Error() + "."}
	}
	within, err := c.within(in)
	if err != nil {
		return api.Answer{}, err
	}
	rows, err := c.records(q, within)
	if err != nil {
		return api.Answer{}, err
	}
	for _, step := range q.steps {
		rows = step(rows)
	}
	if q.counted {
		rows, q.columns = []record{{"count": len(rows)}}, []column{{"Count", []string{"Count"}}}
	}
	skip, top, err := in.window()
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, q.write(rows, skip, top, strings.EqualFold(in.Options.ResultFormat, "table"))), nil
}

// window is which rows are wanted: how many are passed over, and how many told.
func (in graphQuery) window() (skip, top int, err error) {
	top = mostNodes
	bad := &problem{Status: http.StatusBadRequest, Code: "BadRequest", Message: "The options $top and $skip are whole numbers, and $skipToken is one that this server gave."}
	if o := in.Options; o.Skip != nil {
		skip = *o.Skip
	}
	if in.Options.Top != nil {
		top = *in.Options.Top
	}
	if text := in.Options.SkipToken; text != "" {
		if skip, err = strconv.Atoi(text); err != nil {
			return 0, 0, bad
		}
	}
	if skip < 0 || top < 1 {
		return 0, 0, bad
	}
	return skip, min(top, mostNodes), nil
}

// places are scopes at and below which nodes are meant; nil: everywhere.
type places map[pim.Scope]bool

func (in places) contain(s pim.Scope) bool {
	for at, ok := s, in != nil; ok; at, ok = resource.Above(at) {
		if in[at] {
			return true
		}
	}
	return in == nil
}

// mostScopes is how many scopes narrow a question to the store.
const mostScopes = 500

// within are the scopes of the subscriptions and management groups that the query names.
func (c *call) within(in graphQuery) (places, error) {
	roots := places{}
	for _, id := range in.Subscriptions {
		n, err := resource.ParseFor(c.Tenant, "/subscriptions/"+id)
		if err != nil || n.Kind != resource.Subscription {
			return nil, badMember("subscriptions", "a list of ids of subscriptions")
		}
		roots[n.Scope] = true
	}
	for _, name := range in.ManagementGroups {
		n, err := c.managementGroup(name)
		if err != nil {
			return nil, err
		}
		if n.Kind == resource.Root {
			return nil, nil
		}
		roots[n.Scope] = true
		for _, s := range c.app.ContainersBelow(c.Tenant, n.Scope) {
			roots[s] = true
		}
	}
	if len(roots) == 0 {
		return nil, nil
	}
	return roots, nil
}

// records reads the rows of a query's table that the caller may read and the query wants.
func (c *call) records(q *kusto, within places) ([]record, error) {
	if q.table == "authorizationresources" {
		rows, err := c.authorizationRecords(within)
		return slices.DeleteFunc(rows, func(x record) bool { return !q.wants(x) }), err
	}
	kind := store.Compare{Field: store.FieldResourceKind, Op: store.Eq, Value: int(resource.Resource)}
	if q.table == "resourcecontainers" {
		kind.Op = store.Ne
	}
	where := store.And{kind}
	if q.typed != "" {
		where = append(where, store.Is(store.FieldResourceType, q.typed))
	}
	if n := len(within); n > 0 && n <= mostScopes {
		where = append(where, store.Under{Field: store.FieldScope, Scopes: slices.Sorted(maps.Keys(within))})
	}
	var rows []record
	known := chains{}
	for n, err := range c.eachNode(where) {
		if err != nil {
			return nil, err
		}
		if !within.contain(n.Scope) {
			continue
		}
		above, err := c.chainOf(n, known)
		if err != nil {
			return nil, err
		}
		if x := c.nodeRecord(n, above); q.wants(x) {
			rows = append(rows, x)
		}
	}
	return rows, nil
}

// nodeRecord is a node as Resource Graph tells it, a subscription with the names of what is above it. Types are in lower case there.
func (c *call) nodeRecord(n resource.Node, above []any) record {
	x := record{"id": n.ID, "name": n.Name, "type": strings.ToLower(n.Type), "tenantid": string(n.Tenant), "location": cmp.Or(n.Location, elsewhere),
		"resourcegroup": strings.ToLower(groupOf(n)), "subscriptionid": subscriptionOf(n), "kind": "", "managedby": "",
		"sku": nil, "plan": nil, "identity": nil, "zones": nil, "extendedlocation": nil, "tags": nil, "properties": map[string]any{}}
	var further map[string]any
	_ = json.Unmarshal(n.Further, &further) // an object, or nothing
	for name, v := range further {
		if _, known := x[strings.ToLower(name)]; known {
			x[strings.ToLower(name)] = v
		}
	}
	if n.Tags != nil {
		tags := map[string]any{}
		for k, v := range n.Tags {
			tags[k] = v
		}
		x["tags"] = tags
	}
	switch n.Kind {
	case resource.ManagementGroup:
		x["location"] = ""
		x["properties"] = map[string]any{"tenantId": string(n.Tenant), "displayName": n.Title(),
			"details": map[string]any{"parent": map[string]any{"id": managementGroupID(n.Tenant, n.Parent)}}}
	case resource.Subscription:
		x["location"] = ""
		x["name"] = n.Title()
		x["properties"] = map[string]any{"state": factsOf(n).State, "managementGroupAncestorsChain": above}
	case resource.Group:
		x["properties"] = map[string]any{"provisioningState": "Succeeded"}
	case resource.Root, resource.Resource:
	}
	return x
}

// chains are the names of the management groups above subscriptions, by what the subscriptions are directly in.
type chains map[pim.Scope][]any

// chainOf names the management groups above a subscription, and reads them once for all that lie beside one another.
func (c *call) chainOf(n resource.Node, known chains) ([]any, error) {
	if out, ok := known[n.Parent]; ok || n.Kind != resource.Subscription {
		return out, nil
	}
	above, err := c.app.Ancestors(c.Context(), c.Tenant, n.Scope)
	out := []any{}
	for _, g := range above {
		out = append(out, map[string]any{"name": g.Name, "displayName": g.Title()})
	}
	known[n.Parent] = out
	return out, err
}

// authorizationRecords are the role assignments and role definitions that the caller may read. What people are eligible for is not
// among them.
func (c *call) authorizationRecords(within places) ([]record, error) {
	var rows []record
	scopes, err := c.readableRoots()
	if err != nil {
		return nil, err
	}
	seen := map[pim.ScheduleID]bool{}
	for _, at := range scopes {
		q := app.ResourceQuery{Query: store.Query{Tenant: c.Tenant, Limit: mostNodes}, Kind: pim.Assignment, Instances: true, Scope: at}
		for {
			page, err := c.app.ResourceGrants(c.Context(), c.Caller, q)
			if err != nil {
				return nil, err
			}
			for _, i := range page.Rows {
				if !seen[i.Schedule.ID] && within.contain(i.Schedule.Key.Scope) {
					seen[i.Schedule.ID] = true
					rows = append(rows, c.assignmentRecord(i))
				}
			}
			if q.After = page.Next; len(page.Next) == 0 {
				break
			}
		}
	}
	if len(scopes) == 0 {
		return rows, nil
	}
	roles, err := c.app.ResourceRoles(c.Context(), c.Caller, c.Tenant, scopes[0], true)
	if _, refused := refusalOf(err); err != nil && !refused {
		return nil, err
	}
	for _, r := range roles {
		rows = append(rows, c.definitionRecord(r))
	}
	return rows, nil
}

// readableRoots are the scopes at and below which the caller may read who holds what: "/", or else the highest there are.
func (c *call) readableRoots() ([]pim.Scope, error) {
	if pim.MayDo(c.Caller, pim.ReadRoleAssignments, pim.Everywhere) == nil {
		return []pim.Scope{pim.Everywhere}, nil
	}
	var out []pim.Scope
	for n, err := range c.eachNode(store.Compare{Field: store.FieldResourceKind, Op: store.Le, Value: int(resource.Group)}) {
		if err != nil {
			return nil, err
		}
		covered := slices.ContainsFunc(out, func(s pim.Scope) bool { return resource.Within(n.Scope, s) })
		if !covered && pim.MayDo(c.Caller, pim.ReadRoleAssignments, n.Scope) == nil {
			out = append(out, n.Scope)
		}
	}
	return out, nil
}

func (c *call) assignmentRecord(i pim.Instance) record {
	s := i.Schedule
	scope := string(s.Key.Scope)
	if n, err := resource.Parse(scope); err == nil {
		scope = n.ID
	}
	return record{"id": strings.TrimSuffix(scope, "/") + "/providers/Microsoft.Authorization/RoleAssignments/" + string(s.ID), "name": string(s.ID),
		"type": "microsoft.authorization/roleassignments", "tenantid": string(c.Tenant), "location": "global", "subscriptionid": subscriptionOf(resource.Node{Scope: s.Key.Scope}),
		"resourcegroup": "", "properties": map[string]any{"principalId": string(s.Key.Principal), "scope": scope,
			"roleDefinitionId": "/providers/Microsoft.Authorization/RoleDefinitions/" + string(s.Key.Role),
			"createdOn":        s.Created.UTC().Format("2006-01-02T15:04:05.9999999Z"), "description": s.Description, "condition": s.Condition}}
}

func (c *call) definitionRecord(r rbac.Role) record {
	kind := "CustomRole"
	if r.BuiltIn {
		kind = "BuiltInRole"
	}
	permissions := make([]any, len(r.Permissions))
	for i, p := range r.Permissions {
		permissions[i] = map[string]any{"actions": texts(p.Actions), "notActions": texts(p.NotActions), "dataActions": texts(p.DataActions),
			"notDataActions": texts(p.NotDataActions)}
	}
	return record{"id": "/providers/Microsoft.Authorization/RoleDefinitions/" + r.ID, "name": r.ID, "type": "microsoft.authorization/roledefinitions",
		"tenantid": string(c.Tenant), "location": "global", "subscriptionid": "", "resourcegroup": "",
		"properties": map[string]any{"roleName": r.Name, "type": kind, "description": r.Description, "permissions": permissions,
			"assignableScopes": texts(r.Assignable)}}
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// spelling are the columns as they are told.
func spelling() []column {
	var out []column
	for _, name := range []string{"id", "name", "type", "tenantId", "kind", "location", "resourceGroup", "subscriptionId", "managedBy", "sku", "plan",
		"properties", "tags", "identity", "zones", "extendedLocation"} {
		out = append(out, column{name, []string{name}})
	}
	return out
}

// write tells the rows of a window.
func (q *kusto) write(rows []record, skip, top int, table bool) []byte {
	columns := q.columns
	if columns == nil {
		columns = spelling()
	}
	total := len(rows)
	rows = rows[min(skip, total):]
	rows = rows[:min(top, len(rows))]
	o := wire.New(nil, nil)
	o.Int("totalRecords", total)
	o.Int("count", len(rows))
	truncated := "false"
	if skip+len(rows) < total {
		truncated = "true"
	}
	o.Str("resultTruncated", truncated)
	if truncated == "true" {
		o.Str("$skipToken", strconv.Itoa(skip+len(rows)))
	}
	o.Texts("facets", nil)
	o.Name("data")
	if table {
		o.B = append(o.B, tableOf(columns, rows)...)
	} else {
		o.B = append(o.B, objectsOf(columns, rows)...)
	}
	return o.End()
}

func objectsOf(columns []column, rows []record) []byte {
	out := make([][]byte, len(rows))
	for i, x := range rows {
		o := wire.New(nil, nil)
		for _, c := range columns {
			o.Name(plainName(c.name))
			o.B = append(o.B, wire.MustJSON(x[strings.ToLower(c.name)])...)
		}
		out[i] = o.End()
	}
	return wire.AppendList(nil, out)
}

// plainName is a name of a column as JSON can hold it.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r == 0xfffd {
			return '_'
		}
		return r
	}, name)
}

func tableOf(columns []column, rows []record) []byte {
	var head []map[string]string
	for _, c := range columns {
		kind := "string"
		for _, x := range rows {
			switch x[strings.ToLower(c.name)].(type) {
			case map[string]any, []any:
				kind = "object"
			case int, float64:
				kind = "integer"
			case bool:
				kind = "boolean"
			}
		}
		head = append(head, map[string]string{"name": c.name, "type": kind})
	}
	cells := make([][]any, len(rows))
	for i, x := range rows {
		cells[i] = make([]any, len(columns))
		for j, c := range columns {
			cells[i][j] = x[strings.ToLower(c.name)]
		}
	}
	return wire.MustJSON(map[string]any{"columns": head, "rows": cells})
}
