package sample

import (
	"fmt"
	"strings"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// part is somebody whom programs and stories know by name.
type part struct {
	key, given, surname, title, department string
	// manager is the key of another part; empty: the department's head.
	manager string
}

// cast are the parts of the first organisation, managers before those they manage.
func cast() []part {
	return []part{
		{"grace", "Grace", "Okafor", "Head of Identity", "Information Technology", ""},
		{"gus", "Gus", "Lindqvist", "Deputy Head of Identity", "Information Technology", "grace"},
		{"pat", "Pat", "Moreau", "Access Steward", "Information Technology", "grace"},
		{"aud", "Aud", "Rasmussen", "Internal Auditor", "Legal", ""},
		{"ana", "Ana", "Ferreira", "Payroll Lead", "Finance", ""},
		{"ben", "Ben", "Achterberg", "Controller", "Finance", ""},
		{"amira", "Amira", "Haddad", "Payroll Specialist", "Finance", "ana"},
		{"mia", "Mia", "Castellano", "Team Lead Logistics", "Operations", ""},
		{"alice", "Alice", "Nakamura", "Dispatcher", "Operations", "mia"},
		{"bob", "Bob", "Sutherland", "Dispatcher", "Operations", "mia"},
		{"owen", "Owen", "Bakker", "Data Steward", "Engineering", ""},
		{"dan", "Dan", "Novak", "Service Desk Agent", "Information Technology", "gus"},
		{"sam", "Sam", "Oyelaran", "Site Administrator", "Information Technology", "gus"},
		{"eve", "Eve", "Lindholm", "Security Engineer", "Information Technology", "grace"},
		{"nora", "Nora", "Petrov", "Night Operator", "Information Technology", "gus"},
	}
}

const peopleCount = 200

func departments() []string {
	return []string{"Engineering", "Finance", "Human Resources", "Information Technology", "Legal", "Marketing", "Operations", "Sales"}
}

func cities() []string {
	return []string{"Lisbon", "Leipzig", "Nairobi", "Osaka", "Toronto", "Valparaíso"}
}

func givenNames() []string {
	return strings.Fields(`Adaeze Akira Amélie Anders Anjali Beatriz Bilal Bruno Camille Chidi Chloe Daan Dalia Diego Dmitri
		Elif Elena Emil Emre Esther Farah Felix Fiona Gabriel Giulia Hana Hassan Helena Hiro Ibrahim Ines Ingrid Isaac
		Ivan Jada Jonas Julia Kaito Karin Kofi Lars Layla Leon Lina Luca Lucía Mads Maja Malik Marta Mateo Mei Mikael
		Nadia Niko Noor Olivia Omar Paula Pedro Priya Quentin Rafael Ravi Rosa Ruth Sanna Sara Selim Sofia Stefan Tara
		Theo Tomás Uma Vera Viktor Wanjiru Yara Yusuf Zainab Zoran`)
}

func surnames() []string {
	return strings.Fields(`Abebe Almeida Andersson Baptiste Bauer Bianchi Brandt Chen Costa Dahl Diaz Dubois Eriksen
		Fischer Fontaine Garcia Grant Haas Hansen Ibrahim Ito Jansen Johnson Kamau Karlsson Keller Kim Kowalski Kruger
		Larsen Leclerc Lopez Lund Maier Marino Mendes Meyer Mwangi Nguyen Nielsen Obi Okoye Olsen Ortega Park Patel
		Pereira Peters Quist Ramos Rossi Sato Schmidt Silva Singh Suzuki Tanaka Torres Udo Vargas Vogel Walker Weber
		Winter Yamada Yilmaz Zhang Zimmer`)
}

// people makes everybody: a chief, a head for each department, the parts, and the rest in teams below the heads.
func (b *builder) people() {
	chief := b.person("Chief Executive", "Board", "")
	heads := map[string]pim.PrincipalID{}
	for _, d := range departments() {
		heads[d] = b.person("Head of "+d, d, chief)
	}
	for _, p := range cast() {
		manager := heads[p.department]
		if p.manager != "" {
			manager = b.People[p.manager]
		}
		b.People[p.key] = b.named(p, manager)
	}
	b.Administrator = b.People["grace"]
	b.rest(heads)
}

// rest fills the teams: one in seven leads, the others have a lead of their department.
func (b *builder) rest(heads map[string]pim.PrincipalID) {
	leads := map[string][]pim.PrincipalID{}
	list := departments()
	for i := 0; len(b.Objects) < peopleCount; i++ {
		d := list[i%len(list)]
		if i/len(list)%7 == 0 {
			leads[d] = append(leads[d], b.person("Team Lead "+d, d, heads[d]))
			continue
		}
		lead := leads[d][b.random.IntN(len(leads[d]))]
		id := b.person(pick(b, []string{"Specialist", "Analyst", "Associate", "Coordinator"})+" "+d, d, lead)
		if i%53 == 50 {
			b.object(id).Enabled = false // has left
		}
	}
}

// object finds an object that was added.
func (b *builder) object(id pim.PrincipalID) *directory.Object {
	for i := range b.Objects {
		if b.Objects[i].ID == id {
			return &b.Objects[i]
		}
	}
	return nil
}

func pick[T any](b *builder, list []T) T { return list[b.random.IntN(len(list))] }

func (b *builder) named(p part, manager pim.PrincipalID) pim.PrincipalID {
	b.taken[p.key]++
	return b.user(p.key, p.given, p.surname, p.title, p.department, manager)
}

// person makes somebody with any name; an account is theirs alone.
func (b *builder) person(title, department string, manager pim.PrincipalID) pim.PrincipalID {
	given, surname := pick(b, givenNames()), pick(b, surnames())
	account := plain(given + "." + surname)
	b.taken[account]++
	if n := b.taken[account]; n > 1 {
		account = fmt.Sprintf("%s%d", account, n)
		b.taken[account]++
	}
	return b.user(account, given, surname, title, department, manager)
}

// plain spells a name with the letters that accounts have.
func plain(s string) string {
	return strings.NewReplacer("é", "e", "í", "i", "á", "a", "ó", "o", " ", ".").Replace(strings.ToLower(s))
}

func (b *builder) user(account, given, surname, title, department string, manager pim.PrincipalID) pim.PrincipalID {
	o := b.add(directory.KindUser, account, given+" "+surname, "")
	n := len(b.Objects)
	o.User = &directory.User{
		PrincipalName: account + "@" + b.Tenant.Domain, Mail: account + "@" + b.Tenant.Domain, MailNickname: account,
		GivenName: given, Surname: surname, JobTitle: title, Department: department, OfficeLocation: pick(b, cities()),
		PreferredLanguage: "en", Type: "Member", EmployeeID: fmt.Sprintf("E%05d", 10000+n), Manager: manager,
		BusinessPhones: []string{fmt.Sprintf("+1 555 01%02d", n%100)},
	}
	return o.ID
}
