package app_test

import (
	"maps"
	"slices"
	"testing"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

// TestEditedPolicies: those of one place that somebody edited, each as Policies tells it, for who may read all of them.
func TestEditedPolicies(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		at := func(r pim.RoleID, scope pim.Scope) pim.RoleKey { return resourceKey(1, 1, r, scope).Policy() }
		group := groupKey(1, 1, 13, pim.Member).Policy()
		for _, k := range []pim.RoleKey{at(contributor, one), at(contributor, rg), key(1, 2, vault).Policy(), group} {
			_, err := h.EditPolicy(t.Context(), h.as(1, 1), k, func(r *policy.Rules) error {
				r.AdminEligibility.Enablement.Justification = true
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range []struct {
			who  int
			at   pim.RoleKey
			want []pim.RoleKey
			code pim.Code
		}{
			{1, at("", one), []pim.RoleKey{at(contributor, one)}, ""},
			{2, at("any", rg), []pim.RoleKey{at(contributor, rg)}, ""}, // a reader
			{1, at("", two), nil, ""},
			{5, at("", one), nil, pim.Forbidden},
			{1, at("", nowhere), nil, pim.UnknownScope},
			{5, at("", nowhere), nil, pim.Forbidden},
			{1, key(1, 1, "").Policy(), []pim.RoleKey{key(1, 2, vault).Policy()}, ""},
			{5, key(1, 1, "").Policy(), nil, pim.Forbidden},
			{1, groupKey(1, 1, 13, "").Policy(), []pim.RoleKey{group}, ""},
			{5, groupKey(1, 1, 13, "").Policy(), nil, pim.Forbidden},
			{1, resourceKey(2, 1, "", one).Policy(), nil, pim.Forbidden},
		} {
			got, err := h.EditedPolicies(t.Context(), h.as(1, f.who), f.at)
			if codeOf(t, err) != f.code || !slices.Equal(slices.Collect(maps.Keys(got)), f.want) {
				t.Errorf("person %d at %v: got %v and %v, want %v and %q", f.who, f.at, got, err, f.want, f.code)
			}
			if len(f.want) == 0 {
				continue
			}
			all, err := h.Policies(t.Context(), h.as(1, f.who), f.want)
			if err != nil || !slices.Equal(slices.Collect(maps.Keys(all)), f.want) || all[f.want[0]].Version != got[f.want[0]].Version || all[f.want[0]].ID != got[f.want[0]].ID {
				t.Errorf("person %d at %v: got %v, want as Policies says %v, %v", f.who, f.at, got, all, err)
			}
		}
	})
}

// TestReachingOfManyPlaces: what a caller may at places is the same, asked of one by one or of all at once.
func TestReachingOfManyPlaces(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := site(t, s)
		for _, at := range [][]pim.RoleKey{
			{resourceKey(1, 1, "", "/").Policy(), resourceKey(1, 1, "", one).Policy(), resourceKey(1, 1, "", two).Policy(), resourceKey(1, 1, "", rg).Policy(),
				resourceKey(1, 1, "", database).Policy(), resourceKey(1, 1, "", nowhere).Policy()},
			{groupKey(1, 1, 11, "").Policy(), groupKey(1, 1, 12, "").Policy(), groupKey(1, 1, 13, "").Policy(), groupKey(1, 1, 77, "").Policy()},
			{key(1, 1, "").Policy()},
			nil,
		} {
			for n := 1; n <= 5; n++ {
				each, err := h.MayReachEach(t.Context(), h.as(1, n), at)
				if err != nil || len(each) != len(at) {
					t.Fatalf("person %d: got %v and %v", n, each, err)
				}
				for i, place := range at {
					if alone, err := h.MayReach(t.Context(), h.as(1, n), place); err != nil || alone != each[i] {
						t.Errorf("person %d at %v: got %+v among others, alone %+v and %v", n, place, each[i], alone, err)
					}
				}
			}
		}
	})
}
