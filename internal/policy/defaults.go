package policy

import "portcullis/internal/schedule"

// The defaults of reference graph-pim §11.2, columns DR and GR, and of reference arm-pim §9.

// ForDirectoryRole returns the rules of a directory role that nobody has edited.
func ForDirectoryRole() Rules {
	r := common()
	r.EndUserAssignment.Enablement.MFA = true
	return r
}

// ForGroup returns the rules of one side (member or owner) of a group that nobody has edited.
func ForGroup() Rules {
	r := common()
	r.AdminEligibility.Expiration.Required = true
	r.AdminAssignment.Expiration.Required = true
	return r
}

// ForResource returns the rules of a role at a scope of resources that nobody has edited: those of a group.
func ForResource() Rules { return ForGroup() }

func common() Rules {
	return Rules{
		AdminEligibility: Set{Expiration: Expiration{Maximum: schedule.MustDuration("P365D")}},
		AdminAssignment: Set{
			Expiration: Expiration{Maximum: schedule.MustDuration("P180D")},
			Enablement: Enablement{Justification: true},
		},
		EndUserAssignment: Set{
			Expiration: Expiration{Required: true, Maximum: schedule.MustDuration("PT8H")},
			Enablement: Enablement{Justification: true},
		},
		Approval: Approval{Stages: []Stage{{TimeoutDays: 1}}},
	}
}
