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
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// What schedules, instances and plain assignments have in common: all three are the core's instances, seen as a whole
// span, as what holds now, and as the directory's own row.

// grants lists what the caller's view shows of a set.
func (c *call) grants(g grantSet, q store.Query) (store.Page[pim.Instance], error) {
	return c.app.Grants(c.Context(), c.Caller, app.GrantQuery{
		Query: q, Provider: g.provider, Kind: g.of, Instances: g.instances, View: c.view,
	})
}

// allGrants reads every grant of a directory role that matches, for answers that are not paged by the store. It refuses
// what is too much.
func (c *call) allGrants(of pim.Kind, instances bool, where store.Filter) ([]pim.Instance, error) {
	return c.allOf(grantSet{provider: pim.Directory, of: of, instances: instances}, where)
}

// allOf reads every grant of a set that matches.
func (c *call) allOf(g grantSet, where store.Filter) ([]pim.Instance, error) {
	query := store.Query{Tenant: c.Tenant, Limit: listing.ScanSize, Where: where}
	var rows []pim.Instance
	for range listing.MaxScans {
		page, err := c.visibleGrants(g, query)
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

// visibleGrants lists what the view shows or, where only that may be seen, the caller's own.
func (c *call) visibleGrants(g grantSet, q store.Query) (store.Page[pim.Instance], error) {
	page, err := c.grants(g, q)
	if c.ownToo && c.view != app.Mine && isForbidden(err) {
		own := *c
		own.view = app.Mine
		return own.grants(g, q)
	}
	return page, err
}

func isForbidden(err error) bool { return wire.Refused(err, pim.Forbidden) }

func referenceOf(i pim.Instance) reference {
	return reference{i.Principal, i.Schedule.Key.Role, i.Schedule.Key.Scope}
}

// outside says that the grant was made outside PIM: no request stands behind it.
func outside(i pim.Instance) bool { return i.Schedule.Request == "" }

// grantProperties are what callers may ask of all.
func grantProperties(w words, more ...odata.Property) []odata.Property {
	return append(append([]odata.Property{w.idProperty("id")}, w.keyProperties()...), more...)
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

// filterNavigation lets filters reach into a related object, which $select does not name.
func filterNavigation(name string, of *odata.Schema) odata.Property {
	return listing.Within(name, of.Properties...)
}

// grantColumns are what the store knows of all.
func grantColumns() listing.Columns {
	start, end, created := listing.TimeColumn(store.FieldStart), listing.TimeColumn(store.FieldEnd), listing.TimeColumn(store.FieldCreated)
	// What these compare is derived; they only sort by the column.
	start.Compare, end.Compare = nil, nil
	return listing.Columns{
		"principalId":       listing.IDColumn(store.FieldPrincipal),
		"principal/id":      listing.IDColumn(store.FieldPrincipal),
		"roleDefinitionId":  listing.IDColumn(store.FieldRole),
		"roleDefinition/id": listing.IDColumn(store.FieldRole),
		"directoryScopeId":  scopeColumn(store.FieldScope),
		"groupId":           listing.IDColumn(store.FieldScope),
		"group/id":          listing.IDColumn(store.FieldScope),
		"accessId":          listing.IDColumn(store.FieldRole),
		"memberType":        listing.WordColumn(store.FieldMember, memberTypes),
		"assignmentType":    listing.WordColumn(store.FieldType, assignmentTypes),
		"createdDateTime":   created,
		"startDateTime":     start,
		"endDateTime":       end,
	}
}

func memberType(i pim.Instance) string { return memberWord(i.Schedule.Key.Provider, i.Member) }

func memberTypes(word string) []int {
	for _, m := range []pim.MemberType{pim.Direct, pim.ByGroup, pim.Inherited} {
		if strings.EqualFold(word, memberWord(pim.Directory, m)) {
			return []int{int(m)}
		}
	}
	return nil
}

func assignmentType(i pim.Instance) string {
	return assignmentWord(i.Schedule.Key.Provider, i.Schedule.Type)
}

func assignmentTypes(word string) []int {
	for _, t := range []pim.AssignmentType{pim.Assigned, pim.Activated} {
		if strings.EqualFold(word, assignmentWord(pim.Directory, t)) {
			return []int{int(t)}
		}
	}
	return nil
}

// grantValue is the value of a property that all have.
func grantValue(i pim.Instance, path []string) any {
	switch name := strings.Join(path, "/"); name {
	case "memberType":
		return memberType(i)
	case "assignmentType":
		return assignmentType(i)
	default:
		return keyValue(i.Schedule.Key, i.Principal, name)
	}
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
			c.view, c.Function = view, true
			return nil
		}
	}
	return badRequest("filterByCurrentUser does not support this value of on here.")
}

func onPrincipal() map[string]app.View { return map[string]app.View{"principal": app.Mine} }

// grantSet is one set of grants: its kind on the wire, and what of the core it shows.
type grantSet struct {
	provider  pim.Provider
	kind      func(*call) *kind[pim.Instance]
	of        pim.Kind
	instances bool
	// where narrows the set.
	where store.Filter
}

func (g grantSet) fetch(c *call) listing.Fetcher[pim.Instance] {
	return func(q store.Query) (store.Page[pim.Instance], error) {
		q.Where = listing.Every(q.Where, g.where)
		return c.visibleGrants(g, q)
	}
}

// list lists the set. Of groups a filter has to say which, or whose (reference graph-pim §3.10); who may not read all of
// that gets their own.
func (g grantSet) list(c *call) (api.Answer, error) {
	if g.provider == pim.Group {
		narrowed, err := narrowed(c, g.kind(c))
		if err != nil {
			return api.Answer{}, err
		}
		if !narrowed {
			return api.Answer{}, unnarrowed()
		}
		c.ownToo = true
	}
	return listing.List(c, g.kind(c), g.fetch(c))
}

func (g grantSet) mine(c *call) (api.Answer, error) {
	if err := c.filterByCurrentUser(onPrincipal()); err != nil {
		return api.Answer{}, err
	}
	return listing.List(c, g.kind(c), g.fetch(c))
}

// narrowed says whether the call's filter asks for the rows of named groups or principals only.
func narrowed[T any](c *call, k *kind[T]) (bool, error) {
	q, err := c.Query(k.Schema)
	return err == nil && namesGroupOrPrincipal(q.Filter), err
}

func unnarrowed() *problem {
	return &problem{Status: http.StatusBadRequest, Code: "InvalidFilter",
		Message: "A $filter on groupId or principalId is required, such as groupId eq '{id}'."}
}

func namesGroupOrPrincipal(e odata.Expr) bool {
	named := func(p odata.Path) bool {
		switch p.Name() {
		case "groupId", "group/id", "principalId", "principal/id":
			return p.Wrap == odata.Plain
		}
		return false
	}
	switch e := e.(type) {
	case odata.And:
		return slices.ContainsFunc(e, namesGroupOrPrincipal)
	case odata.Or:
		return len(e) > 0 && !slices.ContainsFunc(e, func(t odata.Expr) bool { return !namesGroupOrPrincipal(t) })
	case odata.Compare:
		_, isText := e.Value.(odata.String)
		return e.Op == odata.Eq && isText && named(e.Path)
	case odata.In:
		return named(e.Path)
	case odata.Not, odata.Call, odata.Any, odata.All:
	}
	return false
}

func (g grantSet) get(c *call) (api.Answer, error) {
	row, err := g.find(c)
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, g.kind(c), 200, row)
}

func (g grantSet) navigate(name string) handler {
	return func(c *call) (api.Answer, error) {
		row, err := g.find(c)
		if err != nil {
			return api.Answer{}, err
		}
		return listing.Navigate(c, g.kind(c), row, name)
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
		page, err := g.fetch(c)(store.Query{Tenant: c.Tenant, Where: where, Limit: listing.ScanSize})
		if isForbidden(err) {
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
		return byScheduleID(words{provider: g.provider}, id), true
	}
	return byInstanceID(words{provider: g.provider}, g.of, id)
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
