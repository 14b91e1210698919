package sample

import (
	"strings"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// group makes a group with members.
func (b *builder) group(key, name, description string, assignable bool, members ...pim.PrincipalID) pim.PrincipalID {
	o := b.add(directory.KindGroup, key, name, description)
	o.Group = &directory.Group{MailNickname: key, SecurityEnabled: true, Visibility: "Private", RoleAssignable: assignable}
	b.Groups[key] = o.ID
	b.link(directory.MemberOf, o.ID, members...)
	return o.ID
}

// where lists the users that a condition holds for.
func (b *builder) where(holds func(directory.User) bool) []pim.PrincipalID {
	var ids []pim.PrincipalID
	for _, o := range b.Objects {
		if o.Kind == directory.KindUser && holds(*o.User) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// groups makes twenty-five: departments, sites and teams, some within others, and those that may hold roles.
func (b *builder) groups() {
	var staff []pim.PrincipalID
	for _, d := range departments() {
		members := b.where(func(u directory.User) bool { return u.Department == d })
		staff = append(staff, b.group(slug(d), d, "Everybody in "+d, false, members...))
	}
	var sites []pim.PrincipalID
	for _, c := range cities() {
		members := b.where(func(u directory.User) bool { return u.OfficeLocation == c && u.Department != "Board" })
		sites = append(sites, b.group("site-"+slug(c), c+" office", "Everybody who works in "+c, false, members...))
	}
	b.group("all-staff", "All staff", "Every department", false, staff...)
	b.group("all-sites", "All sites", "Every office", false, sites...)
	b.group("americas", "Americas", "The offices in the Americas", false, b.Groups["site-toronto"], b.Groups["site-valparaiso"])
	b.group("data-stewards", "Data Stewards", "Those who look after master data", false, b.People["owen"], b.People["ben"])
	b.link(directory.OwnerOf, b.Groups["data-stewards"], b.People["owen"])
	b.group("payroll-approvers", "Payroll Approvers", "Those who let others see salaries", false, b.People["ana"], b.People["ben"])
	b.group("project-kestrel", "Project Kestrel", "The new warehouse", false, b.Groups["data-stewards"], b.People["mia"])
	b.assignable()
}

// assignable makes the groups that may hold directory roles.
func (b *builder) assignable() {
	p := b.People
	b.group("service-desk", "Service Desk", "First answer to everything", true, p["dan"], p["sam"])
	b.group("night-shift", "Night Shift", "Those on duty while others sleep", true, p["nora"])
	b.group("operators", "Operators", "Service desk and night shift", true, b.Groups["service-desk"], b.Groups["night-shift"])
	b.group("security-operations", "Security Operations", "Those who look at alerts", true, p["eve"])
	b.group("application-owners", "Application Owners", "Those who run applications", true, p["owen"])
}

func slug(s string) string { return strings.ReplaceAll(plain(s), ".", "-") }

// units makes an administrative unit for each office.
func (b *builder) units() {
	for _, c := range cities() {
		o := b.add(directory.KindAdministrativeUnit, "unit-"+c, c, "People and groups in "+c)
		b.Units[slug(c)] = o.ID
		b.link(directory.UnitMember, o.ID, b.where(func(u directory.User) bool { return u.OfficeLocation == c })...)
		b.link(directory.UnitMember, o.ID, b.Groups["site-"+slug(c)])
	}
}

// application makes a service principal.
func (b *builder) application(key, name, description string, permissions ...string) *directory.Object {
	o := b.add(directory.KindServicePrincipal, key, name, description)
	o.App = &directory.App{ClientID: b.id("client", key), Permissions: permissions}
	return o
}

// applications makes the one that programs sign in with, and some that just are there.
func (b *builder) applications() {
	client := b.application("client", "Sample client", "Signs programs and people in; may do everything", b.Permissions...)
	client.App.LoopbackRedirects = true
	b.Client, b.ClientID = client.ID, client.App.ClientID
	b.application("payroll-export", "Payroll export", "Sends the pay run to the bank")
	b.application("badge-sync", "Badge reader sync", "Keeps the doors of the offices up to date", "User.Read.All")
	b.application("build-pipeline", "Build pipeline", "Builds and ships the web shop")
	b.application("mail-archive", "Mail archive", "Keeps what must be kept")
}
