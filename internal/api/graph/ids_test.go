package graph

import (
	"testing"

	"pgregory.net/rapid"

	"portcullis/internal/pim"
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
