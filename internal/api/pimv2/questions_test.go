package pimv2

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"

	"portcullis/internal/api/governance"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
)

// expandsAll is what pages of assignments are asked for with most.
const expandsAll = "$expand=subject,roleDefinition($expand=resource),resource,scopedResource,linkedEligibleRoleAssignment&$top=999"

// TestNoQuestionPerRow: how often a store is asked for a page does not depend on how many rows it has.
func TestNoQuestionPerRow(t *testing.T) {
	small, large := modelHouse(t, 200), modelHouse(t, 200)
	small.holdMany(40, 200)
	large.holdMany(1200, 200)
	for _, p := range governance.Providers() {
		for _, list := range []struct{ path, query string }{
			{"/roleAssignments", expandsAll},
			{"/roleAssignments", "$expand=roleDefinition($expand=roleSetting),resource($select=id,permissions;$expand=parent)&$top=999"},
			{"/roleAssignments/export", ""},
			{"/roleAssignmentRequests", "$expand=subject,roleDefinition,resource&$top=999"},
			{"/resources", "$select=id,permissions&$top=999"},
		} {
			target := address(p, list.path, list.query)
			small.store.Since()
			large.store.Since()
			small.good(target)
			body := large.good(target)
			few, least := small.store.Since()
			many, most := large.store.Since()
			t.Logf("%s: %d questions for 40 rows, %d for a page of %d bytes: %v", target, least, most, len(body), many)
			if list.query == expandsAll && bytes.Count(body, []byte(`"subject":{`)) < 900 {
				t.Errorf("%s: got %d subjects, want those of a page", target, bytes.Count(body, []byte(`"subject":{`)))
			}
			// Ids are asked for some hundreds at once, and the two kinds of rows one after the other.
			if most > least+10 {
				t.Errorf("%s: %d questions where there are 1200 rows, %d where there are 40: %v and %v", target, most, least, many, few)
			}
		}
	}
}

// TestEditedSettingsAreFound: what a filter says of settings is asked for, and the settings of hundreds of other roles are not made.
func TestEditedSettingsAreFound(t *testing.T) {
	h := modelHouse(t, 3)
	azure, roles := catalog.AzureRoles(), catalog.Roles()
	tenantKey := pim.RoleKey{Tenant: houseTenant, Provider: pim.Directory, Scope: pim.Everywhere}
	for p, f := range map[pim.Provider]struct {
		at            pim.RoleKey
		edited, other pim.RoleID
	}{
		pim.Directory: {tenantKey, pim.RoleID(roles[7].ID), pim.RoleID(roles[3].ID)},
		pim.Resource:  {placed(t, 1), pim.RoleID(azure[7].ID), pim.RoleID(azure[3].ID)},
	} {
		edited, other := f.at, f.at
		edited.Role, other.Role = f.edited, f.other
		gone := f.at
		gone.Role = "00000000-0000-4000-8000-00000000dead" // a custom role that was deleted
		for _, k := range []pim.RoleKey{edited, gone} {
			h.must(h.store.Commit(t.Context(), store.Commit{Policy: &store.PolicyEdit{Key: k, Policy: policy.Policy{Version: 1, Rules: policy.ForResource()}}}))
		}
		at := "resourceId eq '" + governance.ResourceID(f.at) + "'"
		is := func(k pim.RoleKey) string { return "roleDefinitionId eq '" + governance.RoleDefinitionID(k) + "'" }
		both := []string{governance.SettingID(other), governance.SettingID(edited)} // in the order of the roles
		for _, c := range []struct {
			filter string
			want   []string
		}{
			{at + " and isDefault eq false", both[1:]},
			{at + " and isDefault ne true", both[1:]},
			{at + " and (isDefault eq false or " + is(other) + ")", both},
			{at + " and (isDefault eq false or " + is(edited) + " or roleDefinitionId in ('" + governance.RoleDefinitionID(other) + "','x'))", both},
			{at + " and isDefault eq false and (" + is(edited) + " or " + is(other) + ")", both[1:]},
			{at + " and isDefault eq true and (" + is(edited) + " or " + is(other) + ")", both[:1]},
			{at + " and (" + is(gone) + " or " + is(gone) + ")", nil},
			{at + " and isDefault eq false and isDefault eq true", nil},
			{at + " and " + is(other), both[:1]},
			{at + " and not (isDefault eq true)", both[1:]},
			{at + " and (isDefault eq false or lastUpdatedBy eq 'x')", both[1:]},
		} {
			h.store.Since()
			var got struct{ Value []struct{ ID string } }
			h.must(json.Unmarshal(h.good(address(p, "/roleSettings", "$filter="+c.filter)), &got))
			same := len(got.Value) == len(c.want)
			for i := range c.want {
				same = same && got.Value[i].ID == c.want[i]
			}
			if !same {
				t.Errorf("%s %s: got %v, want %v", p, c.filter, got.Value, c.want)
			}
			by, all := h.store.Since()
			t.Logf("%s %s: %d questions %v", p, c.filter, all, by)
		}
		h.who = nobody
		if rec := h.get(address(p, "/roleSettings", "$filter="+at+" and isDefault eq false")); rec.Code == http.StatusOK {
			t.Errorf("%s: who reads nothing got %d with %s", p, rec.Code, rec.Body)
		}
		h.who = reader
	}
}

// BenchmarkEditedSettings reads the settings that somebody edited at resource after resource: by a filter that is asked of the store,
// and by one that means the same and has to be finished here.
func BenchmarkEditedSettings(b *testing.B) {
	s, err := sqlstore.Open(b.Context(), sqlstore.Options{URL: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	const places = 100
	h := newHouse(b, s, places)
	azure := catalog.AzureRoles()
	for i := range places {
		for n := range i % 3 {
			k := placed(b, i)
			k.Role = pim.RoleID(azure[10*n].ID)
			h.must(s.Commit(b.Context(), store.Commit{Policy: &store.PolicyEdit{Key: k, Policy: policy.Policy{Version: 1, Rules: policy.ForResource()}}}))
		}
	}
	for _, c := range []struct{ name, filter string }{
		{"edited", "isDefault eq false"}, {"all", "(isDefault eq false or lastUpdatedBy eq 'x')"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h.good(address(pim.Resource, "/roleSettings", "$filter=resourceId eq '"+governance.ResourceID(placed(b, i%places))+"' and "+c.filter))
			}
		})
	}
}
