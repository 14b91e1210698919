package graph

import (
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Directory objects: directoryObject and what descends from it (learn.microsoft.com/graph/api/resources/directoryobject).
// One writer serves users, groups, applications and units, so that lists that mix them are written like the others.

// objectType is the name of an object's type, and the set that it belongs to.
func objectType(o directory.Object) (typ, set string) {
	switch o.Kind {
	case directory.KindUser:
		return "user", "users"
	case directory.KindGroup:
		return "group", "groups"
	case directory.KindServicePrincipal:
		return "servicePrincipal", "servicePrincipals"
	case directory.KindAdministrativeUnit:
		return "administrativeUnit", "directory/administrativeUnits"
	case directory.KindRole, directory.KindResourceRole:
	}
	return "directoryObject", "directoryObjects"
}

func writeObject(c *call, o *object, d directory.Object) {
	o.Str("id", string(d.ID))
	switch d.Kind {
	case directory.KindUser:
		writeUser(c, o, d)
	case directory.KindGroup:
		writeGroup(o, d)
	case directory.KindServicePrincipal:
		writeServicePrincipal(c, o, d)
	case directory.KindAdministrativeUnit:
		writeUnit(o, d)
	case directory.KindRole, directory.KindResourceRole:
		o.Time("deletedDateTime", d.Deleted)
	}
}

func objectValue(_ *call, d directory.Object, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return string(d.ID)
	case "displayName":
		return listing.TextValue(d.DisplayName)
	case "description":
		return listing.TextValue(d.Description)
	case "createdDateTime":
		return listing.TimeValue(d.Created)
	case "deletedDateTime":
		return listing.TimeValue(d.Deleted)
	case "accountEnabled":
		if d.Kind == directory.KindUser || d.Kind == directory.KindServicePrincipal {
			return d.Enabled
		}
		return nil
	case "@odata.type":
		typ, _ := objectType(d)
		return "microsoft.graph." + typ
	}
	switch {
	case d.User != nil:
		return userValue(*d.User, path)
	case d.Group != nil:
		return groupValue(*d.Group, path)
	case d.App != nil:
		return servicePrincipalValue(d, path)
	}
	return nil
}

func objectColumns() listing.Columns {
	return listing.Columns{
		"id":                listing.IDColumn(store.FieldID),
		"displayName":       listing.TextColumn(store.FieldDisplayName),
		"userPrincipalName": listing.TextColumn(store.FieldPrincipalName),
		"mail":              listing.TextColumn(store.FieldMail),
		"mailNickname":      listing.TextColumn(store.FieldMailNickname),
		"appId":             listing.IDColumn(store.FieldClientID),
		"accountEnabled":    listing.BoolColumn(store.FieldEnabled),
	}
}

func sortable(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindText, Filterable: true, Sortable: true}
}

func commonObjectProperties() []odata.Property {
	return []odata.Property{
		idProperty("id"), sortable("displayName"), textProperty("description"), timeProperty("createdDateTime", false),
		timeProperty("deletedDateTime", false),
	}
}

// anyObjectProperties are those of all types together, for lists that mix them.
func anyObjectProperties() []odata.Property {
	var out []odata.Property
	for _, list := range [][]odata.Property{commonObjectProperties(), userProperties(), groupProperties(), servicePrincipalProperties(), unitProperties()} {
		for _, p := range list {
			if !slices.ContainsFunc(out, func(q odata.Property) bool { return q.Name == p.Name }) {
				out = append(out, p)
			}
		}
	}
	return out
}

// listKind answers with the objects of one kind.
func listKind(of func(*call) *kind[directory.Object], k directory.Kind) handler {
	return func(c *call) (api.Answer, error) {
		return listing.List(c, of(c), c.objectsOf(k))
	}
}

func (c *call) objectsOf(k directory.Kind) listing.Fetcher[directory.Object] {
	return func(q store.Query) (store.Page[directory.Object], error) {
		found, err := c.search()
		if err != nil {
			return store.Page[directory.Object]{}, err
		}
		q.Where = listing.Every(store.Is(store.FieldObjectKind, int(k)), q.Where, found)
		return c.directory.Objects(c.Context(), q)
	}
}

// search is the condition of $search: "displayName:text" "mail:text", joined by AND and OR.
func (c *call) search() (store.Filter, error) {
	values, err := odata.Values(c.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	q, err := odata.Parse(values)
	if err != nil || q.Search == "" {
		return nil, err
	}
	terms, ok := searchTerms(q.Search)
	if !ok {
		return nil, badRequest(`$search: write it as "displayName:text", in double quotes, joined by AND or OR.`)
	}
	cs := objectColumns()
	any := store.Or{}
	for _, all := range terms {
		f := store.And{}
		for _, t := range all {
			column := cs[t.name].Text
			if column == "" {
				return nil, badRequest("$search: property '%s' cannot be searched.", t.name)
			}
			f = append(f, store.Compare{Field: column, Op: store.Contains, Value: t.text})
		}
		any = append(any, f)
	}
	return any, nil
}

type searchTerm struct{ name, text string }

// searchTerms reads $search: alternatives of terms that must all be found. A text without a name searches names.
func searchTerms(s string) ([][]searchTerm, bool) {
	out := [][]searchTerm{nil}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		last := len(out) - 1
		if len(out[last]) > 0 {
			switch {
			case strings.HasPrefix(s, "OR "):
				out, s = append(out, nil), strings.TrimSpace(s[3:])
				last++
			case strings.HasPrefix(s, "AND "):
				s = strings.TrimSpace(s[4:])
			}
		}
		if s == "" || s[0] != '"' {
			return nil, false
		}
		end := strings.IndexByte(s[1:], '"')
		if end < 0 || len(out) > odata.MaxItems || len(out[last]) > odata.MaxItems {
			return nil, false
		}
		name, text, named := strings.Cut(s[1:1+end], ":")
		if !named {
			name, text = "displayName", name
		}
		out[last] = append(out[last], searchTerm{spelledSearch(name), strings.TrimSpace(text)})
		s = s[end+2:]
	}
	return out, len(out[len(out)-1]) > 0
}

func spelledSearch(name string) string {
	for _, n := range []string{"displayName", "userPrincipalName", "mail", "mailNickname"} {
		if strings.EqualFold(n, strings.TrimSpace(name)) {
			return n
		}
	}
	return name
}

// matchesSearch decides $search for a row at hand.
func matchesSearch(search string, value func([]string) any) bool {
	if search == "" {
		return true
	}
	terms, ok := searchTerms(search)
	if !ok {
		return false
	}
	for _, all := range terms {
		if !slices.ContainsFunc(all, func(t searchTerm) bool {
			text, _ := value([]string{t.name}).(string)
			return !strings.Contains(strings.ToLower(text), strings.ToLower(t.text))
		}) {
			return true
		}
	}
	return false
}

// getKind answers with one object of a kind.
func getKind(of func(*call) *kind[directory.Object], k directory.Kind) handler {
	return func(c *call) (api.Answer, error) {
		o, err := c.objectOf(k)
		if err != nil {
			return api.Answer{}, err
		}
		return listing.One(c, of(c), http.StatusOK, o)
	}
}

// objectOf returns the object of a kind that the path names, users also by their principal name and applications by
// the id of their application.
func (c *call) objectOf(k directory.Kind) (directory.Object, error) {
	id := c.PathValue("id")
	if k == directory.KindUser && !wire.IsGUID(id) {
		return c.findObject(k, store.FieldPrincipalName, id)
	}
	o, err := c.objectByID(id)
	if err == nil && k != 0 && o.Kind != k {
		err = notFound(id)
	}
	if err == nil && k == 0 && o.Kind.Definition() {
		err = notFound(id) // role definitions are no directory objects
	}
	return o, err
}

func (c *call) findObject(k directory.Kind, f store.Field, value string) (directory.Object, error) {
	page, err := c.directory.Objects(c.Context(), store.Query{Tenant: c.Tenant, Limit: 1, Where: store.And{
		store.Is(store.FieldObjectKind, int(k)), store.Is(f, value),
	}})
	if err != nil {
		return directory.Object{}, err
	}
	if len(page.Rows) == 0 {
		return directory.Object{}, notFound(value)
	}
	return page.Rows[0], nil
}

func anyObject(c *call) *kind[directory.Object] { return &c.object }

// listObjects answers with the objects of these ids, ordered by id.
func (c *call) listObjects(ids []string) (api.Answer, error) {
	objects, err := c.objectsByID(ids)
	if err != nil {
		return api.Answer{}, err
	}
	return c.listThese(objects)
}

// listThese answers with objects at hand, of one type where the path asks for it.
func (c *call) listThese(objects []directory.Object) (api.Answer, error) {
	slices.SortFunc(objects, func(a, b directory.Object) int { return strings.Compare(string(a.ID), string(b.ID)) })
	want := c.cast()
	objects = slices.DeleteFunc(objects, func(o directory.Object) bool {
		typ, _ := objectType(o)
		return want != "" && typ != want || o.Kind.Definition()
	})
	return listAll(c, &c.object, objects)
}

// casts are the types that a path may narrow a mixed list to.
func casts() []string { return []string{"user", "group", "servicePrincipal", "administrativeUnit"} }

// cast is the type at the end of the path: …/members/microsoft.graph.user.
func (c *call) cast() string {
	path := strings.TrimSuffix(c.URL.Path, "/$count")
	typ, ok := strings.CutPrefix(path[strings.LastIndexByte(path, '/')+1:], castPrefix)
	if !ok {
		return ""
	}
	return typ
}

const castPrefix = "microsoft.graph."

// linked are the objects at the other end of links that hold now.
func (c *call) linked(r directory.Relation, from, to pim.PrincipalID) ([]directory.Object, error) {
	links, err := c.directory.Links(c.Context(), c.Tenant, r, from, to)
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, l := range links {
		if !l.Contains(c.now) {
			continue
		}
		if from != "" {
			ids[string(l.To)] = true
		} else {
			ids[string(l.From)] = true
		}
	}
	return c.objectsByID(keys(ids))
}

// linkedTo lists what belongs to an object by a relation, such as a group's members, or what it belongs to, such as what
// a user owns.
func linkedTo(k directory.Kind, r directory.Relation, up bool) handler {
	return func(c *call) (api.Answer, error) {
		o, err := c.subject(k)
		if err != nil {
			return api.Answer{}, err
		}
		from, to := o.ID, pim.PrincipalID("")
		if up {
			from, to = "", o.ID
		}
		objects, err := c.linked(r, from, to)
		if err != nil {
			return api.Answer{}, err
		}
		return c.listThese(objects)
	}
}

// below lists what belongs to an object: members, owners.
func below(k directory.Kind, r directory.Relation) handler { return linkedTo(k, r, false) }

// ownedObjects lists what an object owns.
func ownedObjects(k directory.Kind) handler { return linkedTo(k, directory.OwnerOf, true) }

// memberOf lists the groups and units that an object is directly in.
func memberOf(k directory.Kind) handler {
	return func(c *call) (api.Answer, error) {
		o, err := c.subject(k)
		if err != nil {
			return api.Answer{}, err
		}
		objects, err := c.linked(directory.MemberOf, "", o.ID)
		if err != nil {
			return api.Answer{}, err
		}
		units, err := c.linked(directory.UnitMember, "", o.ID)
		if err != nil {
			return api.Answer{}, err
		}
		return c.listThese(append(objects, units...))
	}
}

// transitiveMemberOf lists the groups that an object is in by any way, and its units.
func transitiveMemberOf(k directory.Kind) handler {
	return func(c *call) (api.Answer, error) {
		o, err := c.subject(k)
		if err != nil {
			return api.Answer{}, err
		}
		ids, err := c.groupsAbove(o.ID)
		if err != nil {
			return api.Answer{}, err
		}
		objects, err := c.objectsByID(ids)
		if err != nil {
			return api.Answer{}, err
		}
		units, err := c.linked(directory.UnitMember, "", o.ID)
		if err != nil {
			return api.Answer{}, err
		}
		return c.listThese(append(objects, units...))
	}
}

// groupsAbove are the ids of the groups that an object is in now, by any way.
func (c *call) groupsAbove(id pim.PrincipalID) ([]string, error) {
	links, err := c.directory.GroupsAbove(c.Context(), c.Tenant, id)
	if err != nil {
		return nil, err
	}
	up := map[pim.PrincipalID][]pim.PrincipalID{}
	for _, l := range links {
		if l.Contains(c.now) {
			up[l.To] = append(up[l.To], l.From)
		}
	}
	return reach(up, id), nil
}

// reach is everything that can be reached from a start, itself left out.
func reach(edges map[pim.PrincipalID][]pim.PrincipalID, from pim.PrincipalID) []string {
	seen := map[pim.PrincipalID]bool{from: true}
	var out []string
	for queue := []pim.PrincipalID{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range edges[queue[0]] {
			if !seen[next] {
				seen[next] = true
				out = append(out, string(next))
				queue = append(queue, next)
			}
		}
	}
	return out
}

// subject is the object that the path names, or the caller under /me.
func (c *call) subject(k directory.Kind) (directory.Object, error) {
	if c.PathValue("id") == "" {
		return c.objectByID(string(c.Caller.Principal))
	}
	return c.objectOf(k)
}

// getByIDsIn is the body of directoryObjects/getByIds.
type getByIDsIn struct {
	IDs   []string `json:"ids"`
	Types []string `json:"types"`
}

// maxIDs is how many ids one call may ask for (reference graph-pim §3.7).
const maxIDs = 1000

func getByIDs(c *call) (api.Answer, error) {
	var in getByIDsIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	if len(in.IDs) > maxIDs {
		return api.Answer{}, badRequest("At most %d ids.", maxIDs)
	}
	ids := slices.DeleteFunc(in.IDs, func(id string) bool { return !wire.IsGUID(id) })
	objects, err := c.objectsByID(ids)
	if err != nil {
		return api.Answer{}, err
	}
	objects = slices.DeleteFunc(objects, func(o directory.Object) bool {
		typ, _ := objectType(o)
		return len(in.Types) > 0 && wire.IndexFold(in.Types, typ) < 0 && wire.IndexFold(in.Types, "directoryObject") < 0
	})
	return c.listThese(objects)
}

// groupIDsIn is the body of checkMemberGroups and checkMemberObjects.
type groupIDsIn struct {
	GroupIDs []string `json:"groupIds"`
	IDs      []string `json:"ids"`
}

// maxChecks is how many groups one check may name.
const maxChecks = 20

// checkMemberGroups answers which of the groups, and with objects of the units too, the object is in, by any way.
func checkMemberGroups(objects bool) handler {
	return func(c *call) (api.Answer, error) {
		var in groupIDsIn
		if err := api.Decode(c.Request, &in); err != nil {
			return api.Answer{}, err
		}
		asked := append(in.GroupIDs, in.IDs...)
		if len(asked) > maxChecks {
			return api.Answer{}, badRequest("At most %d ids.", maxChecks)
		}
		o, err := c.subject(0)
		if err != nil {
			return api.Answer{}, err
		}
		above, err := c.idsAbove(o.ID, objects)
		if err != nil {
			return api.Answer{}, err
		}
		return c.ids(slices.DeleteFunc(asked, func(id string) bool { return wire.IndexFold(above, id) < 0 })), nil
	}
}

// idsAbove are the ids of the groups that an object is in, by any way, and with objects those of its units.
func (c *call) idsAbove(id pim.PrincipalID, objects bool) ([]string, error) {
	ids, err := c.groupsAbove(id)
	if err != nil || !objects {
		return ids, err
	}
	units, err := c.linked(directory.UnitMember, "", id)
	for _, u := range units {
		ids = append(ids, string(u.ID))
	}
	return ids, err
}

// getMemberGroups answers with the ids of all groups that the object is in, by any way; objects adds its units.
func getMemberGroups(objects bool) handler {
	return func(c *call) (api.Answer, error) {
		var in struct {
			SecurityEnabledOnly bool `json:"securityEnabledOnly"`
		}
		if err := api.Decode(c.Request, &in); err != nil {
			return api.Answer{}, err
		}
		o, err := c.subject(0)
		if err != nil {
			return api.Answer{}, err
		}
		ids, err := c.idsAbove(o.ID, objects && !in.SecurityEnabledOnly)
		if err == nil && in.SecurityEnabledOnly {
			ids, err = c.securityGroups(ids)
		}
		if err != nil {
			return api.Answer{}, err
		}
		return c.ids(ids), nil
	}
}

func (c *call) securityGroups(ids []string) ([]string, error) {
	groups, err := c.objectsByID(ids)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, g := range groups {
		if g.Group != nil && g.Group.SecurityEnabled {
			out = append(out, string(g.ID))
		}
	}
	return out, nil
}

// ids is an answer with a list of texts.
func (c *call) ids(list []string) api.Answer {
	slices.Sort(list)
	o := wire.New(nil, nil)
	if c.Meta != listing.None {
		o.Name("@odata.context")
		o.B = api.AppendText(o.B, c.Base()+"/$metadata#Collection(Edm.String)")
	}
	o.Texts("value", list)
	return c.JSON(http.StatusOK, o.End())
}

// relateObjectParts serves what of directory objects may be expanded: a user's manager, the members and owners of groups.
func relateObjectParts(c *call, expands []odata.Expand, rows []directory.Object) ([]related, error) {
	var out []related
	for _, e := range expands {
		if e.Path == "manager" {
			at, err := c.relateObjects(e.Query, len(rows), func(i int) string {
				if rows[i].User == nil {
					return ""
				}
				return string(rows[i].User.Manager)
			})
			if err != nil {
				return nil, err
			}
			out = append(out, related{Name: e.Path, At: at})
			continue
		}
		r, err := c.relateLinks(e, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// maxExpandedRows bounds the rows of a page whose members or owners are expanded: links are read object by object.
const maxExpandedRows = 100

func (c *call) relateLinks(e odata.Expand, rows []directory.Object) (related, error) {
	if len(rows) > maxExpandedRows {
		return related{}, badRequest("$expand=%s is offered for pages of at most %d rows.", e.Path, maxExpandedRows)
	}
	lists := make([][][]byte, len(rows))
	for i, row := range rows {
		var objects []directory.Object
		var err error
		switch e.Path {
		case "owners":
			objects, err = c.linked(directory.OwnerOf, row.ID, "")
		case "memberOf":
			objects, err = c.linked(directory.MemberOf, "", row.ID)
		default:
			r := directory.MemberOf
			if row.Kind == directory.KindAdministrativeUnit {
				r = directory.UnitMember
			}
			objects, err = c.linked(r, row.ID, "")
		}
		if err != nil {
			return related{}, err
		}
		if lists[i], err = listing.Encode(c, &c.object, e.Query, true, objects); err != nil {
			return related{}, err
		}
	}
	return relateList(e.Path, func(i int) [][]byte { return lists[i] }), nil
}
