package client

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Here stands what a well-behaved server never does, so that a real one cannot show it.

// odd is a client of a server that answers as it is told, with a clock that only moves when the client waits.
func odd(t *testing.T, h http.HandlerFunc) (*Client, *[]time.Duration) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	now, waits := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), &[]time.Duration{}
	c, err := New(Options{Server: s.URL, CAFile: file, Now: func() time.Time { return now }, Sleep: func(_ context.Context, d time.Duration) error {
		*waits = append(*waits, d)
		now = now.Add(d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.session = &Session{Server: s.URL, Access: "secret-token", Expires: now.Add(time.Hour)}
	return c, waits
}

func TestWhatMayBeRepeatedIs(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		after  string
		calls  int
		waits  []time.Duration
	}{
		{"GET", 429, "2", 4, []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second}},
		{"POST", 429, "3", 4, []time.Duration{3 * time.Second, 3 * time.Second, 3 * time.Second}},
		{"GET", 503, "", 4, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}},
		{"GET", 503, "Mon, 02 Mar 2026 09:00:05 GMT", 4, []time.Duration{5 * time.Second, 0, 0}},
		{"GET", 503, "3600", 1, nil}, // longer than anybody waits
		{"POST", 503, "1", 1, nil},   // it may have been done
		{"GET", 500, "1", 1, nil},
		{"GET", 404, "1", 1, nil},
	} {
		calls := 0
		client, waits := odd(t, func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.Header().Set("Retry-After", c.after)
			w.Header().Set("Request-Id", "the-call")
			http.Error(w, `{"error":{"code":"Odd","message":"odd"}}`, c.status)
		})
		err := client.call(t.Context(), c.method, "/v1.0/x", nil, nil)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Status != c.status || e.Code != "Odd" || e.RequestID != "the-call" {
			t.Errorf("%s %d: error %#v", c.method, c.status, err)
		}
		if calls != c.calls || !slices.Equal(*waits, c.waits) && len(*waits)+len(c.waits) > 0 {
			t.Errorf("%s %d %q: %d calls with waits %v, want %d with %v", c.method, c.status, c.after, calls, *waits, c.calls, c.waits)
		}
	}
}

// TestTheTokenStays: it is sent nowhere but to the server, by a redirect or by a link to another page.
func TestTheTokenStays(t *testing.T) {
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another server was asked") }))
	defer other.Close()
	c, _ := odd(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	if err := c.call(t.Context(), "GET", "/v1.0/x", nil, nil); err == nil {
		t.Error("a redirect was followed")
	}
	c, _ = odd(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"value":[{}],"@odata.nextLink":%q}`, other.URL+"/v1.0/x?page=2")
	})
	if _, err := all[Object](t.Context(), c, "/v1.0/x"); err == nil || !strings.Contains(err.Error(), "another host") {
		t.Errorf("a link to another host: %v", err)
	}
	if _, err := c.Active(t.Context()); err == nil || strings.Contains(err.Error(), "secret-token") {
		t.Errorf("the error is %v", err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	c, _ := odd(t, func(w http.ResponseWriter, _ *http.Request) {
		block := []byte(strings.Repeat("x", 1<<20))
		for range MaxAnswer>>20 + 1 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	if err := c.call(t.Context(), "GET", "/v1.0/x", nil, nil); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v, want too long", err)
	}
	endless, _ := odd(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"value":[%s{}],"nextLink":%q}`, strings.Repeat("{},", 499), "https://"+r.Host+r.URL.Path)
	})
	if _, err := all[Object](t.Context(), endless, "/v1.0/x"); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("an endless list: %v", err)
	}
	if rows, err := some[Object](t.Context(), endless, "/v1.0/x", 700); err != nil || len(rows) != 700 {
		t.Errorf("some of an endless list: %d, %v", len(rows), err)
	}
}

// TestPolling is RFC 8628 §3.5: the device waits as long as it is told, longer when it is told to slow down, and ends.
func TestPolling(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []string
		waits   []time.Duration
		want    error
	}{
		{"slow down", []string{"authorization_pending", "slow_down", "authorization_pending", ""},
			[]time.Duration{7 * time.Second, 7 * time.Second, 12 * time.Second, 12 * time.Second}, nil},
		{"denied", []string{"access_denied"}, []time.Duration{7 * time.Second}, ErrDenied},
		{"expired", []string{"expired_token"}, []time.Duration{7 * time.Second}, ErrExpired},
		{"never answered", nil, nil, ErrExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			client, waits := odd(t, func(w http.ResponseWriter, r *http.Request) {
				answer := "authorization_pending"
				if n < len(c.answers) {
					answer = c.answers[n]
				}
				switch {
				case strings.HasSuffix(r.URL.Path, "openid-configuration"):
					fmt.Fprintf(w, `{"token_endpoint":"https://%[1]s/token","device_authorization_endpoint":"https://%[1]s/device"}`, r.Host)
				case r.URL.Path == "/device":
					fmt.Fprint(w, `{"device_code":"d","user_code":"u","verification_url":"https://here/","expires_in":"60","interval":7}`)
				case answer == "":
					fmt.Fprint(w, `{"access_token":"a","expires_in":3600}`)
				default:
					n++
					w.WriteHeader(http.StatusBadRequest)
					fmt.Fprintf(w, `{"error":%q}`, answer)
				}
			})
			client.session = nil
			var shown Prompt
			err := client.SignIn(t.Context(), nil, func(p Prompt) { shown = p })
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if shown.Address != "https://here/" || shown.Code != "u" {
				t.Errorf("shown was %+v", shown)
			}
			if c.waits != nil && !slices.Equal(*waits, c.waits) {
				t.Errorf("waits %v, want %v", *waits, c.waits)
			}
		})
	}
}

func TestBadAddresses(t *testing.T) {
	for _, s := range []string{"", "pim.test", "http://pim.test", "https://", "https://pim.test/path", "https://u:p@pim.test", "https://pim.test?x", "https://%zz"} {
		if _, err := New(Options{Server: s}); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	c, err := New(Options{Server: "https://PIM.test:8443/"})
	if err != nil || c.Server != "https://pim.test:8443" {
		t.Errorf("got %v, %v", c, err)
	}
	if _, err := New(Options{Server: "https://pim.test", CAFile: filepath.Join(t.TempDir(), "none.pem")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	c, err := New(Options{Server: "https://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	err = c.SignIn(t.Context(), nil, nil)
	if u, ok := errors.AsType[*Unreachable](err); !ok || u.Server != c.Server {
		t.Errorf("got %v, want unreachable", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.SignIn(ctx, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestRefusalsAreRead(t *testing.T) {
	header := http.Header{"Www-Authenticate": {`Bearer error="insufficient_user_authentication", error_description="a \"fresh\" factor, please", ` +
		`acr_values="c1 c2", max_age="600", claims="eyJhIjoxfQ=="`}}
	for _, c := range []struct {
		header http.Header
		body   string
		want   Error
		demand *Demand
	}{
		{nil, `{"error":{"code":"A","message":"b","innerError":{"request-id":"r"}}}`, Error{Code: "A", Message: "b", RequestID: "r"}, nil},
		{nil, `{"error":{"code":"UnknownError","message":"{\"errorCode\":\"P\",\"message\":\"m\"}"}}`, Error{Code: "P", Message: "m"}, nil},
		{nil, `{"error":{"code":"C","message":"needs it. &claims=%7B%22a%22%3A1%7D"}}`, Error{Code: "C", Message: "needs it."}, &Demand{Claims: `{"a":1}`}},
		{header, `{}`, Error{}, &Demand{Claims: `{"a":1}`, ACRValues: "c1 c2", MaxAge: "600"}},
		{http.Header{"Www-Authenticate": {`Bearer realm=x, error="insufficient_claims", claims="?"`}}, `<html>`, Error{}, &Demand{}},
		{http.Header{"Www-Authenticate": {`Basic error="insufficient_claims"`, `Bearer error="invalid_token"`}}, ``, Error{}, nil},
	} {
		if c.header == nil {
			c.header = http.Header{}
		}
		got := errorOf(reply{400, c.header, []byte(c.body)})
		if got.Code != c.want.Code || got.Message != c.want.Message || got.RequestID != c.want.RequestID {
			t.Errorf("%s: got %+v, want %+v", c.body, got, c.want)
		}
		if (got.StepUp == nil) != (c.demand == nil) || c.demand != nil && *got.StepUp != *c.demand {
			t.Errorf("%v %s: demand %+v, want %+v", c.header, c.body, got.StepUp, c.demand)
		}
	}
}

// FuzzRefusal: whatever a server answers is read without end and without fault.
func FuzzRefusal(f *testing.F) {
	f.Add(`Bearer error="insufficient_claims", claims="eyJhIjoxfQ=="`, `{"error":{"message":"&claims=%"}}`)
	f.Add(`Bearer a=b,c="d\`, `{"error":{"message":"{\"errorCode\":1}"}}`)
	f.Fuzz(func(t *testing.T, header, body string) {
		e := errorOf(reply{400, http.Header{"Www-Authenticate": {header}}, []byte(body)})
		if e.Error() == "" && !json.Valid([]byte(body)) {
			t.Errorf("an error without words for %q", body)
		}
	})
}
