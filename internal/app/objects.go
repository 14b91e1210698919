package app

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Writing to the directory. Each change of an object rests on the version that was read, so that none is lost, and is
// committed together with what it asks of PIM: memberships that come and go, and all that is lost by who leaves.

// MembershipChange says who comes to belong to an object and who no longer does.
type MembershipChange struct {
	AddMembers, RemoveMembers, AddOwners, RemoveOwners []pim.PrincipalID
	// Lenient takes what is so already for done; else it is refused, as AlreadyThere or NotThere.
	Lenient bool
	// Outside leaves the memberships that PIM gave as they are, whoever is removed.
	Outside bool
}

func (m MembershipChange) none() bool {
	return len(m.AddMembers)+len(m.RemoveMembers)+len(m.AddOwners)+len(m.RemoveOwners) == 0
}

// objectKey is the case that stands for a directory object: it has a version, which every change of the object raises,
// and no rows.
func objectKey(t pim.TenantID, id pim.PrincipalID) pim.Key {
	return pim.Key{Tenant: t, Provider: pim.Directory, Scope: pim.Everywhere, Role: "object", Principal: id}
}

// writing is a change of the directory under way: what is asked of PIM, and what becomes of objects.
type writing struct {
	asks []pim.Ask
	with store.Commit
}

// write prepares a change and commits it, again if what it rests on has changed meanwhile.
func (a *App) write(ctx context.Context, prepare func(now time.Time) (writing, error)) error {
	for range attempts {
		err := a.tryWrite(ctx, prepare)
		if !errors.Is(err, store.ErrStale) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return store.ErrUnavailable
}

func (a *App) tryWrite(ctx context.Context, prepare func(now time.Time) (writing, error)) error {
	now := a.Time()
	w, err := prepare(now)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(w.asks, func(ask pim.Ask) bool { return grants(ask.Action) }) {
		if now, err = a.clock.at(a.now(), true); err != nil {
			return err
		}
	}
	if len(w.asks)+len(w.with.Events) == 0 {
		return nil // nothing changes
	}
	_, err = a.tryTogether(ctx, now, w.asks, w.with)
	return err
}

// versioned reads a directory object of a kind with the version that a change of it rests on. UnknownPrincipal: it is
// not there.
func (a *App) versioned(ctx context.Context, t pim.TenantID, id pim.PrincipalID, k directory.Kind) (directory.Object, pim.Touch, error) {
	key := objectKey(t, id)
	c, err := a.Store.Case(ctx, pim.Need{Key: key})
	if err != nil {
		return directory.Object{}, pim.Touch{}, err
	}
	found, err := a.Store.ObjectsByID(ctx, t, []pim.PrincipalID{id})
	if err != nil {
		return directory.Object{}, pim.Touch{}, err
	}
	if len(found) == 0 || found[0].Kind != k {
		return directory.Object{}, pim.Touch{}, unknownObject()
	}
	return found[0], pim.Touch{Key: key, Version: c.Version}, nil
}

func unknownObject() *pim.Refusal {
	return &pim.Refusal{Code: pim.UnknownPrincipal, Field: "principal", Detail: "the object does not exist"}
}

func denied(what string) *pim.Refusal {
	return &pim.Refusal{Code: pim.Forbidden, Detail: "the caller holds no active role that manages " + what}
}

// made is the writing of a new object.
func (a *App) made(by pim.Caller, o directory.Object) writing {
	return writing{with: store.Commit{
		Outcome: pim.Outcome{Events: []pim.Event{a.objectEvent(by, o, "created", changesOf(directory.Object{}, o))}},
		Objects: []directory.Object{o},
	}}
}

// changed is the writing of an object that was edited; nothing if nothing was.
func (a *App) changed(by pim.Caller, now time.Time, before directory.Object, after *directory.Object, version pim.Touch, more ...pim.Change) writing {
	changes := append(changesOf(before, *after), more...)
	if len(changes) == 0 {
		return writing{}
	}
	after.Modified = later(now, before.Modified)
	return writing{with: store.Commit{
		Outcome: pim.Outcome{Events: []pim.Event{a.objectEvent(by, *after, "changed", changes)}, Touches: []pim.Touch{version}},
		Objects: []directory.Object{*after},
	}}
}

// later is an instant after the last change, so that no two changes leave an object with the same one: who holds an object
// against what they have seen of it goes by it.
func later(now, last time.Time) time.Time {
	if now.After(last) {
		return now
	}
	return last.Add(time.Microsecond)
}

// touched is the writing of an object whose members change: by what else is committed.
func (w *writing) touched(now time.Time, o *directory.Object, version pim.Touch) {
	if len(w.with.Touches) == 0 { // else the object itself is changed too, and raised already
		o.Modified = later(now, o.Modified)
		w.with.Touches = []pim.Touch{version}
	}
	w.with.Objects = []directory.Object{*o}
}

// edited returns a copy of an object as edit leaves it. What makes it that object stays.
func edited(o directory.Object, edit func(*directory.Object) error) (directory.Object, error) {
	out := o.Clone()
	if edit == nil {
		return out, nil
	}
	if err := edit(&out); err != nil {
		return directory.Object{}, err
	}
	out.Tenant, out.ID, out.Kind, out.Created, out.Modified, out.Deleted = o.Tenant, o.ID, o.Kind, o.Created, o.Modified, o.Deleted
	if o.Group != nil && out.Group != nil {
		out.Group.Registered = o.Group.Registered
	}
	return out, nil
}

func (a *App) objectEvent(by pim.Caller, o directory.Object, what string, changes []pim.Change) pim.Event {
	who := o.Principal()
	if who.ID == "" {
		who = pim.Principal{ID: o.ID, Name: o.DisplayName}
	}
	return pim.Event{
		ID: pim.EventID(a.newID()), Tenant: o.Tenant, At: a.Time(), Activity: pim.DirectoryChanged, Success: true, By: by.Actor,
		Principal: who, Details: pim.ChangeDetails(kindWord(o.Kind), what, changes),
	}
}

func kindWord(k directory.Kind) string {
	switch k {
	case directory.KindUser:
		return "user"
	case directory.KindGroup:
		return "group"
	case directory.KindServicePrincipal:
		return "application"
	case directory.KindAdministrativeUnit:
		return "unit"
	case directory.KindRole, directory.KindResourceRole:
		return "role"
	}
	return ""
}

// changesOf lists the properties in which two states of an object differ, by Graph's names of them, in a fixed order.
func changesOf(before, after directory.Object) []pim.Change {
	was := map[string]string{}
	if before.Kind != 0 {
		for _, p := range properties(before) {
			was[p.name] = p.value
		}
	}
	var out []pim.Change
	for _, p := range properties(after) {
		if was[p.name] != p.value {
			out = append(out, pim.Change{Name: p.name, Old: was[p.name], New: p.value})
		}
	}
	for _, name := range furtherNames(before, after) {
		if old, now := further(before)[name], further(after)[name]; old != now {
			out = append(out, pim.Change{Name: name, Old: old, New: now})
		}
	}
	return out
}

type property struct{ name, value string }

// properties are all that is told of an object when it changes. The list depends on the kind alone.
func properties(o directory.Object) []property {
	list := []property{{"displayName", o.DisplayName}, {"description", o.Description}, {"externalId", o.ExternalID}}
	if o.Kind == directory.KindUser || o.Kind == directory.KindServicePrincipal || o.Kind == 0 {
		list = append(list, property{"accountEnabled", strconv.FormatBool(o.Enabled)})
	}
	if u := o.User; u != nil {
		list = append(list, property{"userPrincipalName", u.PrincipalName}, property{"mail", u.Mail}, property{"mailNickname", u.MailNickname},
			property{"givenName", u.GivenName}, property{"surname", u.Surname}, property{"jobTitle", u.JobTitle},
			property{"department", u.Department}, property{"officeLocation", u.OfficeLocation}, property{"mobilePhone", u.MobilePhone},
			property{"businessPhones", strings.Join(u.BusinessPhones, ", ")}, property{"preferredLanguage", u.PreferredLanguage},
			property{"otherMails", strings.Join(u.OtherMails, ", ")}, property{"userType", u.Type}, property{"employeeId", u.EmployeeID},
			property{"manager", string(u.Manager)})
	}
	if g := o.Group; g != nil {
		list = append(list, property{"mailNickname", g.MailNickname}, property{"securityEnabled", strconv.FormatBool(g.SecurityEnabled)},
			property{"mailEnabled", strconv.FormatBool(g.MailEnabled)}, property{"groupTypes", strings.Join(g.Types, ", ")},
			property{"visibility", g.Visibility}, property{"isAssignableToRole", strconv.FormatBool(g.RoleAssignable)})
	}
	if u := o.Unit; u != nil {
		list = append(list, property{"visibility", u.Visibility})
	}
	if p := o.App; p != nil {
		list = append(list, property{"appId", p.ClientID}, property{"isFallbackPublicClient", strconv.FormatBool(p.Public)},
			property{"redirectUris", strings.Join(p.Redirects, ", ")}, property{"permissions", strings.Join(p.Permissions, ", ")},
			property{"keyCredentials", toldKeys(p.Keys)}, property{"federatedIdentityCredentials", toldTrusts(p.Trusts)})
	}
	return list
}

func further(o directory.Object) map[string]string {
	if o.User == nil {
		return nil
	}
	return o.User.Further
}

func furtherNames(objects ...directory.Object) []string {
	var names []string
	for _, o := range objects {
		for name := range further(o) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Bounds of what objects are made of, in characters.
const (
	longestName     = 256
	longestNickname = 64
	longestText     = 1024
	mostTexts       = 100
)

func badProperty(name, detail string) error {
	return &pim.Refusal{Code: pim.InvalidRequest, Field: name, Detail: detail}
}

// validObject says whether the properties that objects of all kinds have can be so.
func validObject(o directory.Object) error {
	switch {
	case strings.TrimSpace(o.DisplayName) == "" || !fits(o.DisplayName, longestName):
		return badProperty("displayName", "a display name has 1 to 256 characters, none of them a control character")
	case utf8.RuneCountInString(o.Description) > longestText || !utf8.ValidString(o.Description):
		return badProperty("description", "a description has at most 1024 characters")
	case !fits(o.ExternalID, longestName):
		return badProperty("externalId", "an external id has at most 256 characters")
	}
	return nil
}

// fits says whether a text has no more characters than that, and no control characters.
func fits(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, unicode.IsControl)
}

// validNickname is the rule for the local part of mail addresses: printable ASCII without what separates addresses.
func validNickname(s string) bool {
	return len(s) <= longestNickname && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`@()\[]";:<>,`, r)
	})
}

// allThere refuses ids of which no object is there that may.
func (a *App) allThere(ctx context.Context, t pim.TenantID, ids []pim.PrincipalID, may func(directory.Object) bool) error {
	if len(ids) == 0 {
		return nil
	}
	found, err := a.Store.ObjectsByID(ctx, t, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		o, ok := objectByID(found, id)
		if !ok {
			return unknownObject()
		}
		if !may(o) {
			return &pim.Refusal{Code: pim.InvalidRequest, Field: "principal", Detail: "an object of this kind cannot belong there"}
		}
	}
	return nil
}
