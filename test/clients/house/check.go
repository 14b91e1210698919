package house

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Rows checks the number of rows of a list.
func Rows[T any](t *testing.T, what string, got []T, want int) []T {
	t.Helper()
	if len(got) != want {
		t.Fatalf("%s: got %d rows, want %d", what, len(got), want)
	}
	return got
}

// Equal checks one fact.
func Equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// Contains checks that a text has another in it.
func Contains(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: got %q, want %q in it", what, got, want)
	}
}

// Until asks again until an answer holds: what the clock decides is there a moment after it was moved.
func Until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("%s: not so within 10 s", what)
		}
	}
}

// Value is what a pointer of an SDK's models points to; nil: the zero value.
func Value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// Claims are the parts of an access token that clients look at.
type Claims struct {
	Object  string   `json:"oid"`
	Tenant  string   `json:"tid"`
	Kind    string   `json:"idtyp"`
	Account string   `json:"upn"`
	Name    string   `json:"unique_name"`
	Scope   string   `json:"scp"`
	Methods []string `json:"amr"`
	// Groups are those that the person was in when the token was made.
	Groups []string `json:"groups"`
	// Contexts is a list or, for one value, a text.
	Contexts any `json:"acrs"`
}

// ReadToken reads what an access token says, and believes it.
func ReadToken(t *testing.T, token string) Claims {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the access token is no JWT: it has %d parts", len(parts))
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatalf("the access token: %v", err)
	}
	var c Claims
	if err := json.Unmarshal(body, &c); err != nil {
		t.Fatalf("the access token: %v", err)
	}
	return c
}
