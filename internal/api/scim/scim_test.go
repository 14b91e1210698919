package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store/storetest"
)

const (
	testTenant = "8a6f1c2e-51d0-4f7b-9c3a-2f4e6d8b0a11"
	testAdmin  = "5c3e0000-0000-4000-8000-000000000001"
)

// house is a surface on an application with an administrator in it, and a source that calls.
type house struct {
	testing.TB
	s      *Surface
	app    *app.App
	source pim.Caller
}

func newHouse(t testing.TB) *house {
	t.Helper()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	var ticks atomic.Int64 // time passes with each look at it
	a := &app.App{Store: &storetest.Model{}, Index: access.New(), Now: func() time.Time { return now.Add(time.Duration(ticks.Add(1)) * time.Microsecond) }}
	err := a.Found(t.Context(), app.Founding{
		Tenant: directory.Tenant{ID: testTenant, Name: "Contoso", Domain: "contoso.example.com", Created: now}, Administrator: testAdmin,
		Objects: []directory.Object{{Tenant: testTenant, ID: testAdmin, Kind: directory.KindUser, DisplayName: "Grace", Enabled: true, Created: now,
			User: &directory.User{PrincipalName: "grace@contoso.example.com", MailNickname: "grace", Type: "Member"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := a.CreateService(t.Context(), testTenant, "Directory", []string{Permission}, "")
	if err != nil {
		t.Fatal(err)
	}
	return &house{t, New(a, a.Store), a, pim.Caller{Actor: pim.Actor{Principal: made.ID, Kind: pim.ServicePrincipal}}}
}

// call serves one call as the frame would.
func (h *house) call(t testing.TB, method, target, body string) (api.Answer, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "https://pim.example.com"+base+target, bytes.NewReader([]byte(body)))
	return h.serve(h.s.resources(h.s.users), r)
}

func (h *house) serve(handle api.Handler, r *http.Request) (api.Answer, error) {
	return handle(&api.Request{Request: r, Caller: h.source, Tenant: testTenant, Origin: "https://pim.example.com"})
}

// user makes a user, and returns its id.
func (h *house) user(name string) string {
	h.Helper()
	a, err := h.call(h.TB, http.MethodPost, "/Users", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "`+name+`@contoso.example.com",
		"name": {"givenName": "Given", "familyName": "Family"}, "emails": [{"value": "a@example.com", "type": "work"}, {"value": "b@example.com", "type": "home"}]}`)
	if err != nil {
		h.Fatal(err)
	}
	var made struct{ ID string }
	if err := json.Unmarshal(a.Body, &made); err != nil {
		h.Fatal(err)
	}
	return made.ID
}

// TestErrorsAreTold: what is refused, what passes by itself, and what is a fault, each in the form of RFC 7644 §3.12.
func TestErrorsAreTold(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		kind   string
	}{
		{&pim.Refusal{Code: pim.AlreadyThere, Field: "userPrincipalName", Detail: "taken"}, http.StatusConflict, kindUniqueness},
		{&pim.Refusal{Code: pim.Forbidden}, http.StatusForbidden, ""},
		{&pim.Refusal{Code: pim.LastAdministrator}, http.StatusForbidden, ""},
		{&pim.Refusal{Code: pim.UnknownPrincipal}, http.StatusNotFound, ""},
		{&pim.Refusal{Code: pim.NotThere}, http.StatusBadRequest, kindNoTarget},
		{&pim.Refusal{Code: pim.InvalidRequest, Field: "mail", Detail: "too long"}, http.StatusBadRequest, kindValue},
		{&pim.Refusal{Code: "one that was added to the core alone"}, http.StatusBadRequest, kindValue},
		{&api.Fault{Problem: api.TooLarge}, http.StatusRequestEntityTooLarge, ""},
		{&api.Fault{Problem: api.TooMany, RetryAfter: time.Second}, http.StatusTooManyRequests, ""},
		{&api.Fault{Problem: api.BadBody}, http.StatusBadRequest, kindSyntax},
		{&api.Fault{Problem: api.Broken}, http.StatusInternalServerError, ""},
		{context.DeadlineExceeded, http.StatusServiceUnavailable, ""},
		{errors.New("secret of the house"), http.StatusInternalServerError, ""},
	} {
		a := new(Surface).Problem(nil, c.err)
		var body errorBody
		if err := json.Unmarshal(a.Body, &body); err != nil || a.Status != c.status || body.Kind != c.kind || body.Status == "" || len(body.Schemas) != 1 {
			t.Errorf("%v: got %d with %s, want %d %s", c.err, a.Status, a.Body, c.status, c.kind)
		}
		if strings.Contains(string(a.Body), "secret of the house") {
			t.Errorf("a fault is told: %s", a.Body)
		}
	}
}

func TestTokensNameTheirSource(t *testing.T) {
	token, err := NewToken(testTenant, testAdmin, "secret_with_lines")
	if err != nil {
		t.Fatal(err)
	}
	tenant, client, secret, ok := readToken(token)
	if !ok || tenant != testTenant || client != testAdmin || secret != "secret_with_lines" {
		t.Errorf("got %s %s %s %v", tenant, client, secret, ok)
	}
	if _, err := NewToken("contoso", testAdmin, "s"); err == nil {
		t.Error("a token of a tenant without an id: no error")
	}
}

func TestVersionsAreComparedWeakly(t *testing.T) {
	for _, c := range []struct {
		list, tag string
		want      bool
	}{
		{`W/"a"`, `W/"a"`, true}, {`"a"`, `W/"a"`, true}, {`W/"b", W/"a"`, `W/"a"`, true}, {"*", `W/"a"`, true},
		{`W/"b"`, `W/"a"`, false}, {"", `W/"a"`, false}, {",,", `W/"a"`, false}, {"a", `W/"a"`, false},
	} {
		if got := matches(c.list, c.tag); got != c.want {
			t.Errorf("%s matches %s: got %v, want %v", c.list, c.tag, got, c.want)
		}
	}
}

// TestWhatIsReadIsWritten: an account that is told and read back is the same.
func TestWhatIsReadIsWritten(t *testing.T) {
	o := directory.Object{Kind: directory.KindUser, DisplayName: "D", ExternalID: "x", Enabled: true, User: &directory.User{
		PrincipalName: "p@d", Mail: "m@d", GivenName: "G", Surname: "S", JobTitle: "J", Department: "Dep", OfficeLocation: "O", MobilePhone: "1",
		BusinessPhones: []string{"2", "3"}, PreferredLanguage: "en", OtherMails: []string{"o@d", "q@d"}, Type: "Guest", EmployeeID: "7", Manager: "boss",
		MailNickname: "nick", Further: map[string]string{homeMail: "h@d", fax: "4", homePhone: "5", pager: "6", otherPhone: "8", city: "C", country: "DE",
			"nickName": "N", "formattedName": "F", "employeeType": "E", "companyName": "Co", "usageLocation": "DE", "employeeOrgData/division": "Div"},
	}}
	got := o.Clone()
	if err := readUser(writeUser(o), &got); err != nil {
		t.Fatal(err)
	}
	before, _ := json.Marshal(o)
	after, _ := json.Marshal(got)
	if !bytes.Equal(before, after) {
		t.Errorf("got %s\nwant %s", after, before)
	}
}

func TestPlacesAreForgottenInTheEnd(t *testing.T) {
	var p places
	for i := range 3 * mostPlaces {
		p.put("list", i, []string{"x"})
	}
	if len(p.at) > mostPlaces {
		t.Errorf("%d places are remembered, want at most %d", len(p.at), mostPlaces)
	}
	if _, ok := p.get("list", 3*mostPlaces-1); !ok {
		t.Error("the last place is forgotten")
	}
}

// TestMembersAreReplacedAsAWhole: of several who replace all members at once one is the last, and what it says holds.
func TestMembersAreReplacedAsAWhole(t *testing.T) {
	h := newHouse(t)
	const callers = 6
	var lists []string
	for i := range callers {
		var of []string
		for j := range 3 {
			of = append(of, `{"value": "`+h.user(fmt.Sprintf("m%d.%d", i, j))+`"}`)
		}
		lists = append(lists, strings.Join(of, ", "))
	}
	groupCall := func(method, target, body string) (api.Answer, error) {
		r := httptest.NewRequestWithContext(t.Context(), method, "https://pim.example.com"+base+target, strings.NewReader(body))
		return h.serve(h.s.resources(h.s.groups), r)
	}
	a, err := groupCall(http.MethodPost, "/Groups", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "G"}`)
	var made struct {
		ID      string
		Members []struct{ Value string }
	}
	if err != nil || json.Unmarshal(a.Body, &made) != nil {
		t.Fatalf("got %s, %v", a.Body, err)
	}
	var wait sync.WaitGroup
	for _, list := range lists {
		wait.Go(func() {
			body := `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "G", "members": [` + list + `]}`
			if _, err := groupCall(http.MethodPut, "/Groups/"+made.ID, body); err != nil && problemOf(err).status != http.StatusConflict {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if a, err = groupCall(http.MethodGet, "/Groups/"+made.ID, ""); err != nil || json.Unmarshal(a.Body, &made) != nil {
		t.Fatalf("got %s, %v", a.Body, err)
	}
	for _, list := range lists {
		n := 0
		for _, m := range made.Members {
			if strings.Contains(list, m.Value) {
				n++
			}
		}
		if n != 0 && (n != 3 || len(made.Members) != 3) {
			t.Errorf("the members are a mixture: got %v", made.Members)
		}
	}
	if len(made.Members) != 3 {
		t.Errorf("got %d members, want 3", len(made.Members))
	}
}
