package provision

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Sample is an organisation to try a server on at size: that many users with managers, in groups that stand within each
// other. Their user names end in the domain. The same numbers give the same file.
func Sample(users, groups int, domain string) File {
	random := rand.New(rand.NewPCG(uint64(users), uint64(groups))) //nolint:gosec // names of nobody need no secrecy
	pick := func(list string) string {
		words := strings.Fields(list)
		return words[random.IntN(len(words))]
	}
	var f File
	members := make([][]any, groups)
	for i := range users {
		given := pick("Ada Amira Bo Carla Chen Dmitri Elif Emeka Fatima Grace Hana Ines Ivan Jonas Kofi Lena Mateo Nora Olga Priya Rosa Sami Tariq Uma Vera Yuki Zoe")
		family := pick("Abe Berg Costa Diaz Eriksen Fischer Garcia Haddad Ivanov Jansen Kaya Lopez Moreau Nowak Okafor Patel Quinn Rossi Sato Tanaka Ueda Varga Weber Yilmaz Zhang")
		department := pick("Accounts Claims Facilities Legal Logistics Marketing Operations Payroll Research Sales Security Support")
		more := map[string]any{"department": department, "employeeNumber": fmt.Sprintf("E%06d", i)}
		if i > 0 {
			more["manager"] = map[string]any{"value": externalID("u", (i-1)/12)}
		}
		name := fmt.Sprintf("%s.%s.%d@%s", strings.ToLower(given), strings.ToLower(family), i, domain)
		f.Users = append(f.Users, Resource{
			"userName": name, "externalId": externalID("u", i), "displayName": given + " " + family, "title": department + " " + pick("clerk lead analyst"),
			"name": map[string]any{"givenName": given, "familyName": family}, "active": true, "preferredLanguage": "en",
			"emails":   []any{map[string]any{"value": name, "type": "work", "primary": true}},
			enterprise: more,
		})
		for range min(2, groups) {
			g := random.IntN(groups)
			members[g] = append(members[g], map[string]any{"value": externalID("u", i)})
		}
	}
	for i := range groups {
		if i > 0 {
			above := (i - 1) / 5
			members[above] = append(members[above], map[string]any{"value": externalID("g", i)})
		}
	}
	for i := range groups {
		f.Groups = append(f.Groups, Resource{"displayName": fmt.Sprintf("Team %03d", i), "externalId": externalID("g", i), "members": unique(members[i])})
	}
	return f
}

func externalID(kind string, i int) string { return fmt.Sprintf("%s%06d", kind, i) }

// unique is a list of members without what comes again.
func unique(list []any) []any {
	seen, out := map[string]bool{}, []any{}
	for _, m := range list {
		if name := reference(m); !seen[name] {
			seen[name] = true
			out = append(out, m)
		}
	}
	return out
}
