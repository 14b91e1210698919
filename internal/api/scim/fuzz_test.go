package scim

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// FuzzFilter: no filter breaks anything, and what the store is asked for lets through what passes, and nothing else where
// it is said to be exact.
func FuzzFilter(f *testing.F) {
	for _, text := range []string{
		`userName eq "a@d"`, `externalId eq "x" or displayName sw "D"`, `not (userName co "Q") and active eq true`, `emails[type eq "work" and value ew "d"]`,
		`meta.created ge "2026-03-02T09:00:00Z"`, `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "boss"`, `manager pr`,
		`title eq null`, `((((userName pr))))`, `displayName eq "a\"b\\\u00e9"`, `members eq "x"`, `id sw "A"`, `externalId co "X"`, `x[y eq "1"`, `"`, `not (not (not (id pr)))`,
		`active eq "True"`, `userName eq "a" and userName eq "b" or userName ne "c"`,
	} {
		f.Add(text)
	}
	k, c := userKind(), (&call{Request: &api.Request{}, s: New(nil, nil), k: userKind()})
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	var objects []directory.Object
	for _, name := range []string{"a@d", "Q@d", "other@d"} {
		objects = append(objects, directory.Object{ID: "id-" + "A", Kind: directory.KindUser, DisplayName: "D " + name, Enabled: name != "Q@d", Created: at,
			ExternalID: map[bool]string{true: "X"}[name == "a@d"], User: &directory.User{PrincipalName: name, Mail: name, Manager: "boss"}})
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := k.parseFilter(text)
		if err != nil {
			if p := (*problem)(nil); !errors.As(err, &p) {
				t.Fatalf("%q: %v is not told", text, err)
			}
			return
		}
		judged, err := k.compile(e, func(string) (store.Filter, error) { return store.Is(store.FieldID, "none"), nil })
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			passes := k.holds(e, c.user(o))
			asked := store.Match(judged.where, columnOf(o))
			if passes && !asked || judged.exact && passes != asked {
				t.Fatalf("%q of %s: it passes: %v, the store is asked for it: %v, exactly: %v", text, o.User.PrincipalName, passes, asked, judged.exact)
			}
		}
	})
}

func columnOf(o directory.Object) func(store.Field) any {
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return func(f store.Field) any {
		return map[store.Field]any{
			store.FieldID: string(o.ID), store.FieldExternalID: text(o.ExternalID), store.FieldDisplayName: text(o.DisplayName),
			store.FieldPrincipalName: text(o.User.PrincipalName), store.FieldEnabled: o.Enabled, store.FieldCreated: o.Created,
		}[f]
	}
}

// fine says whether an answer is one that callers get for what they sent.
func fine(a api.Answer, err error) bool {
	return err == nil && a.Status < http.StatusInternalServerError || err != nil && problemOf(err).status < http.StatusInternalServerError
}

// FuzzPatch: no patch breaks anything, and what it leaves is an account that is told and read back unchanged.
func FuzzPatch(f *testing.F) {
	for _, ops := range []string{
		`[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"x@example.com"}]`, `[{"op":"add","value":{"name.givenName":"x","active":"False"}}]`,
		`[{"op":"remove","path":"emails[type eq \"home\"]"},{"op":"add","path":"emails","value":[{"value":"n@example.com"}]}]`,
		`[{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"5c3e0000-0000-4000-8000-000000000001"}]`,
		`[{"op":"add","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"x"}}}]`, `[{"op":"remove","path":"name"}]`,
		`[{"op":"replace","path":"emails.value","value":"x"}]`, `[{"op":"replace","path":"addresses","value":{"formatted":"x\ny"}}]`, `[{"op":"add","path":"emails[primary eq true]","value":{}}]`,
		`[{"op":"remove","path":"emails","value":[{"value":"A@EXAMPLE.com"}]}]`, `[{"op":"add","path":"name","value":[{"value":"x"}]}]`, `[{"op":"replace","path":"phoneNumbers","value":null}]`,
	} {
		f.Add(ops)
	}
	h := newHouse(f)
	id := h.user("patched")
	f.Fuzz(func(t *testing.T, ops string) {
		a, err := h.call(t, http.MethodPatch, "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":`+ops+`}`)
		if !fine(a, err) {
			t.Fatalf("%s: got %d with %s, %v", ops, a.Status, a.Body, err)
		}
		found, err := h.app.Store.ObjectsByID(t.Context(), testTenant, []pim.PrincipalID{pim.PrincipalID(id)})
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: the user is gone: %v", ops, err)
		}
		again := found[0].Clone()
		if err := readUser(writeUser(found[0]), &again); err != nil {
			t.Fatalf("%s: %v", ops, err)
		}
		before, _ := json.Marshal(found[0])
		after, _ := json.Marshal(again)
		if string(before) != string(after) {
			t.Fatalf("%s: read back %s, was %s", ops, after, before)
		}
	})
}

// FuzzBodies: no body of a resource, a search or a bulk request breaks anything.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x@contoso.example.com","emails":{"value":"x"}}`,
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"g","members":["x",{"value":7}]}`,
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"userName pr","sortBy":"name","count":3}`,
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"POST","path":"/Groups","bulkId":"a","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"g","members":[{"value":"bulkId:b"}]}},{"method":"POST","path":"/Groups","bulkId":"b","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"g","members":[{"value":"bulkId:A"}]}}]}`,
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PATCH","path":"/Users/bulkId:x","data":[]},null]}`,
		`[]`, `{}`, `null`, ``,
	} {
		f.Add(body)
	}
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, body string) {
		for name, handle := range map[string]api.Handler{
			"/Users": h.s.resources(h.s.users), "/Groups": h.s.resources(h.s.groups), "/Users/.search": h.s.searched(h.s.users),
			"/.search": h.s.searched(nil), "/Bulk": h.s.bulk,
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://pim.example.com"+base+name, strings.NewReader(body))
			if a, err := h.serve(handle, r); !fine(a, err) {
				t.Fatalf("POST %s %s: got %d with %s, %v", name, body, a.Status, a.Body, err)
			}
		}
	})
}

// FuzzProjection: no list of attributes breaks anything, and the id always goes back.
func FuzzProjection(f *testing.F) {
	f.Add("userName,name.givenName,emails.value", "")
	f.Add("", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value,id,schemas,emails.type")
	f.Add("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "")
	k, c := userKind(), (&call{Request: &api.Request{}, s: New(nil, nil), k: userKind()})
	f.Fuzz(func(t *testing.T, only, except string) {
		p, err := projectionOf(k, url.Values{"attributes": {only}, "excludedAttributes": {except}})
		if err != nil {
			return
		}
		r := p.apply(c.user(directory.Object{ID: "x", DisplayName: "D", User: &directory.User{PrincipalName: "p", Mail: "m", Manager: "b", OtherMails: []string{"o"}}}))
		if r["id"] != "x" {
			t.Fatalf("%q without %q: got %v", only, except, r)
		}
	})
}

// FuzzToken: whatever is sent as a token, it names no more than it says.
func FuzzToken(f *testing.F) {
	token, err := NewToken(testTenant, testAdmin, "secret")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(tokenPrefix)
	f.Fuzz(func(t *testing.T, text string) {
		tenant, client, secret, ok := readToken(text)
		if !ok {
			return
		}
		again, err := NewToken(tenant, client, secret)
		if err != nil {
			t.Fatal(err)
		}
		if t2, c2, s2, ok := readToken(again); !ok || t2 != tenant || c2 != client || s2 != secret {
			t.Fatalf("%q: read again as %s %s %s", text, t2, c2, s2)
		}
	})
}
