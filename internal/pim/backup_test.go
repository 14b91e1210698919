package pim_test

import (
	"testing"

	"portcullis/internal/pim"
	"portcullis/internal/pim/pimtest"
	"portcullis/internal/policy"
)

// byManager makes a role ask the manager of whoever asks, with these backups.
func byManager(backups ...string) func(*policy.Rules) {
	return func(r *policy.Rules) {
		r.Approval.Required = true
		r.Approval.Stages = []policy.Stage{{TimeoutDays: 1, Approvers: []policy.Approver{{Kind: policy.RequestorManager}}}}
		for _, b := range backups {
			r.Approval.Stages[0].Approvers = append(r.Approval.Stages[0].Approvers, policy.Approver{Kind: policy.User, ID: b, Backup: true})
		}
	}
}

func TestBackupsDecideWhereNobodyElseCould(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Is("amira", func(p *pim.Principal) { p.Manager = "mia" })
	s.Person("mia")
	s.Person("cleo")
	s.Policy("Vault", byManager("bo"))
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Activates("Vault", "for 1h", "open it")
	s.As("bo").Cannot(pim.Forbidden).Approves("amira", "Vault") // amira has a manager
	s.As("root").Cannot(pim.Forbidden).Approves("amira", "Vault")
	s.As("mia").Approves("amira", "Vault")
	s.Holds("amira", "Vault")

	s.As("root").MakesEligible("cleo", "Vault")
	s.As("cleo").Activates("Vault", "for 1h", "open it")
	s.As("root").Cannot(pim.Forbidden).Approves("cleo", "Vault") // there is a backup
	s.As("bo").Approves("cleo", "Vault")
	s.Holds("cleo", "Vault")
}

func TestWithoutManagerAndBackupTheAdministratorsDecide(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Policy("Vault", byManager())
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Activates("Vault", "for 1h", "open it")
	s.As("bo").Cannot(pim.Forbidden).Approves("amira", "Vault")
	s.As("root").Approves("amira", "Vault")
	s.Holds("amira", "Vault")
}

func TestBackupsAloneAreApproversLikeOthers(t *testing.T) {
	s := pimtest.Tell(t, "2026-03-02T09:00Z")
	s.Policy("Vault", func(r *policy.Rules) {
		approvalBy("bo")(r)
		r.Approval.Stages[0].Approvers[0].Backup = true
	})
	s.As("root").MakesEligible("amira", "Vault")
	s.As("amira").Activates("Vault", "for 1h", "open it")
	s.As("bo").Approves("amira", "Vault")
	s.Holds("amira", "Vault")
}
