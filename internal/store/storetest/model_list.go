package storetest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// value is what a field of a row is, in a form that sorts: a text, or a number.
type value struct {
	text   string
	number int64
	kind   valueKind
}

type valueKind int

const (
	textValue valueKind = iota
	foldedValue
	intValue
	boolValue
	timeValue
	endValue
)

func textOf[S ~string](s S) value { return value{text: string(s)} }
func foldedOf(s string) value     { return value{text: fold(s), kind: foldedValue} }
func intOf[I ~int](i I) value     { return value{number: int64(i), kind: intValue} }
func flagOf(b bool) value         { return value{number: int64(boolOf(b)), kind: boolValue} }

// timeOf sorts none before all instants, endOf after them.
func timeOf(t time.Time) value {
	if t.IsZero() {
		return value{number: math.MinInt64, kind: timeValue}
	}
	return value{number: t.UnixMicro(), kind: timeValue}
}

func endOf(t time.Time) value {
	if t.IsZero() {
		return value{number: math.MaxInt64, kind: endValue}
	}
	return value{number: t.UnixMicro(), kind: endValue}
}

func boolOf(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (v value) compare(w value) int {
	return cmp.Or(strings.Compare(v.text, w.text), cmp.Compare(v.number, w.number))
}

// none says whether the value is none. No end is a value: the greatest.
func (v value) none() bool {
	switch v.kind {
	case textValue, foldedValue:
		return v.text == ""
	case timeValue:
		return v.number == math.MinInt64
	case intValue, boolValue, endValue:
	}
	return false
}

// like makes a filter's value one of the same kind.
func (v value) like(x any) (value, error) {
	switch t, isTime := x.(time.Time); {
	case x == nil && (v.kind == textValue || v.kind == foldedValue):
		return value{kind: v.kind}, nil
	case (x == nil || isTime) && v.kind == timeValue:
		return timeOf(t), nil
	case (x == nil || isTime) && v.kind == endValue:
		return endOf(t), nil
	}
	switch r := reflect.ValueOf(x); {
	case r.Kind() == reflect.String && v.kind == textValue:
		return textOf(r.String()), nil
	case r.Kind() == reflect.String && v.kind == foldedValue:
		return foldedOf(r.String()), nil
	case r.CanInt() && v.kind == intValue:
		return intOf(int(r.Int())), nil
	case r.Kind() == reflect.Bool && v.kind == boolValue:
		return flagOf(r.Bool()), nil
	}
	return value{}, fmt.Errorf("a %T does not go with the field", x)
}

// fields are the values of a row.
type fields map[store.Field]value

func keyFields(id string, k pim.Key) fields {
	return fields{
		store.FieldID: textOf(id), store.FieldProvider: textOf(k.Provider), store.FieldScope: textOf(k.Scope),
		store.FieldRole: textOf(k.Role), store.FieldPrincipal: textOf(k.Principal),
	}
}

func (f fields) with(more fields) fields {
	for k, v := range more {
		f[k] = v
	}
	return f
}

func requestFields(r pim.Request) fields {
	return keyFields(string(r.ID), r.Key).with(fields{
		store.FieldKind: intOf(r.Kind), store.FieldAction: intOf(r.Action), store.FieldStatus: intOf(r.Status),
		store.FieldCreated: timeOf(r.Created), store.FieldCompleted: timeOf(r.Completed), store.FieldTarget: textOf(r.Target),
		store.FieldEligibility: textOf(r.Eligibility), store.FieldCreatedBy: textOf(r.By.Principal),
	})
}

func scheduleFields(s pim.Schedule) fields {
	return keyFields(string(s.ID), s.Key).with(fields{
		store.FieldKind: intOf(s.Kind), store.FieldType: intOf(s.Type), store.FieldEnding: intOf(s.Ending),
		store.FieldStart: timeOf(s.Window.Start), store.FieldEnd: endOf(s.End()), store.FieldCreated: timeOf(s.Created),
		store.FieldRequest: textOf(s.Request), store.FieldEligibility: textOf(s.Eligibility),
	})
}

func effectFields(e pim.Effect) fields {
	return keyFields(e.ID, e.Key).with(fields{
		store.FieldSchedule: textOf(e.Schedule), store.FieldState: intOf(e.State), store.FieldStuck: flagOf(e.Stuck),
	})
}

func eventFields(e pim.Event) fields {
	detail := ""
	if len(e.Details) > 1 {
		detail = e.Details[0] + " " + e.Details[1]
	}
	return keyFields(string(e.ID), e.Key).with(fields{
		store.FieldAction: intOf(e.Action), store.FieldKind: intOf(e.Kind), store.FieldSuccess: flagOf(e.Success), store.FieldEnd: endOf(e.End),
		store.FieldActorKind: intOf(e.By.Kind), store.FieldActorName: foldedOf(e.By.Name), store.FieldActorAccount: foldedOf(e.By.Account),
		store.FieldSubjectID: textOf(cmp.Or(e.Principal.ID, e.Key.Principal)), store.FieldSubject: foldedOf(e.Principal.Name), store.FieldSubjectKind: intOf(e.Principal.Kind),
		store.FieldRoleName: foldedOf(e.RoleName), store.FieldDetail: textOf(detail),
		store.FieldAt: timeOf(e.At), store.FieldActivity: intOf(e.Activity), store.FieldActor: textOf(e.By.Principal),
		store.FieldRequest: textOf(e.Request), store.FieldSchedule: textOf(e.Schedule),
	})
}

func objectFields(o directory.Object) fields {
	var user directory.User
	var app directory.App
	if o.User != nil {
		user = *o.User
	}
	nickname := user.MailNickname
	if o.Group != nil {
		nickname = o.Group.MailNickname
	}
	if o.App != nil {
		app = *o.App
	}
	return fields{
		store.FieldID: textOf(o.ID), store.FieldObjectKind: intOf(o.Kind), store.FieldDisplayName: foldedOf(o.DisplayName),
		store.FieldPrincipalName: foldedOf(user.PrincipalName), store.FieldMail: foldedOf(user.Mail),
		store.FieldMailNickname: foldedOf(nickname), store.FieldClientID: textOf(app.ClientID),
		store.FieldExternalID: textOf(o.ExternalID),
		store.FieldEnabled:    flagOf(o.Enabled), store.FieldCreated: timeOf(o.Created),
	}
}

// holds evaluates a filter.
func (f fields) holds(where store.Filter) (bool, error) {
	switch w := where.(type) {
	case nil:
		return true, nil
	case store.And:
		for _, x := range w {
			if ok, err := f.holds(x); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	case store.Or:
		for _, x := range w {
			if ok, err := f.holds(x); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	case store.Not:
		ok, err := f.holds(w.Filter)
		return !ok, err
	case store.Compare:
		return f.compare(w)
	case store.In:
		for _, s := range w.Values {
			ok, err := f.compare(store.Compare{Field: w.Field, Op: store.Eq, Value: s})
			if err != nil || ok && s != "" {
				return ok, err
			}
		}
		return false, nil
	case store.Under:
		return f.under(w)
	}
	return false, fmt.Errorf("unknown filter %T", where)
}

func (f fields) compare(c store.Compare) (bool, error) {
	have, ok := f[c.Field]
	if !ok {
		return false, fmt.Errorf("this list has no field %q", c.Field)
	}
	want, err := have.like(c.Value)
	if err != nil {
		return false, err
	}
	n := have.compare(want)
	// Nothing is less or greater than none, and none is neither, but that no end is later than any.
	comparable := !have.none() && !want.none() && (want.kind != endValue || want.number != math.MaxInt64)
	switch c.Op {
	case store.Eq:
		return n == 0, nil
	case store.Ne:
		return n != 0, nil
	case store.Lt:
		return comparable && n < 0, nil
	case store.Le:
		return comparable && n <= 0, nil
	case store.Gt:
		return comparable && n > 0, nil
	case store.Ge:
		return comparable && n >= 0, nil
	case store.Prefix, store.Contains:
		return f.within(have, want, c.Op)
	}
	return false, fmt.Errorf("unknown comparison %d", c.Op)
}

func (f fields) under(w store.Under) (bool, error) {
	have, ok := f[w.Field]
	if !ok || have.kind != textValue {
		return false, fmt.Errorf("the field %q of this list is no scope", w.Field)
	}
	for _, s := range w.Scopes {
		if !have.none() && s != "" && (s == pim.Everywhere || have.text == string(s) || strings.HasPrefix(have.text, string(s)+"/")) {
			return true, nil
		}
	}
	return false, nil
}

func (f fields) within(have, want value, op store.Op) (bool, error) {
	h, w := have.text, want.text
	switch have.kind {
	case textValue: // ids and the like: A to Z are folded
		h, w = lowerASCII(h), lowerASCII(w)
	case foldedValue:
	case intValue, boolValue, timeValue, endValue:
		return false, fmt.Errorf("the field is no text")
	}
	if op == store.Prefix {
		return strings.HasPrefix(h, w), nil
	}
	return strings.Contains(h, w), nil
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// pageOf filters, sorts and cuts rows.
func pageOf[T any](q store.Query, all []T, fieldsOf func(T) fields) (store.Page[T], error) {
	var rows []T
	for _, r := range all {
		ok, err := fieldsOf(r).holds(q.Where)
		if err != nil {
			return store.Page[T]{}, err
		}
		if ok {
			rows = append(rows, r)
		}
	}
	order := q.Order
	if i := slices.IndexFunc(order, func(o store.Order) bool { return o.Field == store.FieldID }); i >= 0 {
		order = order[:i+1]
	} else {
		// The id goes in the direction of the last column before it.
		desc := len(order) > 0 && order[len(order)-1].Desc
		order = append(slices.Clone(order), store.Order{Field: store.FieldID, Desc: desc})
	}
	slices.SortFunc(rows, func(a, b T) int { return compareBy(order, fieldsOf(a), fieldsOf(b)) })
	p := store.Page[T]{Count: -1}
	if q.Count {
		p.Count = len(rows)
	}
	if len(q.After) > 0 {
		after, err := fromCursor(order, fieldsOf(*new(T)), q.After)
		if err != nil {
			return p, err
		}
		rows = slices.DeleteFunc(rows, func(r T) bool { return compareBy(order, fieldsOf(r), after) <= 0 })
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, 1000)
	if len(rows) > limit {
		rows = rows[:limit]
		p.Next = toCursor(order, fieldsOf(rows[limit-1]))
	}
	for _, r := range rows {
		p.Rows = append(p.Rows, kept(r))
	}
	return p, nil
}

func compareBy(order []store.Order, a, b fields) int {
	for _, o := range order {
		if c := a[o.Field].compare(b[o.Field]); c != 0 {
			if o.Desc {
				return -c
			}
			return c
		}
	}
	return 0
}

func toCursor(order []store.Order, f fields) (c store.Cursor) {
	for _, o := range order {
		v := f[o.Field]
		if v.kind == textValue || v.kind == foldedValue {
			c = append(c, v.text)
		} else {
			c = append(c, strconv.FormatInt(v.number, 10))
		}
	}
	return c
}

func fromCursor(order []store.Order, f fields, c store.Cursor) (fields, error) {
	if len(c) != len(order) {
		return nil, store.ErrCursor
	}
	for i, o := range order {
		v := f[o.Field]
		if v.kind == textValue || v.kind == foldedValue {
			v.text = c[i]
		} else {
			n, err := strconv.ParseInt(c[i], 10, 64)
			if err != nil {
				return nil, store.ErrCursor
			}
			v.number = n
		}
		f[o.Field] = v
	}
	return f, nil
}

// Requests implements store.Lists.
func (m *Model) Requests(ctx context.Context, q store.Query) (store.Page[pim.Request], error) {
	return listOf(ctx, m, q, func() map[row]pim.Request { return m.requests }, requestFields)
}

// Schedules implements store.Lists.
func (m *Model) Schedules(ctx context.Context, q store.Query) (store.Page[pim.Schedule], error) {
	return listOf(ctx, m, q, func() map[row]pim.Schedule { return m.schedules }, scheduleFields)
}

// Effects implements store.Lists.
func (m *Model) Effects(ctx context.Context, q store.Query) (store.Page[pim.Effect], error) {
	return listOf(ctx, m, q, func() map[row]pim.Effect {
		es := map[row]pim.Effect{}
		for k, e := range m.effects {
			es[k] = e.Effect
		}
		return es
	}, effectFields)
}

// Events implements store.Lists.
func (m *Model) Events(ctx context.Context, q store.Query) (store.Page[pim.Event], error) {
	return listOf(ctx, m, q, func() map[row]pim.Event {
		es := map[row]pim.Event{}
		for k, e := range m.events {
			es[k] = e.Event
		}
		return es
	}, eventFields)
}

// Objects implements store.Directory.
func (m *Model) Objects(ctx context.Context, q store.Query) (store.Page[directory.Object], error) {
	return listOf(ctx, m, q, func() map[row]directory.Object { return m.objects }, objectFields)
}

// Bin implements store.Directory.
func (m *Model) Bin(ctx context.Context, q store.Query) (store.Page[directory.Object], error) {
	return listOf(ctx, m, q, func() map[row]directory.Object { return m.bin }, binFields)
}

func binFields(o directory.Object) fields {
	return objectFields(o).with(fields{store.FieldDeleted: timeOf(o.Deleted)})
}

// listOf makes a page of the rows of a tenant. An empty list still checks the query, against a row with nothing in it.
func listOf[T any](ctx context.Context, m *Model, q store.Query, rows func() map[row]T, fieldsOf func(T) fields) (store.Page[T], error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return store.Page[T]{}, err
	}
	defer leave()
	nothing := fieldsOf(*new(T))
	if err := nothing.check(q.Where); err != nil {
		return store.Page[T]{}, err
	}
	for _, o := range q.Order {
		if _, ok := nothing[o.Field]; !ok {
			return store.Page[T]{}, fmt.Errorf("this list has no field %q", o.Field)
		}
	}
	var all []T
	for k, r := range rows() {
		if k.tenant == q.Tenant {
			all = append(all, r)
		}
	}
	return pageOf(q, all, fieldsOf)
}

// check evaluates every part of a filter for its errors.
func (f fields) check(where store.Filter) error {
	parts := []store.Filter{}
	switch w := where.(type) {
	case store.And:
		parts = w
	case store.Or:
		parts = w
	case store.Not:
		parts = append(parts, w.Filter)
	default:
		_, err := f.holds(where)
		return err
	}
	for _, p := range parts {
		if err := f.check(p); err != nil {
			return err
		}
	}
	return nil
}

// Policies implements store.Lists.
func (m *Model) Policies(ctx context.Context, t pim.TenantID, keys []pim.RoleKey) (map[pim.RoleKey]policy.Policy, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	found := map[pim.RoleKey]policy.Policy{}
	for _, k := range keys {
		if p, ok := m.policies[k]; ok && k.Tenant == t {
			found[k] = kept(p)
		}
	}
	return found, nil
}

// PoliciesAt implements store.Lists.
func (m *Model) PoliciesAt(ctx context.Context, at pim.RoleKey) (map[pim.RoleKey]policy.Policy, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	found := map[pim.RoleKey]policy.Policy{}
	for k, p := range m.policies {
		if at.Role = k.Role; k == at {
			found[k] = kept(p)
		}
	}
	return found, nil
}

// LiveSchedules implements store.Lists. Yield is called without the lock.
func (m *Model) LiveSchedules(ctx context.Context, now time.Time, yield func(pim.Schedule) error) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	found := kept(m.schedulesWhere(func(s pim.Schedule) bool {
		return s.Ending == pim.NotEnded && (s.Window.End.IsZero() || s.Window.End.After(now))
	}))
	leave()
	for _, s := range found {
		err := yield(pim.Schedule{
			ID: s.ID, Key: s.Key, Kind: s.Kind, Type: s.Type, Window: s.Window, Request: s.Request, Eligibility: s.Eligibility, Condition: s.Condition,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// LiveLinks implements store.Lists. Yield is called without the lock.
func (m *Model) LiveLinks(ctx context.Context, yield func(directory.Link) error) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	var found []directory.Link
	for _, l := range m.links {
		if l.Relation == directory.MemberOf {
			found = append(found, l)
		}
	}
	leave()
	for _, l := range found {
		if err := yield(l); err != nil {
			return err
		}
	}
	return nil
}

// LiveNames implements store.Lists. Yield is called without the lock.
func (m *Model) LiveNames(ctx context.Context, principals func(directory.Object) error) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	var named []directory.Object
	for _, o := range m.objects {
		n := directory.Object{Tenant: o.Tenant, ID: o.ID, Kind: o.Kind, ExternalID: o.ExternalID}
		switch o.Kind {
		case directory.KindUser:
			n.User = &directory.User{PrincipalName: strings.ToLower(o.User.PrincipalName)}
		case directory.KindGroup:
			n.Group = &directory.Group{}
		case directory.KindServicePrincipal:
			n.App = &directory.App{ClientID: o.App.ClientID}
		case directory.KindAdministrativeUnit, directory.KindRole, directory.KindResourceRole:
			continue
		}
		named = append(named, n)
	}
	leave()
	for _, n := range named {
		if err := principals(n); err != nil {
			return err
		}
	}
	return nil
}

// Tenants implements store.Directory.
func (m *Model) Tenants(ctx context.Context) ([]directory.Tenant, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var ts []directory.Tenant
	for _, t := range m.tenants {
		ts = append(ts, t)
	}
	slices.SortFunc(ts, func(a, b directory.Tenant) int { return cmp.Compare(a.ID, b.ID) })
	return ts, nil
}

// ObjectsByID implements store.Directory.
func (m *Model) ObjectsByID(ctx context.Context, t pim.TenantID, ids []pim.PrincipalID) ([]directory.Object, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var os []directory.Object
	for k, o := range m.objects {
		if k.tenant == t && slices.Contains(ids, o.ID) {
			os = append(os, kept(o))
		}
	}
	return os, nil
}

// Links implements store.Directory.
func (m *Model) Links(ctx context.Context, t pim.TenantID, r directory.Relation, from, to pim.PrincipalID) ([]directory.Link, error) {
	if from != "" && to != "" {
		return nil, fmt.Errorf("one end must be empty")
	}
	return m.linksWhere(ctx, func(l directory.Link) bool {
		return l.Tenant == t && l.Relation == r && (from != "" && l.From == from || from == "" && l.To == to)
	})
}

// linksWhere returns links ordered by their ends.
func (m *Model) linksWhere(ctx context.Context, which func(directory.Link) bool) ([]directory.Link, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var ls []directory.Link
	for _, l := range m.links {
		if which(l) {
			ls = append(ls, l)
		}
	}
	slices.SortFunc(ls, func(a, b directory.Link) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Schedule, b.Schedule))
	})
	return ls, nil
}

// GroupsAbove implements store.Directory.
func (m *Model) GroupsAbove(ctx context.Context, t pim.TenantID, member pim.PrincipalID) ([]directory.Link, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	edges := map[edge]bool{}
	for _, e := range m.climb(t, member) {
		edges[edge{t, directory.MemberOf, e.Group, e.Member, e.Schedule}] = true
	}
	leave()
	return m.linksWhere(ctx, func(l directory.Link) bool {
		return l.Tenant == t && l.Relation == directory.MemberOf && edges[edgeOf(l)]
	})
}

// MembersBelow implements store.Directory.
func (m *Model) MembersBelow(ctx context.Context, t pim.TenantID, group pim.PrincipalID) ([]directory.Link, error) {
	all, err := m.linksWhere(ctx, func(l directory.Link) bool { return l.Tenant == t && l.Relation == directory.MemberOf })
	if err != nil {
		return nil, err
	}
	reached := map[pim.PrincipalID]bool{group: true}
	for n := 0; n != len(reached); {
		n = len(reached)
		for _, l := range all {
			if reached[l.From] {
				reached[l.To] = true
			}
		}
	}
	return slices.DeleteFunc(all, func(l directory.Link) bool { return !reached[l.From] }), nil
}

// Credential implements store.Directory.
func (m *Model) Credential(ctx context.Context, t pim.TenantID, principal pim.PrincipalID) (directory.Credential, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return directory.Credential{}, err
	}
	defer leave()
	c, ok := m.credentials[rowOf(t, principal)]
	if !ok {
		return directory.Credential{}, store.ErrNotFound
	}
	return c, nil
}

// ReplaceCredential implements store.Directory.
func (m *Model) ReplaceCredential(ctx context.Context, before, after directory.Credential) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	at := rowOf(before.Tenant, before.Principal)
	if c, ok := m.credentials[at]; !ok || c != kept(before) || rowOf(after.Tenant, after.Principal) != at {
		return store.ErrStale
	}
	m.credentials[at] = kept(after)
	return nil
}
