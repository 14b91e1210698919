package pimv1

import (
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
)

// Summaries: privilegedRoleSummary (reference pim-v2 §11).

// summaryRow tells how many people have a role.
type summaryRow struct {
	role                     pim.RoleID
	users, managed, elevated int
	mfa                      bool
}

// worstShare is the share of people who are eligible and not active at and above which a role's status is bad. The service had a
// threshold that nobody wrote down.
const worstShare = 0.5

func (r summaryRow) status() string {
	if r.users > 0 && float64(r.managed)/float64(r.users) >= worstShare {
		return "bad"
	}
	return "ok"
}

func summaryKind() kind[summaryRow] {
	return kind[summaryRow]{
		Set: roleSet, Type: "privilegedRoleSummary",
		Schema: &odata.Schema{Properties: []odata.Property{
			listing.IDProperty("id"), listing.EnumProperty("status", "ok", "bad"), listing.PlainProperty("usersCount"), listing.PlainProperty("managedCount"),
			listing.PlainProperty("elevatedCount"), listing.BoolProperty("mfaEnabled"),
		}},
		Key: func(r summaryRow) string { return string(r.role) },
		Write: func(_ *call, o *object, r summaryRow) {
			o.Str("id", string(r.role))
			o.Str("status", r.status())
			o.Int("usersCount", r.users)
			o.Int("managedCount", r.managed)
			o.Int("elevatedCount", r.elevated)
			o.Bool("mfaEnabled", r.mfa)
		},
	}
}

// relateSummaries counts for roles.
func (c *call) relateSummaries(q odata.Query, roles []pim.RoleID) (func(int) []byte, error) {
	byRole, err := c.assignmentsOf(roles)
	if err != nil {
		return nil, err
	}
	policies, err := c.policiesOf(roles)
	if err != nil {
		return nil, err
	}
	rows := make([]summaryRow, len(roles))
	for i, role := range roles {
		s := summaryRow{role: role, users: len(byRole[role]), mfa: policies[c.policyKey(role)].Rules.EndUserAssignment.Enablement.MFA}
		for _, r := range byRole[role] {
			if r.Elevated {
				s.elevated++
			} else {
				s.managed++
			}
		}
		rows[i] = s
	}
	encoded, err := listing.Encode(c, &c.kinds.summary, q, false, rows)
	return func(i int) []byte { return encoded[i] }, err
}
