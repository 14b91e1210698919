package app

import (
	"context"
	"slices"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// View says whose rows are meant. The zero value is everybody's, which needs a role that may read them.
type View int

// The views. All but Everybody are open to everyone.
const (
	Everybody View = iota
	// Mine: the principal is the caller; for schedules and instances also by way of groups.
	Mine
	// ByMe: the caller made the request.
	ByMe
	// ForMe: the caller can decide the request, or has.
	ForMe
)

// Caller completes what a token proves with the roles that the account holds now, and what it may do to resources.
func (a *App) Caller(t pim.TenantID, by pim.Caller) pim.Caller {
	now := a.Time()
	by.Roles, by.Rights = a.Index.Held(now, t, by.Principal), a.Index.Rights(now, t, by.Principal)
	return by
}

var forbidden = &pim.Refusal{Code: pim.Forbidden, Detail: "the caller holds no active role that may read this"}

// readable narrows a list of everybody's rows to those that the caller may read, or refuses it: of one group, where the
// filter asks for one, as its owner may; of many, those that cannot hold roles to who may write only these.
func (a *App) readable(ctx context.Context, by pim.Caller, t pim.TenantID, p pim.Provider, where store.Filter) (store.Filter, error) {
	if scope, one := pinned(where, store.FieldScope); one && p == pim.Group {
		may, err := a.mayReadGroup(ctx, by, pim.RoleKey{Tenant: t, Provider: p, Scope: pim.Scope(scope)})
		if err == nil && !may {
			err = forbidden
		}
		return where, err
	}
	if !pim.MayRead(by, p) {
		return nil, forbidden
	}
	if p != pim.Group || pim.ReadsEveryGroup(by) {
		return where, nil
	}
	strong, err := a.roleAssignable(ctx, t)
	if err != nil || len(strong) == 0 {
		return where, err
	}
	return narrowed(where, store.Not{Filter: store.In{Field: store.FieldScope, Values: strong}}), nil
}

// roleAssignable are the ids of the groups that can hold directory roles.
func (a *App) roleAssignable(ctx context.Context, t pim.TenantID) ([]string, error) {
	var ids []string
	q := store.Query{Tenant: t, Limit: most, Where: store.Is(store.FieldObjectKind, int(directory.KindGroup))}
	for {
		page, err := a.Store.Objects(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Rows {
			if o.GroupFacts().RoleAssignable {
				ids = append(ids, string(o.ID))
			}
		}
		if q.After = page.Next; len(page.Next) == 0 {
			return ids, nil
		}
	}
}

// Requests lists requests of a kind; of the zero kind, of either. Refusals: Forbidden for Everybody without a role that may read.
func (a *App) Requests(ctx context.Context, by pim.Caller, p pim.Provider, k pim.Kind, v View, q store.Query) (store.Page[pim.Request], error) {
	where := store.And{store.Is(store.FieldProvider, string(p))}
	if k != 0 {
		where = append(where, store.Is(store.FieldKind, int(k)))
	}
	switch v {
	case Everybody:
		readable, err := a.readable(ctx, by, q.Tenant, p, q.Where)
		if err != nil {
			return store.Page[pim.Request]{}, err
		}
		q.Where = readable
	case Mine:
		where = append(where, store.Is(store.FieldPrincipal, string(by.Principal)))
	case ByMe:
		where = append(where, store.Is(store.FieldCreatedBy, string(by.Principal)))
	case ForMe:
		ids, err := a.decidable(ctx, by, q.Tenant, where)
		if err != nil {
			return store.Page[pim.Request]{}, err
		}
		where = append(where, store.In{Field: store.FieldID, Values: ids})
	}
	if q.Where != nil {
		where = append(where, q.Where)
	}
	q.Where = where
	return a.Store.Requests(ctx, q)
}

// most bounds what is looked through to find what somebody decided.
const most = 1000

// decidable returns the ids of the requests that the caller can decide now, or has decided.
func (a *App) decidable(ctx context.Context, by pim.Caller, t pim.TenantID, where store.And) ([]string, error) {
	ids, err := a.decided(ctx, by, t)
	if err != nil {
		return nil, err
	}
	q := store.Query{Tenant: t, Limit: most,
		Where: append(slices.Clone(where), store.Is(store.FieldStatus, int(pim.PendingApproval)))}
	for {
		page, err := a.Store.Requests(ctx, q)
		if err != nil {
			return nil, err
		}
		judge, err := a.judge(ctx, by, t, page.Rows)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Rows {
			if judge(r) {
				ids = append(ids, string(r.ID))
			}
		}
		if len(page.Next) == 0 {
			return ids, nil
		}
		q.After = page.Next
	}
}

func (a *App) decided(ctx context.Context, by pim.Caller, t pim.TenantID) ([]string, error) {
	page, err := a.Store.Events(ctx, store.Query{Tenant: t, Limit: most,
		Order: []store.Order{{Field: store.FieldAt, Desc: true}},
		Where: store.And{
			store.Is(store.FieldActor, string(by.Principal)),
			store.Or{
				store.Is(store.FieldActivity, int(pim.Approved)),
				store.Is(store.FieldActivity, int(pim.DeniedByApprover)),
			},
		}})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range page.Rows {
		ids = append(ids, string(e.Request))
	}
	return ids, nil
}

// judge returns a test of whether the caller can decide one of the requests, having read what that needs at once.
func (a *App) judge(ctx context.Context, by pim.Caller, t pim.TenantID, requests []pim.Request) (func(pim.Request) bool, error) {
	ids := []pim.PrincipalID{by.Principal}
	for _, r := range requests {
		ids = append(ids, r.Key.Principal)
	}
	known, err := a.requesters(ctx, t, ids)
	if err != nil {
		return nil, err
	}
	now := a.Time()
	groups := a.Index.GroupsAbove(now, t, by.Principal)
	inGroup := func(g pim.PrincipalID) bool { return slices.Contains(groups, g) }
	return func(r pim.Request) bool {
		return pim.CanDecide(now, r, known[r.Key.Principal], known[by.Principal], by, inGroup)
	}, nil
}

// Request returns one request that the caller may see: as reader, principal, creator or approver; else UnknownRequest. Of the zero
// kind it is of either.
func (a *App) Request(ctx context.Context, by pim.Caller, t pim.TenantID, p pim.Provider, k pim.Kind, id pim.RequestID) (pim.Request, error) {
	unknown := &pim.Refusal{Code: pim.UnknownRequest, Detail: "the request does not exist"}
	where := store.And{store.Is(store.FieldID, string(id)), store.Is(store.FieldProvider, string(p))}
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
	if p != pim.Group && pim.MayReadAt(by, r.Key, pim.GroupFacts{}) || r.Key.Principal == by.Principal || r.By.Principal == by.Principal || r.DecidedBy(by.Principal) {
		return r, nil
	}
	can, err := a.MayDecide(ctx, by, r)
	if err == nil && !can && p == pim.Group {
		can, err = a.mayReadGroup(ctx, by, r.Key.Policy())
	}
	if err != nil {
		return pim.Request{}, err
	}
	if !can {
		return pim.Request{}, unknown
	}
	return r, nil
}

// MayDecide says whether the caller is an approver of the request's open stage, as Approve would judge it.
func (a *App) MayDecide(ctx context.Context, by pim.Caller, r pim.Request) (bool, error) {
	judge, err := a.judge(ctx, by, r.Key.Tenant, []pim.Request{r})
	if err != nil {
		return false, err
	}
	return judge(r), nil
}

// MayDecideEach is MayDecide for several requests of a tenant, in their order, with one read for all.
func (a *App) MayDecideEach(ctx context.Context, by pim.Caller, t pim.TenantID, requests []pim.Request) ([]bool, error) {
	judge, err := a.judge(ctx, by, t, requests)
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(requests))
	for i, r := range requests {
		out[i] = judge(r)
	}
	return out, nil
}

// Effects lists what the outside was told, or is still to be told: to readers everybody's, to others their own, those by
// which the grants of groups that they are in now open doors for them included.
func (a *App) Effects(ctx context.Context, by pim.Caller, q store.Query) (store.Page[pim.Effect], error) {
	if pim.MayRead(by, pim.Directory) {
		return a.Store.Effects(ctx, q)
	}
	q.Where = narrowed(q.Where, store.Or{store.Is(store.FieldPrincipal, string(by.Principal)), store.And{
		store.In{Field: store.FieldPrincipal, Values: a.withGroups(a.Time(), q.Tenant, by.Principal)},
		store.Compare{Field: store.FieldID, Op: store.Contains, Value: pim.MemberSuffix(by.Principal)},
	}})
	page, err := a.Store.Effects(ctx, q)
	page.Rows = slices.DeleteFunc(page.Rows, func(e pim.Effect) bool { return !e.For(by.Principal) })
	return page, err
}

// Events lists the audit log to those who may read it. Refusal: Forbidden.
func (a *App) Events(ctx context.Context, by pim.Caller, q store.Query) (store.Page[pim.Event], error) {
	if !pim.MayAudit(by) {
		return store.Page[pim.Event]{}, forbidden
	}
	return a.Store.Events(ctx, q)
}

func narrowed(where store.Filter, by store.Filter) store.Filter {
	if where == nil {
		return by
	}
	return store.And{by, where}
}
