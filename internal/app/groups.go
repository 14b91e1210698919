package app

import (
	"context"
	"slices"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// NewGroup is a group to be made.
type NewGroup struct {
	DisplayName, Description string
	ExternalID               string
	Group                    directory.Group
	Members, Owners          []pim.PrincipalID
	// Units are the administrative units that it is made in.
	Units []pim.PrincipalID
}

// CreateGroup makes a group with its first members and owners. Refusals: Forbidden, InvalidRequest, UnknownPrincipal, and
// Unsuitable for who cannot belong to it.
func (a *App) CreateGroup(ctx context.Context, by pim.Caller, t pim.TenantID, g NewGroup) (directory.Object, error) {
	facet := g.Group
	o := directory.Object{Tenant: t, ID: pim.PrincipalID(a.newID()), Kind: directory.KindGroup, DisplayName: g.DisplayName,
		Description: g.Description, ExternalID: g.ExternalID, Enabled: true, Group: &facet}
	facts := o.GroupFacts()
	facts.ID = "" // nobody owns it yet
	if err := a.mayWriteGroup(ctx, by, t, facts); err != nil {
		return directory.Object{}, err
	}
	if err := validGroup(o); err != nil {
		return directory.Object{}, err
	}
	if err := a.allThere(ctx, t, slices.Concat(g.Members, g.Owners), isPrincipal); err != nil {
		return directory.Object{}, err
	}
	if err := a.mayPlaceIn(ctx, by, t, g.Units); err != nil {
		return directory.Object{}, err
	}
	err := a.write(ctx, func(now time.Time) (writing, error) {
		o.Created, o.Modified = now, now
		w := a.made(by, o)
		w.asks = membershipAsks(by, o, MembershipChange{AddMembers: unique(g.Members), AddOwners: unique(g.Owners)})
		for _, u := range unique(g.Units) {
			w.with.Links = append(w.with.Links, directory.Link{Tenant: t, Relation: directory.UnitMember, From: u, To: o.ID})
		}
		return w, nil
	})
	return o, err
}

// mayPlaceIn says whether the caller may put something into these administrative units.
func (a *App) mayPlaceIn(ctx context.Context, by pim.Caller, t pim.TenantID, units []pim.PrincipalID) error {
	if len(units) == 0 {
		return nil
	}
	if err := a.mayWriteUnits(ctx, by, t); err != nil {
		return err
	}
	return a.allThere(ctx, t, units, func(o directory.Object) bool { return o.Kind == directory.KindAdministrativeUnit })
}

// UpdateGroup changes a group as edit says, which may be called again and may be nil, and who belongs to it, all or
// nothing. Refusals: Forbidden, InvalidRequest, UnknownPrincipal, Unsuitable, and AlreadyThere and NotThere of
// memberships.
func (a *App) UpdateGroup(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID, edit func(*directory.Object) error, m MembershipChange) (directory.Object, error) {
	m.AddMembers, m.AddOwners = unique(m.AddMembers), unique(m.AddOwners)
	m.RemoveMembers, m.RemoveOwners = unique(m.RemoveMembers), unique(m.RemoveOwners)
	var after directory.Object
	err := a.write(ctx, func(now time.Time) (writing, error) {
		before, version, err := a.group(ctx, by, t, id)
		if err != nil {
			return writing{}, err
		}
		if after, err = edited(before, edit); err != nil {
			return writing{}, err
		}
		if after.Group.RoleAssignable != before.Group.RoleAssignable {
			return writing{}, badProperty("isAssignableToRole", "whether a group can hold roles is fixed when it is made")
		}
		if err := validGroup(after); err != nil {
			return writing{}, err
		}
		left := m
		if m.Lenient {
			if left, err = a.outstanding(ctx, now, t, id, m); err != nil {
				return writing{}, err
			}
		}
		if err := a.allThere(ctx, t, slices.Concat(left.AddMembers, left.AddOwners), isPrincipal); err != nil {
			return writing{}, err
		}
		w := a.changed(by, now, before, &after, version)
		if !left.none() {
			w.asks = membershipAsks(by, after, left)
			w.touched(now, &after, version)
		}
		return w, nil
	})
	return after, err
}

// DeleteGroup puts a group into the bin. What it holds, and what its members and owners hold of it, is lost in the same
// commit. Refusals: Forbidden, UnknownPrincipal.
func (a *App) DeleteGroup(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) error {
	if _, _, err := a.group(ctx, by, t, id); err != nil {
		return err
	}
	return a.bin(ctx, by, t, id, directory.KindGroup, nil)
}

// group reads a group that the caller may change. Who may change none learns nothing of what is there.
func (a *App) group(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) (directory.Object, pim.Touch, error) {
	o, version, err := a.versioned(ctx, t, id, directory.KindGroup)
	if _, ok := asRefusal(err); err != nil && !ok {
		return o, version, err
	}
	if refused := a.mayWriteGroup(ctx, by, t, o.GroupFacts()); refused != nil {
		return o, version, refused
	}
	return o, version, err
}

func (a *App) mayWriteGroup(ctx context.Context, by pim.Caller, t pim.TenantID, g pim.GroupFacts) error {
	if !pim.MayWriteGroups(by, g) {
		return denied("this group")
	}
	return a.counts(ctx, by, t)
}

func membershipKey(o directory.Object, r pim.RoleID, p pim.PrincipalID) pim.Key {
	return pim.Key{Tenant: o.Tenant, Provider: pim.Group, Scope: pim.Scope(o.ID), Role: r, Principal: p}
}

// membershipAsks are the asks outside PIM by which memberships of a group come and go.
func membershipAsks(by pim.Caller, o directory.Object, m MembershipChange) []pim.Ask {
	var asks []pim.Ask
	for _, list := range []struct {
		action pim.Action
		role   pim.RoleID
		who    []pim.PrincipalID
	}{
		{pim.RemoveOutside, pim.Member, m.RemoveMembers}, {pim.RemoveOutside, pim.Owner, m.RemoveOwners},
		{pim.AssignOutside, pim.Member, m.AddMembers}, {pim.AssignOutside, pim.Owner, m.AddOwners},
	} {
		for _, p := range list.who {
			asks = append(asks, pim.Ask{By: by, Action: list.action, Kind: pim.Assignment, Key: membershipKey(o, list.role, p), OutsideOnly: m.Outside})
		}
	}
	return asks
}

// outstanding is what of a change is not so already.
func (a *App) outstanding(ctx context.Context, now time.Time, t pim.TenantID, group pim.PrincipalID, m MembershipChange) (MembershipChange, error) {
	var ids []string
	for _, p := range slices.Concat(m.AddMembers, m.RemoveMembers, m.AddOwners, m.RemoveOwners) {
		ids = append(ids, string(p))
	}
	type side struct {
		role pim.RoleID
		who  pim.PrincipalID
	}
	assigned, held := map[side]bool{}, map[side]bool{}
	q := store.Query{Tenant: t, Limit: most, Where: store.And{
		store.Is(store.FieldProvider, string(pim.Group)), store.Is(store.FieldScope, string(group)),
		store.Is(store.FieldKind, int(pim.Assignment)), store.In{Field: store.FieldPrincipal, Values: ids}, store.LiveAt(now),
	}}
	for len(ids) > 0 {
		page, err := a.Store.Schedules(ctx, q)
		if err != nil {
			return m, err
		}
		for _, s := range page.Rows {
			at := side{s.Key.Role, s.Key.Principal}
			held[at] = held[at] || !m.Outside || s.Request == ""
			assigned[at] = assigned[at] || s.Type == pim.Assigned
		}
		if q.After = page.Next; len(page.Next) == 0 {
			break
		}
	}
	keep := func(list []pim.PrincipalID, r pim.RoleID, is map[side]bool, want bool) []pim.PrincipalID {
		return slices.DeleteFunc(slices.Clone(list), func(p pim.PrincipalID) bool { return is[side{r, p}] != want })
	}
	m.AddMembers, m.AddOwners = keep(m.AddMembers, pim.Member, assigned, false), keep(m.AddOwners, pim.Owner, assigned, false)
	m.RemoveMembers, m.RemoveOwners = keep(m.RemoveMembers, pim.Member, held, true), keep(m.RemoveOwners, pim.Owner, held, true)
	return m, nil
}

// The types and visibilities of groups.
const unified, hidden = "Unified", "HiddenMembership"

func validGroup(o directory.Object) error {
	if err := validObject(o); err != nil {
		return err
	}
	g := o.Group
	isUnified := slices.Contains(g.Types, unified)
	switch {
	case g.MailNickname == "" || !validNickname(g.MailNickname):
		return badProperty("mailNickname", "a mail nickname has 1 to 64 characters of ASCII, without blanks and what separates addresses")
	case slices.Contains(g.Types, directory.DynamicMembership):
		return badProperty("groupTypes", "groups whose members follow from a rule are not kept up here")
	case len(g.Types) > 1 || len(g.Types) == 1 && !isUnified:
		return badProperty("groupTypes", "the type of a group is Unified or none")
	case !isUnified && !g.SecurityEnabled:
		return badProperty("securityEnabled", "a group that is not Unified is a security group")
	case g.RoleAssignable && !g.SecurityEnabled:
		return badProperty("isAssignableToRole", "only security groups can hold roles")
	case !slices.Contains([]string{"", "Private", "Public", hidden}, g.Visibility):
		return badProperty("visibility", "a group is Private, Public or HiddenMembership")
	case g.Visibility == hidden && !isUnified, g.RoleAssignable && g.Visibility == "Public":
		return badProperty("visibility", "this group cannot be seen so")
	}
	return nil
}

// isPrincipal says whether an object can belong to groups.
func isPrincipal(o directory.Object) bool {
	switch o.Kind {
	case directory.KindUser, directory.KindGroup, directory.KindServicePrincipal:
		return true
	case directory.KindAdministrativeUnit, directory.KindRole, directory.KindResourceRole:
	}
	return false
}

// unique is the list without what comes again, in its order.
func unique(ids []pim.PrincipalID) []pim.PrincipalID {
	seen := make(map[pim.PrincipalID]bool, len(ids))
	var out []pim.PrincipalID
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}
