package app

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// withNotices leaves out what nobody would send.
func (a *App) withNotices(c store.Commit) store.Commit {
	if a.Tell == nil {
		c.Notices = nil
	}
	return c
}

// NamesOf completes a notice with the names of its role and its scope, where it was made without knowing them.
func (a *App) NamesOf(ctx context.Context, n pim.Notice) (pim.Notice, error) {
	if n.RoleName == "" && n.Key.Role != "" {
		n.RoleName = a.roleName(n.Key)
	}
	if n.Place == "" && n.Key.Provider == pim.Resource && n.Key.Scope != pim.Everywhere {
		nodes, err := a.NodesByScope(ctx, n.Tenant, []pim.Scope{n.Key.Scope})
		if err != nil {
			return n, err
		}
		n.Place = cmp.Or(nodes[n.Key.Scope].Title(), string(n.Key.Scope))
	}
	unnamed := map[pim.PrincipalID]bool{}
	place := placeOf(n.Key)
	if n.Place == "" && place != "" {
		unnamed[place] = true
	}
	if n.RoleName == "" && n.Key.Role != "" {
		unnamed[pim.PrincipalID(n.Key.Role)] = true
	}
	if n.Principal == "" && n.Key.Principal != "" {
		unnamed[n.Key.Principal] = true
	}
	if len(unnamed) == 0 {
		return n, nil
	}
	objects, err := a.Store.ObjectsByID(ctx, n.Tenant, slices.Sorted(maps.Keys(unnamed)))
	for _, o := range objects {
		switch {
		case o.ID == place:
			n.Place = cmp.Or(n.Place, o.DisplayName)
		case o.ID == n.Key.Principal:
			n.Principal = cmp.Or(n.Principal, o.DisplayName)
		case string(o.ID) == string(n.Key.Role):
			n.RoleName = cmp.Or(n.RoleName, o.DisplayName)
		}
	}
	return n, err
}

// placeOf is the object that a scope names; empty for the whole tenant and for resources.
func placeOf(k pim.Key) pim.PrincipalID {
	switch k.Provider {
	case pim.Group:
		return pim.PrincipalID(k.Scope)
	case pim.Resource:
		return ""
	case pim.Directory:
	}
	if id, ok := k.Scope.Unit(); ok {
		return pim.PrincipalID(id)
	}
	id, _ := k.Scope.Object()
	return pim.PrincipalID(id)
}

// Moot says whether a notice that asks for something has been overtaken: it was decided, withdrawn, or has lapsed.
func (a *App) Moot(ctx context.Context, n pim.Notice) (bool, error) {
	if !n.Kind.AsksForAction() || n.Request == "" {
		return false, nil
	}
	r, ok, err := a.requestOf(ctx, n)
	if err != nil {
		return false, err
	}
	if !ok || r.Status != pim.PendingApproval && r.Status != pim.PendingAdminDecision {
		return true, nil
	}
	if n.Stage == "" || r.Approval == nil {
		return false, nil
	}
	return !slices.ContainsFunc(r.Approval.Stages, func(s pim.Stage) bool { return s.ID == n.Stage && s.Status == pim.InProgress }), nil
}

func (a *App) requestOf(ctx context.Context, n pim.Notice) (pim.Request, bool, error) {
	page, err := a.Store.Requests(ctx, store.Query{Tenant: n.Tenant, Limit: 1, Where: store.Is(store.FieldID, string(n.Request))})
	if err != nil || len(page.Rows) == 0 {
		return pim.Request{}, false, err
	}
	return page.Rows[0], true, nil
}

// Addressees are the people whom a notice's audiences name at this moment, each once; further addresses are not among
// them. Whoever is concerned comes first, so that no bound leaves them out.
func (a *App) Addressees(ctx context.Context, n pim.Notice) ([]directory.Object, error) {
	f := finding{App: a, n: n, now: a.Time(), seen: map[pim.PrincipalID]bool{}}
	if n.Kind == pim.NoticeWaiting {
		return f.deciders(ctx)
	}
	audiences := slices.Clone(n.To)
	slices.SortStableFunc(audiences, func(a, b pim.Audience) int { return order(a.Who) - order(b.Who) })
	for _, to := range audiences {
		if to.NoDefaults {
			continue
		}
		if err := f.find(ctx, to.Who); err != nil {
			return nil, err
		}
	}
	return f.found, nil
}

func order(r policy.Recipient) int {
	switch r {
	case policy.ToRequestor:
		return 0
	case policy.ToApprovers:
		return 1
	case policy.ToAdmins:
		return 2
	default:
		return 3
	}
}

// finding is the search for those to tell.
type finding struct {
	*App
	n     pim.Notice
	now   time.Time
	seen  map[pim.PrincipalID]bool
	found []directory.Object
}

func (f *finding) find(ctx context.Context, who policy.Recipient) error {
	switch who {
	case policy.ToRequestor:
		id := f.n.Key.Principal
		return f.add(ctx, append([]pim.PrincipalID{id}, f.Index.Members(f.now, f.n.Tenant, id)...), nil)
	case policy.ToApprovers:
		return f.approvers(ctx)
	case policy.ToAdmins:
		ids, err := f.administrators(ctx, pim.GlobalAdministrator, pim.PrivilegedRoleAdministrator, pim.SecurityAdministrator)
		if err != nil {
			return err
		}
		return f.add(ctx, ids, nil)
	default:
		return nil
	}
}

// add takes those people of a list who pass a test and are not there yet.
func (f *finding) add(ctx context.Context, ids []pim.PrincipalID, pass func(pim.Principal) bool) error {
	fresh := slices.DeleteFunc(slices.Clone(ids), func(id pim.PrincipalID) bool { return id == "" || f.seen[id] })
	for part := range slices.Chunk(fresh[:min(len(fresh), mostCandidates)], mostDeciders) {
		people, err := f.Store.ObjectsByID(ctx, f.n.Tenant, part)
		if err != nil {
			return err
		}
		slices.SortFunc(people, func(a, b directory.Object) int { return compareIDs(a.ID, b.ID) })
		for _, o := range people {
			p := o.Principal()
			if f.seen[o.ID] || p.Kind != pim.UserPrincipal || !p.Enabled || pass != nil && !pass(p) {
				continue
			}
			f.seen[o.ID] = true
			f.found = append(f.found, o)
		}
	}
	return nil
}

// administrators are the holders of directory roles; for a group its owners, if it has any; for resources those who may give the
// role.
func (f *finding) administrators(ctx context.Context, roles ...pim.RoleID) ([]pim.PrincipalID, error) {
	if f.n.Key.Provider == pim.Resource {
		return f.givers(ctx, f.now, f.n.Key)
	}
	if f.n.Key.Provider == pim.Group {
		owners, err := f.holders(ctx, pim.Group, f.n.Key.Scope, pim.Owner)
		if err != nil || len(owners) > 0 {
			return owners, err
		}
	}
	return f.holders(ctx, pim.Directory, pim.Everywhere, roles...)
}

// holders are the principals that hold one of the roles at a scope now, by themselves or by a group, by id.
func (f *finding) holders(ctx context.Context, p pim.Provider, at pim.Scope, roles ...pim.RoleID) ([]pim.PrincipalID, error) {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	candidates := map[pim.PrincipalID]bool{}
	q := store.Query{Tenant: f.n.Tenant, Limit: most, Where: store.And{
		store.Is(store.FieldProvider, string(p)), store.Is(store.FieldScope, string(at)), store.In{Field: store.FieldRole, Values: names},
		store.Is(store.FieldKind, int(pim.Assignment)), store.LiveAt(f.now),
	}}
	for len(candidates) <= mostCandidates {
		page, err := f.Store.Schedules(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Rows {
			if !s.Holds(f.now) {
				continue
			}
			candidates[s.Key.Principal] = true
			for _, m := range f.Index.Members(f.now, f.n.Tenant, s.Key.Principal) {
				candidates[m] = true
			}
		}
		if len(page.Next) == 0 {
			break
		}
		q.After = page.Next
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(candidates)), func(id pim.PrincipalID) bool {
		return !slices.ContainsFunc(f.Index.Held(f.now, f.n.Tenant, id), func(h pim.HeldRole) bool {
			return h.Provider == p && h.Scope == at && slices.Contains(roles, h.Role)
		})
	}), nil
}

// approvers are those who can decide the request, or could until somebody did.
func (f *finding) approvers(ctx context.Context) error {
	r, ok, err := f.requestOf(ctx, f.n)
	if err != nil || !ok {
		return err
	}
	d := deciding{App: f.App, now: f.now, request: r}
	requesters, err := f.requesters(ctx, f.n.Tenant, []pim.PrincipalID{r.Key.Principal})
	if err != nil {
		return err
	}
	d.requester = requesters[r.Key.Principal]
	pass := func(p pim.Principal) bool { return p.ID != f.n.By.Principal && pim.MayBeAsked(r, d.requester, p) }
	if f.n.Kind == pim.NoticeApprovalAsked {
		pass = d.may
	}
	named, standIn := r.Deciders(f.n.Stage, d.requester)
	var ids []pim.PrincipalID
	for _, a := range named {
		switch a.Kind {
		case policy.User:
			ids = append(ids, pim.PrincipalID(a.ID))
		case policy.Group:
			ids = append(ids, f.Index.Members(f.now, f.n.Tenant, pim.PrincipalID(a.ID))...)
		case policy.RequestorManager:
			ids = append(ids, d.requester.Manager)
		}
	}
	if standIn {
		more, err := f.administrators(ctx, pim.GlobalAdministrator, pim.PrivilegedRoleAdministrator)
		if err != nil {
			return err
		}
		ids = append(ids, more...)
	}
	return f.add(ctx, ids, pass)
}

// deciders are all for whom a request of the tenant waits.
func (f *finding) deciders(ctx context.Context) ([]directory.Object, error) {
	err := f.eachPending(ctx, func(r pim.Request) error {
		d := deciding{App: f.App, now: f.now, request: r}
		requesters, err := f.requesters(ctx, f.n.Tenant, []pim.PrincipalID{r.Key.Principal})
		if err != nil {
			return err
		}
		d.requester = requesters[r.Key.Principal]
		ids, err := d.candidates(ctx)
		if err != nil {
			return err
		}
		return f.add(ctx, ids, d.may)
	})
	return f.found, err
}

func (f *finding) eachPending(ctx context.Context, do func(pim.Request) error) error {
	q := store.Query{Tenant: f.n.Tenant, Limit: most, Where: store.Is(store.FieldStatus, int(pim.PendingApproval))}
	for {
		page, err := f.Store.Requests(ctx, q)
		if err != nil {
			return err
		}
		for _, r := range page.Rows {
			if err := do(r); err != nil {
				return err
			}
		}
		if len(page.Next) == 0 {
			return nil
		}
		q.After = page.Next
	}
}

// mostListed bounds how many waiting requests are told at once.
const mostListed = 200

// WaitingFor lists the requests that somebody can decide now, the oldest first.
func (a *App) WaitingFor(ctx context.Context, t pim.TenantID, who pim.PrincipalID) ([]pim.Notice, error) {
	by := a.Caller(t, pim.Caller{Actor: pim.Actor{Principal: who, Kind: pim.UserPrincipal}})
	q := store.Query{Tenant: t, Limit: most, Where: store.Is(store.FieldStatus, int(pim.PendingApproval)),
		Order: []store.Order{{Field: store.FieldCreated}}}
	var out []pim.Notice
	for len(out) < mostListed {
		page, err := a.Store.Requests(ctx, q)
		if err != nil {
			return nil, err
		}
		mine, err := a.MayDecideEach(ctx, by, t, page.Rows)
		if err != nil {
			return nil, err
		}
		for i, r := range page.Rows {
			if !mine[i] || len(out) == mostListed {
				continue
			}
			n, err := a.NamesOf(ctx, pim.Pending(r))
			if err != nil {
				return nil, err
			}
			out = append(out, n)
		}
		if len(page.Next) == 0 {
			break
		}
		q.After = page.Next
	}
	return out, nil
}

// TellWaiting has approvers told what waits for them, once for each day, however often it is asked for.
func (a *App) TellWaiting(ctx context.Context, t pim.TenantID, day time.Time) error {
	return a.Store.Commit(ctx, store.Commit{Outcome: pim.Outcome{Notices: []pim.Notice{{
		ID: "waiting/" + day.UTC().Format(time.DateOnly), Tenant: t, At: a.Time(), Kind: pim.NoticeWaiting,
		To: []pim.Audience{{Who: policy.ToApprovers}},
	}}}})
}

// Mails lists what was told, or is still to be told. Refusal: Forbidden, but for those who may read the audit log.
func (a *App) Mails(ctx context.Context, by pim.Caller, q store.Query) (store.Page[pim.Mail], error) {
	if !pim.MayAudit(by) {
		return store.Page[pim.Mail]{}, forbidden
	}
	return a.Store.Mails(ctx, q)
}
