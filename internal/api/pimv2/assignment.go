package pimv2

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Assignments: governanceRoleAssignment (learn.microsoft.com/graph/api/resources/governanceroleassignment). One list has what is
// eligible and what is active.

// row is one assignment: an instance of the core, as it is seen at a resource.
type row struct {
	pim.Instance
	// at is the scope at which it is shown: its own or, where it is inherited, that of the resource that was asked about.
	at pim.Scope
	// external is the id of an active one for Azure Resource Manager.
	external string
}

// provisioned is the status of every assignment.
const provisioned = "Provisioned"

func (k *kinds) setAssignments() {
	schema := &odata.Schema{Properties: append(assignmentProperties(), referenceProperties()...)}
	schema.Navigations = append(k.navigations("resource", "roleDefinition", "subject", "scopedResource"),
		odata.Navigation{Name: linkedName, Schema: schema})
	k.assignment = kind[row]{
		Set: "governanceRoleAssignments", Type: "governanceRoleAssignment", Schema: schema,
		Key: row.id, Write: writeAssignment, Value: assignmentValue, Relate: relateAssignments,
		Deep: deep(row.reference, assignmentValue),
	}
}

const linkedName = "linkedEligibleRoleAssignment"

func assignmentProperties() []odata.Property {
	return append([]odata.Property{
		listing.IDProperty("id"), listing.IDProperty("resourceId"), listing.IDProperty("roleDefinitionId"), listing.IDProperty("subjectId"),
		listing.IDProperty(linkedName + "Id"), listing.IDProperty("externalId"), listing.TimeProperty("startDateTime"), listing.TimeProperty("endDateTime"),
		listing.EnumProperty("memberType", "Direct", "Inherited", "Group"), listing.EnumProperty("assignmentState", "Eligible", "Active"),
		listing.EnumProperty("status", provisioned), listing.BoolProperty("isPermanent"), listing.IDProperty("scopedResourceId"),
	}, listing.PlainProperties("condition", "conditionVersion", "conditionDescription")...)
}

// assignmentColumns are what the store knows of assignments.
func assignmentColumns(p pim.Provider) listing.Columns {
	cs := listing.Columns{
		"subjectId": listing.IDColumn(store.FieldPrincipal), "subject/id": listing.IDColumn(store.FieldPrincipal),
		"id": {Loose: true, Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
			text, ok := v.(odata.String)
			id, _ := cutID(strings.ToLower(string(text)))
			return store.Is(store.FieldID, string(id)), ok && op == odata.Eq
		}},
		linkedName + "Id": {Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
			_, null := v.(odata.Null)
			return store.Compare{Field: store.FieldEligibility, Op: listing.OpOf(op)}, null && (op == odata.Eq || op == odata.Ne)
		}},
	}
	if p == pim.Directory {
		cs["roleDefinitionId"], cs["roleDefinition/id"] = listing.IDColumn(store.FieldRole), listing.IDColumn(store.FieldRole)
	}
	if p != pim.Resource {
		cs["memberType"] = listing.WordColumn(store.FieldMember, memberTypes)
	}
	return cs
}

func memberTypes(word string) []int {
	for _, m := range []pim.MemberType{pim.Direct, pim.ByGroup, pim.Inherited} {
		if strings.EqualFold(word, wire.MemberType(m)) {
			return []int{int(m)}
		}
	}
	return nil
}

// id is the schedule's, and behind an underscore that of the member whose row it is.
func (r row) id() string {
	id := string(r.Schedule.ID)
	if r.Member == pim.ByGroup && r.Principal != r.Schedule.Key.Principal {
		id += "_" + string(r.Principal)
	}
	return id
}

// linked is the id of the eligible row that an activation rests on; empty: none.
func (r row) linked() string {
	id := string(r.Schedule.Eligibility)
	if id != "" && len(r.Schedule.Via) > 0 && r.Schedule.Key.Provider != pim.Resource {
		id += "_" + string(r.Schedule.Key.Principal)
	}
	return id
}

func cutID(id string) (pim.ScheduleID, pim.PrincipalID) {
	schedule, member, _ := strings.Cut(strings.TrimSpace(id), "_")
	return pim.ScheduleID(schedule), pim.PrincipalID(member)
}

func (r row) key() pim.RoleKey {
	k := r.Schedule.Key
	return pim.RoleKey{Tenant: k.Tenant, Provider: k.Provider, Scope: r.at, Role: k.Role}
}

func (r row) reference() reference { return reference{r.key(), r.Principal} }

// period is from when until when a row holds. One that was made outside PIM tells neither (reference pim-v2 §3).
func (r row) period() (start, end time.Time) {
	if r.Schedule.Request == "" {
		return time.Time{}, time.Time{}
	}
	return r.During.Start, r.During.End
}

func writeAssignment(c *call, o *object, r row) {
	key := r.key()
	start, end := r.period()
	o.Str("id", r.id())
	o.Str("resourceId", governance.ResourceID(key))
	o.Str("roleDefinitionId", governance.RoleDefinitionID(key))
	o.Str("subjectId", string(r.Principal))
	if c.host {
		o.Str("scopedResourceId", scopedResource(key))
	}
	o.Text(linkedName+"Id", r.linked())
	o.Text("externalId", r.external)
	if c.host {
		o.Bool("isPermanent", end.IsZero())
	}
	o.Time("startDateTime", start)
	o.Time("endDateTime", end)
	o.Str("memberType", wire.MemberType(r.Member))
	o.Str("assignmentState", governance.StateName(r.Schedule.Kind))
	o.Str("status", provisioned)
	if c.host {
		o.Text("condition", r.Schedule.Condition)
		o.Text("conditionVersion", r.Schedule.ConditionVersion)
		o.Null("conditionDescription")
	}
}

func assignmentValue(_ *call, r row, path []string) any {
	key := r.key()
	start, end := r.period()
	switch strings.Join(path, "/") {
	case "id":
		return r.id()
	case "resourceId", "resource/id", "roleDefinition/resource/id":
		return governance.ResourceID(key)
	case "roleDefinitionId", "roleDefinition/id":
		return governance.RoleDefinitionID(key)
	case "subjectId", "subject/id":
		return string(r.Principal)
	case "scopedResourceId", "scopedResource/id":
		return listing.TextValue(scopedResource(key))
	case linkedName + "Id":
		return listing.TextValue(r.linked())
	case "externalId":
		return listing.TextValue(r.external)
	case "isPermanent":
		return end.IsZero()
	case "startDateTime":
		return listing.TimeValue(start)
	case "endDateTime":
		return listing.TimeValue(end)
	case "memberType":
		return wire.MemberType(r.Member)
	case "assignmentState":
		return governance.StateName(r.Schedule.Kind)
	case "status":
		return provisioned
	}
	return nil
}

// assignments is a list being read: eligible rows first, then active ones, each in the order of the store.
type assignments struct {
	*call
	target target
	view   app.View
}

func (c *call) assignments(t target) assignments {
	a := assignments{call: c, target: t}
	if t.subject != "" && t.subject == c.Caller.Principal {
		a.view = app.Mine
	}
	return a
}

// stages are the kinds of rows in the order of the list, by the words that skip tokens begin with.
func (a assignments) stages() []pim.Kind {
	if a.target.state != 0 {
		return []pim.Kind{a.target.state}
	}
	return []pim.Kind{pim.Eligibility, pim.Assignment}
}

// fetch reads a page over both kinds.
func (a assignments) fetch(q store.Query) (store.Page[row], error) {
	out := store.Page[row]{Count: -1}
	if a.target.nothing {
		out.Count = 0
		return out, nil
	}
	stages, err := a.left(&q)
	if err == nil && q.Count {
		out.Count, err = a.count(q)
		q.Count = false
	}
	limit := q.Limit
	for _, stage := range stages {
		if err != nil {
			return out, err
		}
		if q.Limit = limit - len(out.Rows); q.Limit <= 0 {
			out.Next = store.Cursor{stageWord(stage)}
			return out, nil
		}
		var page store.Page[row]
		page, err = a.read(stage, q)
		out.Rows = append(out.Rows, page.Rows...)
		if len(page.Next) > 0 {
			out.Next = append(store.Cursor{stageWord(stage)}, page.Next...)
			return out, err
		}
		q.After = nil
	}
	return out, err
}

// left are the kinds that are still to be read, from the one that a cursor begins with, which loses this word.
func (a assignments) left(q *store.Query) ([]pim.Kind, error) {
	stages := a.stages()
	if len(q.After) == 0 {
		return stages, nil
	}
	at := slices.IndexFunc(stages, func(k pim.Kind) bool { return stageWord(k) == q.After[0] })
	if at < 0 {
		return nil, api.BadRequest("$skiptoken: not a token that this server gave for this list.")
	}
	if q.After = q.After[1:]; len(q.After) == 0 {
		q.After = nil
	}
	return stages[at:], nil
}

func stageWord(k pim.Kind) string { return governance.StateName(k) }

// count counts the rows of both kinds; -1 where a store does not count.
func (a assignments) count(q store.Query) (int, error) {
	q.After, q.Limit, q.Count = nil, 1, true
	total := 0
	for _, k := range a.stages() {
		page, err := a.read(k, q)
		if err != nil || page.Count < 0 {
			return -1, err
		}
		total += page.Count
	}
	return total, nil
}

// read reads a page of one kind.
func (a assignments) read(k pim.Kind, q store.Query) (store.Page[row], error) {
	scope, subject := pim.Scope(""), a.target.subject
	if p := a.target.place; p != nil && a.provider != pim.Resource && p.key.Scope != pim.Everywhere {
		scope = p.key.Scope
	}
	if a.view == app.Mine {
		subject = "" // which the view says, and of groups too
	}
	q.Where = listing.Every(q.Where, keyIs(store.FieldRole, a.target.role), keyIs(store.FieldPrincipal, subject), keyIs(store.FieldScope, scope))
	var page store.Page[pim.Instance]
	var err error
	if a.provider == pim.Resource {
		rq := app.ResourceQuery{Query: q, Kind: k, Instances: true, View: a.view, Scope: pim.Everywhere}
		if a.target.place != nil {
			rq.Scope, rq.AtScope = a.target.place.key.Scope, true
		}
		page, err = a.app.ResourceGrants(a.Context(), a.Caller, rq)
	} else {
		page, err = a.app.Grants(a.Context(), a.Caller, app.GrantQuery{Query: q, Provider: a.provider, Kind: k, Instances: true, View: a.view})
	}
	if err != nil {
		return store.Page[row]{}, err
	}
	rows, err := a.shown(a.target.place, page.Rows)
	return store.Page[row]{Rows: rows, Next: page.Next, Count: page.Count}, err
}

// shown are instances as they are shown at a place, or each at its own.
func (c *call) shown(at *place, list []pim.Instance) ([]row, error) {
	out := make([]row, len(list))
	scopes := map[pim.Scope]bool{}
	for i, in := range list {
		if out[i] = (row{Instance: in, at: in.Schedule.Key.Scope}); c.provider != pim.Resource {
			continue
		}
		if at != nil {
			out[i].at = at.key.Scope
		}
		if in.Schedule.Kind == pim.Assignment {
			scopes[in.Schedule.Key.Scope] = true
		}
	}
	if len(scopes) == 0 {
		return out, nil
	}
	nodes, err := c.nodes(keysOf(scopes))
	for i := range out {
		if s := &out[i].Schedule; s.Kind == pim.Assignment {
			id := nodes[s.Key.Scope].ID
			if id == "/" {
				id = ""
			}
			out[i].external = id + "/providers/Microsoft.Authorization/roleAssignments/" + string(s.ID)
		}
	}
	return out, err
}

// page reads the page of a list that a query asks for. A store sorts each kind by itself: what is asked in an order is sorted here.
func (a assignments) page(q odata.Query) (listing.Page[row], error) {
	k := a.kinds.assignment
	k.Columns = assignmentColumns(a.provider)
	q.Filter = a.target.rest
	return listing.ReadSorted(a.call, &k, q, a.fetch)
}

func listAssignments(c *call) (api.Answer, error) {
	return listNarrowed(c, &c.kinds.assignment, func(t target, q odata.Query) (listing.Page[row], error) { return c.assignments(t).page(q) })
}

// countAssignments counts the rows at a place that the caller may see.
func (c *call) countAssignments(p place) (int, error) {
	a, q := assignments{call: c, target: target{place: &p}}, store.Query{Tenant: c.Tenant, Limit: 1, Count: true}
	page, err := a.fetch(q)
	if isForbidden(err) {
		a.view = app.Mine
		page, err = a.fetch(q)
	}
	return max(page.Count, 0), err
}

// eachAt calls do for each of the rows at a place that the caller may see: of one role, where one is named.
func (c *call) eachAt(p place, of pim.RoleID, do func(row)) error {
	a := assignments{call: c, target: target{place: &p, role: of}}
	err := a.each(nil, do)
	if isForbidden(err) {
		a.view = app.Mine
		err = a.each(nil, do)
	}
	return err
}

// assignmentByID is the row with an id that holds now, for who may see it.
func (c *call) assignmentByID(id string) (row, error) {
	schedule, member := cutID(id)
	for _, k := range []pim.Kind{pim.Eligibility, pim.Assignment} {
		in, err := c.grant(k, schedule)
		if isNotThere(err) || isForbidden(err) {
			continue
		}
		if err == nil && (member != "" || in.Principal != in.Schedule.Key.Principal) {
			in, err = c.memberGrant(in, member)
		}
		if err != nil {
			return row{}, err
		}
		during, holds := in.Schedule.Window.At(c.now)
		if in.During = during; !holds || in.Principal == "" {
			break
		}
		rows, err := c.shown(nil, []pim.Instance{in})
		if err != nil {
			return row{}, err
		}
		if r := rows[0]; r.id() == id {
			return r, nil
		}
		break
	}
	return row{}, listing.NotFound(id)
}

// grant reads a schedule as the caller may see it.
func (c *call) grant(k pim.Kind, id pim.ScheduleID) (pim.Instance, error) {
	if c.provider == pim.Resource {
		return c.app.ResourceGrant(c.Context(), c.Caller, c.Tenant, k, true, pim.Everywhere, id)
	}
	return c.app.Grant(c.Context(), c.Caller, c.Tenant, c.provider, k, id)
}

// memberGrant is the row that a member has by the group of a schedule; zero: none that the caller may see.
func (c *call) memberGrant(of pim.Instance, member pim.PrincipalID) (pim.Instance, error) {
	if member == "" || c.provider == pim.Resource {
		return pim.Instance{}, nil
	}
	for _, view := range []app.View{app.Everybody, app.Mine} {
		page, err := c.app.Grants(c.Context(), c.Caller, app.GrantQuery{
			Provider: c.provider, Kind: of.Schedule.Kind, Instances: true, View: view,
			Query: store.Query{Tenant: c.Tenant, Limit: 1, Where: store.And{
				store.Is(store.FieldID, string(of.Schedule.ID)), store.Is(store.FieldPrincipal, string(member)),
				store.Is(store.FieldScope, string(of.Schedule.Key.Scope)),
			}},
		})
		if isForbidden(err) {
			continue
		}
		if err != nil || len(page.Rows) == 0 {
			return pim.Instance{}, err
		}
		return page.Rows[0], nil
	}
	return pim.Instance{}, nil
}

// assignment is the row that the path names, at the resource that it may name too.
func (c *call) assignment() (row, error) {
	r, err := c.assignmentByID(c.id("id"))
	if err != nil {
		return row{}, err
	}
	if at := c.id("resource"); at != "" && at != governance.ResourceID(r.key()) {
		return row{}, listing.NotFound(c.PathValue("id"))
	}
	return r, nil
}

func getAssignment(c *call) (api.Answer, error) {
	r, err := c.assignment()
	if err != nil {
		return api.Answer{}, err
	}
	return oneThatMatches(c, &c.kinds.assignment, r)
}

// navigateAssignment answers with what an assignment leads to.
func navigateAssignment(name string) handler {
	return func(c *call) (api.Answer, error) {
		r, err := c.assignment()
		if err != nil {
			return api.Answer{}, err
		}
		if name != linkedName {
			return c.navigated(name, r.reference())
		}
		if r.linked() == "" {
			return api.Answer{}, listing.NotFound(linkedName)
		}
		linked, err := c.assignmentByID(r.linked())
		if err != nil {
			return api.Answer{}, err
		}
		return listing.One(c.withOptions(isNoFilter), &c.kinds.assignment, http.StatusOK, linked)
	}
}

// relateAssignments loads what assignments lead to.
func relateAssignments(c *call, expands []odata.Expand, rows []row) ([]related, error) {
	out, err := relateReferences(c, expands, references(rows, row.reference))
	if err != nil {
		return nil, err
	}
	for _, e := range expands {
		if e.Path != linkedName {
			continue
		}
		found, err := c.linkedTo(rows)
		if err != nil {
			return nil, err
		}
		at, err := encodedBy(c, &c.kinds.assignment, e.Query, found)
		if err != nil {
			return nil, err
		}
		out = append(out, related{Name: e.Path, At: func(i int) []byte { return at[rows[i].linked()] }})
	}
	return out, nil
}

// linkedTo are the eligible rows that activations rest on, by id. Those that the caller may not see are left out.
func (c *call) linkedTo(rows []row) (map[string]row, error) {
	schedules, people, found := map[string]bool{}, map[string]bool{}, map[string]row{}
	for _, r := range rows {
		if r.linked() != "" {
			schedules[string(r.Schedule.Eligibility)], people[string(r.Schedule.Key.Principal)] = true, true
		}
	}
	if len(schedules) == 0 {
		return found, nil
	}
	where := store.And{store.In{Field: store.FieldID, Values: keysOf(schedules)}}
	if c.provider != pim.Resource { // there the row is the group's
		where = append(where, store.In{Field: store.FieldPrincipal, Values: keysOf(people)})
	}
	// At one place a reader of that place may list them.
	a := assignments{call: c, target: target{state: pim.Eligibility, place: placeOf(rows)}}
	take := func(r row) { found[r.id()] = r }
	err := a.each(where, take)
	if !isForbidden(err) {
		return found, err
	}
	if a.view = app.Mine; c.provider != pim.Resource {
		return found, a.each(where, take)
	}
	if err := a.each(where, take); err != nil {
		return nil, err
	}
	return found, c.linkedOneByOne(rows, found)
}

// linkedOneByOne adds the eligible rows that are not found yet: whoever reads one place may not list the whole tree.
func (c *call) linkedOneByOne(rows []row, found map[string]row) error {
	for _, r := range rows {
		if _, ok := found[r.linked()]; ok || r.linked() == "" {
			continue
		}
		switch linked, err := c.assignmentByID(r.linked()); {
		case err == nil:
			found[linked.id()] = linked
		case !isMissing(err):
			return err
		}
	}
	return nil
}

// placeOf is the one place that rows of a group or of the tree are shown at; nil: they are of several, or of the directory.
func placeOf(rows []row) *place {
	key := resourceKey(rows[0].key())
	for _, r := range rows {
		if key.Provider == pim.Directory || resourceKey(r.key()) != key {
			return nil
		}
	}
	return &place{key: key}
}

// each calls do for each row of the list that fulfils a condition. More rows than can be looked through are refused: a count that
// leaves some out would be taken for all.
func (a assignments) each(where store.Filter, do func(row)) error {
	q := store.Query{Tenant: a.Tenant, Limit: listing.ScanSize, Where: where}
	for range listing.MaxScans {
		page, err := a.fetch(q)
		if err != nil {
			return err
		}
		for _, r := range page.Rows {
			do(r)
		}
		if q.After = page.Next; len(page.Next) == 0 {
			return nil
		}
	}
	return listing.TooMany()
}

// isMissing says whether an error means that nothing is there for the caller, in the core's words or in ours.
func isMissing(err error) bool {
	told, ok := errors.AsType[*api.ODataError](err)
	return ok && told.Status == http.StatusNotFound || isNotThere(err)
}
