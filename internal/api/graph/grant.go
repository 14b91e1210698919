package graph

import (
	"errors"
	"slices"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// What schedules, instances and plain assignments have in common: all three are the core's instances, seen as a whole
// span, as what holds now, and as the directory's own row.

// grants lists what the caller's view shows.
func (c *call) grants(k pim.Kind, instances bool, q store.Query) (store.Page[pim.Instance], error) {
	return c.app.Grants(c.Context(), c.Caller, app.GrantQuery{
		Query: q, Provider: pim.Directory, Kind: k, Instances: instances, View: c.view,
	})
}

// allGrants reads every grant that matches, for answers that are not paged by the store. It refuses what is too much.
func (c *call) allGrants(of pim.Kind, instances bool, where store.Filter) ([]pim.Instance, error) {
	query := store.Query{Tenant: c.Tenant, Limit: scanSize, Where: where}
	var rows []pim.Instance
	for range maxScans {
		page, err := c.visibleGrants(of, instances, query)
		if err != nil {
			return nil, err
		}
		rows = append(rows, page.Rows...)
		if len(page.Next) == 0 {
			return rows, nil
		}
		query.After = page.Next
	}
	return nil, unsupported("There are too many assignments for one answer; ask for fewer by $filter.")
}

// visibleGrants lists what the view shows.
func (c *call) visibleGrants(of pim.Kind, instances bool, q store.Query) (store.Page[pim.Instance], error) {
	page, err := c.grants(of, instances, q)
	if r, ok := errors.AsType[*pim.Refusal](err); ok && r.Code == pim.Forbidden && c.ownToo && c.view != app.Mine {
		own := *c
		own.view = app.Mine
		return own.grants(of, instances, q)
	}
	return page, err
}

func referenceOf(i pim.Instance) reference {
	return reference{i.Principal, i.Schedule.Key.Role, i.Schedule.Key.Scope}
}

// outside says that the grant was made outside PIM: no request stands behind it.
func outside(i pim.Instance) bool { return i.Schedule.Request == "" }

// writeGrant writes the members that all have.
func writeGrant(o *object, i pim.Instance) {
	o.text("principalId", string(i.Principal))
	o.text("roleDefinitionId", string(i.Schedule.Key.Role))
	o.text("directoryScopeId", string(i.Schedule.Key.Scope))
	o.null("appScopeId")
}

// grantProperties are what callers may ask of all.
func grantProperties(more ...odata.Property) []odata.Property {
	return append([]odata.Property{
		{Name: "id", Kind: odata.KindString, Filterable: true},
		{Name: "principalId", Kind: odata.KindID, Filterable: true},
		{Name: "roleDefinitionId", Kind: odata.KindID, Filterable: true},
		{Name: "directoryScopeId", Kind: odata.KindID, Filterable: true},
		{Name: "appScopeId", Kind: odata.KindID, Filterable: true},
	}, more...)
}

func idProperty(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindID, Filterable: true}
}

func textProperty(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindText, Filterable: true}
}

func timeProperty(name string, sorts bool) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindTime, Filterable: true, Sortable: sorts}
}

func boolProperty(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindBool, Filterable: true}
}

func enumProperty(name string, values ...string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindEnum, Filterable: true, Values: values}
}

// plainProperties can be selected only.
func plainProperties(names ...string) []odata.Property {
	out := make([]odata.Property, len(names))
	for i, n := range names {
		out[i] = odata.Property{Name: n, Kind: odata.KindComplex}
	}
	return out
}

// filterNavigation lets filters reach into a related object, which $select does not name.
func filterNavigation(name string, of *odata.Schema) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindComplex, Filterable: true, Properties: of.Properties}
}

// grantColumns are what the store knows of all.
func grantColumns() columns {
	start, end, created := timeColumn(store.FieldStart), timeColumn(store.FieldEnd), timeColumn(store.FieldCreated)
	// What these compare is derived; they only sort by the column.
	start.compare, end.compare = nil, nil
	return columns{
		"principalId":       idColumn(store.FieldPrincipal),
		"principal/id":      idColumn(store.FieldPrincipal),
		"roleDefinitionId":  idColumn(store.FieldRole),
		"roleDefinition/id": idColumn(store.FieldRole),
		"directoryScopeId":  scopeColumn(store.FieldScope),
		"memberType":        wordColumn(store.FieldMember, memberTypes),
		"assignmentType":    wordColumn(store.FieldType, assignmentTypes),
		"createdDateTime":   created,
		"startDateTime":     start,
		"endDateTime":       end,
	}
}

func memberType(m pim.MemberType) string {
	switch m {
	case pim.ByGroup:
		return "Group"
	case pim.Inherited:
		return "Inherited"
	case pim.Direct:
	}
	return "Direct"
}

func memberTypes(word string) []int {
	for _, m := range []pim.MemberType{pim.Direct, pim.ByGroup, pim.Inherited} {
		if strings.EqualFold(word, memberType(m)) {
			return []int{int(m)}
		}
	}
	return nil
}

func assignmentType(t pim.AssignmentType) string {
	if t == pim.Activated {
		return "Activated"
	}
	return "Assigned"
}

func assignmentTypes(word string) []int {
	for _, t := range []pim.AssignmentType{pim.Assigned, pim.Activated} {
		if strings.EqualFold(word, assignmentType(t)) {
			return []int{int(t)}
		}
	}
	return nil
}

// grantValue is the value of a property that all have.
func grantValue(i pim.Instance, path []string) any {
	switch strings.Join(path, "/") {
	case "principalId", "principal/id":
		return string(i.Principal)
	case "roleDefinitionId", "roleDefinition/id":
		return string(i.Schedule.Key.Role)
	case "directoryScopeId":
		return string(i.Schedule.Key.Scope)
	case "memberType":
		return memberType(i.Member)
	case "assignmentType":
		return assignmentType(i.Schedule.Type)
	}
	return nil
}

func textValue(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func timeValue(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// filterByCurrentUser reads the argument of the function: which of the allowed relations to the caller is meant
// (reference graph-pim §13).
func (c *call) filterByCurrentUser(allowed map[string]app.View) error {
	_, args, _, err := odata.ParseFunction("f(" + c.Arguments + ")")
	if err != nil {
		return err
	}
	on, ok := args.Text("on")
	if !ok {
		return badRequest("filterByCurrentUser needs the argument on, a text in quotes.")
	}
	for name, view := range allowed {
		if strings.EqualFold(name, on) {
			c.view, c.function = view, true
			return nil
		}
	}
	return badRequest("filterByCurrentUser does not support this value of on here.")
}

func onPrincipal() map[string]app.View { return map[string]app.View{"principal": app.Mine} }

// grantSet is one set of grants: its kind on the wire, and what of the core it shows.
type grantSet struct {
	kind      func(*call) *kind[pim.Instance]
	of        pim.Kind
	instances bool
	// where narrows the set.
	where store.Filter
}

func (g grantSet) fetch(c *call) fetcher[pim.Instance] {
	return func(q store.Query) (store.Page[pim.Instance], error) {
		if g.where != nil {
			q.Where = and(q.Where, g.where)
		}
		return c.grants(g.of, g.instances, q)
	}
}

func and(filters ...store.Filter) store.Filter {
	var all store.And
	for _, f := range filters {
		if f != nil {
			all = append(all, f)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

func (g grantSet) list(c *call) (api.Answer, error) { return list(c, g.kind(c), g.fetch(c)) }

func (g grantSet) mine(c *call) (api.Answer, error) {
	if err := c.filterByCurrentUser(onPrincipal()); err != nil {
		return api.Answer{}, err
	}
	return g.list(c)
}

func (g grantSet) get(c *call) (api.Answer, error) {
	row, err := g.find(c)
	if err != nil {
		return api.Answer{}, err
	}
	return one(c, g.kind(c), 200, row)
}

func (g grantSet) navigate(name string) handler {
	return func(c *call) (api.Answer, error) {
		row, err := g.find(c)
		if err != nil {
			return api.Answer{}, err
		}
		return navigate(c, g.kind(c), row, name)
	}
}

// find returns the row that the path names, if the caller may see it: as a reader of all, or as its own.
func (g grantSet) find(c *call) (pim.Instance, error) {
	id := c.PathValue("id")
	where, ok := g.byID(id)
	if !ok {
		return pim.Instance{}, notFound(id)
	}
	for _, view := range []app.View{app.Everybody, app.Mine} {
		c.view = view
		page, err := g.fetch(c)(store.Query{Tenant: c.Tenant, Where: where, Limit: scanSize})
		if r, ok := errors.AsType[*pim.Refusal](err); ok && r.Code == pim.Forbidden {
			continue
		}
		if err != nil {
			return pim.Instance{}, err
		}
		rows := page.Rows
		if g.instances {
			rows = slices.DeleteFunc(rows, func(i pim.Instance) bool { return grantID(i) != id })
		}
		if row, ok := ownRow(rows); ok {
			return row, nil
		}
		break
	}
	return pim.Instance{}, notFound(id)
}

// ownRow is the row of a schedule's own principal among those of its members, else the first.
func ownRow(rows []pim.Instance) (pim.Instance, bool) {
	for _, r := range rows {
		if r.Member != pim.ByGroup {
			return r, true
		}
	}
	if len(rows) == 0 {
		return pim.Instance{}, false
	}
	return rows[0], true
}

// byID is the condition by which the row with an id is found.
func (g grantSet) byID(id string) (store.Filter, bool) {
	if !g.instances {
		return byScheduleID(id), true
	}
	k, ok := parseGrantID(id)
	return k.filter(), ok && k.kind == g.of
}

// filter is the condition by which the rows with the id are found.
func (k grantKey) filter() store.Filter {
	where := store.And{store.Is(store.FieldPrincipal, string(k.principal)), store.Is(store.FieldRole, string(k.role))}
	switch k.scope {
	case "":
		where = append(where, store.Is(store.FieldScope, string(pim.Everywhere)))
	default:
		where = append(where, store.In{Field: store.FieldScope, Values: []string{
			string(pim.AdministrativeUnit(k.scope)), "/" + k.scope,
		}})
	}
	member := pim.Direct
	if k.group != "" {
		member = pim.ByGroup
	}
	return append(where, store.Is(store.FieldMember, int(member)))
}
