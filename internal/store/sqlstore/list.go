package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// The bounds of a page.
const (
	defaultPage = 100
	longestPage = 1000
)

// list is one of the lists: its table, what is read of it, and the fields it can be filtered and sorted by.
type list[T any] struct {
	table  table
	fields map[store.Field]field
	scan   func(s scan, before ...any) (T, error)
	// finders are indexes that no planner can be trusted to take.
	finders []finder
}

func keyFields() map[store.Field]field {
	return map[store.Field]field{
		store.FieldID:        {"id", exactText},
		store.FieldProvider:  {"provider", exactText},
		store.FieldScope:     {"scope", exactText},
		store.FieldRole:      {"role", exactText},
		store.FieldPrincipal: {"principal", exactText},
	}
}

func withKey(more map[store.Field]field) map[store.Field]field {
	for f, c := range keyFields() {
		more[f] = c
	}
	return more
}

// Requests implements store.Lists.
func (s *Store) Requests(ctx context.Context, q store.Query) (store.Page[pim.Request], error) {
	return page(ctx, s, q, list[pim.Request]{table: requestsTable(), scan: scanRequest, finders: []finder{
		{field: store.FieldScope, given: []string{onResources}, unless: []store.Field{store.FieldPrincipal}},
		{field: store.FieldStatus, open: true, unless: []store.Field{store.FieldPrincipal, store.FieldScope, store.FieldID}},
		{field: store.FieldPrincipal, guessed: true},
	}, fields: withKey(map[store.Field]field{
		store.FieldKind:        {"kind", numeric},
		store.FieldAction:      {"action", numeric},
		store.FieldStatus:      {"status", numeric},
		store.FieldCreated:     {"created", moment},
		store.FieldCompleted:   {"completed", moment},
		store.FieldTarget:      {"target", exactText},
		store.FieldEligibility: {"eligibility", exactText},
		store.FieldCreatedBy:   {"created_by", exactText},
	})})
}

// Schedules implements store.Lists.
func (s *Store) Schedules(ctx context.Context, q store.Query) (store.Page[pim.Schedule], error) {
	return page(ctx, s, q, list[pim.Schedule]{table: schedulesTable(), scan: scanSchedule, finders: []finder{
		{field: store.FieldScope, given: []string{onResources, "ending = 0"}, unless: []store.Field{store.FieldPrincipal}},
		{field: store.FieldPrincipal, guessed: true},
	}, fields: withKey(map[store.Field]field{
		store.FieldKind:        {"kind", numeric},
		store.FieldType:        {"type", numeric},
		store.FieldEnding:      {"ending", numeric},
		store.FieldStart:       {"start_at", moment},
		store.FieldEnd:         {"end_at", ending},
		store.FieldCreated:     {"created", moment},
		store.FieldRequest:     {"request", exactText},
		store.FieldEligibility: {"eligibility", exactText},
	})})
}

// Effects implements store.Lists.
func (s *Store) Effects(ctx context.Context, q store.Query) (store.Page[pim.Effect], error) {
	return page(ctx, s, q, list[pim.Effect]{table: effectsTable(), scan: scanEffect, fields: withKey(map[store.Field]field{
		store.FieldSchedule: {"schedule", exactText},
		store.FieldState:    {"state", numeric},
		store.FieldStuck:    {"stuck", flag},
	})})
}

// Events implements store.Lists.
func (s *Store) Events(ctx context.Context, q store.Query) (store.Page[pim.Event], error) {
	t := table{name: "events", key: 2, columns: eventColumns()}
	return page(ctx, s, q, list[pim.Event]{table: t, scan: scanEvent, fields: withKey(map[store.Field]field{
		store.FieldAt:           {"at", moment},
		store.FieldActivity:     {"activity", numeric},
		store.FieldActor:        {"actor", exactText},
		store.FieldRequest:      {"request", exactText},
		store.FieldSchedule:     {"schedule", exactText},
		store.FieldAction:       {"action", numeric},
		store.FieldKind:         {"kind", numeric},
		store.FieldSuccess:      {"success", flag},
		store.FieldEnd:          {"end_at", ending},
		store.FieldActorKind:    {"actor_kind", numeric},
		store.FieldActorName:    {"actor_name", foldedText},
		store.FieldActorAccount: {"actor_account", foldedText},
		store.FieldSubjectID:    {"subject_id", exactText},
		store.FieldSubject:      {"subject", foldedText},
		store.FieldSubjectKind:  {"subject_kind", numeric},
		store.FieldRoleName:     {"role_name", foldedText},
		store.FieldDetail:       {"detail", exactText},
	})})
}

// Objects implements store.Directory.
func (s *Store) Objects(ctx context.Context, q store.Query) (store.Page[directory.Object], error) {
	return page(ctx, s, q, list[directory.Object]{table: objectsTable(), scan: scanObject, fields: objectFields()})
}

// Bin implements store.Directory.
func (s *Store) Bin(ctx context.Context, q store.Query) (store.Page[directory.Object], error) {
	fields := objectFields()
	fields[store.FieldDeleted] = field{"deleted", moment}
	return page(ctx, s, q, list[directory.Object]{table: binTable(), scan: scanBin, fields: fields})
}

func objectFields() map[store.Field]field {
	return map[store.Field]field{
		store.FieldID:            {"id", exactText},
		store.FieldObjectKind:    {"kind", numeric},
		store.FieldDisplayName:   {"display_name", foldedText},
		store.FieldPrincipalName: {"principal_name", foldedText},
		store.FieldMail:          {"mail", foldedText},
		store.FieldMailNickname:  {"mail_nickname", foldedText},
		store.FieldClientID:      {"client_id", exactText},
		store.FieldExternalID:    {"external_id", exactText},
		store.FieldEnabled:       {"enabled", flag},
		store.FieldCreated:       {"created", moment},
	}
}

// sortKey is the order of a list as columns; the last one is the id. desc is that of each column.
type sortKey struct {
	fields []field
	desc   []bool
}

// sortKeyOf puts the id behind the last order column, in its direction, so that an index read backwards serves too.
func (c *compiler) sortKeyOf(orders []store.Order) (sortKey, error) {
	var k sortKey
	desc := false
	for _, o := range orders {
		f, err := c.field(o.Field)
		if err != nil {
			return k, err
		}
		desc = o.Desc
		if o.Field == store.FieldID {
			break // nothing sorts within the same id
		}
		k.fields, k.desc = append(k.fields, f), append(k.desc, desc)
	}
	id, err := c.field(store.FieldID)
	k.fields, k.desc = append(k.fields, id), append(k.desc, desc)
	return k, err
}

func (k sortKey) sql() string {
	parts := make([]string, len(k.fields))
	for i, f := range k.fields {
		parts[i] = f.column
		if k.desc[i] {
			parts[i] += " DESC"
		}
	}
	return strings.Join(parts, ", ")
}

// after is the condition that a row comes after the cursor.
func (k sortKey) after(c *compiler, cursor store.Cursor) (string, error) {
	if len(cursor) != len(k.fields) {
		return "", store.ErrCursor
	}
	columns, args := make([]string, len(cursor)), make([]string, len(cursor))
	oneWay := true
	for i, f := range k.fields {
		v, err := f.fromCursor(cursor[i])
		if err != nil {
			return "", err
		}
		columns[i], args[i] = f.column, c.bind(v)
		oneWay = oneWay && k.desc[i] == k.desc[0]
	}
	if oneWay {
		return fmt.Sprintf("(%s) %s (%s)", strings.Join(columns, ", "), beyond(k.desc[0]), strings.Join(args, ", ")), nil
	}
	// A row comparison has one direction; with two it is written out. The first condition repeats what follows from the
	// rest: it is the one that an index can begin at.
	var ways []string
	for i := range columns {
		var way []string
		for j := range i {
			way = append(way, columns[j]+" = "+args[j])
		}
		way = append(way, columns[i]+" "+beyond(k.desc[i])+" "+args[i])
		ways = append(ways, "("+strings.Join(way, " AND ")+")")
	}
	return fmt.Sprintf("%s %s= %s AND (%s)", columns[0], beyond(k.desc[0]), args[0], strings.Join(ways, " OR ")), nil
}

func beyond(desc bool) string {
	if desc {
		return "<"
	}
	return ">"
}

// fromCursor reads what cursorText wrote.
func (f field) fromCursor(s string) (any, error) {
	switch f.typ {
	case numeric, moment, ending:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, store.ErrCursor
		}
		return n, nil
	case flag:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return nil, store.ErrCursor
		}
		return b, nil
	case exactText, foldedText:
	}
	return plain(s), nil
}

// cell reads a column of the sort key and writes it into a cursor.
type cell struct {
	typ fieldType
	s   string
	n   int64
	b   bool
}

func (c *cell) target() any {
	switch c.typ {
	case numeric, moment, ending:
		return &c.n
	case flag:
		return &c.b
	case exactText, foldedText:
	}
	return &c.s
}

func (c *cell) text() string {
	switch c.typ {
	case numeric, moment, ending:
		return strconv.FormatInt(c.n, 10)
	case flag:
		return strconv.FormatBool(c.b)
	case exactText, foldedText:
	}
	return c.s
}

// page reads one page and, where it is asked for, the count.
func page[T any](ctx context.Context, s *Store, q store.Query, l list[T]) (store.Page[T], error) {
	p, err := readPage(ctx, s, q, l)
	if err != nil {
		return store.Page[T]{}, s.fault("list "+l.table.name, err)
	}
	return p, nil
}

func readPage[T any](ctx context.Context, s *Store, q store.Query, l list[T]) (store.Page[T], error) {
	p := store.Page[T]{Count: -1}
	c := &compiler{fields: l.fields, db: s.db}
	c.bind(string(q.Tenant))
	where, err := c.conditions(l.table.name, l.finders, q.Where)
	if err != nil {
		return p, err
	}
	k, err := c.sortKeyOf(q.Order)
	if err != nil {
		return p, err
	}
	if q.Count {
		// The arguments so far are those of the filter.
		n, err := s.count(ctx, l.table.name, where, c.args)
		if err != nil {
			return p, err
		}
		p.Count = n
	}
	if len(q.After) > 0 {
		cond, err := k.after(c, q.After)
		if err != nil {
			return p, err
		}
		where += " AND " + cond
	}
	limit := pageSize(q.Limit)
	cells := make([]cell, len(k.fields))
	before := make([]any, len(cells))
	columns := ""
	for i, f := range k.fields {
		cells[i].typ = f.typ
		before[i] = cells[i].target()
		columns += f.column + ", "
	}
	sql := "SELECT " + columns + l.table.list("") + " FROM " + l.table.name + " WHERE " + where +
		" ORDER BY " + k.sql() + " LIMIT " + strconv.Itoa(limit+1)
	err = s.db.browse(ctx, question{sql: sql, args: c.args, each: func(row scan) error {
		if len(p.Rows) == limit {
			// One row more says that there is more; it is not decoded.
			return errEnough
		}
		if len(p.Rows) == shortPage {
			p.Rows = slices.Grow(p.Rows, limit-shortPage) // a page that is not short is probably full
		}
		r, err := l.scan(row, before...)
		p.Rows = append(p.Rows, r)
		return err
	}})
	if errors.Is(err, errEnough) {
		for i := range cells {
			p.Next = append(p.Next, cells[i].text())
		}
		err = nil
	}
	return p, err
}

// shortPage is how many rows are read before room is made for all that were asked for.
const shortPage = 32

// errEnough ends the reading of rows.
var errEnough = errors.New("enough rows")

func pageSize(limit int) int {
	if limit <= 0 {
		return defaultPage
	}
	return min(limit, longestPage)
}

func (s *Store) count(ctx context.Context, table, where string, args []any) (int, error) {
	var n int64
	err := s.db.browse(ctx, question{
		sql: "SELECT count(*) FROM " + table + " WHERE " + where, args: args,
		each: func(row scan) error { return row(&n) },
	})
	return int(n), err
}

// Policies implements store.Lists.
func (s *Store) Policies(ctx context.Context, t pim.TenantID, keys []pim.RoleKey) (map[pim.RoleKey]policy.Policy, error) {
	found := make(map[pim.RoleKey]policy.Policy)
	asked := make(map[pim.RoleKey]bool, len(keys))
	for _, k := range keys {
		if k.Tenant == t {
			asked[k] = true
		}
	}
	err := s.askRows(ctx, policiesQuestion(asked, func(k pim.RoleKey, p policy.Policy) { found[k] = p }))
	return found, s.fault("read policies", err)
}

// PoliciesAt implements store.Lists.
func (s *Store) PoliciesAt(ctx context.Context, at pim.RoleKey) (map[pim.RoleKey]policy.Policy, error) {
	found := make(map[pim.RoleKey]policy.Policy)
	err := s.db.browse(ctx, question{
		sql:  "SELECT " + policiesTable().list("") + " FROM policies WHERE tenant = $1 AND provider = $2 AND scope = $3",
		args: []any{string(at.Tenant), string(at.Provider), string(at.Scope)},
		each: func(row scan) error {
			k, p, err := scanPolicy(row)
			found[k] = p
			return err
		}})
	return found, s.fault("read the policies at a scope", err)
}
