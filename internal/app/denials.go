package app

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

// Deny assignments (reference arm-pim §10). What one forbids no role allows.

// DenialQuery asks for deny assignments: those at a scope, above it and below it, by id.
type DenialQuery struct {
	store.Query // fields of denials
	Scope       pim.Scope
	// AtScope leaves out what lies below.
	AtScope bool
	// Name narrows to those of that name, without letter case; Principal to those that name it, and with Excepted also to those
	// that except it; Assignee to those that concern a principal, itself or by a group that it is a member of now.
	Name      string
	Principal pim.PrincipalID
	Excepted  bool
	Assignee  pim.PrincipalID
}

// Denials lists deny assignments. A page may have fewer rows than its limit and be followed by another. Refusals: what pim.MayDo
// says, at a scope that is there or not, then UnknownScope.
func (a *App) Denials(ctx context.Context, by pim.Caller, q DenialQuery) (store.Page[rbac.Denial], error) {
	if err := pim.MayDo(by, pim.ReadDenials, q.Scope); err != nil {
		return store.Page[rbac.Denial]{}, err
	}
	ask := q.Query
	if region := a.regionOf(q.Tenant, q.Scope, a.Index.Above(q.Tenant, q.Scope), q.AtScope); region != nil {
		ask.Where = narrowed(ask.Where, region)
	}
	rows, err := a.Store.Denials(ctx, ask)
	if err != nil {
		return store.Page[rbac.Denial]{}, err
	}
	page := store.Page[rbac.Denial]{Rows: make([]rbac.Denial, 0, len(rows.Rows)), Next: rows.Next, Count: rows.Count}
	groups := a.Index.GroupsAbove(a.Time(), q.Tenant, q.Assignee)
	for _, d := range rows.Rows {
		if q.asksFor(&d.Denial, groups) {
			page.Rows = append(page.Rows, d.Denial)
		}
	}
	if len(rows.Rows) == 0 && len(q.After) == 0 {
		err = a.placeThere(ctx, q.Tenant, q.Scope)
	}
	return page, err
}

// asksFor says whether a denial is among those that are asked for, groups being those of the assignee. There are few denials, and
// whom they name is no column.
func (q DenialQuery) asksFor(d *rbac.Denial, groups []pim.PrincipalID) bool {
	names := func(list []rbac.Named) bool {
		return slices.ContainsFunc(list, func(n rbac.Named) bool { return n.ID == string(q.Principal) })
	}
	inGroup := func(g string) bool { return slices.Contains(groups, pim.PrincipalID(g)) }
	switch {
	case q.Name != "" && !strings.EqualFold(q.Name, d.Name),
		q.Principal != "" && !names(d.Principals) && (!q.Excepted || !names(d.Except)),
		q.Assignee != "" && !d.Compiled().Names(string(q.Assignee), inGroup):
		return false
	}
	return true
}

func unknownDenial() *pim.Refusal {
	return &pim.Refusal{Code: pim.UnknownGrant, Detail: "there is no such deny assignment"}
}

// Denial returns one deny assignment at a scope, or of the whole tenant where the scope is "/". Refusals: what pim.MayDo says
// where the caller may not read what is denied there, whether it is there or not, else UnknownGrant.
func (a *App) Denial(ctx context.Context, by pim.Caller, t pim.TenantID, scope pim.Scope, id string) (rbac.Denial, error) {
	d, there, err := a.denial(ctx, t, id)
	if err != nil {
		return rbac.Denial{}, err
	}
	at := pim.Scope(d.Scope)
	if there && (at == scope || scope == pim.Everywhere) && pim.MayDo(by, pim.ReadDenials, at) == nil {
		return d, nil
	}
	if err := pim.MayDo(by, pim.ReadDenials, scope); err != nil {
		return rbac.Denial{}, err
	}
	return rbac.Denial{}, unknownDenial()
}

// denial reads one, wherever it is.
func (a *App) denial(ctx context.Context, t pim.TenantID, id string) (d rbac.Denial, there bool, err error) {
	page, err := a.Store.Denials(ctx, store.Query{Tenant: t, Limit: 1, Where: store.Is(store.FieldID, strings.ToLower(id))})
	if err != nil || len(page.Rows) == 0 {
		return rbac.Denial{}, false, err
	}
	return page.Rows[0].Denial, true, nil
}

// denialKey is the case that stands for a deny assignment: it has a version, which every change of it raises, and no rows.
func denialKey(t pim.TenantID, id string) pim.Key {
	return pim.Key{Tenant: t, Provider: pim.Resource, Scope: pim.Everywhere, Role: "denial", Principal: pim.PrincipalID(id)}
}

// versionedDenial reads a deny assignment with the version that a change of it rests on.
func (a *App) versionedDenial(ctx context.Context, t pim.TenantID, id string) (rbac.Denial, bool, pim.Touch, error) {
	key := denialKey(t, id)
	c, err := a.Store.Case(ctx, pim.Need{Key: key})
	if err != nil {
		return rbac.Denial{}, false, pim.Touch{}, err
	}
	d, there, err := a.denial(ctx, t, id)
	return d, there, pim.Touch{Key: key, Version: c.Version}, err
}

// PutDenial makes a deny assignment, or writes one anew: who made it and when stays. Refusals: what pim.MayDo says at its scope;
// InvalidRequest with the member that is wrong; UnknownScope; UnknownPrincipal; RequestExists where the id is taken at another
// scope; DeniedByAssignment where the one that is there is not for people to change.
func (a *App) PutDenial(ctx context.Context, by pim.Caller, t pim.TenantID, d rbac.Denial) (out rbac.Denial, created bool, err error) {
	n, err := resource.ParseFor(t, d.Scope)
	if err != nil {
		return rbac.Denial{}, false, &pim.Refusal{Code: pim.InvalidScope, Field: "scope", Detail: err.Error()}
	}
	d.ID, d.Scope, d.System = strings.ToLower(d.ID), string(n.Scope), false
	err = a.write(ctx, func(now time.Time) (writing, error) {
		if err := pim.MayDo(by, pim.WriteDenials, n.Scope); err != nil {
			return writing{}, err
		}
		if err := a.counts(ctx, by, t); err != nil {
			return writing{}, err
		}
		if err := a.validDenial(ctx, by, t, &d); err != nil {
			return writing{}, err
		}
		before, there, version, err := a.versionedDenial(ctx, t, d.ID)
		switch {
		case err != nil:
			return writing{}, err
		case there && before.Scope != d.Scope:
			return writing{}, &pim.Refusal{Code: pim.RequestExists, Field: "id", Detail: "the id is taken"}
		case there && before.System:
			return writing{}, systemDenial()
		}
		created = !there
		d.Created, d.CreatedBy = before.Created, before.CreatedBy
		if created {
			d.Created, d.CreatedBy = now, string(by.Principal)
		}
		d.Updated, d.UpdatedBy = later(now, before.Updated), string(by.Principal)
		what := "changed"
		if created {
			what = "created"
		}
		w := a.denialWriting(by, t, what, before, d, version)
		w.with.Denials = []store.Denial{{Tenant: t, Denial: d}}
		return w, nil
	})
	return d, created, err
}

func systemDenial() *pim.Refusal {
	return &pim.Refusal{Code: pim.DeniedByAssignment, Field: "id", Detail: "the deny assignment is the system's"}
}

// DeleteDenial takes a deny assignment away and returns it as it was. Refusals: what pim.MayDo says at its scope; UnknownGrant;
// DeniedByAssignment where it is not for people to change.
func (a *App) DeleteDenial(ctx context.Context, by pim.Caller, t pim.TenantID, scope pim.Scope, id string) (rbac.Denial, error) {
	var gone rbac.Denial
	err := a.write(ctx, func(time.Time) (writing, error) {
		if err := pim.MayDo(by, pim.DeleteDenials, scope); err != nil {
			return writing{}, err
		}
		if err := a.counts(ctx, by, t); err != nil {
			return writing{}, err
		}
		before, there, version, err := a.versionedDenial(ctx, t, strings.ToLower(id))
		switch {
		case err != nil:
			return writing{}, err
		case !there || before.Scope != string(scope):
			return writing{}, unknownDenial()
		case before.System:
			return writing{}, systemDenial()
		}
		gone = before
		w := a.denialWriting(by, t, "deleted", before, rbac.Denial{}, version)
		w.with.Undenied = []store.Denial{{Tenant: t, Denial: before}}
		return w, nil
	})
	return gone, err
}

// validDenial says whether a deny assignment can be so, and brings what it names into its one form.
func (a *App) validDenial(ctx context.Context, by pim.Caller, t pim.TenantID, d *rbac.Denial) error {
	d.Principals, d.Except = lowerNamed(d.Principals), lowerNamed(d.Except)
	d.Everybody = d.Everybody || slices.ContainsFunc(d.Principals, isEveryone)
	d.Principals = slices.DeleteFunc(d.Principals, isEveryone)
	switch {
	case !pim.IsUUID(d.ID):
		return badProperty("id", "a deny assignment is named by a UUID")
	case !fits(d.Name, longestName):
		return badProperty("name", "a name has 1 to 256 characters, none of them a control character")
	}
	if err := asBadProperty(d.Check()); err != nil {
		return err
	}
	if err := a.placeThere(ctx, t, pim.Scope(d.Scope)); err != nil {
		return err
	}
	var ids []pim.PrincipalID
	for _, n := range slices.Concat(d.Principals, d.Except) {
		ids = append(ids, pim.PrincipalID(n.ID))
	}
	if err := a.allThere(ctx, t, unique(ids), isPrincipal); err != nil {
		return err
	}
	return a.leavesAWayBack(by, t, d)
}

func lowerNamed(list []rbac.Named) []rbac.Named {
	list = slices.Clone(list)
	for i := range list {
		list[i].ID = strings.ToLower(list[i].ID)
	}
	return list
}

func isEveryone(n rbac.Named) bool { return n.ID == rbac.Everyone }

// leavesAWayBack refuses a deny assignment that would forbid whoever makes it to take it away again: where it names everybody,
// nobody could.
func (a *App) leavesAWayBack(by pim.Caller, t pim.TenantID, d *rbac.Denial) error {
	groups := a.Index.GroupsAbove(a.Time(), t, by.Principal)
	compiled := d.Compiled()
	if d.Audit || !compiled.Names(string(by.Principal), func(g string) bool { return slices.Contains(groups, pim.PrincipalID(g)) }) {
		return nil
	}
	all := []rbac.Grant{{Role: &rbac.Role{Permissions: []rbac.Permission{{Actions: []string{"*"}}}}}}
	for _, action := range []string{pim.DeleteDenials, pim.WriteDenials} {
		if rbac.Decide([]*rbac.Denial{compiled}, all, rbac.Operation{Action: action}, nil) == rbac.Denied {
			return badProperty("permissions", "it would forbid the caller to take it away again")
		}
	}
	return nil
}

// denialWriting is the change from one state of a deny assignment to another; the zero one is none.
func (a *App) denialWriting(by pim.Caller, t pim.TenantID, what string, before, after rbac.Denial, version pim.Touch) writing {
	shown := after
	if shown.ID == "" {
		shown = before
	}
	return writing{with: store.Commit{Outcome: pim.Outcome{
		Touches: []pim.Touch{version},
		Events: []pim.Event{{
			ID: pim.EventID(a.newID()), Tenant: t, At: a.Time(), Activity: pim.DirectoryChanged, Success: true, By: by.Actor,
			Key:       pim.Key{Tenant: t, Provider: pim.Resource, Scope: pim.Scope(shown.Scope)},
			Principal: pim.Principal{ID: pim.PrincipalID(shown.ID), Name: shown.Name},
			Details:   pim.ChangeDetails("denial", what, changesBetween(denialProperties(before), denialProperties(after))),
		}},
	}}}
}

// denialProperties are all that is told of a deny assignment when it changes, by the names of the wire.
func denialProperties(d rbac.Denial) []property {
	ids := func(list []rbac.Named) string {
		texts := make([]string, len(list))
		for i, n := range list {
			texts[i] = n.ID
		}
		return strings.Join(texts, ", ")
	}
	return append([]property{
		{"denyAssignmentName", d.Name}, {"description", d.Description}, {"scope", d.Scope},
		{"doNotApplyToChildScopes", strconv.FormatBool(d.NotBelow)}, {"everybody", strconv.FormatBool(d.Everybody)},
		{"principals", ids(d.Principals)}, {"excludePrincipals", ids(d.Except)}, {"condition", d.Condition},
		{"audit", strconv.FormatBool(d.Audit)},
	}, permissionProperties(d.Permissions)...)
}
