package pimv2

import (
	"testing"

	"portcullis/internal/pim"
)

// TestAssignmentIDs says by which ids rows and what they rest on go, and that an id leads back to schedule and member.
func TestAssignmentIDs(t *testing.T) {
	for _, f := range []struct {
		name             string
		row              row
		id, linked       string
		schedule, member string
	}{
		{"one's own row", instance(pim.Directory, pim.Direct, "alice", "alice", ""), "s", "", "s", ""},
		{"a member's row", instance(pim.Directory, pim.ByGroup, "keepers", "bob", ""), "s_bob", "", "s", "bob"},
		{"the group's own", instance(pim.Group, pim.Direct, "keepers", "keepers", ""), "s", "", "s", ""},
		{"a group's row of a resource, seen by a member", instance(pim.Resource, pim.ByGroup, "keepers", "keepers", ""), "s", "", "s", ""},
		{"an activation", instance(pim.Directory, pim.Direct, "alice", "alice", "e"), "s", "e", "s", ""},
		{"an activation of what a group is eligible for", via(instance(pim.Directory, pim.Direct, "bob", "bob", "e")), "s", "e_bob", "s", ""},
		{"the same at a resource", via(instance(pim.Resource, pim.Direct, "bob", "bob", "e")), "s", "e", "s", ""},
	} {
		if got := f.row.id(); got != f.id {
			t.Errorf("%s: got id %s, want %s", f.name, got, f.id)
		}
		if got := f.row.linked(); got != f.linked {
			t.Errorf("%s: got linked id %q, want %q", f.name, got, f.linked)
		}
		if s, m := cutID(f.row.id()); string(s) != f.schedule || string(m) != f.member {
			t.Errorf("%s: %s leads to %q and %q, want %q and %q", f.name, f.id, s, m, f.schedule, f.member)
		}
	}
}

func instance(p pim.Provider, m pim.MemberType, holder, principal pim.PrincipalID, eligibility pim.ScheduleID) row {
	return row{Instance: pim.Instance{Principal: principal, Member: m,
		Schedule: pim.Schedule{ID: "s", Eligibility: eligibility, Key: pim.Key{Provider: p, Principal: holder}}}}
}

func via(r row) row {
	r.Schedule.Via = []pim.PrincipalID{"keepers"}
	return r
}
