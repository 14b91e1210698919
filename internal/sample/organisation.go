package sample

import (
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// PayrollAdministrator is the name of the custom role that the demonstration's door hangs on.
const PayrollAdministrator = "Payroll Administrator"

// The built-in roles that the organisation uses beside those that package pim names.
const (
	helpdeskAdministrator    pim.RoleID = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	applicationAdministrator pim.RoleID = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
)

// Organise makes the sample organisation.
func Organise(o Options) Organisation {
	b := newBuilder(o, "brightwater", "Brightwater Foods", "brightwater.example")
	b.people()
	b.groups()
	b.units()
	b.applications()
	payroll := b.customRole()
	b.policies(payroll)
	b.grants(payroll)
	b.tree()
	return b.Organisation
}

// Neighbour makes a second, small organisation on the same server, to show that the two see nothing of each other.
func Neighbour(o Options) Organisation {
	b := newBuilder(o, "harbour", "Harbour Light", "harbour.example")
	olga := part{"olga", "Olga", "Marchetti", "Office Manager", "Office", ""}
	b.People["olga"] = b.named(olga, "")
	b.Administrator = b.People["olga"]
	for _, p := range []part{
		{"otto", "Otto", "Brandstätter", "Skipper", "Fleet", ""},
		{"oona", "Oona", "Virtanen", "Skipper", "Fleet", ""},
	} {
		b.People[p.key] = b.named(p, b.People["olga"])
	}
	b.group("crew", "Crew", "Those who sail", true, b.People["otto"], b.People["oona"])
	b.applications()
	b.grant(pim.Eligibility, pim.UserAdministrator, b.People["otto"], pim.Everywhere, "P90D")
	b.grant(pim.Eligibility, pim.GlobalReader, b.Groups["crew"], pim.Everywhere, "P180D")
	return b.Organisation
}

func (b *builder) customRole() pim.RoleID {
	o := b.add(directory.KindRole, "payroll-administrator", PayrollAdministrator, "May read and change salaries in the payroll database")
	o.Role = &directory.Role{TemplateID: string(o.ID), Version: "1", Enabled: true,
		Actions: []string{"microsoft.directory/users/basic/read"}}
	return pim.RoleID(o.ID)
}

// policies sets the rules that stories need: two must agree to nobody, one to payroll; security asks for a ticket.
func (b *builder) policies(payroll pim.RoleID) {
	approvers := []policy.Approver{
		{Kind: policy.User, ID: string(b.People["ana"]), Description: "Ana Ferreira"},
		{Kind: policy.User, ID: string(b.People["ben"]), Description: "Ben Achterberg"},
	}
	b.edit(payroll, func(r *policy.Rules) error {
		r.Approval.Required = true
		r.Approval.Stages[0].Approvers = approvers
		return nil
	})
	b.edit(pim.SecurityAdministrator, func(r *policy.Rules) error {
		r.EndUserAssignment.Enablement.Ticketing = true
		return nil
	})
	b.edit(pim.ReportsReader, func(r *policy.Rules) error {
		r.EndUserAssignment.Enablement = policy.Enablement{}
		return nil
	})
}

func (b *builder) edit(r pim.RoleID, edit func(*policy.Rules) error) {
	b.Policies = append(b.Policies, PolicyEdit{Key: b.roleKey(r), Edit: edit})
}

// grants gives a few dozen eligibilities and some assignments. Alice and Bob get nothing, by no way.
func (b *builder) grants(payroll pim.RoleID) {
	p, g := b.People, b.Groups
	b.grant(pim.Assignment, pim.PrivilegedRoleAdministrator, p["pat"], pim.Everywhere, "")
	b.grant(pim.Assignment, pim.GlobalReader, p["aud"], pim.Everywhere, "")
	b.grant(pim.Assignment, pim.SecurityReader, g["security-operations"], pim.Everywhere, "P180D")
	b.grant(pim.Assignment, pim.DirectoryReaders, g["operators"], pim.Everywhere, "P90D")
	b.grant(pim.Eligibility, pim.GlobalAdministrator, p["gus"], pim.Everywhere, "P365D")
	b.grant(pim.Eligibility, payroll, p["amira"], pim.Everywhere, "P180D")
	b.grant(pim.Eligibility, payroll, p["ben"], pim.Everywhere, "P180D")
	b.grant(pim.Eligibility, pim.SecurityAdministrator, p["eve"], pim.Everywhere, "P180D")
	b.grant(pim.Eligibility, helpdeskAdministrator, g["service-desk"], pim.Everywhere, "P365D")
	b.grant(pim.Eligibility, pim.UserAdministrator, g["operators"], pim.Everywhere, "P30D")
	b.grant(pim.Eligibility, applicationAdministrator, g["application-owners"], pim.Everywhere, "P180D")
	b.grant(pim.Eligibility, pim.GroupsAdministrator, p["sam"], pim.AdministrativeUnit(string(b.Units["leipzig"])), "P180D")
	b.grant(pim.Eligibility, pim.ReportsReader, p["nora"], pim.Everywhere, "P180D")
	// Dan may join the night shift for a while, and has then what it and the operators above it have.
	b.membership(pim.Eligibility, pim.Member, p["dan"], g["night-shift"], "P180D")
	b.membership(pim.Eligibility, pim.Owner, p["mia"], g["project-kestrel"], "P180D")
	b.crowd()
}

// crowd makes people without a part eligible for everyday roles, some within their office alone.
func (b *builder) crowd() {
	part := map[pim.PrincipalID]bool{}
	for _, id := range b.People {
		part[id] = true
	}
	roles := []pim.RoleID{pim.ReportsReader, helpdeskAdministrator, pim.UserAdministrator, pim.GroupsAdministrator, pim.SecurityReader}
	lengths := []string{"P30D", "P90D", "P180D", "P365D", ""}
	for n := 0; n < 30; {
		o := b.Objects[b.random.IntN(peopleCount)]
		if part[o.ID] || !o.Enabled {
			continue
		}
		part[o.ID] = true
		at := pim.Everywhere
		if n%3 == 0 {
			at = pim.AdministrativeUnit(string(b.Units[slug(o.User.OfficeLocation)]))
		}
		b.grant(pim.Eligibility, roles[n%len(roles)], o.ID, at, lengths[n%len(lengths)])
		n++
	}
}
