package pimv1

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Assignments: privilegedRoleAssignment (reference pim-v2 §11). There is one row for each person and role, made of all that the
// person has of the role in the whole tenant now: eligible, active for a time, or permanent.

// assignmentRow is what one person has of one role.
type assignmentRow struct {
	User pim.PrincipalID
	Role pim.RoleID
	// Eligible says that the person can activate the role, Elevated that they have it. Without Expires they have it for good.
	Eligible, Elevated bool
	Expires            time.Time
	// Direct says that something of it is the person's own, and not had by a group alone.
	Direct bool
	// Message tells what became of an action.
	Message string
}

// byGroup tells of a row that it cannot be changed here: this dialect knows people alone.
const byGroup = "Held by way of a group."

func (r assignmentRow) id() string { return string(r.User) + "_" + string(r.Role) }

func (r assignmentRow) message() string {
	if r.Message == "" && !r.Direct && (r.Eligible || r.Elevated) {
		return byGroup
	}
	return r.Message
}

// splitAssignmentID takes the id of a row apart.
func splitAssignmentID(id string) (pim.PrincipalID, pim.RoleID, bool) {
	user, role, ok := strings.Cut(strings.ToLower(id), "_")
	return pim.PrincipalID(user), pim.RoleID(role), ok && user != "" && role != ""
}

// add takes an instance into the row.
func (r *assignmentRow) add(i pim.Instance) {
	r.Direct = r.Direct || i.Member == pim.Direct
	if i.Schedule.Kind == pim.Eligibility {
		r.Eligible = true
		return
	}
	end := i.During.End
	switch {
	case !r.Elevated:
		r.Expires = end
	case r.Expires.IsZero() || end.IsZero():
		r.Expires = time.Time{}
	case end.After(r.Expires):
		r.Expires = end
	}
	r.Elevated = true
}

func assignmentKind(roleInfo *odata.Schema) kind[assignmentRow] {
	return kind[assignmentRow]{
		Set: assignmentSet, Type: "privilegedRoleAssignment",
		Schema: &odata.Schema{
			Properties: []odata.Property{
				listing.IDProperty("id"), listing.IDProperty("userId"), listing.IDProperty("roleId"), listing.BoolProperty("isElevated"), listing.TimeProperty("expirationDateTime"),
				listing.TextProperty("resultMessage"), listing.Within("roleInfo", listing.IDProperty("id")),
			},
			Navigations: []odata.Navigation{{Name: "roleInfo", Schema: roleInfo}},
		},
		Columns: listing.Columns{
			"id": assignmentIDColumn(), "userId": listing.IDColumn(store.FieldPrincipal),
			"roleId": listing.IDColumn(store.FieldRole), "roleInfo/id": listing.IDColumn(store.FieldRole),
		},
		Key: assignmentRow.id, Write: writeAssignment, Value: assignmentValue,
		Relate: func(c *call, expands []odata.Expand, rows []assignmentRow) ([]related, error) {
			at, err := c.relateRoleInfo(expands[0].Query, func(i int) pim.RoleID { return rows[i].Role })
			return []related{{Name: expands[0].Path, At: at}}, err
		},
	}
}

// assignmentIDColumn finds a row by its id.
func assignmentIDColumn() listing.Column {
	return listing.Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		text, ok := v.(odata.String)
		if !ok || op != odata.Eq {
			return nil, false
		}
		user, role, ok := splitAssignmentID(string(text))
		if !ok {
			return store.Or{}, true // nothing has such an id
		}
		return store.And{store.Is(store.FieldPrincipal, string(user)), store.Is(store.FieldRole, string(role))}, true
	}}
}

func writeAssignment(_ *call, o *object, r assignmentRow) {
	o.Str("id", r.id())
	o.Str("userId", string(r.User))
	o.Str("roleId", string(r.Role))
	o.Bool("isElevated", r.Elevated)
	o.Time("expirationDateTime", r.Expires)
	o.Text("resultMessage", r.message())
}

func assignmentValue(_ *call, r assignmentRow, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return r.id()
	case "userId":
		return string(r.User)
	case "roleId", "roleInfo/id":
		return string(r.Role)
	case "isElevated":
		return r.Elevated
	case "expirationDateTime":
		return listing.TimeValue(r.Expires)
	case "resultMessage":
		return listing.TextValue(r.message())
	}
	return nil
}

func roleIs(id pim.RoleID) store.Filter { return store.Is(store.FieldRole, string(id)) }

func userIs(id pim.PrincipalID) store.Filter { return store.Is(store.FieldPrincipal, string(id)) }

// Bounds of what is read for one answer.
const (
	// grantPage is how many grants are read at once, and peoplePage of how many principals it is asked whether they are people.
	grantPage  = 1000
	peoplePage = 500
)

// grants is one of the two lists that rows are made of: instances by role, read on as they are taken.
type grants struct {
	*call
	kind  pim.Kind
	view  app.View
	where store.Filter
	after store.Cursor
	rows  []pim.Instance
	done  bool
}

// role is that of the next instance; empty: there is none.
func (g *grants) role() (pim.RoleID, error) {
	for len(g.rows) == 0 && !g.done {
		page, err := g.app.Grants(g.Context(), g.Caller, app.GrantQuery{
			Provider: pim.Directory, Kind: g.kind, Instances: true, View: g.view,
			Query: store.Query{Tenant: g.Tenant, Where: g.where, Order: []store.Order{{Field: store.FieldRole}}, After: g.after, Limit: grantPage},
		})
		if err != nil {
			return "", err
		}
		g.rows, g.after, g.done = page.Rows, page.Next, len(page.Next) == 0
	}
	if len(g.rows) == 0 {
		return "", nil
	}
	return g.rows[0].Schedule.Key.Role, nil
}

// take moves the instances of a role into rows.
func (g *grants) take(role pim.RoleID, into map[pim.PrincipalID]*assignmentRow) error {
	for {
		next, err := g.role()
		if err != nil || next != role {
			return err
		}
		i := g.rows[0]
		g.rows = g.rows[1:]
		row, ok := into[i.Principal]
		if !ok {
			row = &assignmentRow{User: i.Principal, Role: role}
			into[i.Principal] = row
		}
		row.add(i)
	}
}

// assignments reads pages of rows by role and person.
func (c *call) assignments(view app.View, where store.Filter) listing.Fetcher[assignmentRow] {
	return func(q store.Query) (store.Page[assignmentRow], error) {
		out := store.Page[assignmentRow]{Count: -1}
		var role pim.RoleID
		var user pim.PrincipalID
		var rest store.Filter
		if len(q.After) == 2 {
			role, user = pim.RoleID(q.After[0]), pim.PrincipalID(q.After[1])
			rest = store.Compare{Field: store.FieldRole, Op: store.Ge, Value: string(role)}
		}
		limit := cmp.Or(q.Limit, listing.PageSize)
		err := c.eachRole(view, listing.Every(where, q.Where, rest), func(of pim.RoleID, rows []assignmentRow) (bool, error) {
			if of == role {
				rows = slices.DeleteFunc(rows, func(r assignmentRow) bool { return r.User <= user })
			}
			rows, more, err := c.firstPeople(rows, limit-len(out.Rows))
			out.Rows = append(out.Rows, rows...)
			if more {
				last := out.Rows[len(out.Rows)-1]
				out.Next = store.Cursor{string(last.Role), string(last.User)}
			}
			return !more, err
		})
		return out, err
	}
}

// eachRole makes the rows of each role that anybody has something of, by person, and gives them to do until that says false.
func (c *call) eachRole(view app.View, where store.Filter, do func(pim.RoleID, []assignmentRow) (bool, error)) error {
	where = listing.Every(store.Is(store.FieldScope, string(pim.Everywhere)), where)
	eligible := &grants{call: c, kind: pim.Eligibility, view: view, where: where}
	active := &grants{call: c, kind: pim.Assignment, view: view, where: where}
	for {
		role, err := eligible.role()
		if err != nil {
			return err
		}
		other, err := active.role()
		if err != nil {
			return err
		}
		if role == "" || other != "" && other < role {
			role = other
		}
		if role == "" {
			return nil
		}
		found := map[pim.PrincipalID]*assignmentRow{}
		for _, g := range []*grants{eligible, active} {
			if err := g.take(role, found); err != nil {
				return err
			}
		}
		rows := make([]assignmentRow, 0, len(found))
		for _, r := range found {
			rows = append(rows, *r)
		}
		slices.SortFunc(rows, func(a, b assignmentRow) int { return cmp.Compare(a.User, b.User) })
		if on, err := do(role, rows); err != nil || !on {
			return err
		}
	}
}

// firstPeople are the first rows of people, at most so many: groups and applications have none here. more says that there may be
// others.
func (c *call) firstPeople(rows []assignmentRow, most int) (out []assignmentRow, more bool, err error) {
	for part := range slices.Chunk(rows, peoplePage) {
		ids := make([]pim.PrincipalID, len(part))
		for i, r := range part {
			ids[i] = r.User
		}
		people, err := c.people(ids)
		if err != nil {
			return nil, false, err
		}
		for _, r := range part {
			if _, ok := people[r.User]; !ok {
				continue
			}
			if len(out) == most {
				return out, true, nil
			}
			out = append(out, r)
		}
	}
	return out, false, nil
}

// people are those of the principals who are.
func (c *call) people(ids []pim.PrincipalID) (map[pim.PrincipalID]directory.Object, error) {
	objects, err := c.directory.ObjectsByID(c.Context(), c.Tenant, ids)
	out := make(map[pim.PrincipalID]directory.Object, len(objects))
	for _, o := range objects {
		if o.Kind == directory.KindUser {
			out[o.ID] = o
		}
	}
	return out, err
}

// assignmentsOf are the rows of roles, by role.
func (c *call) assignmentsOf(ids []pim.RoleID) (map[pim.RoleID][]assignmentRow, error) {
	values := make([]string, len(ids))
	for i, id := range ids {
		values[i] = string(id)
	}
	out := map[pim.RoleID][]assignmentRow{}
	err := c.eachRole(app.Everybody, store.In{Field: store.FieldRole, Values: values}, func(of pim.RoleID, rows []assignmentRow) (bool, error) {
		people, _, err := c.firstPeople(rows, len(rows))
		out[of] = people
		return true, err
	})
	return out, err
}

// listAssignments lists rows. Where they shall be sorted, all of them are read.
func (c *call) listAssignments(view app.View, where store.Filter) (api.Answer, error) {
	k := &c.kinds.assignment
	q, err := c.Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	if len(q.OrderBy) == 0 {
		return listing.List(c, k, c.assignments(view, where))
	}
	var rows []assignmentRow
	asked, _ := k.Columns.Compile(q.Filter)
	err = c.eachRole(view, listing.Every(where, asked), func(_ pim.RoleID, of []assignmentRow) (bool, error) {
		if len(rows)+len(of) > listing.MostSorted {
			return false, badRequest("$orderby: these are too many rows to sort; narrow them by roleId or userId.")
		}
		people, _, err := c.firstPeople(of, len(of))
		rows = append(rows, people...)
		return true, err
	})
	if err != nil {
		return api.Answer{}, err
	}
	return listing.All(c, k, rows)
}

func listAssignments(c *call) (api.Answer, error) { return c.listAssignments(app.Everybody, nil) }

func myAssignments(c *call) (api.Answer, error) {
	c.Function = true
	return c.listAssignments(app.Mine, nil)
}

// row is what a person has of a role; false: nothing. Everybody may see their own.
func (c *call) row(user pim.PrincipalID, role pim.RoleID) (assignmentRow, bool, error) {
	view := app.Everybody
	if user == c.Caller.Principal {
		view = app.Mine
	}
	page, err := c.assignments(view, listing.Every(userIs(user), roleIs(role)))(store.Query{Limit: 1})
	if err != nil || len(page.Rows) == 0 {
		return assignmentRow{User: user, Role: role}, false, err
	}
	return page.Rows[0], true, nil
}

// findAssignment is the row with an id, which is not there for who may not see it.
func (c *call) findAssignment(id string) (assignmentRow, error) {
	user, role, ok := splitAssignmentID(id)
	if !ok {
		return assignmentRow{}, listing.NotFound(id)
	}
	row, ok, err := c.row(user, role)
	if err == nil && !ok {
		err = listing.NotFound(id)
	}
	return row, err
}

func getAssignment(c *call) (api.Answer, error) {
	row, err := c.findAssignment(c.id("id"))
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.kinds.assignment, http.StatusOK, row)
}

func assignmentRoleInfo(c *call) (api.Answer, error) {
	row, err := c.findAssignment(c.id("id"))
	if err != nil {
		return api.Answer{}, err
	}
	return listing.Navigate(c, &c.kinds.assignment, row, "roleInfo")
}

// uniqueAdminsCount counts the people who have, or can activate, any role (reference pim-v2 §12).
func uniqueAdminsCount(c *call) (api.Answer, error) {
	if _, err := c.findAssignment(c.id("id")); err != nil {
		return api.Answer{}, err
	}
	users := map[pim.PrincipalID]bool{}
	err := c.eachRole(app.Everybody, nil, func(_ pim.RoleID, rows []assignmentRow) (bool, error) {
		people, _, err := c.firstPeople(rows, len(rows))
		for _, r := range people {
			users[r.User] = true
		}
		return true, err
	})
	if err != nil {
		return api.Answer{}, err
	}
	return c.answer("Edm.Int32", func(b []byte) []byte { return wire.AppendInt(b, len(users)) })
}
