package app

import (
	"context"
	"slices"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// NewUnit is an administrative unit to be made.
type NewUnit struct {
	DisplayName, Description, ExternalID string
	// Visibility is "Public", "HiddenMembership" or empty.
	Visibility string
	Members    []pim.PrincipalID
}

// CreateUnit makes an administrative unit. Refusals: Forbidden, InvalidRequest, UnknownPrincipal.
func (a *App) CreateUnit(ctx context.Context, by pim.Caller, t pim.TenantID, u NewUnit) (directory.Object, error) {
	if err := a.mayWriteUnits(ctx, by, t); err != nil {
		return directory.Object{}, err
	}
	o := directory.Object{Tenant: t, ID: pim.PrincipalID(a.newID()), Kind: directory.KindAdministrativeUnit,
		DisplayName: u.DisplayName, Description: u.Description, ExternalID: u.ExternalID, Enabled: true,
		Unit: &directory.Unit{Visibility: u.Visibility}}
	if err := validUnit(o); err != nil {
		return directory.Object{}, err
	}
	members := unique(u.Members)
	if err := a.allThere(ctx, t, members, inUnits); err != nil {
		return directory.Object{}, err
	}
	err := a.write(ctx, func(now time.Time) (writing, error) {
		o.Created, o.Modified = now, now
		w := a.made(by, o)
		w.with.Links = plainLinks(directory.UnitMember, o, members)
		return w, nil
	})
	return o, err
}

// UpdateUnit changes an administrative unit as edit says, which may be called again and may be nil, and who is in it.
// Refusals: Forbidden, InvalidRequest, UnknownPrincipal, AlreadyThere, NotThere.
func (a *App) UpdateUnit(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID, edit func(*directory.Object) error, m MembershipChange) (directory.Object, error) {
	if err := a.mayWriteUnits(ctx, by, t); err != nil {
		return directory.Object{}, err
	}
	var after directory.Object
	err := a.write(ctx, func(now time.Time) (writing, error) {
		before, version, err := a.versioned(ctx, t, id, directory.KindAdministrativeUnit)
		if err != nil {
			return writing{}, err
		}
		if after, err = edited(before, edit); err != nil {
			return writing{}, err
		}
		if err := validUnit(after); err != nil {
			return writing{}, err
		}
		side := plainSide{directory.UnitMember, "members", m.AddMembers, m.RemoveMembers, m.Lenient, inUnits}
		return a.withPlain(ctx, by, now, before, &after, version, side)
	})
	return after, err
}

// DeleteUnit puts an administrative unit into the bin. What anybody holds for it is lost in the same commit. Refusals:
// Forbidden, UnknownPrincipal.
func (a *App) DeleteUnit(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) error {
	if err := a.mayWriteUnits(ctx, by, t); err != nil {
		return err
	}
	return a.bin(ctx, by, t, id, directory.KindAdministrativeUnit, nil)
}

func (a *App) mayWriteUnits(ctx context.Context, by pim.Caller, t pim.TenantID) error {
	if !pim.MayWriteUnits(by) {
		return denied("administrative units")
	}
	return a.counts(ctx, by, t)
}

func validUnit(o directory.Object) error {
	if u := o.Unit; u != nil && !slices.Contains([]string{"", "Public", hidden}, u.Visibility) {
		return badProperty("visibility", "a unit is Public or HiddenMembership")
	}
	return validObject(o)
}

func inUnits(o directory.Object) bool {
	return o.Kind == directory.KindUser || o.Kind == directory.KindGroup
}

func plainLinks(r directory.Relation, o directory.Object, ids []pim.PrincipalID) []directory.Link {
	var out []directory.Link
	for _, id := range ids {
		out = append(out, directory.Link{Tenant: o.Tenant, Relation: r, From: o.ID, To: id})
	}
	return out
}

// plainSide is who comes to belong to an object, and no longer does, by links that are no grants.
type plainSide struct {
	relation    directory.Relation
	name        string
	add, remove []pim.PrincipalID
	lenient     bool
	may         func(directory.Object) bool
}

// withPlain is the writing of an edited object together with its plain links.
func (a *App) withPlain(ctx context.Context, by pim.Caller, now time.Time, before directory.Object, after *directory.Object, version pim.Touch, s plainSide) (writing, error) {
	var have []directory.Link
	var err error
	if len(s.add)+len(s.remove) > 0 {
		if have, err = a.Store.Links(ctx, before.Tenant, s.relation, before.ID, ""); err != nil {
			return writing{}, err
		}
	}
	there := func(id pim.PrincipalID) bool {
		return slices.ContainsFunc(have, func(l directory.Link) bool { return l.To == id })
	}
	add := slices.DeleteFunc(unique(s.add), there)
	remove := slices.DeleteFunc(unique(s.remove), func(id pim.PrincipalID) bool { return !there(id) })
	if !s.lenient && len(add) < len(unique(s.add)) {
		return writing{}, &pim.Refusal{Code: pim.AlreadyThere, Field: s.name, Detail: "the object belongs there already"}
	}
	if !s.lenient && len(remove) < len(unique(s.remove)) {
		return writing{}, &pim.Refusal{Code: pim.NotThere, Field: s.name, Detail: "the object does not belong there"}
	}
	if err := a.allThere(ctx, before.Tenant, add, s.may); err != nil {
		return writing{}, err
	}
	var changes []pim.Change
	for _, id := range add {
		changes = append(changes, pim.Change{Name: s.name, New: string(id)})
	}
	for _, id := range remove {
		changes = append(changes, pim.Change{Name: s.name, Old: string(id)})
	}
	w := a.changed(by, now, before, after, version, changes...)
	w.with.Links, w.with.Unlinks = plainLinks(s.relation, before, add), plainLinks(s.relation, before, remove)
	return w, nil
}
