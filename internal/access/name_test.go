package access_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portcullis/internal/access"
	"portcullis/internal/pim"
)

func named(id pim.PrincipalID, upn, client, external string) access.Name {
	return access.Name{Account: access.Account{Tenant: "t1", ID: id}, Kind: pim.UserPrincipal,
		UserPrincipalName: upn, ClientID: client, ExternalID: external}
}

func TestFind(t *testing.T) {
	ix := access.New()
	service := named(groupID(1), "", "0000000C-aaaa-4000-8000-00000000000c", "")
	service.Kind = pim.ServicePrincipal
	ix.Publish(access.Change{Names: []access.Name{
		named(personID(1), "Amira@Example.org", "", "4711"),
		named(personID(2), "bo@example.org", "", "amira@example.org"),
		named("a", "ÄRA@example.org", "", "twice"), named("b", "", "", "TWICE"),
		named(personID(3), string(personID(1)), "", "0000000c-aaaa-4000-8000-00000000000c"),
		named("someOldName", "", "", ""),
		service,
	}})
	ix.Publish(access.Change{Schedules: []pim.Schedule{grantOf("s", "nameless", 0, 0)}})
	for _, c := range []struct {
		name string
		want pim.PrincipalID
		kind pim.PrincipalKind
	}{
		{string(personID(1)), personID(1), pim.UserPrincipal}, // an object id goes before anybody's principal name
		{strings.ToUpper(string(personID(1))), personID(1), pim.UserPrincipal},
		{"amira@example.org", personID(1), pim.UserPrincipal}, // a principal name goes before an external id
		{"AMIRA@example.ORG", personID(1), pim.UserPrincipal},
		{"bo@example.org", personID(2), pim.UserPrincipal},
		{"4711", personID(1), pim.UserPrincipal},
		{"ära@EXAMPLE.org", "a", pim.UserPrincipal},
		{"0000000C-AAAA-4000-8000-00000000000C", groupID(1), pim.ServicePrincipal}, // a client id before an external id
		{"a", "a", pim.UserPrincipal},
		{"SOMEoldname", "someOldName", pim.UserPrincipal},
		{"twice", "", 0}, // nobody knows which
		{"nameless", "", 0},
		{"", "", 0},
		{"amira", "", 0},
		{string(personID(9)), "", 0},
		{strings.Repeat("x", 100_000), "", 0},
		{"\xff\xfe", "", 0},
	} {
		id, kind, ok := ix.Find("t1", c.name)
		if id != c.want || kind != c.kind || ok != (c.want != "") {
			t.Errorf("%.40q: got %q, %v, %v, want %q, %v", c.name, id, kind, ok, c.want, c.kind)
		}
		if _, _, ok := ix.Find("t2", c.name); ok {
			t.Errorf("%.40q: found in another tenant", c.name)
		}
	}
	for _, name := range []string{string(personID(1)), "AMIRA@example.org", "4711", "a", "twice"} {
		if got := testing.AllocsPerRun(100, func() { ix.Find("t1", name) }); got != 0 {
			t.Errorf("%q: got %v allocations, want none", name, got)
		}
	}
}

// People are renamed, come and go, and many at once; each is found by what is true now alone, whoever asks what it was.
func TestNamesAreFoundAsTheyAreNow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ix := access.New()
		now := map[pim.PrincipalID]access.Name{}
		text := rapid.SampledFrom([]string{"", "x", "X", "y", "z@q", "11111111-1111-4111-8111-111111111111", "a", "w"})
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			p := rapid.SampledFrom(people).Draw(t, "principal")
			if rapid.IntRange(0, 3).Draw(t, "goes") == 0 {
				delete(now, p)
				ix.Publish(access.Change{GoneNames: []access.Account{{Tenant: "t1", ID: p}}})
				continue
			}
			now[p] = named(p, text.Draw(t, "upn"), text.Draw(t, "client"), text.Draw(t, "external"))
			c := access.Change{Names: []access.Name{now[p]}}
			for i := range rapid.IntRange(0, 40).Draw(t, "others") { // so that tables grow
				c.Names = append(c.Names, named(personID(i), fmt.Sprint("other", i), "", ""))
			}
			ix.Publish(c)
			if rapid.IntRange(0, 5).Draw(t, "fill") == 0 {
				_ = ix.Fill(func(l *access.Loader) error {
					for _, n := range now {
						_ = l.Name(n)
					}
					return nil
				})
			}
		}
		for _, name := range []string{"x", "Y", "z@Q", "w", "A", "b", string(people[0]), string(people[1]), string(people[4])} {
			want := byName(now, name)
			if got, _, ok := ix.Find("t1", name); got != want || ok != (want != "") {
				t.Fatalf("%q: got %q, %v, want %q of %v", name, got, ok, want, now)
			}
		}
	})
}

// byName looks at everybody.
func byName(all map[pim.PrincipalID]access.Name, name string) pim.PrincipalID {
	for _, part := range []func(access.Name) string{
		func(n access.Name) string { return string(n.ID) },
		func(n access.Name) string { return n.UserPrincipalName },
		func(n access.Name) string { return n.ClientID },
		func(n access.Name) string { return n.ExternalID },
	} {
		var found []pim.PrincipalID
		for id, n := range all {
			if part(n) != "" && strings.EqualFold(part(n), name) {
				found = append(found, id)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0]
		default:
			return ""
		}
	}
	return ""
}

func BenchmarkFind(b *testing.B) {
	ix := access.New()
	const users = 100_000
	before := heap()
	err := ix.Fill(func(l *access.Loader) error {
		for i := range users {
			if err := l.Name(named(personID(i), fmt.Sprintf("person.%d@example.org", i), "", "")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	size := heap() - before
	for name, format := range map[string]string{"upn": "person.%d@EXAMPLE.org", "id": "%08x-0000-4000-8000-%012[1]x"} {
		names := make([]string, 1<<14)
		for i := range names {
			names[i] = fmt.Sprintf(format, i*7919%users)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, _, ok := ix.Find("t1", names[i%len(names)]); !ok {
					b.Fatalf("%q was not found", names[i%len(names)])
				}
			}
			b.ReportMetric(float64(size)/users, "B/name")
		})
	}
}
