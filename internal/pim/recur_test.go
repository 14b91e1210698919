package pim_test

import (
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
	"portcullis/internal/schedule"
)

// nightly is every day from 22:00 UTC for two hours, three times.
func nightly(day schedule.Date) schedule.Info {
	return schedule.Info{
		Start:      time.Date(day.Year, day.Month, day.Day, 22, 0, 0, 0, time.UTC),
		Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.MustDuration("PT2H")},
		Recurrence: &schedule.Recurrence{
			Pattern: schedule.Pattern{Type: schedule.Daily, Interval: 1},
			Range:   schedule.Range{Type: schedule.Numbered, StartDate: day, Occurrences: 3, TimeZone: "UTC"},
		},
	}
}

func TestARecurrentAssignmentOpensAndShutsItsDoorEachTime(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Door("Vault", "db", "vault_admin")
	root := s.As("root")
	root.Schedules(pim.AdminAssign, pim.Assignment, "amira", "Vault", nightly(schedule.Date{Year: 2026, Month: 3, Day: 2}))
	for night := range 3 {
		s.HoldsNot("amira", "Vault")
		s.After("13h") // 22:00
		s.Holds("amira", "Vault")
		s.DoorIs("amira", "db", pim.EffectPending)
		s.After("1h59m")
		s.Holds("amira", "Vault")
		s.After("1m")
		s.HoldsNot("amira", "Vault")
		s.DoorIs("amira", "db", pim.Revoking)
		s.After("9h")
		if got, want := len(s.World.Effects), night+1; got != want {
			t.Fatalf("after night %d there are %d openings of the door, want %d", night+1, got, want)
		}
	}
	if got := s.World.Schedules[s.Last.Schedules[0].ID].Ending; got != pim.Expired {
		t.Errorf("after the last night the schedule's ending is %d, want Expired", got)
	}
}

func TestAnActivationEndsWithTheOccurrenceItRestsOn(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.As("root").Schedules(pim.AdminAssign, pim.Eligibility, "amira", "Vault", nightly(schedule.Date{Year: 2026, Month: 3, Day: 2}))
	s.As("amira").Cannot(pim.PolicyFailed).Activates("Vault", "for 1h", "by day")
	s.After("13h")
	s.As("amira").Activates("Vault", "for 8h", "by night")
	s.After("1h59m")
	s.Holds("amira", "Vault")
	s.After("1m")
	s.HoldsNot("amira", "Vault")
}
