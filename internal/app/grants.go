package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// GrantQuery asks for schedules, or for what they mean now.
type GrantQuery struct {
	store.Query // fields of schedules, and FieldMember
	Provider    pim.Provider
	Kind        pim.Kind
	// Instances: only what holds now. Else all that holds now or will.
	Instances bool
	View      View
}

// Grants lists schedules or instances. The row of a group's schedule is followed by one for each of its members
// (ByGroup), by id. Refusals: Forbidden for Everybody without a role that may read.
func (a *App) Grants(ctx context.Context, by pim.Caller, q GrantQuery) (store.Page[pim.Instance], error) {
	if q.View == Everybody {
		readable, err := a.readable(ctx, by, q.Tenant, q.Provider, q.Where)
		if err != nil {
			return store.Page[pim.Instance]{}, err
		}
		q.Where = readable
	}
	if q.View == Mine {
		q.Where = narrowed(q.Where, store.Is(store.FieldPrincipal, string(by.Principal)))
	}
	l := grantList{App: a, q: q, now: a.Time(), where: q.Where}
	l.pinned, l.isPinned = pinnedPrincipal(q.Where)
	page, err := l.page(ctx)
	if err != nil || !q.Count {
		page.Count = -1
		return page, err
	}
	page.Count, err = l.count(ctx)
	return page, err
}

// grantList reads one page of grants: rows of the store, each followed by those of a group's members.
type grantList struct {
	*App
	q     GrantQuery
	now   time.Time
	where store.Filter
	// pinned is the one principal that the filter asks for, if it does: then only their groups' schedules matter.
	pinned   pim.PrincipalID
	isPinned bool
}

// storeQuery is what the store can tell: all schedules of which a row may match.
func (l grantList) storeQuery() store.Query {
	where := store.And{
		store.Is(store.FieldProvider, string(l.q.Provider)), store.Is(store.FieldKind, int(l.q.Kind)), store.LiveAt(l.now),
	}
	if l.q.Instances {
		where = append(where, store.Compare{Field: store.FieldStart, Op: store.Le, Value: l.now})
	}
	if l.isPinned {
		holders := []string{string(l.pinned)}
		for _, g := range l.Index.GroupsAbove(l.now, l.q.Tenant, l.pinned) {
			holders = append(holders, string(g))
		}
		where = append(where, store.In{Field: store.FieldPrincipal, Values: holders})
	}
	if relaxed := relax(l.where, true); relaxed != nil {
		where = append(where, relaxed)
	}
	limit := l.q.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	return store.Query{Tenant: l.q.Tenant, Where: where, Order: l.q.Order, Limit: limit}
}

const defaultLimit = 100

func (l grantList) page(ctx context.Context) (store.Page[pim.Instance], error) {
	var out store.Page[pim.Instance]
	q := l.storeQuery()
	skipTo := pim.PrincipalID("")
	if n := len(l.q.After); n > 0 {
		q.After, skipTo = l.q.After[:n-1], pim.PrincipalID(l.q.After[n-1])
		if len(q.After) == 1 && q.After[0] == "" {
			q.After = nil
		}
	}
	before := q.After
	out.Rows = make([]pim.Instance, 0, q.Limit)
	var rows []pim.Instance // of one schedule; the room is used again
	for {
		page, err := l.Store.Schedules(ctx, q)
		if err != nil {
			return out, err
		}
		for i := range page.Rows {
			rows = l.rows(rows[:0], &page.Rows[i])
			for _, row := range rows {
				if skipTo != "" && row.Principal <= skipTo {
					continue
				}
				if len(out.Rows) == q.Limit {
					if i > 0 {
						before = store.CursorOf(q.Order, scheduleColumn(page.Rows[i-1]))
					}
					out.Next = resume(before, out.Rows[len(out.Rows)-1], page.Rows[i])
					return out, nil
				}
				out.Rows = append(out.Rows, row)
			}
			skipTo = ""
		}
		if n := len(page.Rows); n > 0 {
			before = store.CursorOf(q.Order, scheduleColumn(page.Rows[n-1]))
		}
		if len(page.Next) == 0 {
			return out, nil
		}
		if len(out.Rows) == q.Limit {
			// Whether what is left matches is for the next page to see: to know it here, every page would be read twice.
			out.Next = append(slices.Clone(before), "")
			return out, nil
		}
		q.After = page.Next
	}
}

// resume is the place behind the last row of a full page: within the members of the schedule s if that is where it
// stands, else behind the whole schedule before.
func resume(before store.Cursor, last pim.Instance, s pim.Schedule) store.Cursor {
	if last.Schedule.ID != s.ID {
		return append(slices.Clone(before), "")
	}
	if before == nil {
		before = store.Cursor{""}
	}
	return append(slices.Clone(before), string(last.Principal))
}

// rows adds those of a schedule that match: its own, and one a member where it names a group, by id.
func (l grantList) rows(out []pim.Instance, s *pim.Schedule) []pim.Instance {
	run, holds := s.Window.At(l.now)
	if l.q.Instances && !holds {
		return out
	}
	out = l.add(out, s, s.Key.Principal, pim.Direct, run)
	members := l.members(s.Key.Principal)
	if len(members) == 0 {
		return out
	}
	for _, m := range members {
		out = l.add(out, s, m, pim.ByGroup, run)
	}
	slices.SortFunc(out, func(a, b pim.Instance) int { return compareIDs(a.Principal, b.Principal) })
	return out
}

// add adds a row if it matches.
func (l grantList) add(out []pim.Instance, s *pim.Schedule, p pim.PrincipalID, m pim.MemberType, during schedule.Interval) []pim.Instance {
	i := pim.Instance{Schedule: *s, Principal: p, Member: m, During: during}
	if l.where != nil && !store.Match(l.where, instanceColumn(i)) {
		return out
	}
	return append(out, i)
}

func compareIDs(a, b pim.PrincipalID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// members are those of a group who get rows of their own: the one person asked for, or all people and applications.
func (l grantList) members(group pim.PrincipalID) []pim.PrincipalID {
	if l.isPinned {
		if l.pinned == group || !slices.Contains(l.Index.GroupsAbove(l.now, l.q.Tenant, l.pinned), group) {
			return nil
		}
		return []pim.PrincipalID{l.pinned}
	}
	return l.Index.Members(l.now, l.q.Tenant, group)
}

// count counts all rows that match: those of the store, and those of the members of groups.
func (l grantList) count(ctx context.Context) (int, error) {
	if l.isPinned || l.q.Instances {
		return l.countAll(ctx, l.storeQuery())
	}
	q := l.storeQuery()
	q.Limit, q.Count, q.Order = 1, true, nil
	direct := q
	direct.Where = append(slices.Clone(q.Where.(store.And)), exactly(l.where))
	page, err := l.Store.Schedules(ctx, direct)
	if err != nil {
		return 0, err
	}
	groups, err := l.groups(ctx)
	if err != nil || len(groups) == 0 {
		return page.Count, err
	}
	of := l.storeQuery()
	of.Where = append(of.Where.(store.And), store.In{Field: store.FieldPrincipal, Values: groups})
	all, own := 0, 0
	err = l.each(ctx, of, func(s pim.Schedule) {
		for _, row := range l.rows(nil, &s) {
			all++
			if row.Member == pim.Direct {
				own++
			}
		}
	})
	return page.Count + all - own, err
}

func (l grantList) countAll(ctx context.Context, q store.Query) (int, error) {
	n := 0
	err := l.each(ctx, q, func(s pim.Schedule) { n += len(l.rows(nil, &s)) })
	return n, err
}

func (l grantList) each(ctx context.Context, q store.Query, do func(pim.Schedule)) error {
	q.Limit, q.Order, q.Count = most, nil, false
	for {
		page, err := l.Store.Schedules(ctx, q)
		if err != nil {
			return err
		}
		for _, s := range page.Rows {
			do(s)
		}
		if len(page.Next) == 0 {
			return nil
		}
		q.After = page.Next
	}
}

// groups are the ids of all groups that can hold roles.
func (l grantList) groups(ctx context.Context) ([]string, error) {
	var ids []string
	q := store.Query{Tenant: l.q.Tenant, Limit: most, Where: store.Is(store.FieldObjectKind, int(directory.KindGroup))}
	for {
		page, err := l.Store.Objects(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Rows {
			ids = append(ids, string(o.ID))
		}
		if len(page.Next) == 0 {
			return ids, nil
		}
		q.After = page.Next
	}
}

// Grant returns one schedule that the caller may see. ErrNotFound: none, or not for the caller.
func (a *App) Grant(ctx context.Context, by pim.Caller, t pim.TenantID, p pim.Provider, k pim.Kind, id pim.ScheduleID) (pim.Instance, error) {
	q := GrantQuery{Provider: p, Kind: k, View: Everybody,
		Query: store.Query{Tenant: t, Limit: 1, Where: store.And{
			store.Is(store.FieldID, string(id)), store.Is(store.FieldMember, int(pim.Direct)),
		}}}
	if p == pim.Group {
		// Whether the caller may read it depends on the group.
		rows, err := a.Store.Schedules(ctx, store.Query{Tenant: t, Limit: 1, Where: store.Is(store.FieldID, string(id))})
		if err != nil {
			return pim.Instance{}, err
		}
		for _, s := range rows.Rows {
			q.Where = store.And{q.Where, store.Is(store.FieldScope, string(s.Key.Scope))}
		}
	}
	page, err := a.Grants(ctx, by, q)
	if _, ok := errors.AsType[*pim.Refusal](err); ok {
		q.View, q.Where = Mine, store.Is(store.FieldID, string(id))
		page, err = a.Grants(ctx, by, q)
	}
	if err != nil {
		return pim.Instance{}, err
	}
	if len(page.Rows) == 0 {
		return pim.Instance{}, store.ErrNotFound
	}
	return page.Rows[0], nil
}

// pinnedPrincipal finds the one principal that a filter asks for, at its top.
func pinnedPrincipal(f store.Filter) (pim.PrincipalID, bool) {
	p, ok := pinned(f, store.FieldPrincipal)
	return pim.PrincipalID(p), ok
}

// pinned finds the one value of a text that a filter asks for, at its top.
func pinned(f store.Filter, field store.Field) (string, bool) {
	switch f := f.(type) {
	case store.And:
		for _, g := range f {
			if v, ok := pinned(g, field); ok {
				return v, true
			}
		}
	case store.Compare:
		if f.Field != field || f.Op != store.Eq {
			return "", false
		}
		switch v := f.Value.(type) {
		case string:
			return v, true
		case pim.PrincipalID:
			return string(v), true
		case pim.Scope:
			return string(v), true
		}
	}
	return "", false
}

// derived says whether a column differs between the row of a group and those of its members.
func derived(f store.Field) bool { return f == store.FieldPrincipal || f == store.FieldMember }

// relax returns a filter on stored columns alone that holds for every schedule with a row that may match f; nil: all.
// With want false it does the same for the opposite of f.
func relax(f store.Filter, want bool) store.Filter {
	switch f := f.(type) {
	case store.Not:
		return relax(f.Filter, !want)
	case store.And:
		return relaxList(f, want, want)
	case store.Or:
		return relaxList(f, want, !want)
	case store.Compare:
		if derived(f.Field) {
			return nil
		}
	case store.In:
		if derived(f.Field) {
			return nil
		}
	}
	if f == nil || want {
		return f
	}
	return store.Not{Filter: f}
}

// relaxList joins relaxed parts, by and where all must hold.
func relaxList(parts []store.Filter, want, all bool) store.Filter {
	var kept []store.Filter
	for _, p := range parts {
		r := relax(p, want)
		if r == nil && !all {
			return nil // one alternative is open, so the whole is
		}
		if r != nil {
			kept = append(kept, r)
		}
	}
	switch {
	case !all:
		return store.Or(kept)
	case len(kept) == 0:
		return nil
	default:
		return store.And(kept)
	}
}

// exactly returns the filter as it reads for the row of the schedule's own principal.
func exactly(f store.Filter) store.Filter {
	switch f := f.(type) {
	case store.Not:
		return store.Not{Filter: exactly(f.Filter)}
	case store.And:
		out := make(store.And, len(f))
		for i, g := range f {
			out[i] = exactly(g)
		}
		return out
	case store.Or:
		out := make(store.Or, len(f))
		for i, g := range f {
			out[i] = exactly(g)
		}
		return out
	case store.Compare:
		if f.Field == store.FieldMember {
			if store.Match(f, func(store.Field) any { return int(pim.Direct) }) {
				return store.And{}
			}
			return store.Or{}
		}
	case nil:
		return store.And{}
	}
	return f
}

func scheduleColumn(s pim.Schedule) func(store.Field) any {
	return instanceColumn(pim.Instance{Schedule: s, Principal: s.Key.Principal, Member: pim.Direct})
}

// instanceColumn gives the columns of a row to store.Match.
func instanceColumn(i pim.Instance) func(store.Field) any {
	s := i.Schedule
	return func(f store.Field) any {
		switch f { //nolint:exhaustive // the columns of schedules; any other is none
		case store.FieldID:
			return string(s.ID)
		case store.FieldProvider:
			return string(s.Key.Provider)
		case store.FieldScope:
			return string(s.Key.Scope)
		case store.FieldRole:
			return string(s.Key.Role)
		case store.FieldPrincipal:
			return string(i.Principal)
		case store.FieldMember:
			return int(i.Member)
		case store.FieldKind:
			return int(s.Kind)
		case store.FieldType:
			return int(s.Type)
		case store.FieldEnding:
			return int(s.Ending)
		case store.FieldRequest:
			return textOrNone(string(s.Request))
		case store.FieldEligibility:
			return textOrNone(string(s.Eligibility))
		case store.FieldStart:
			return timeOrNone(s.Window.Start)
		case store.FieldEnd:
			return timeOrNone(s.End())
		case store.FieldCreated:
			return timeOrNone(s.Created)
		default:
			return nil
		}
	}
}

func textOrNone(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func timeOrNone(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}
