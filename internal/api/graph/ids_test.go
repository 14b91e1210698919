package graph

import (
	"testing"

	"pgregory.net/rapid"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// TestGrantIDs holds ids against values that the real service published (reference graph-pim §2).
func TestGrantIDs(t *testing.T) {
	for _, c := range []struct {
		key  grantKey
		want string
	}{
		{grantKey{kind: pim.Assignment, role: "62e90394-69f5-4237-9190-012177145e10", principal: "4ab0b690-479b-47ff-af8f-2576cf521872"},
			"lAPpYvVpN0KRkAEhdxReEJC2sEqbR_9Hr48lds9SGHI-1"},
		{grantKey{kind: pim.Assignment, role: "88d8e3e3-8f55-4a1e-953a-9b9898b8876b", principal: "bb165b45-151c-4cf6-9911-cd7188912848"},
			"4-PYiFWPHkqVOpuYmLiHa0VbFrscFfZMmRHNcYiRKEg-1"},
		{grantKey{kind: pim.Eligibility, role: "fdd7a751-b60b-444a-984c-02652fe8fa1c", principal: "398164b1-5196-49dd-ada2-364b49f99b27"},
			"UafX_Qu2SkSYTAJlL-j6HLFkgTmWUd1JraI2S0n5myc-1-e"},
	} {
		if got := c.key.String(); got != c.want {
			t.Errorf("id of %+v: got %s, want %s", c.key, got, c.want)
		}
		if got, ok := parseGrantID(c.want); !ok || got != c.key {
			t.Errorf("parse %s: got %+v %v, want %+v", c.want, got, ok, c.key)
		}
	}
	for _, bad := range []string{"", "-1", "AAAA-1", "lAPpYvVpN0KRkAEhdxReEJC2sEqbR_9Hr48lds9SGHI", "lAPpYvVpN0KRkAEhdxReEJC2sEqbR_9Hr48lds9SGHI-2", "62e90394-69f5-4237-9190-012177145e10"} {
		if k, ok := parseGrantID(bad); ok {
			t.Errorf("parse %q: got %+v, want none", bad, k)
		}
	}
}

// TestGrantIDsDiffer: every key reads back, so no two keys share an id.
func TestGrantIDsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		guid := func(name string) string {
			return guidText(rapid.SliceOfN(rapid.Byte(), guidBytes, guidBytes).Draw(t, name))
		}
		k := grantKey{
			kind: rapid.SampledFrom([]pim.Kind{pim.Eligibility, pim.Assignment}).Draw(t, "kind"),
			role: pim.RoleID(guid("role")), principal: pim.PrincipalID(guid("principal")),
		}
		if rapid.Bool().Draw(t, "scoped") {
			k.scope = guid("scope")
		}
		if rapid.Bool().Draw(t, "by group") {
			k.group = pim.PrincipalID(guid("group"))
		}
		if got, ok := parseGrantID(k.String()); !ok || got != k {
			t.Fatalf("%s: got %+v %v, want %+v", k, got, ok, k)
		}
	})
}

// TestGroupIDs holds ids of the sides of groups against the form that clients take apart, and bad ones.
func TestGroupIDs(t *testing.T) {
	const group, guid, member = "5c3e0000-0000-4000-8000-000000000021", "0190f5a2-7c1e-7d11-8a55-0c9f6f1d2e3b", "5c3e0000-0000-4000-8000-000000000005"
	key := pim.Key{Provider: pim.Group, Scope: group, Role: pim.Owner, Principal: member}
	made := pim.Instance{Schedule: pim.Schedule{ID: guid, Key: key, Request: guid}, Principal: member, Member: pim.Direct}
	found := made
	found.Schedule.Request = ""
	nested := made
	nested.Member = pim.ByGroup
	for _, c := range []struct{ what, got, want string }{
		{"a schedule", scheduleID(made), group + "_owner_" + guid},
		{"an instance", grantID(made), group + "_owner_0190f5a2-7c1e-7d11-8a55-f36090e2d1c4"},
		{"a schedule made outside PIM", scheduleID(found), group + "_owner_" + guid},
		{"an instance made outside PIM", grantID(found), group + "_owner_" + guid},
		{"the row of a member", grantID(nested), group + "_owner_0190f5a2-7c1e-7d11-8a55-f36090e2d1c4_" + member},
		{"no schedule", groupSchedule(key, "").String(), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, c.got, c.want)
		}
	}
	for _, bad := range []string{"", "_", group, group + "_owner", group + "_owner_", group + "_guest_" + guid, group + "_owner_" + guid + "_",
		"x_owner_" + guid, group + "_owner_" + guid + "_" + member + "_" + member} {
		if k, ok := parseGroupKey(bad); ok {
			t.Errorf("parse %q: got %+v, want none", bad, k)
		}
	}
}

// TestGroupIDsDiffer: the row with an id is found by it, and no other one is.
func TestGroupIDsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		guids := rapid.SampledFrom([]string{"5c3e0000-0000-4000-8000-000000000001", "5c3e0000-0000-4000-8000-fffffffffffe"})
		row := func(name string) pim.Instance {
			i := pim.Instance{Principal: pim.PrincipalID(guids.Draw(t, name+" principal")), Member: pim.Direct}
			i.Schedule.ID = pim.ScheduleID(guids.Draw(t, name+" id"))
			i.Schedule.Request = pim.RequestID(rapid.SampledFrom([]string{"", "r"}).Draw(t, name+" request"))
			i.Schedule.Key = pim.Key{Provider: pim.Group, Scope: pim.Scope(guids.Draw(t, name+" group")),
				Role: rapid.SampledFrom([]pim.RoleID{pim.Member, pim.Owner}).Draw(t, name+" side"), Principal: i.Principal}
			if rapid.Bool().Draw(t, name+" by group") {
				i.Member = pim.ByGroup
			}
			return i
		}
		a, b := row("a"), row("b")
		if turned(turned(string(a.Schedule.ID))) != string(a.Schedule.ID) {
			t.Fatalf("%s does not turn back", a.Schedule.ID)
		}
		where, ok := byInstanceID(groupWords(), pim.Assignment, grantID(a))
		if !ok || !store.Match(where, rowColumn(a)) {
			t.Fatalf("%s is not found by its id %s", a.Schedule.ID, grantID(a))
		}
		if got, same := store.Match(where, rowColumn(b)), grantID(a) == grantID(b); got != same {
			t.Fatalf("%s finds the row %s: %v", grantID(a), grantID(b), got)
		}
		if got, want := store.Match(byScheduleID(groupWords(), scheduleID(a)), rowColumn(b)), scheduleID(a) == scheduleID(b); got != want {
			t.Fatalf("%s finds the schedule %s: %v", scheduleID(a), scheduleID(b), got)
		}
	})
}

// rowColumn gives the columns that ids are found by.
func rowColumn(i pim.Instance) func(store.Field) any {
	return func(f store.Field) any {
		switch f { //nolint:exhaustive // no filter on an id has more
		case store.FieldID:
			return string(i.Schedule.ID)
		case store.FieldScope:
			return string(i.Schedule.Key.Scope)
		case store.FieldRole:
			return string(i.Schedule.Key.Role)
		case store.FieldPrincipal:
			return string(i.Principal)
		case store.FieldMember:
			return int(i.Member)
		case store.FieldRequest:
			if i.Schedule.Request != "" {
				return string(i.Schedule.Request)
			}
		}
		return nil
	}
}

func TestScopes(t *testing.T) {
	const id = "5C3E0000-0000-4000-8000-000000000031"
	for text, want := range map[string]pim.Scope{
		"/": "/", "/administrativeunits/" + id: pim.AdministrativeUnit(id), "AdministrativeUnits/" + id: pim.AdministrativeUnit(id),
		"/" + id: "/5c3e0000-0000-4000-8000-000000000031",
	} {
		if got, ok := parseScope(text); !ok || got != want {
			t.Errorf("%s: got %q %v, want %q", text, got, ok, want)
		}
	}
	for _, bad := range []string{"", "/x", "/administrativeUnits/x", "/a/b"} {
		if got, ok := parseScope(bad); ok {
			t.Errorf("%q: got %q, want none", bad, got)
		}
	}
}

func FuzzGrantID(f *testing.F) {
	f.Add("UafX_Qu2SkSYTAJlL-j6HLFkgTmWUd1JraI2S0n5myc-1-e")
	f.Add("-1-e-g")
	f.Add("000000000000000000000000\r0000000000000000000-1")
	f.Fuzz(func(t *testing.T, id string) {
		if k, ok := parseGrantID(id); ok && k.String() != id {
			t.Fatalf("%q reads as %+v, which is %q", id, k, k.String())
		}
	})
}
