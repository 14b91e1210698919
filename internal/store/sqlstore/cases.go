package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// rowsQuestion is a question about a table v of arguments. Without rows it is not asked.
type rowsQuestion struct {
	sql     string
	columns []column
	rows    [][]any
	each    func(scan) error
}

// askRows asks about rows, everything as of one instant and in one round trip.
func (s *Store) askRows(ctx context.Context, questions ...rowsQuestion) error {
	qs := make([]question, 0, len(questions))
	for _, q := range questions {
		if len(q.rows) == 0 {
			continue
		}
		args, err := s.db.args(q.columns, q.rows)
		if err != nil {
			return err
		}
		qs = append(qs, question{sql: s.complete(q), args: args, each: q.each})
	}
	if len(qs) == 0 {
		return nil
	}
	return s.db.ask(ctx, qs...)
}

// completed is a text that has its table of arguments.
type completed struct {
	text string
	one  bool
}

// complete puts the table of arguments into a question's text, once for each text and number of rows.
func (s *Store) complete(q rowsQuestion) string {
	key := completed{q.sql, len(q.rows) == 1}
	if t, ok := s.completed.Load(key); ok {
		return t.(string)
	}
	t := replaceRows(q.sql, s.db.source(q.columns, key.one))
	s.completed.Store(key, t)
	return t
}

// Case implements store.Cases.
func (s *Store) Case(ctx context.Context, n pim.Need) (pim.Case, error) {
	if err := ctx.Err(); err != nil {
		return pim.Case{}, s.fault("read a case", err)
	}
	c, err := s.gathering.read(ctx, n, s.cases)
	if err == nil && c.Key == (pim.Key{}) {
		err = store.ErrNotFound
	}
	if err != nil {
		return pim.Case{}, s.fault("read a case", err)
	}
	return c, nil
}

// Cases implements store.Cases.
func (s *Store) Cases(ctx context.Context, needs []pim.Need) ([]pim.Case, error) {
	cs, err := s.cases(ctx, needs)
	return cs, s.fault("read cases", err)
}

func (s *Store) cases(ctx context.Context, needs []pim.Need) ([]pim.Case, error) {
	r := &reading{texts: &s.texts, needs: needs, cases: make([]pim.Case, len(needs))}
	for i, n := range needs {
		if n.Request == "" && n.Schedule == "" || n.Key.Principal != "" {
			r.cases[i].Key = n.Key
		}
	}
	// The key of a request or schedule never changes, so it may be read before the rest.
	if err := s.askRows(ctx, r.keysByID("requests"), r.keysByID("schedules")); err != nil {
		return nil, err
	}
	r.gather()
	if err := s.askRows(ctx, r.questions()...); err != nil {
		return nil, err
	}
	r.complete()
	return r.cases, nil
}

// reading is what is read for a number of needs. Whatever the number, the questions are the same few.
type reading struct {
	texts *sync.Map // of the questions, by name: they never change
	needs []pim.Need
	cases []pim.Case

	// What the questions ask for: rows (n, tenant, provider, scope, role, principal) of keys by what they need.
	all, backing, dependents [][]any
	// onResources are the backing's keys that are about resources, of which the others are not.
	onResources [][]any
	// paths are the dependents' keys that are about members of groups.
	paths          [][]any
	administrators [][]any
	// objects, climbs and places are who or what is looked up: each once, however many cases need it. So are nodes.
	objects, climbs, places map[objectID]bool
	nodes                   map[store.Place]bool
	policies                map[pim.RoleKey]bool

	// What came back.
	found map[objectID]directory.Object
	above map[objectID][]pim.Membership
	units map[objectID][]pim.Scope
	// parents are those of the nodes that are there, and of what contains them.
	parents map[store.Place]pim.Scope
	rules   map[pim.RoleKey]policy.Policy
	// dependentAt finds a dependent by the case and its schedule; byEligibility are those that rest on one of the case's.
	dependentAt   map[dependentID]int
	byEligibility map[dependentID]bool
}

type objectID struct {
	tenant pim.TenantID
	id     pim.PrincipalID
}

type dependentID struct {
	n  int64
	id pim.ScheduleID
}

func keyedColumns() []column {
	return append([]column{{"n", number}}, texts("tenant", "provider", "scope", "role", "principal")...)
}

func keyedRow(n int, k pim.Key) []any {
	return append([]any{int64(n), string(k.Tenant)}, keyValues(k)...)
}

// keysByID finds the keys of the requests or schedules that needs name without a whole key.
func (r *reading) keysByID(table string) rowsQuestion {
	q := rowsQuestion{
		columns: append([]column{{"n", number}}, texts("tenant", "id")...),
		sql: `SELECT v.n, t.tenant, t.provider, t.scope, t.role, t.principal
			FROM {{rows}} CROSS JOIN ` + table + ` t WHERE t.tenant = v.tenant AND t.id = v.id`,
		each: func(row scan) error {
			var n int64
			var k keyCells
			err := row(&n, &k.tenant, &k.provider, &k.scope, &k.role, &k.principal)
			if err == nil {
				r.cases[n].Key = k.key()
			}
			return err
		}}
	q.rows = r.named(table == "requests", func(n int) bool { return r.needs[n].Key.Principal == "" })
	return q
}

// named returns the rows (n, tenant, id) of the requests or schedules that needs name.
func (r *reading) named(requests bool, where func(n int) bool) (rows [][]any) {
	for i, n := range r.needs {
		id := string(n.Request)
		if !requests {
			if n.Request != "" {
				continue // the request tells the key
			}
			id = string(n.Schedule)
		}
		if id != "" && where(i) {
			rows = append(rows, []any{int64(i), string(n.Key.Tenant), plain(id)})
		}
	}
	return rows
}

func (r *reading) known(n int) bool { return r.cases[n].Key != (pim.Key{}) }

// gather notes what is to be read for each need.
func (r *reading) gather() {
	r.objects, r.climbs, r.places = map[objectID]bool{}, map[objectID]bool{}, map[objectID]bool{}
	r.policies = map[pim.RoleKey]bool{}
	r.nodes, r.parents = map[store.Place]bool{}, map[store.Place]pim.Scope{}
	r.above, r.units = map[objectID][]pim.Membership{}, map[objectID][]pim.Scope{}
	r.found, r.rules = map[objectID]directory.Object{}, map[pim.RoleKey]policy.Policy{}
	r.dependentAt, r.byEligibility = map[dependentID]int{}, map[dependentID]bool{}
	for i, n := range r.needs {
		if !r.known(i) {
			continue
		}
		k := r.cases[i].Key
		row := keyedRow(i, k)
		r.all = append(r.all, row)
		r.objects[objectID{k.Tenant, k.Principal}] = true
		r.policies[k.Policy()] = true
		if n.Backing && k.Provider == pim.Resource {
			r.onResources = append(r.onResources, row)
		} else if n.Backing {
			r.backing = append(r.backing, append(row[:len(row):len(row)], scopeObject(k)))
		}
		if n.Dependents {
			r.dependents = append(r.dependents, row)
			if k.Provider == pim.Group && k.Role == pim.Member {
				r.paths = append(r.paths, row)
			}
		}
		if n.Administrators {
			r.administrators = append(r.administrators, keyedRow(i, pim.AdministratorsKey(k.Tenant)))
		}
		if !n.Clock {
			r.gatherPeople(n, k)
		}
	}
}

func (r *reading) gatherPeople(n pim.Need, k pim.Key) {
	for _, id := range []pim.PrincipalID{k.Principal, n.Actor} {
		if id != "" {
			r.climbs[objectID{k.Tenant, id}] = true
			r.objects[objectID{k.Tenant, id}] = true
		}
	}
	r.objects[objectID{k.Tenant, pim.PrincipalID(k.Role)}] = true
	if k.Provider == pim.Resource && k.Scope != pim.Everywhere {
		r.nodes[store.Place{Tenant: k.Tenant, Scope: k.Scope}] = true
	}
	if id := scopeObject(k); id != "" {
		r.objects[objectID{k.Tenant, pim.PrincipalID(id)}] = true
		r.places[objectID{k.Tenant, pim.PrincipalID(id)}] = true
	}
}

// scopeObject is the id of the object that the key's scope names: a unit, a single object, or a group; else empty.
func scopeObject(k pim.Key) string {
	switch k.Provider {
	case pim.Directory:
		if id, ok := k.Scope.Unit(); ok {
			return id
		}
		id, _ := k.Scope.Object()
		return id
	case pim.Group:
		return string(k.Scope)
	case pim.Resource:
	}
	return ""
}

// text makes the text of a question once.
func (r *reading) text(name string, compose func() string) string {
	if t, ok := r.texts.Load(name); ok {
		return t.(string)
	}
	t := compose()
	r.texts.Store(name, t)
	return t
}

func (r *reading) questions() []rowsQuestion {
	qs := []rowsQuestion{
		r.versions(),
		r.schedules(), r.namedSchedules(),
		r.requests(), r.namedRequests(),
		r.effects(),
		r.people(),
		policiesQuestion(r.policies, func(k pim.RoleKey, p policy.Policy) { r.rules[k] = p }),
		r.climb(),
		r.containers(), r.tree(),
		r.backings(), r.backingsOnResources(),
		r.resting(), r.onPaths(),
		r.administratorsVersion(), r.standings(),
	}
	if len(r.dependents) == 0 {
		return qs
	}
	qs = append(qs, r.dependentDetails("resting", r.dependents, fromResting)...)
	return append(qs, r.dependentDetails("onPaths", r.paths, fromPaths)...)
}

// sameKey joins a table x by its key.
func sameKey(x string) string {
	return fmt.Sprintf("%[1]s.tenant = v.tenant AND %[1]s.principal = v.principal AND %[1]s.role = v.role AND "+
		"%[1]s.scope = v.scope AND %[1]s.provider = v.provider", x)
}

func (r *reading) versions() rowsQuestion {
	return rowsQuestion{
		columns: keyedColumns(), rows: r.all,
		sql: r.text("versions", func() string {
			return "SELECT v.n, c.version FROM {{rows}} CROSS JOIN cases c WHERE " + sameKey("c")
		}),
		each: func(row scan) error {
			var n, version int64
			err := row(&n, &version)
			if err == nil {
				r.cases[n].Version = version
			}
			return err
		}}
}

func (r *reading) addSchedule(row scan) error {
	var n int64
	s, err := scanSchedule(row, &n)
	if err == nil {
		r.cases[n].Schedules = append(r.cases[n].Schedules, s)
	}
	return err
}

func (r *reading) schedules() rowsQuestion {
	return rowsQuestion{
		columns: keyedColumns(), rows: r.all, each: r.addSchedule,
		sql: r.text("schedules", func() string {
			return "SELECT v.n, " + schedulesTable().list("s.") + " FROM {{rows}} CROSS JOIN schedules s WHERE s.kept AND " + sameKey("s")
		}),
	}
}

// namedSchedules reads the schedule that a need names where it is not among those that are kept.
func (r *reading) namedSchedules() rowsQuestion {
	return rowsQuestion{
		columns: append([]column{{"n", number}}, texts("tenant", "id")...), rows: r.named(false, r.known), each: r.addSchedule,
		sql: r.text("namedSchedules", func() string {
			return "SELECT v.n, " + schedulesTable().list("s.") + ` FROM {{rows}} CROSS JOIN schedules s
			WHERE s.tenant = v.tenant AND s.id = v.id AND NOT s.kept`
		}),
	}
}

func (r *reading) addRequest(row scan) error {
	var n int64
	q, err := scanRequest(row, &n)
	if err == nil {
		r.cases[n].Requests = append(r.cases[n].Requests, q)
	}
	return err
}

func (r *reading) requests() rowsQuestion {
	return rowsQuestion{
		columns: keyedColumns(), rows: r.all, each: r.addRequest,
		sql: r.text("requests", func() string {
			return "SELECT v.n, " + requestsTable().list("q.") + " FROM {{rows}} CROSS JOIN requests q WHERE q.is_open AND " + sameKey("q")
		}),
	}
}

// namedRequests reads the request that a need names where it is not open.
func (r *reading) namedRequests() rowsQuestion {
	return rowsQuestion{
		columns: append([]column{{"n", number}}, texts("tenant", "id")...), rows: r.named(true, r.known), each: r.addRequest,
		sql: r.text("namedRequests", func() string {
			return "SELECT v.n, " + requestsTable().list("q.") + ` FROM {{rows}} CROSS JOIN requests q
			WHERE q.tenant = v.tenant AND q.id = v.id AND NOT q.is_open`
		}),
	}
}

func (r *reading) effects() rowsQuestion {
	return rowsQuestion{
		columns: keyedColumns(), rows: r.all,
		sql: r.text("effects", func() string {
			return "SELECT v.n, " + effectsTable().list("e.") + " FROM {{rows}} CROSS JOIN effects e WHERE e.state <> 4 AND " + sameKey("e")
		}),
		each: func(row scan) error {
			var n int64
			e, err := scanEffect(row, &n)
			if err == nil {
				r.cases[n].Effects = append(r.cases[n].Effects, e)
			}
			return err
		}}
}

func objectRows(ids map[objectID]bool) [][]any {
	rows := make([][]any, 0, len(ids))
	for id := range ids {
		rows = append(rows, []any{string(id.tenant), plain(string(id.id))})
	}
	return rows
}

// people reads every object that a need names: principals, actors, custom roles, and what scopes name.
func (r *reading) people() rowsQuestion {
	return rowsQuestion{
		columns: texts("tenant", "id"), rows: objectRows(r.objects),
		sql: r.text("people", func() string {
			return "SELECT " + objectsTable().list("o.") + " FROM {{rows}} CROSS JOIN objects o WHERE o.tenant = v.tenant AND o.id = v.id"
		}),
		each: func(row scan) error {
			o, err := scanObject(row)
			r.found[objectID{o.Tenant, o.ID}] = o
			return err
		}}
}

func policiesQuestion(keys map[pim.RoleKey]bool, found func(pim.RoleKey, policy.Policy)) rowsQuestion {
	rows := make([][]any, 0, len(keys))
	for k := range keys {
		rows = append(rows, roleKeyValues(k))
	}
	return rowsQuestion{
		columns: texts("tenant", "provider", "scope", "role"), rows: rows,
		sql: "SELECT " + policiesTable().list("p.") + ` FROM {{rows}} CROSS JOIN policies p
			WHERE p.tenant = v.tenant AND p.provider = v.provider AND p.scope = v.scope AND p.role = v.role`,
		each: func(row scan) error {
			k, p, err := scanPolicy(row)
			if err == nil {
				found(k, p)
			}
			return err
		}}
}

func (r *reading) climb() rowsQuestion {
	return rowsQuestion{
		columns: texts("tenant", "id"), rows: objectRows(r.climbs), sql: upward,
		each: func(row scan) error {
			var root string
			var version int64
			l, err := scanLink(row, &root, &version)
			id := objectID{l.Tenant, pim.PrincipalID(root)}
			m := l.Membership()
			m.Version = version
			r.above[id] = append(r.above[id], m)
			return err
		}}
}

// containers reads the administrative units that the scopes' objects are in.
func (r *reading) containers() rowsQuestion {
	return rowsQuestion{
		columns: texts("tenant", "id"), rows: objectRows(r.places),
		sql: r.text("containers", func() string {
			return `SELECT l.tenant, l.to_id, l.from_id FROM {{rows}} CROSS JOIN links l
			WHERE l.tenant = v.tenant AND l.relation = 3 AND l.to_id = v.id`
		}),
		each: func(row scan) error {
			var tenant, object, unit string
			err := row(&tenant, &object, &unit)
			id := objectID{pim.TenantID(tenant), pim.PrincipalID(object)}
			r.units[id] = append(r.units[id], pim.AdministrativeUnit(unit))
			return err
		}}
}

// tree reads the nodes that scopes of resources name, and all that contain them. UNION drops what is found again, so circles
// end.
func (r *reading) tree() rowsQuestion {
	rows := make([][]any, 0, len(r.nodes))
	for p := range r.nodes {
		rows = append(rows, []any{string(p.Tenant), plain(string(p.Scope))})
	}
	return rowsQuestion{
		columns: texts("tenant", "scope"), rows: rows, sql: `
			WITH RECURSIVE up(tenant, scope, parent) AS (
				SELECT r.tenant, r.scope, r.parent FROM {{rows}} CROSS JOIN resources r
				WHERE r.tenant = v.tenant AND r.scope = v.scope
				UNION
				SELECT r.tenant, r.scope, r.parent FROM up u CROSS JOIN resources r
				WHERE r.tenant = u.tenant AND r.scope = u.parent)
			SELECT tenant, scope, parent FROM up`,
		each: func(row scan) error {
			var tenant, scope, parent string
			err := row(&tenant, &scope, &parent)
			r.parents[store.Place{Tenant: pim.TenantID(tenant), Scope: pim.Scope(scope)}] = pim.Scope(parent)
			return err
		}}
}

// backings reads the live eligibilities of the principal and of the groups above it, at the scope and at wider ones.
// Whether one holds at the time of the decision is for the core to say.
func (r *reading) backings() rowsQuestion {
	return r.backingsWithin("backings", append(keyedColumns(), column{"object", text}), r.backing, `
			place(n, scope) AS (
				SELECT n, scope FROM need
				UNION SELECT n, '/' FROM need WHERE provider = 'directory'
				UNION SELECT n.n, '/administrativeUnits/' || l.from_id FROM need n CROSS JOIN links l
				WHERE n.provider = 'directory' AND l.tenant = n.tenant AND l.relation = 3 AND l.to_id = n.object)`)
}

// backingsOnResources does so for keys that are about resources, up the tree.
func (r *reading) backingsOnResources() rowsQuestion {
	return r.backingsWithin("backingsOnResources", keyedColumns(), r.onResources, `
			place(n, tenant, scope) AS (
				SELECT n, tenant, scope FROM need
				UNION SELECT n, tenant, '/' FROM need
				UNION
				SELECT p.n, p.tenant, r.parent FROM place p CROSS JOIN resources r
				WHERE r.tenant = p.tenant AND r.scope = p.scope)`)
}

func (r *reading) backingsWithin(name string, columns []column, rows [][]any, place string) rowsQuestion {
	return rowsQuestion{
		columns: columns, rows: rows,
		sql: r.text(name, func() string {
			return `
			WITH RECURSIVE need AS (SELECT ` + names(columns, "v.") + ` FROM {{rows}}),
			who(n, tenant, id) AS (
				SELECT n, tenant, principal FROM need
				UNION
				SELECT w.n, w.tenant, l.from_id FROM who w CROSS JOIN links l
				WHERE l.tenant = w.tenant AND l.relation = 1 AND l.to_id = w.id),` + place + `
			SELECT w.n, COALESCE((SELECT c.version FROM cases c WHERE c.tenant = s.tenant AND c.principal = s.principal
					AND c.role = s.role AND c.scope = s.scope AND c.provider = s.provider), 0), ` + schedulesTable().list("s.") + `
			FROM who w CROSS JOIN need n CROSS JOIN schedules s
			WHERE n.n = w.n AND s.kept AND s.ending = 0 AND s.kind = 1 AND s.tenant = n.tenant AND s.principal = w.id
				AND s.role = n.role AND s.provider = n.provider
				AND s.scope IN (SELECT p.scope FROM place p WHERE p.n = w.n)`
		}),
		each: func(row scan) error {
			var n, version int64
			s, err := scanSchedule(row, &n, &version)
			if err == nil {
				r.cases[n].Backing = append(r.cases[n].Backing, pim.Backing{Schedule: s, Version: version})
			}
			return err
		}}
}

// fromResting joins the live activations a that rest on the eligibilities e of a key.
func fromResting() string {
	// Role and scope are written so that no index serves them: of all who are in a big group each would be looked at for each.
	return " FROM {{rows}} CROSS JOIN schedules e CROSS JOIN schedules a WHERE e.kind = 1 AND e.tenant = v.tenant AND " +
		"e.principal = v.principal AND e.role || '' = v.role AND e.scope || '' = v.scope AND e.provider = v.provider" +
		" AND a.tenant = e.tenant AND a.eligibility = e.id AND a.eligibility <> '' AND a.ending = 0 AND a.type = 2"
}

// fromPaths joins the live activations a of the members of keys, and of whoever is below those, that rest on something by
// way of groups. Whether that way goes by the membership is told by the schedule itself.
func fromPaths() string {
	return ` FROM (
		WITH RECURSIVE need AS (SELECT v.n, v.tenant, v.principal FROM {{rows}}),
		below(n, tenant, id) AS (
			SELECT n, tenant, principal FROM need
			UNION
			SELECT b.n, b.tenant, l.to_id FROM below b CROSS JOIN links l
			WHERE l.tenant = b.tenant AND l.relation = 1 AND l.from_id = b.id)
		SELECT n, tenant, id FROM below) v CROSS JOIN schedules a
		WHERE a.tenant = v.tenant AND a.principal = v.id AND a.kept AND a.ending = 0 AND a.type = 2 AND a.doc <> ''`
}

// dependentColumns are what is read of a dependent beside what rests on it in turn.
func dependentColumns() string {
	return `v.n, COALESCE((SELECT c.version FROM cases c WHERE c.tenant = a.tenant AND c.principal = a.principal
		AND c.role = a.role AND c.scope = a.scope AND c.provider = a.provider), 0), ` + schedulesTable().list("a.")
}

// resting asks for the activations that rest on the eligibilities of keys.
func (r *reading) resting() rowsQuestion {
	return r.dependentsFrom("resting", r.dependents, fromResting, true)
}

// onPaths asks for those that may rest on the memberships of keys.
func (r *reading) onPaths() rowsQuestion {
	return r.dependentsFrom("onPaths", r.paths, fromPaths, false)
}

func (r *reading) dependentsFrom(name string, rows [][]any, from func() string, byEligibility bool) rowsQuestion {
	return rowsQuestion{
		columns: keyedColumns(), rows: rows,
		sql: r.text(name, func() string { return "SELECT " + dependentColumns() + from() }),
		each: func(row scan) error {
			var n, version int64
			s, err := scanSchedule(row, &n, &version)
			if err != nil {
				return err
			}
			at := dependentID{n, s.ID}
			if byEligibility {
				r.byEligibility[at] = true
			}
			if _, twice := r.dependentAt[at]; !twice {
				r.dependentAt[at] = len(r.cases[n].Dependents)
				r.cases[n].Dependents = append(r.cases[n].Dependents, pim.Dependent{Schedule: s, Version: version})
			}
			return nil
		}}
}

// dependent finds the dependent that a later question of the same reading is about.
func (r *reading) dependent(n int64, id string) *pim.Dependent {
	i, ok := r.dependentAt[dependentID{n, pim.ScheduleID(id)}]
	if !ok {
		return &pim.Dependent{} // cannot be: both questions see the same instant
	}
	return &r.cases[n].Dependents[i]
}

// dependentDetails asks the same three questions of dependents, however they were found.
func (r *reading) dependentDetails(name string, rows [][]any, from func() string) []rowsQuestion {
	details := func(kind, columns, of string, t table, where string, each func(scan) error) rowsQuestion {
		return rowsQuestion{
			columns: keyedColumns(), rows: rows, each: each,
			sql: r.text(name+kind, func() string {
				return "SELECT x.n, x.id, " + t.list(of+".") + " FROM (SELECT v.n, " + columns + from() + ") x CROSS JOIN " +
					t.name + " " + of + " WHERE " + of + ".tenant = x.tenant AND " + where
			}),
		}
	}
	return []rowsQuestion{
		details("People", "a.id, a.tenant, a.principal", "o", objectsTable(), "o.id = x.principal", func(row scan) error {
			var n int64
			var id string
			o, err := scanObject(row, &n, &id)
			r.dependent(n, id).Principal = o.Principal()
			return err
		}),
		details("Effects", "a.id, a.tenant", "f", effectsTable(), "f.schedule = x.id AND f.state <> 4", func(row scan) error {
			var n int64
			var id string
			e, err := scanEffect(row, &n, &id)
			d := r.dependent(n, id)
			if !slices.ContainsFunc(d.Effects, func(have pim.Effect) bool { return have.ID == e.ID }) {
				d.Effects = append(d.Effects, e)
			}
			return err
		}),
		details("Requests", "a.id, a.tenant, a.request", "q", requestsTable(), "q.id = x.request AND q.is_open", func(row scan) error {
			var n int64
			var id string
			q, err := scanRequest(row, &n, &id)
			r.dependent(n, id).Request = &q
			return err
		}),
	}
}

// onlyResting drops the activations that were found below a member and whose path does not go by the case's membership,
// nor by one that rests on it in turn.
func (r *reading) onlyResting(n int, c *pim.Case) {
	k := c.Key
	if k.Provider != pim.Group || k.Role != pim.Member {
		return
	}
	type edge struct{ member, group pim.PrincipalID }
	edges := []edge{{k.Principal, pim.PrincipalID(k.Scope)}}
	rests := make([]bool, len(c.Dependents))
	add := func(i int) {
		rests[i] = true
		if m, ok := c.Dependents[i].Schedule.Membership(); ok {
			edges = append(edges, edge{m.Member, m.Group})
		}
	}
	for i, d := range c.Dependents {
		if r.byEligibility[dependentID{int64(n), d.Schedule.ID}] {
			add(i)
		}
	}
	for at := 0; at < len(edges); at++ {
		for i, d := range c.Dependents {
			if !rests[i] && d.Schedule.GoesBy(edges[at].member, edges[at].group) {
				add(i)
			}
		}
	}
	var kept []pim.Dependent
	for i, d := range c.Dependents {
		if rests[i] {
			kept = append(kept, d)
		}
	}
	c.Dependents = kept
}

func (r *reading) administratorsVersion() rowsQuestion {
	q := r.versions()
	q.rows = r.administrators
	q.each = func(row scan) error {
		var n, version int64
		err := row(&n, &version)
		if err == nil {
			r.cases[n].AdministratorsVersion = version
		}
		return err
	}
	return q
}

// standings reads the grants of Global Administrator that enabled users have in their own name. Eligibilities are
// always of the type Assigned.
func (r *reading) standings() rowsQuestion {
	return rowsQuestion{
		columns: keyedColumns(), rows: r.administrators,
		sql: r.text("standings", func() string {
			return "SELECT v.n, " + schedulesTable().list("s.") + ` FROM {{rows}} CROSS JOIN schedules s CROSS JOIN objects o
			WHERE s.tenant = v.tenant AND s.role = v.role AND s.scope = v.scope AND s.provider = v.provider
				AND s.ending = 0 AND s.type = 1 AND o.tenant = s.tenant AND o.id = s.principal AND o.kind = 1 AND o.enabled`
		}),
		each: func(row scan) error {
			var n int64
			s, err := scanSchedule(row, &n)
			if err == nil {
				r.cases[n].Administrators = append(r.cases[n].Administrators,
					pim.Standing{Schedule: s.ID, Kind: s.Kind, During: s.Window})
			}
			return err
		}}
}

// complete puts what was read once into the cases that need it, and everything in order.
func (r *reading) complete() {
	for i, n := range r.needs {
		if !r.known(i) {
			continue
		}
		c := &r.cases[i]
		if !holdsNamed(n, c) {
			*c = pim.Case{}
			continue
		}
		k := c.Key
		if o, ok := r.found[objectID{k.Tenant, k.Principal}]; ok {
			c.Principal = o.Principal()
		}
		c.Policy = r.rules[k.Policy()]
		r.onlyResting(i, c)
		slices.SortFunc(c.Schedules, func(a, b pim.Schedule) int { return cmp.Compare(a.ID, b.ID) })
		slices.SortFunc(c.Requests, func(a, b pim.Request) int { return cmp.Compare(a.ID, b.ID) })
		sortEffects(c.Effects)
		slices.SortFunc(c.Backing, func(a, b pim.Backing) int { return cmp.Compare(a.Schedule.ID, b.Schedule.ID) })
		slices.SortFunc(c.Dependents, func(a, b pim.Dependent) int { return cmp.Compare(a.Schedule.ID, b.Schedule.ID) })
		for j := range c.Dependents {
			sortEffects(c.Dependents[j].Effects)
		}
		slices.SortFunc(c.Administrators, func(a, b pim.Standing) int { return cmp.Compare(a.Schedule, b.Schedule) })
		if !n.Clock {
			r.completePeople(n, c)
		}
	}
}

// holdsNamed says whether what a need names is there and has the case's key.
func holdsNamed(n pim.Need, c *pim.Case) bool {
	switch {
	case n.Request != "":
		return slices.ContainsFunc(c.Requests, func(q pim.Request) bool { return q.ID == n.Request && q.Key == c.Key })
	case n.Schedule != "":
		return slices.ContainsFunc(c.Schedules, func(s pim.Schedule) bool { return s.ID == n.Schedule && s.Key == c.Key })
	default:
		return true
	}
}

func sortEffects(es []pim.Effect) {
	slices.SortFunc(es, func(a, b pim.Effect) int { return cmp.Compare(a.ID, b.ID) })
}

func (r *reading) completePeople(n pim.Need, c *pim.Case) {
	k := c.Key
	if o, ok := r.found[objectID{k.Tenant, n.Actor}]; ok {
		c.Actor = o.Principal()
	}
	c.Role = customRole(k, r.found[objectID{k.Tenant, pim.PrincipalID(k.Role)}])
	c.Memberships = append(c.Memberships, r.above[objectID{k.Tenant, k.Principal}]...)
	if n.Actor != k.Principal {
		c.Memberships = append(c.Memberships, r.above[objectID{k.Tenant, n.Actor}]...)
	}
	order := func(a, b pim.Membership) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Member, b.Member), cmp.Compare(a.Schedule, b.Schedule))
	}
	slices.SortFunc(c.Memberships, order)
	c.Memberships = slices.CompactFunc(c.Memberships, func(a, b pim.Membership) bool { return order(a, b) == 0 })
	r.completeScope(c)
}

// customRole is the custom role of a key, where the object with its id is one of the key's provider; else the zero role.
func customRole(k pim.Key, o directory.Object) pim.Role {
	switch k.Provider {
	case pim.Resource:
		if d := o.ResourceRole; d != nil {
			role := pim.Role{ID: k.Role, Name: o.DisplayName, Enabled: o.Enabled}
			for _, s := range d.Assignable {
				role.Assignable = append(role.Assignable, pim.Scope(s))
			}
			return role
		}
	case pim.Directory, pim.Group:
		if o.Role != nil {
			return pim.Role{ID: k.Role, Name: o.DisplayName, Enabled: o.Role.Enabled}
		}
	}
	return pim.Role{}
}

// completeScope says whether what the scope names is there, and which scopes contain it, the nearest first.
func (r *reading) completeScope(c *pim.Case) {
	k := c.Key
	id := objectID{k.Tenant, pim.PrincipalID(scopeObject(k))}
	o, there := r.found[id]
	switch k.Provider {
	case pim.Directory:
		if k.Scope == pim.Everywhere {
			c.ScopeKnown = true
			return
		}
		if _, unit := k.Scope.Unit(); unit {
			c.ScopeKnown = there && o.Kind == directory.KindAdministrativeUnit
		} else {
			c.ScopeKnown = there
			c.Wider = append(c.Wider, slices.Sorted(slices.Values(r.units[id]))...)
		}
		c.Wider = append(c.Wider, pim.Everywhere)
	case pim.Group:
		c.ScopeKnown, c.Onto = there && o.Kind == directory.KindGroup, o.GroupFacts()
	case pim.Resource:
		_, there = r.parents[store.Place{Tenant: k.Tenant, Scope: k.Scope}]
		c.ScopeKnown, c.Wider = there || k.Scope == pim.Everywhere, r.containing(k)
	}
}

// containing lists what contains a key's scope of resources, up to the root, which contains everything else. Of a circle, which
// nobody can make, each is named once.
func (r *reading) containing(k pim.Key) (wider []pim.Scope) {
	if k.Scope == pim.Everywhere {
		return nil
	}
	for at := k.Scope; ; {
		up := r.parents[store.Place{Tenant: k.Tenant, Scope: at}]
		if up == "" || up == pim.Everywhere || up == k.Scope || slices.Contains(wider, up) {
			return append(wider, pim.Everywhere)
		}
		wider = append(wider, up)
		at = up
	}
}
