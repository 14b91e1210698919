package pim_test

import (
	"slices"
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
)

// What a group holds opens the doors for each member, and for nobody else, whatever comes and goes.
func TestAGroupOpensDoorsForItsMembers(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("tier-1", "amira", "bo")
	s.Group("tier-0", "tier-1", "cho")
	s.Door("Reader", "db", "reader")
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "tier-0", "Reader")
	s.Inside("db")
	s.Realigns("tier-0", "Reader")
	s.Inside("db", "amira", "bo", "cho")
	s.Audited(pim.DoorsAligned)
	s.Realigns("tier-0", "Reader")
	if s.Last.Changed() {
		t.Errorf("asked again, something is changed: %+v", s.Last)
	}
	var ids []string
	for id := range s.World.Effects {
		ids = append(ids, id)
	}
	schedule := string(s.World.Effects[ids[0]].Schedule)
	slices.Sort(ids)
	if want := []string{schedule + "/db/reader/amira", schedule + "/db/reader/bo", schedule + "/db/reader/cho"}; !slices.Equal(ids, want) {
		t.Errorf("the effects are %v, want %v", ids, want)
	}

	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "bo", "member of tier-1")
	s.Realigns("tier-0", "Reader")
	s.Inside("db", "amira", "cho")
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "bo", "member of tier-0")
	s.Realigns("tier-0", "Reader")
	s.Inside("db", "amira", "bo", "cho")
	s.Is("cho", func(p *pim.Principal) { p.Enabled = false })
	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "tier-1", "member of tier-0")
	s.Realigns("tier-0", "Reader")
	s.Inside("db", "bo")
	s.As("root").Asks(pim.RemoveOutside, pim.Assignment, "tier-0", "Reader")
	s.Inside("db")
}

// A group's grant that ends by itself, or comes back day by day, takes the doors of its members with it.
func TestTheDoorsOfMembersShutWithTheGrant(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Group("tier-1", "amira")
	s.MemberUntil("tier-1", "bo", "1h")
	s.Door("Reader", "db", "reader")
	s.As("root").Assigns("tier-1", "Reader", "for 4h", "on call")
	end := s.Now.Add(4 * time.Hour)
	s.Realigns("tier-1", "Reader")
	s.Inside("db", "amira", "bo")
	for _, e := range s.World.Effects {
		if !e.Until.Equal(end) {
			t.Errorf("the door is open until %s, want %s", e.Until, end)
		}
	}
	s.After("1h")
	s.Realigns("tier-1", "Reader")
	s.Inside("db", "amira")
	s.As("root").Asks(pim.AdminUpdate, pim.Assignment, "tier-1", "Reader", "for 6h", "longer")
	s.Realigns("tier-1", "Reader")
	s.Inside("db", "amira")
	s.After("7h")
	s.Inside("db")
}

// A door that is bound no more shuts for who holds the role by themselves, and one that is bound later opens.
func TestDoorsAreBoundAnew(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Resources("/one/rg-1")
	s.Door("Reader on /one/rg-1", "db", "reader")
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "amira", "Reader on /one")
	s.As("root").Asks(pim.AssignOutside, pim.Assignment, "bo", "Reader on /one", "under @Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'blobs'")
	s.Inside("db", "login")
	bound := s.World.Doors
	s.World.Doors = nil
	s.Realigns("amira", "Reader on /one")
	s.Realigns("bo", "Reader on /one")
	s.DoorIs("amira", "db", pim.Revoking)
	s.World.Doors = bound
	s.After("1m")
	s.Realigns("amira", "Reader on /one")
	s.Realigns("bo", "Reader on /one")
	s.DoorIs("amira", "db", pim.EffectPending)
	s.Inside("db", "login")
}
