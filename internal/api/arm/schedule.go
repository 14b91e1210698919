package arm

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// Schedules: RoleEligibilitySchedule and RoleAssignmentSchedule (reference arm-pim §3). What they have in common with instances
// stands here, too: both are the core's instances, seen as a whole span and as what holds now.

// side is eligibilities or assignments.
type side struct {
	kind pim.Kind
	// word begins the names of collections and members.
	word string
}

func sides() []side {
	return []side{{pim.Eligibility, "roleEligibility"}, {pim.Assignment, "roleAssignment"}}
}

func (s side) requests() string  { return s.word + "ScheduleRequests" }
func (s side) schedules() string { return s.word + "Schedules" }
func (s side) instances() string { return s.word + "ScheduleInstances" }

// target is the name of a member that says something of a schedule of the side.
func (s side) target(suffix string) string {
	return "target" + strings.ToUpper(s.word[:1]) + s.word[1:] + suffix
}

// grants are the schedules or the instances of a side.
type grants struct {
	side
	holding bool // instances
}

func (g grants) collection() string {
	if g.holding {
		return g.instances()
	}
	return g.schedules()
}

func grantRoutes() []route {
	var out []route
	for _, s := range sides() {
		for _, g := range []grants{{s, false}, {s, true}} {
			out = append(out, route{get, under(g.collection()), g.list}, route{get, under(g.collection() + "/{name}"), g.get})
		}
	}
	return out
}

func (g grants) words() filterWords {
	words := filterWords{functions: []string{"atScope", "asTarget", "assignedTo(id)"}, members: []string{"principalId", "roleDefinitionId", "status"}}
	if g.holding {
		words.members = append(words.members, g.word+"ScheduleId")
	}
	return words
}

func (g grants) list(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	f, err := c.filter(g.words())
	if err != nil {
		return api.Answer{}, err
	}
	q, err := c.resourceQuery(n.Scope, g.kind, f, g.where(f, c.now)...)
	if err != nil {
		return api.Answer{}, err
	}
	q.Instances = g.holding
	page, err := c.app.ResourceGrants(c.Context(), c.Caller, q)
	if err != nil {
		return api.Answer{}, c.reading(n, err)
	}
	x, err := g.expand(c, page.Rows)
	if err != nil {
		return api.Answer{}, err
	}
	return c.pageOf(len(page.Rows), grantRoom, func(b []byte, i int) []byte { return g.append(b, c, x, &page.Rows[i]) }, page.Next), nil
}

// grantRoom is how many bytes most rows take.
const grantRoom = 2048

// resourceQuery is what a filter asks of a list at a scope, beside conditions that the list has from it.
func (c *call) resourceQuery(at pim.Scope, k pim.Kind, f filter, where ...store.Filter) (app.ResourceQuery, error) {
	after, err := c.after()
	q := app.ResourceQuery{Kind: k, Scope: at, AtScope: f.has("atScope"), Assignee: pim.PrincipalID(f.argument("assignedTo")),
		Query: store.Query{Tenant: c.Tenant, After: after, Limit: c.limit()}}
	if f.has("asTarget") {
		q.View = app.Mine
	}
	if id, ok := f.is("principalId"); ok {
		where = append(where, store.Is(store.FieldPrincipal, strings.ToLower(id)))
	}
	if id, ok := f.is("roleDefinitionId"); ok {
		where = append(where, idIs(store.FieldRole, id))
	}
	if len(where) > 0 {
		q.Where = store.And(where)
	}
	return q, err
}

// idIs holds where a column has the id at the end of what a caller sent.
func idIs(f store.Field, text string) store.Filter {
	id, ok := lastGUID(text)
	if !ok {
		return store.Or{}
	}
	return store.Is(f, id)
}

// where is what the members of a filter ask of schedules.
func (g grants) where(f filter, now time.Time) []store.Filter {
	var where []store.Filter
	if word, ok := f.is("status"); ok {
		ops := map[string]store.Op{strings.ToLower(held): store.Le, strings.ToLower(planned): store.Gt}
		if op := ops[strings.ToLower(word)]; op != 0 {
			where = append(where, store.Compare{Field: store.FieldStart, Op: op, Value: now})
		} else {
			where = append(where, store.Or{})
		}
	}
	if id, ok := f.is(g.word + "ScheduleId"); ok {
		where = append(where, idIs(store.FieldID, id))
	}
	return where
}

func (g grants) get(c *call) (api.Answer, error) {
	n, err := c.place()
	if err != nil {
		return api.Answer{}, err
	}
	row, err := c.app.ResourceGrant(c.Context(), c.Caller, c.Tenant, g.kind, g.holding, n.Scope, pim.ScheduleID(c.id("name")))
	if wire.Refused(err, pim.UnknownGrant) {
		return api.Answer{}, &problem{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "The resource '" + printable(c.id("name")) + "' is not found."}
	}
	if err != nil {
		return api.Answer{}, c.at(n, err)
	}
	rows := []pim.Instance{row}
	x, err := g.expand(c, rows)
	if err != nil {
		return api.Answer{}, err
	}
	return c.json(http.StatusOK, g.append(nil, c, x, &rows[0])), nil
}

// The words for how far a schedule is. A client takes back what is not yet provisioned by canceling its request (reference arm-pim
// §7 and §18, point 3).
const (
	held    = "Provisioned"
	planned = "Granted"
)

// expand reads what rows point to, in one go.
func (g grants) expand(c *call, rows []pim.Instance) (expansion, error) {
	if c.hasSystemData() {
		if err := c.creators(len(rows), func(i int) *pim.Schedule { return &rows[i].Schedule }); err != nil {
			return expansion{}, err
		}
	}
	refs := make([]reference, 0, 2*len(rows))
	for _, r := range rows {
		refs = append(refs, reference{r.Schedule.Key.Scope, r.Schedule.Key.Role, r.Schedule.Key.Principal})
		if c.hasSystemData() {
			refs = append(refs, reference{principal: r.Schedule.CreatedBy}, reference{principal: r.Schedule.ModifiedBy})
		}
	}
	return c.expand(refs...)
}

// creators fills in who made so many schedules.
func (c *call) creators(n int, at func(int) *pim.Schedule) error {
	list := make([]*pim.Schedule, n)
	for i := range list {
		list[i] = at(i)
	}
	return c.app.Creators(c.Context(), c.Tenant, list)
}

func (g grants) append(b []byte, c *call, x expansion, row *pim.Instance) []byte {
	s, place := &row.Schedule, x.place(row.Schedule.Key.Scope)
	o := wire.New(b, nil)
	writeID(&o, "id", place, g.collection(), string(s.ID))
	o.Str("name", string(s.ID))
	o.Str("type", typeOf(g.collection()))
	o.Name("properties")
	p := wire.New(o.B, nil)
	p.Str("scope", place)
	writeRoleID(&p, "roleDefinitionId", place, s.Key.Role)
	p.Str("principalId", string(s.Key.Principal))
	p.Str("principalType", x.principalType(s.Key.Principal))
	g.writeOrigin(&p, s, place)
	p.Str("memberType", wire.MemberType(row.Member))
	p.Str("status", statusOfSchedule(s, c.now))
	start, end := s.Window.Start, s.End()
	if g.holding {
		start, end = row.During.Start, row.During.End
	}
	p.Time("startDateTime", start)
	p.Time("endDateTime", end)
	p.Text("condition", s.Condition)
	p.Text("conditionVersion", s.ConditionVersion)
	p.Time("createdOn", s.Created)
	if !g.holding {
		p.Time("updatedOn", lastChange(s.Created, s.Modified))
	}
	x.write(&p, reference{s.Key.Scope, s.Key.Role, s.Key.Principal})
	o.B = p.End()
	c.writeSystemData(&o, x, s.CreatedBy, s.Created, s.ModifiedBy, s.Modified)
	return o.End()
}

// writeOrigin writes by what somebody has the row.
func (g grants) writeOrigin(p *wire.Object, s *pim.Schedule, place string) {
	if g.holding {
		writeID(p, g.word+"ScheduleId", place, g.schedules(), string(s.ID))
	} else if s.Request == "" { // made outside PIM
		p.Null(g.word + "ScheduleRequestId")
	} else {
		writeID(p, g.word+"ScheduleRequestId", place, g.requests(), string(s.Request))
	}
	if g.kind != pim.Assignment {
		return
	}
	if g.holding {
		writeID(p, "originRoleAssignmentId", place, roleAssignments, string(s.ID))
		p.Text("linkedRoleEligibilityScheduleInstanceId", string(s.Eligibility))
	}
	p.Text("linkedRoleEligibilityScheduleId", string(s.Eligibility))
	p.Str("assignmentType", assignmentType(s.Type))
}

func statusOfSchedule(s *pim.Schedule, now time.Time) string {
	if s.Window.Start.After(now) {
		return planned
	}
	return held
}

func assignmentType(t pim.AssignmentType) string {
	if t == pim.Activated {
		return "Activated"
	}
	return "Assigned"
}

// lastChange is when something was changed, or made.
func lastChange(created, modified time.Time) time.Time {
	if modified.IsZero() {
		return created
	}
	return modified
}

// hasSystemData says whether the version of the call has systemData.
func (c *call) hasSystemData() bool { return c.since("2024-09-01") }

// writeSystemData writes who made and changed a resource, in versions that have it.
func (c *call) writeSystemData(o *wire.Object, x expansion, by pim.PrincipalID, at time.Time, changedBy pim.PrincipalID, changed time.Time) {
	if !c.hasSystemData() {
		return
	}
	if changed.IsZero() || changedBy == "" {
		changedBy = by
	}
	o.Name("systemData")
	d := wire.New(o.B, nil)
	d.Text("createdBy", string(by))
	d.Str("createdByType", x.actorType(by))
	d.Time("createdAt", at)
	d.Text("lastModifiedBy", string(changedBy))
	d.Str("lastModifiedByType", x.actorType(changedBy))
	d.Time("lastModifiedAt", lastChange(at, changed))
	o.B = d.End()
}

// actorType is the kind of who did something.
func (x expansion) actorType(id pim.PrincipalID) string {
	if x.principals[id].Kind == directory.KindServicePrincipal {
		return "Application"
	}
	return "User"
}

// scheduleIn is the schedule of a request as callers send it.
type scheduleIn struct{ *wire.Schedule }

// UnmarshalJSON reads it.
func (in *scheduleIn) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &in.Schedule) }

// info reads the schedule (reference arm-pim §6, "Rules of the body"): without an end it is without end, subject to the policy. An
// eligibility for a duration that is not told is, too.
func (in scheduleIn) info(k pim.Kind) (schedule.Info, error) {
	if in.Schedule == nil {
		in.Schedule = &wire.Schedule{}
	}
	if e := in.Expiration; e != nil && strings.EqualFold(e.Type, "null") { // which EasyPIM writes for none
		e.Type = ""
	}
	info, err := in.Info()
	info.Recurrence = nil // which this dialect does not have
	e := &info.Expiration
	endless := e.Kind == schedule.NotSpecified
	if e.Kind == schedule.AfterDuration && e.Duration == (schedule.Duration{}) {
		if endless = k == pim.Eligibility; !endless {
			return info, &pim.Refusal{Code: pim.InvalidSchedule, Field: "expiration.duration", Detail: "is missing"}
		}
	}
	if endless {
		e.Kind = schedule.NoExpiration
	}
	return info, err
}

// appendSchedule writes scheduleInfo.
func appendSchedule(b []byte, in schedule.Info) []byte {
	o := wire.New(b, nil)
	o.Time("startDateTime", in.Start)
	o.Name("expiration")
	e := wire.New(o.B, nil)
	kind := in.Expiration.Kind.String()
	e.Str("type", strings.ToUpper(kind[:1])+kind[1:])
	e.Time("endDateTime", in.Expiration.End)
	e.Text("duration", in.Expiration.Duration.String())
	o.B = e.End()
	return o.End()
}

// atPlace says whether an address at a place names what is at a scope: at the root, by its id alone.
func atPlace(n resource.Node, s pim.Scope) bool { return n.Scope == s || n.Scope == pim.Everywhere }
