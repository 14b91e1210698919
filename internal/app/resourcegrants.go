package app

import (
	"context"
	"slices"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Grants and requests of the resource provider. Unlike those of the directory (Grants) they are plain rows: the row of a group
// stands for its members, so that a page is one question to the store. What lies above a scope, and the groups above a
// principal, the access index knows.

// ResourceQuery asks for grants or requests of the resource provider: those at a scope, above it and below it, by id.
type ResourceQuery struct {
	store.Query // fields of schedules, or of requests
	Kind        pim.Kind
	// Instances: only what holds now. Else all that holds now or will.
	Instances bool
	// View Mine means the caller and the groups that they are a member of now; ByMe and ForMe are for requests.
	View View
	// Assignee narrows to one principal and the groups that it is a member of now; empty: nobody in particular.
	Assignee pim.PrincipalID
	// Scope is where; "/" is the whole tenant. AtScope leaves out what lies below.
	Scope   pim.Scope
	AtScope bool
}

// ResourceGrants lists schedules or instances. A row is ByGroup where a group has it that the one asked for is in, Inherited
// where it holds at a wider scope than the one asked for, else Direct. A page may have fewer rows than its limit and be
// followed by another.
//
// Refusals: for everybody's rows what pim.MayDo says, at a scope that is there or not, then UnknownScope. Of others nobody
// needs a right to ask for their own, and there is nothing but these where nothing is.
func (a *App) ResourceGrants(ctx context.Context, by pim.Caller, q ResourceQuery) (store.Page[pim.Instance], error) {
	l := a.resourceList(by, q)
	if err := l.mayRead(); err != nil {
		return store.Page[pim.Instance]{}, err
	}
	rows, err := a.Store.Schedules(ctx, l.schedules())
	if err != nil {
		return store.Page[pim.Instance]{}, err
	}
	page := store.Page[pim.Instance]{Rows: make([]pim.Instance, 0, len(rows.Rows)), Next: rows.Next, Count: rows.Count}
	there := false
	for i := range rows.Rows {
		row, holds := l.row(&rows.Rows[i])
		if q.Instances && !holds {
			continue // between two occurrences of what recurs
		}
		there = there || row.Member != pim.Inherited
		page.Rows = append(page.Rows, row)
	}
	// Where something is held there is something, so that only what looks empty is looked at.
	if !there && !l.own() && len(q.After) == 0 {
		err = a.placeThere(ctx, q.Tenant, q.Scope)
	}
	return page, err
}

// resourceList is one list being read.
type resourceList struct {
	*App
	by  pim.Caller
	q   ResourceQuery
	now time.Time
	// wide are the scopes above the one that is asked for.
	wide []pim.Scope
}

func (a *App) resourceList(by pim.Caller, q ResourceQuery) resourceList {
	return resourceList{App: a, by: by, q: q, now: a.Time(), wide: a.Index.Above(q.Tenant, q.Scope)}
}

// own says whether only rows are asked for that concern the caller, which nobody needs a right for.
func (l resourceList) own() bool {
	if l.q.View != Everybody || l.q.Assignee != "" && l.q.Assignee == l.by.Principal {
		return true
	}
	p, one := pinnedPrincipal(l.q.Where)
	return one && p == l.by.Principal
}

func (l resourceList) mayRead() error {
	if l.own() {
		return nil
	}
	return pim.MayDo(l.by, pim.ReadRoleAssignments, l.q.Scope)
}

// assignee is the principal that is asked for with its groups; empty: nobody.
func (l resourceList) assignee() pim.PrincipalID {
	if l.q.View == Mine {
		return l.by.Principal
	}
	return l.q.Assignee
}

// where is what schedules and requests have in common.
func (l resourceList) where() store.And {
	where := store.And{store.Is(store.FieldProvider, string(pim.Resource))}
	if l.q.Kind != 0 {
		where = append(where, store.Is(store.FieldKind, int(l.q.Kind)))
	}
	for _, p := range unique([]pim.PrincipalID{l.assignee(), l.q.Assignee}) { // both, where they are two
		if p != "" {
			where = append(where, store.In{Field: store.FieldPrincipal, Values: l.withGroups(l.now, l.q.Tenant, p)})
		}
	}
	if region := l.region(); region != nil {
		where = append(where, region)
	}
	if l.q.Where != nil {
		where = append(where, l.q.Where)
	}
	return where
}

// withGroups are a principal and the groups that it is in now.
func (a *App) withGroups(now time.Time, t pim.TenantID, p pim.PrincipalID) []string {
	ids := []string{string(p)}
	for _, g := range a.Index.GroupsAbove(now, t, p) {
		ids = append(ids, string(g))
	}
	return ids
}

// schedules is the question to the store for schedules.
func (l resourceList) schedules() store.Query {
	q := l.q.Query
	where := append(l.where(), store.LiveAt(l.now))
	if l.q.Instances {
		where = append(where, store.Compare{Field: store.FieldStart, Op: store.Le, Value: l.now})
	}
	q.Where = where
	return q
}

// row says what a schedule means to whom was asked for, and whether it holds now.
func (l resourceList) row(s *pim.Schedule) (pim.Instance, bool) {
	during, holds := s.Window.At(l.now)
	i := pim.Instance{Schedule: *s, Principal: s.Key.Principal, Member: pim.Direct, During: during}
	switch who := l.assignee(); {
	case who != "" && who != s.Key.Principal:
		i.Member = pim.ByGroup
	case slices.Contains(l.wide, s.Key.Scope):
		i.Member = pim.Inherited
	}
	return i, holds
}

func (l resourceList) region() store.Filter {
	return l.regionOf(l.q.Tenant, l.q.Scope, l.wide, l.q.AtScope)
}

// regionOf is the condition that a row is at a scope, above it, or, unless only those are asked for, below it; nil: any row is.
func (a *App) regionOf(t pim.TenantID, at pim.Scope, wide []pim.Scope, upwards bool) store.Filter {
	values := []string{string(at)}
	for _, s := range wide {
		values = append(values, string(s))
	}
	atOrAbove := store.In{Field: store.FieldScope, Values: values}
	switch {
	case upwards:
		return atOrAbove
	case at == pim.Everywhere:
		return nil
	}
	return store.Or{atOrAbove, a.below(t, at)}
}

// atOrAbove are a scope of resources and those that contain it, as a filter takes them.
func (a *App) atOrAbove(t pim.TenantID, s pim.Scope) []string {
	values := []string{string(s)}
	for _, wide := range a.Index.Above(t, s) {
		values = append(values, string(wide))
	}
	return values
}

// below is the condition that a row is at a scope or below it. What lies below a management group is told by the containers
// below it.
func (a *App) below(t pim.TenantID, scopes ...pim.Scope) store.Filter {
	var roots []pim.Scope
	for _, s := range scopes {
		switch roots = append(roots, s); resource.KindOf(s) {
		case resource.Root:
			return store.And{}
		case resource.ManagementGroup:
			roots = append(roots, a.Index.ContainersBelow(t, s)...)
		case resource.Subscription, resource.Group, resource.Resource:
		}
	}
	slices.Sort(roots)
	return store.Under{Field: store.FieldScope, Scopes: slices.Compact(roots)}
}

// placeThere refuses a scope where nothing is. UnknownScope.
func (a *App) placeThere(ctx context.Context, t pim.TenantID, s pim.Scope) error {
	_, there, err := a.node(ctx, t, s)
	if err == nil && !there {
		err = unknownNode()
	}
	return err
}

// ResourceGrant returns one schedule or instance at a scope, or of the whole tenant where the scope is "/". Refusals: what
// pim.MayDo says where the caller may not read what is held there, whether it is there or not, else UnknownGrant. Their own, by
// groups too, everybody may read.
func (a *App) ResourceGrant(ctx context.Context, by pim.Caller, t pim.TenantID, k pim.Kind, instances bool, scope pim.Scope, id pim.ScheduleID) (pim.Instance, error) {
	l := a.resourceList(by, ResourceQuery{Kind: k, Instances: instances, Scope: pim.Everywhere,
		Query: store.Query{Tenant: t, Limit: 1, Where: store.Is(store.FieldID, string(id))}})
	page, err := a.Store.Schedules(ctx, l.schedules())
	if err != nil {
		return pim.Instance{}, err
	}
	for i := range page.Rows {
		row, holds := l.row(&page.Rows[i])
		at := row.Schedule.Key.Scope
		switch {
		case at != scope && scope != pim.Everywhere, instances && !holds:
		case slices.Contains(a.withGroups(l.now, t, by.Principal), string(row.Principal)),
			pim.MayDo(by, pim.ReadRoleAssignments, at) == nil:
			return row, nil
		}
	}
	if err := pim.MayDo(by, pim.ReadRoleAssignments, scope); err != nil {
		return pim.Instance{}, err
	}
	return pim.Instance{}, &pim.Refusal{Code: pim.UnknownGrant, Detail: "there is no such grant"}
}

// ResourceRequests lists requests of a kind. ForMe are those that wait for an answer that the caller can give. Refusals as of
// ResourceGrants.
func (a *App) ResourceRequests(ctx context.Context, by pim.Caller, q ResourceQuery) (store.Page[pim.Request], error) {
	l := a.resourceList(by, q)
	if err := l.mayRead(); err != nil {
		return store.Page[pim.Request]{}, err
	}
	where := l.where()
	switch q.View {
	case Everybody, Mine:
	case ByMe:
		where = append(where, store.Is(store.FieldCreatedBy, string(by.Principal)))
	case ForMe:
		ids, err := a.waiting(ctx, by, q.Tenant, where)
		if err != nil {
			return store.Page[pim.Request]{}, err
		}
		where = append(where, store.In{Field: store.FieldID, Values: ids})
	}
	q.Where = where
	page, err := a.Store.Requests(ctx, q.Query)
	if err == nil && len(page.Rows) == 0 && !l.own() && len(q.After) == 0 {
		err = a.placeThere(ctx, q.Tenant, q.Scope)
	}
	return page, err
}

// waiting are the ids of the requests that wait for an answer that the caller can give now.
func (a *App) waiting(ctx context.Context, by pim.Caller, t pim.TenantID, where store.And) ([]string, error) {
	var ids []string
	q := store.Query{Tenant: t, Limit: most, Where: append(slices.Clone(where), store.Or{
		store.Is(store.FieldStatus, int(pim.PendingApproval)), store.Is(store.FieldStatus, int(pim.PendingAdminDecision)),
	})}
	for {
		page, err := a.Store.Requests(ctx, q)
		if err != nil {
			return nil, err
		}
		can, err := a.MayDecideEach(ctx, by, t, page.Rows)
		if err != nil {
			return nil, err
		}
		for i, r := range page.Rows {
			if can[i] {
				ids = append(ids, string(r.ID))
			}
		}
		if q.After = page.Next; len(page.Next) == 0 {
			return ids, nil
		}
	}
}

// ResourceRequest returns one request that the caller may see: as reader of the scope, as the one it is for, itself or by a
// group, as creator or approver; else UnknownRequest. The schedule that a request makes has its id. Of the zero kind it is of either.
func (a *App) ResourceRequest(ctx context.Context, by pim.Caller, t pim.TenantID, k pim.Kind, id pim.RequestID) (pim.Request, error) {
	unknown := &pim.Refusal{Code: pim.UnknownRequest, Detail: "the request does not exist"}
	where := store.And{store.Is(store.FieldID, string(id)), store.Is(store.FieldProvider, string(pim.Resource))}
	if k != 0 {
		where = append(where, store.Is(store.FieldKind, int(k)))
	}
	page, err := a.Store.Requests(ctx, store.Query{Tenant: t, Limit: 1, Where: where})
	if err != nil {
		return pim.Request{}, err
	}
	if len(page.Rows) == 0 {
		return pim.Request{}, unknown
	}
	r := page.Rows[0]
	switch {
	case r.Key.Principal == by.Principal, r.By.Principal == by.Principal, r.DecidedBy(by.Principal),
		pim.MayDo(by, pim.ReadRoleAssignments, r.Key.Scope) == nil,
		slices.Contains(a.Index.GroupsAbove(a.Time(), t, by.Principal), r.Key.Principal):
		return r, nil
	}
	can, err := a.MayDecide(ctx, by, r)
	if err == nil && !can {
		err = unknown
	}
	if err != nil {
		return pim.Request{}, err
	}
	return r, nil
}

// mostEligible bounds how many scopes are looked at at which a caller is eligible.
const mostEligible = 10_000

// ChildResources lists what lies below a scope at which the caller could activate a role now, by scope: all of it where they are
// eligible at the scope or above, else what is below it at or below the scopes at which they are. Of some kinds, where any are
// named. Nobody needs a right, and nothing is told of what is not there.
func (a *App) ChildResources(ctx context.Context, by pim.Caller, t pim.TenantID, scope pim.Scope, kinds []resource.Kind, after store.Cursor, limit int) (store.Page[resource.Node], error) {
	roots, err := a.eligibleBelow(ctx, by, t, scope)
	if err != nil || len(roots) == 0 {
		return store.Page[resource.Node]{Count: -1}, err
	}
	where := store.And{a.below(t, roots...), store.Compare{Field: store.FieldScope, Op: store.Ne, Value: string(scope)}}
	if len(kinds) > 0 {
		of := store.Or{}
		for _, k := range kinds {
			of = append(of, store.Is(store.FieldResourceKind, int(k)))
		}
		where = append(where, of)
	}
	return a.Store.Resources(ctx, store.Query{Tenant: t, Where: where, After: after, Limit: limit})
}

// eligibleBelow are the scopes, within one, at and below which the caller could activate a role: the one itself, where they are
// eligible at it or above.
func (a *App) eligibleBelow(ctx context.Context, by pim.Caller, t pim.TenantID, scope pim.Scope) ([]pim.Scope, error) {
	q := ResourceQuery{Kind: pim.Eligibility, Instances: true, View: Mine, Scope: scope, Query: store.Query{Tenant: t, Limit: most}}
	wide := a.Index.Above(t, scope)
	var roots []pim.Scope
	for {
		page, err := a.ResourceGrants(ctx, by, q)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			at := row.Schedule.Key.Scope
			if at == scope || slices.Contains(wide, at) {
				return []pim.Scope{scope}, nil
			}
			roots = append(roots, at)
		}
		if q.After = page.Next; len(page.Next) == 0 || len(roots) >= mostEligible {
			slices.Sort(roots)
			return slices.Compact(roots), nil
		}
	}
}

// Creators fills in who made the schedules that a request stands behind: the request tells, and a schedule that repeated it would
// be the longer by it for ever. It is one question for all.
func (a *App) Creators(ctx context.Context, t pim.TenantID, schedules []*pim.Schedule) error {
	of := map[pim.RequestID][]*pim.Schedule{}
	ids := make([]string, 0, len(schedules))
	for _, s := range schedules {
		if s.Request == "" {
			continue
		}
		if of[s.Request] == nil {
			ids = append(ids, string(s.Request))
		}
		of[s.Request] = append(of[s.Request], s)
	}
	for part := range slices.Chunk(ids, most) {
		page, err := a.Store.Requests(ctx, store.Query{Tenant: t, Limit: most, Where: store.In{Field: store.FieldID, Values: part}})
		if err != nil {
			return err
		}
		for _, r := range page.Rows {
			for _, s := range of[r.ID] {
				s.CreatedBy = r.By.Principal
			}
		}
	}
	return nil
}
