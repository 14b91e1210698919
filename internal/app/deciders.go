package app

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"portcullis/internal/catalog"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
	"portcullis/internal/store"
)

// Deciders are the people who may decide a request now.
type Deciders struct {
	// People are by display name, each once.
	People []directory.Object
	// More says that there are others whom the bound of the list left out.
	More bool
}

// mostDeciders bounds how many are told, mostCandidates how many accounts are looked at to find them.
const (
	mostDeciders   = 200
	mostCandidates = 2000
)

// Deciders tells whoever may see a request which people may decide its open stages at this moment, as Approve would
// judge each of them: groups are taken apart, and whoever asked is never among them. A request that waits for no
// approval has none. Refusal: UnknownRequest.
func (a *App) Deciders(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.RequestID) (Deciders, error) {
	page, err := a.Store.Requests(ctx, store.Query{Tenant: t, Limit: 1, Where: store.Is(store.FieldID, string(id))})
	if err != nil {
		return Deciders{}, err
	}
	if len(page.Rows) == 0 {
		return Deciders{}, &pim.Refusal{Code: pim.UnknownRequest, Detail: "the request does not exist"}
	}
	k := page.Rows[0]
	r, err := a.Request(ctx, by, t, k.Key.Provider, k.Kind, id)
	if err != nil || r.Approval.Current() == nil || r.Status != pim.PendingApproval {
		return Deciders{}, err
	}
	d := deciding{App: a, now: a.Time(), request: r}
	return d.deciders(ctx)
}

// deciding is the search for the people who may decide one request.
type deciding struct {
	*App
	now       time.Time
	request   pim.Request
	requester pim.Principal
	seen      map[pim.PrincipalID]bool
}

func (d *deciding) deciders(ctx context.Context) (Deciders, error) {
	k := d.request.Key
	requesters, err := d.requesters(ctx, k.Tenant, []pim.PrincipalID{k.Principal})
	if err != nil {
		return Deciders{}, err
	}
	d.requester = requesters[k.Principal]
	candidates, err := d.candidates(ctx)
	if err != nil {
		return Deciders{}, err
	}
	out := Deciders{More: len(candidates) > mostCandidates}
	for part := range slices.Chunk(candidates[:min(len(candidates), mostCandidates)], mostDeciders) {
		people, err := d.Store.ObjectsByID(ctx, k.Tenant, part)
		if err != nil {
			return Deciders{}, err
		}
		for _, o := range people {
			if d.may(o.Principal()) {
				out.People = append(out.People, o)
			}
		}
	}
	slices.SortFunc(out.People, func(a, b directory.Object) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.DisplayName), strings.ToLower(b.DisplayName)), compareIDs(a.ID, b.ID))
	})
	if len(out.People) > mostDeciders {
		out.People, out.More = out.People[:mostDeciders], true
	}
	return out, nil
}

// candidates are the accounts that the open stages ask, by id: more than those who may decide.
func (d *deciding) candidates(ctx context.Context) ([]pim.PrincipalID, error) {
	d.seen = map[pim.PrincipalID]bool{}
	t := d.request.Key.Tenant
	for _, s := range d.request.Approval.Stages {
		if s.Status != pim.InProgress {
			continue
		}
		named, standIn := d.request.Deciders(s.ID, d.requester)
		for _, a := range named {
			switch a.Kind {
			case policy.User:
				d.add(pim.PrincipalID(a.ID))
			case policy.Group:
				d.add(d.Index.Members(d.now, t, pim.PrincipalID(a.ID))...)
			case policy.RequestorManager:
				d.add(d.requester.Manager)
			}
		}
		if standIn {
			if err := d.addAdministrators(ctx); err != nil {
				return nil, err
			}
		}
	}
	return slices.Sorted(maps.Keys(d.seen)), nil
}

func (d *deciding) add(ids ...pim.PrincipalID) {
	for _, id := range ids {
		if id != "" {
			d.seen[id] = true
		}
	}
}

// addAdministrators adds those who hold a role that administers the request's one: whether they count is for the core.
func (d *deciding) addAdministrators(ctx context.Context) error {
	k := d.request.Key
	if k.Provider == pim.Resource {
		ids, err := d.givers(ctx, d.now, k)
		d.add(ids...)
		return err
	}
	administrators := store.And{
		store.Is(store.FieldProvider, string(pim.Directory)), store.Is(store.FieldScope, string(pim.Everywhere)),
		store.In{Field: store.FieldRole, Values: []string{string(pim.PrivilegedRoleAdministrator), string(pim.GlobalAdministrator)}},
	}
	owners := store.And{
		store.Is(store.FieldProvider, string(pim.Group)), store.Is(store.FieldScope, string(k.Scope)), store.Is(store.FieldRole, string(pim.Owner)),
	}
	q := store.Query{Tenant: k.Tenant, Limit: most, Where: store.And{
		store.Is(store.FieldKind, int(pim.Assignment)), store.LiveAt(d.now), store.Or{administrators, owners},
	}}
	for len(d.seen) <= mostCandidates {
		page, err := d.Store.Schedules(ctx, q)
		if err != nil {
			return err
		}
		for _, s := range page.Rows {
			if s.Holds(d.now) {
				d.add(s.Key.Principal)
				d.add(d.Index.Members(d.now, k.Tenant, s.Key.Principal)...)
			}
		}
		if len(page.Next) == 0 {
			return nil
		}
		q.After = page.Next
	}
	return nil
}

// may says whether an account could decide now.
func (d *deciding) may(p pim.Principal) bool {
	t := d.request.Key.Tenant
	by := pim.Caller{Actor: pim.Actor{Principal: p.ID, Kind: p.Kind}, Roles: d.Index.Held(d.now, t, p.ID), Rights: d.Index.Rights(d.now, t, p.ID)}
	if p.Kind != pim.UserPrincipal {
		return false
	}
	groups := d.Index.GroupsAbove(d.now, t, p.ID)
	return pim.CanDecide(d.now, d.request, d.requester, p, by, func(g pim.PrincipalID) bool { return slices.Contains(groups, g) })
}

// givers are those who may give a key's role of resources at its scope now, by a role that they hold there or above, themselves or
// by a group. Conditions that ask for the kind of the key's principal count as not met.
func (a *App) givers(ctx context.Context, now time.Time, k pim.Key) ([]pim.PrincipalID, error) {
	q := store.Query{Tenant: k.Tenant, Limit: most, Where: store.And{
		store.Is(store.FieldProvider, string(pim.Resource)), store.Is(store.FieldKind, int(pim.Assignment)), store.LiveAt(now),
		store.In{Field: store.FieldScope, Values: a.atOrAbove(k.Tenant, k.Scope)},
		store.In{Field: store.FieldRole, Values: a.givingRoles(k.Tenant)},
	}}
	candidates := map[pim.PrincipalID]bool{}
	for len(candidates) <= mostCandidates {
		page, err := a.Store.Schedules(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Rows {
			if !s.Holds(now) {
				continue
			}
			candidates[s.Key.Principal] = true
			for _, m := range a.Index.Members(now, k.Tenant, s.Key.Principal) {
				candidates[m] = true
			}
		}
		if q.After = page.Next; len(page.Next) == 0 {
			break
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(candidates)), func(p pim.PrincipalID) bool {
		return pim.MayGive(pim.Caller{Rights: a.Index.Rights(now, k.Tenant, p)}, k, 0) != nil
	}), nil
}

// givingRoles are the roles of resources by which others are given, where no condition stands against it.
func (a *App) givingRoles(t pim.TenantID) []string {
	var ids []string
	for _, r := range slices.Concat(catalog.AzureRoles(), a.Index.ResourceRoles(t)) {
		op := rbac.Operation{Action: pim.WriteRoleAssignments}
		if rbac.Decide(nil, []rbac.Grant{{Role: r}}, op, nil) != rbac.NotAllowed {
			ids = append(ids, r.ID)
		}
	}
	return ids
}
