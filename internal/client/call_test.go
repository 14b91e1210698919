package client

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestCallsAreRepeatedPatiently: reading also where the server fails, writing only where it turned the call away at the door.
func TestCallsAreRepeatedPatiently(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		after  string
		calls  int
		waited time.Duration
	}{
		{"GET", 429, "20", 8, 140 * time.Second},
		{"GET", 500, "", 8, (1 + 2 + 4 + 8 + 16 + 30 + 30) * time.Second},
		{"GET", 502, "", 8, 91 * time.Second},
		{"GET", 504, "2", 8, 14 * time.Second},
		{"GET", 503, "200", 2, 200 * time.Second}, // twice that is longer than anybody waits
		{"GET", 503, "3600", 1, 0},
		{"PATCH", 429, "1", 8, 7 * time.Second},
		{"POST", 500, "", 1, 0}, // it may have been done
		{"POST", 503, "1", 1, 0},
		{"GET", 501, "", 1, 0},
		{"GET", 400, "1", 1, 0},
	} {
		calls := 0
		client, waits := odd(t, func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.Header().Set("Retry-After", c.after)
			http.Error(w, `{"error":{"code":"Odd","message":"odd"}}`, c.status)
		})
		err := client.Call(t.Context(), c.method, "/v1.0/x", nil, nil)
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != c.status || e.Code != "Odd" {
			t.Errorf("%s %d: error %#v", c.method, c.status, err)
		}
		var waited time.Duration
		for _, d := range *waits {
			waited += d
		}
		if calls != c.calls || waited != c.waited {
			t.Errorf("%s %d %q: %d calls with waits %v, want %d with %v", c.method, c.status, c.after, calls, *waits, c.calls, c.waited)
		}
	}
}

// TestBrokenConnections are made anew for reading, and certificates that nobody knows are not tried again.
func TestBrokenConnections(t *testing.T) {
	calls := 0
	c, waits := odd(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls < 3 {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte(`{"id":"x"}`))
	})
	var out struct{ ID string }
	if err := c.Call(t.Context(), "GET", "/v1.0/x", nil, &out); err != nil || out.ID != "x" || !slices.Equal(*waits, []time.Duration{time.Second, 2 * time.Second}) {
		t.Errorf("got %+v, %v after %v", out, err, *waits)
	}
	if err := c.Call(t.Context(), "GET", "/v1.0/x", nil, &[]int{}); err == nil || !strings.Contains(err.Error(), "not the JSON") {
		t.Errorf("another kind of JSON: %v", err)
	}
	stranger, err := New(Options{Server: c.Server, Sleep: c.Sleep})
	if err != nil {
		t.Fatal(err)
	}
	stranger.session, *waits = c.session, nil
	if err := stranger.Call(t.Context(), "GET", "/v1.0/x", nil, nil); err == nil || len(*waits) > 0 {
		t.Errorf("an unknown certificate: %v after %v", err, *waits)
	}
}

// TestCallsAtOnce renew a token once.
func TestCallsAtOnce(t *testing.T) {
	var renewals atomic.Int32
	c, _ := odd(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			renewals.Add(1)
			_, _ = w.Write([]byte(`{"access_token":"new","refresh_token":"r2","expires_in":3600}`))
		case r.Header.Get("Authorization") != "Bearer new":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			_, _ = w.Write([]byte(`{}`))
		}
	})
	c.session.Refresh, c.session.Endpoint = "r1", c.Server+"/token"
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			if err := c.Call(t.Context(), "GET", "/v1.0/x", nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := renewals.Load(); n != 1 || c.Origin() != c.Server {
		t.Errorf("%d renewals at %s", n, c.Origin())
	}
}

func TestTokensInFiles(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"abc.def-ghi\n":                    "abc.def-ghi",
		"Bearer abc":                       "abc",
		`{"accessToken":"a","tenant":"t"}`: "a",
		`{"access_token":"b","scope":"s"}`: "b",
		`{"token":"c"}`:                    "",
		"":                                 "",
		"two words":                        "",
		"caf\u00e9":                        "",
		strings.Repeat("x", maxToken+1):    "",
		"\n" + strings.Repeat("y", 4096):   strings.Repeat("y", 4096),
	} {
		file := filepath.Join(dir, "token")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := NewBearer(Options{Server: "https://pim.example.org"}, file)
		if (err == nil) != (want != "") || err == nil && b.token != want {
			t.Errorf("%.40q: read %v, want %.40q", text, err, want)
		}
		if err != nil && text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error tells the token: %v", err)
		}
	}
	if _, err := NewBearer(Options{Server: "https://pim.example.org"}, filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := NewBearer(Options{Server: "http://pim.example.org"}, filepath.Join(dir, "token")); err == nil {
		t.Error("a token goes out without TLS")
	}
}
