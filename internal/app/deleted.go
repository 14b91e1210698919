package app

import (
	"context"
	"errors"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// BinTime is how long deleted objects can be restored.
const BinTime = 30 * 24 * time.Hour

// mostPurged bounds how many objects whose time in the bin is over go with one that comes.
const mostPurged = 100

// bin deletes an object that can be restored. may says whether this one may be deleted.
func (a *App) bin(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID, k directory.Kind, may func(directory.Object) error) error {
	places := placesOf(id, k)
	err := a.write(ctx, func(now time.Time) (writing, error) {
		o, version, err := a.versioned(ctx, t, id, k)
		if err != nil {
			return writing{}, err
		}
		if may != nil {
			if err := may(o); err != nil {
				return writing{}, err
			}
		}
		w := writing{with: store.Commit{Outcome: pim.Outcome{
			Events: []pim.Event{a.objectEvent(by, o, "deleted", nil)}, Touches: []pim.Touch{version},
		}}}
		if w.asks, err = a.departures(ctx, by, now, t, id, places...); err != nil {
			return writing{}, err
		}
		o.Modified, o.Deleted = now, now
		w.with.Objects = []directory.Object{o}
		return w, a.purgeOld(ctx, now, t, &w.with)
	})
	if err != nil {
		return err
	}
	return a.departed(ctx, by, t, id, places...)
}

// placesOf are the scopes that name an object.
func placesOf(id pim.PrincipalID, k directory.Kind) []place {
	object := place{pim.Directory, "/" + pim.Scope(id)}
	switch k {
	case directory.KindGroup:
		return []place{{pim.Group, pim.Scope(id)}, object}
	case directory.KindAdministrativeUnit:
		return []place{{pim.Directory, pim.AdministrativeUnit(string(id))}}
	case directory.KindUser, directory.KindServicePrincipal:
		return []place{object}
	case directory.KindRole, directory.KindResourceRole:
	}
	return nil
}

// purgeOld adds to a commit what has been in the bin for its time.
func (a *App) purgeOld(ctx context.Context, now time.Time, t pim.TenantID, c *store.Commit) error {
	old, err := a.Store.Bin(ctx, store.Query{Tenant: t, Limit: mostPurged, Where: store.And{
		store.Compare{Field: store.FieldDeleted, Op: store.Le, Value: now.Add(-BinTime)},
	}})
	if err != nil {
		return err
	}
	for _, o := range old.Rows {
		c.Events = append(c.Events, a.objectEvent(pim.Caller{Actor: pim.Actor{Clock: true}}, o, "purged", nil))
		c.Deleted = append(c.Deleted, o)
	}
	return nil
}

// Deleted lists the objects of a kind that can still be restored. Who may see them is told by the token.
func (a *App) Deleted(ctx context.Context, q store.Query) (store.Page[directory.Object], error) {
	fresh := store.Compare{Field: store.FieldDeleted, Op: store.Gt, Value: a.Time().Add(-BinTime)}
	q.Where = narrowed(q.Where, fresh)
	return a.Store.Bin(ctx, q)
}

// RestoreObject brings an object back out of the bin: as it was, and without anything that it held or belonged to.
// Refusals: Forbidden, UnknownPrincipal, and AlreadyThere where its name was given to another meanwhile.
func (a *App) RestoreObject(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) (directory.Object, error) {
	var back directory.Object
	err := a.write(ctx, func(now time.Time) (writing, error) {
		o, version, err := a.binned(ctx, by, t, id)
		if err != nil {
			return writing{}, err
		}
		// A role definition may be made anew under its own id, which is then taken.
		taken, err := a.Store.ObjectsByID(ctx, t, []pim.PrincipalID{id})
		if err != nil {
			return writing{}, err
		}
		if len(taken) > 0 {
			return writing{}, store.ErrConflict
		}
		back = o
		back.Deleted, back.Modified = time.Time{}, now
		return writing{with: store.Commit{
			Outcome: pim.Outcome{Events: []pim.Event{a.objectEvent(by, back, "restored", nil)}, Touches: []pim.Touch{version}},
			Deleted: []directory.Object{o}, Objects: []directory.Object{back},
		}}, nil
	})
	if errors.Is(err, store.ErrConflict) {
		err = &pim.Refusal{Code: pim.AlreadyThere, Field: "userPrincipalName", Detail: "another object has its name now"}
	}
	return back, err
}

// PurgeObject takes an object out of the bin for good. Refusals: Forbidden, UnknownPrincipal.
func (a *App) PurgeObject(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) error {
	return a.write(ctx, func(time.Time) (writing, error) {
		o, version, err := a.binned(ctx, by, t, id)
		if err != nil {
			return writing{}, err
		}
		return writing{with: store.Commit{
			Outcome: pim.Outcome{Events: []pim.Event{a.objectEvent(by, o, "purged", nil)}, Touches: []pim.Touch{version}},
			Deleted: []directory.Object{o},
		}}, nil
	})
}

// binned reads an object in the bin that the caller may change, with its version.
func (a *App) binned(ctx context.Context, by pim.Caller, t pim.TenantID, id pim.PrincipalID) (directory.Object, pim.Touch, error) {
	c, err := a.Store.Case(ctx, pim.Need{Key: objectKey(t, id)})
	if err != nil {
		return directory.Object{}, pim.Touch{}, err
	}
	page, err := a.Deleted(ctx, store.Query{Tenant: t, Limit: 1, Where: store.Is(store.FieldID, string(id))})
	if err != nil {
		return directory.Object{}, pim.Touch{}, err
	}
	o, known := directory.Object{}, len(page.Rows) == 1
	if known {
		o = page.Rows[0]
	}
	if err := a.mayWriteBin(ctx, by, t, o); err != nil {
		return o, pim.Touch{}, err
	}
	if !known {
		return o, pim.Touch{}, unknownObject()
	}
	return o, pim.Touch{Key: objectKey(t, id), Version: c.Version}, nil
}

// mayWriteBin asks what deleting the object would have asked. Who may delete nothing learns nothing.
func (a *App) mayWriteBin(ctx context.Context, by pim.Caller, t pim.TenantID, o directory.Object) error {
	switch o.Kind {
	case directory.KindUser:
		return a.mayWriteUsers(ctx, by, t)
	case directory.KindGroup:
		return a.mayWriteGroup(ctx, by, t, o.GroupFacts())
	case directory.KindServicePrincipal:
		return a.mayWriteApplication(ctx, by, t, "")
	case directory.KindAdministrativeUnit:
		return a.mayWriteUnits(ctx, by, t)
	case directory.KindRole:
		return a.mayEditRoles(ctx, by, t)
	case directory.KindResourceRole: // never in the bin
	}
	if pim.MayWriteUsers(by) || pim.MayWriteGroups(by, pim.GroupFacts{}) || pim.MayWriteApplications(by, false) || pim.MayWriteUnits(by) {
		return nil
	}
	return denied("deleted objects")
}

func asRefusal(err error) (*pim.Refusal, bool) { return errors.AsType[*pim.Refusal](err) }
