package graph

import (
	"encoding/json"
	"testing"

	"portcullis/internal/api/wire"
	"portcullis/internal/directory"
)

func TestReferences(t *testing.T) {
	const id = "5c3e0000-0000-4000-8000-000000000004"
	for address, want := range map[string]string{
		"https://graph.microsoft.com/v1.0/directoryObjects/" + id:      id,
		"https://pim.example.com/beta/directoryobjects/" + id + "/":    id,
		"https://pim.example.com/v1.0/users('" + id + "')":             id,
		"https://pim.example.com/v1.0/directoryObjects(" + id + ")":    id,
		"directoryObjects/5C3E0000-0000-4000-8000-000000000004":        id,
		"https://pim.example.com/v1.0/servicePrincipals/" + id:         id,
		"https://pim.example.com/v1.0/devices/" + id:                   "",
		"https://pim.example.com/v1.0/users/alice@contoso.example.com": "",
		id:  "",
		"":  "",
		"%": "",
		"https://pim.example.com/v1.0/directoryObjects/": "",
	} {
		got, ok := referredTo(address)
		if ok != (want != "") || ok && string(got) != want {
			t.Errorf("%q: got %q %v, want %q", address, got, ok, want)
		}
	}
}

// TestAbsentNullAndSent: a member that is absent keeps what is there, null clears it, and names have no letter case.
func TestAbsentNullAndSent(t *testing.T) {
	for _, c := range []struct{ body, name, city string }{
		{`{}`, "was", "Bonn"},
		{`{"displayName": null, "city": null}`, "", ""},
		{`{"DISPLAYNAME": "is"}`, "is", "Bonn"},
		{`{"displayName": ""}`, "", "Bonn"},
	} {
		var in userIn
		if err := json.Unmarshal([]byte(c.body), &in); err != nil {
			t.Fatal(err)
		}
		more, err := further([]byte(c.body), furtherUserNames)
		if err != nil {
			t.Fatal(err)
		}
		in.further = map[string]*string{}
		for name, raw := range more {
			var text *string
			if err := json.Unmarshal(raw, &text); err != nil {
				t.Fatal(err)
			}
			in.further[name] = text
		}
		o := directory.Object{DisplayName: "was", User: &directory.User{Further: map[string]string{"city": "Bonn"}}}
		if err := in.apply(&o); err != nil {
			t.Fatal(err)
		}
		if o.DisplayName != c.name || o.User.Further["city"] != c.city {
			t.Errorf("%s: got %q and %q, want %q and %q", c.body, o.DisplayName, o.User.Further["city"], c.name, c.city)
		}
	}
}

func FuzzReference(f *testing.F) {
	f.Add("https://graph.microsoft.com/v1.0/directoryObjects/5c3e0000-0000-4000-8000-000000000004")
	f.Add("users('x')")
	f.Fuzz(func(t *testing.T, address string) {
		id, ok := referredTo(address)
		if ok && !wire.IsGUID(string(id)) {
			t.Errorf("%q: got %q, which is no id", address, id)
		}
	})
}
