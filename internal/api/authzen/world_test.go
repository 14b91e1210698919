package authzen_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/api/authzen"
	"portcullis/internal/app"
	"portcullis/internal/auth"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

const tenant = pim.TenantID("8a6f1c2e-51d0-4f7b-9c3a-2f4e6d8b0a11")

func person(n int) pim.PrincipalID {
	return pim.PrincipalID(fmt.Sprintf("5c3e0000-0000-4000-8000-%012d", n))
}

func account(n int) string { return fmt.Sprintf("person%d@contoso.example.com", n) }

// The door is an application that may ask about everybody; person 1 may ask about themselves.
var door = person(900)

// world is an index and a node that tests move.
type world struct {
	testing.TB
	index   *access.Index
	surface *authzen.Surface
	frame   *api.Frame

	mu      sync.Mutex
	offset  time.Duration
	stale   bool
	behind  map[string]bool
	gone    map[pim.PrincipalID]bool
	reasons []string
	serial  int
	// until is when tokens end; zero: they do not.
	until time.Time
}

func newWorld(t testing.TB, people int) *world {
	t.Helper()
	w := &world{TB: t, index: access.New(), behind: map[string]bool{}, gone: map[pim.PrincipalID]bool{}}
	w.surface = authzen.New(w, w.index)
	w.frame = api.New(api.Options{Verifier: w, Callers: w}, w.surface)
	c := access.Change{Names: []access.Name{{Account: access.Account{Tenant: tenant, ID: door}, Kind: pim.ServicePrincipal}}}
	for n := 1; n <= people; n++ {
		c.Names = append(c.Names, access.Name{Account: access.Account{Tenant: tenant, ID: person(n)}, Kind: pim.UserPrincipal, UserPrincipalName: account(n)})
	}
	w.index.Publish(c)
	return w
}

func (w *world) Time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.offset).UTC().Truncate(time.Microsecond)
}

func (w *world) move(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
}

func (w *world) Fresh() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stale {
		return app.ErrStale
	}
	return nil
}

func (w *world) grow(stale bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stale = stale
}

func (w *world) Token() string { return "c1" }

func (w *world) Await(_ context.Context, token string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !strings.HasPrefix(token, "c") {
		return app.ErrToken
	}
	if w.behind[token] {
		return app.ErrBehind
	}
	return nil
}

func (w *world) Roles(ctx context.Context, _ pim.TenantID) ([]app.RoleDefinition, error) {
	return []app.RoleDefinition{{Role: pim.Role{ID: custom, Name: "Keeper of keys"}}}, ctx.Err()
}

const custom = pim.RoleID("22220000-0000-4000-8000-000000000001")

// Request makes a token of the bearer's text: door, or the number of a person, with what it permits behind a slash.
func (w *world) Request(r *http.Request) (auth.Token, error) {
	raw, err := auth.Bearer(r)
	if err != nil {
		return auth.Token{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.until.IsZero() && !time.Now().Before(w.until) {
		return auth.Token{}, &auth.Error{Reason: auth.Expired}
	}
	who, permits, _ := strings.Cut(raw, "/")
	t := auth.Token{Tenant: tenant, Object: door, App: true, Scopes: strings.Fields(permits)}
	if who != "door" {
		t.App, t.Object = false, pim.PrincipalID(who)
	}
	return t, nil
}

func (w *world) Counts(ctx context.Context, _ pim.TenantID, p pim.PrincipalID) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.gone[p], ctx.Err()
}

func (w *world) Caller(t pim.TenantID, by pim.Caller) pim.Caller {
	by.Roles, by.Rights = w.index.Held(w.Time(), t, by.Principal), w.index.Rights(w.Time(), t, by.Principal)
	return by
}

// give makes a person hold a role of the directory, or, at a path, of resources, for a time; zero: without end.
func (w *world) give(n int, role pim.RoleID, at pim.Scope, d time.Duration) pim.Schedule {
	w.mu.Lock()
	w.serial++
	id := pim.ScheduleID(fmt.Sprintf("44440000-0000-4000-8000-%012d", w.serial))
	w.mu.Unlock()
	provider := pim.Resource
	if at == pim.Everywhere {
		provider = pim.Directory
	}
	s := pim.Schedule{ID: id, Kind: pim.Assignment, Type: pim.Assigned, Window: schedule.Window{Start: w.Time()},
		Key: pim.Key{Tenant: tenant, Provider: provider, Scope: at, Role: role, Principal: person(n)}}
	if d > 0 {
		s.Window.End = w.Time().Add(d)
	}
	w.index.Publish(access.Change{Schedules: []pim.Schedule{s}})
	return s
}

func (w *world) take(s pim.Schedule) {
	s.Window.End = w.Time()
	s.Ended = w.Time()
	w.index.Publish(access.Change{Schedules: []pim.Schedule{s}})
}

const asDoor = "door/" + authzen.Permission

// ask sends a body as the door.
func (w *world) ask(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(w.Context(), method, "https://pim.test"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+asDoor)
	rec := httptest.NewRecorder()
	w.frame.ServeHTTP(rec, r)
	return rec
}

func question(n int, role pim.RoleID) string {
	return `{"subject":{"type":"user","id":"` + account(n) + `"},"action":{"name":"` + string(role) + `"},"resource":{"type":"directory","id":"/"}}`
}

const readers = pim.RoleID(catalog.DirectoryReaders)
