package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/auth"
	"portcullis/internal/pim"
)

// limited is a frame with limits and a clock that is set by hand.
type limited struct {
	*Frame
	t       *testing.T
	now     time.Time
	address string
	refused []Limited
}

func limitedFrame(t *testing.T, l Limits) *limited {
	x := &limited{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), address: "192.0.2.1"}
	x.Frame = New(Options{
		Verifier: tenants{}, Callers: callers{}, Limits: &l, Now: func() time.Time { return x.now },
		Address: func(*http.Request) string { return x.address }, Refused: func(by Limited) { x.refused = append(x.refused, by) },
	}, telling{plain{[]Route{
		get("/x/list", Access{Anybody: true}, ok("list")), get("/x/open", Access{Open: true}, ok("open")),
		{Method: http.MethodGet, Pattern: "/x/check", Access: Access{Anybody: true}, Handle: ok("check"), Check: true},
	}}})
	return x
}

// telling tells as the dialects that follow Microsoft Graph do.
type telling struct{ plain }

func (telling) Problem(r *Request, err error) Answer {
	return ODataErrorOf(err).Answer(r, "application/json")
}

// tenants believes tokens of the form tenant-name.
type tenants struct{}

func (tenants) Request(r *http.Request) (auth.Token, error) {
	raw, err := auth.Bearer(r)
	tenant, name, ok := strings.Cut(raw, "-")
	if err == nil && !ok {
		err = &auth.Error{Reason: auth.Missing}
	}
	return auth.Token{Tenant: pim.TenantID(tenant), Object: pim.PrincipalID(name)}, err
}

// calls makes so many calls at once, and counts those that pass.
func (x *limited) calls(n int, path, token string) (passed int) {
	for range n {
		if serve(x.t, x.Frame, "GET", path, token).Code == http.StatusOK {
			passed++
		}
	}
	return passed
}

func TestEachCallerIsLimited(t *testing.T) {
	x := limitedFrame(t, Limits{Calls: Rates{Caller: 5, Tenant: 1000}, Checks: Rates{Caller: 20}})
	for _, c := range []struct {
		after               time.Duration
		path, token         string
		calls, want, byThem int
	}{
		{0, "/x/list", "t-alice", 20, 10, 10},         // as much as in two seconds at once
		{0, "/x/list", "t-bob", 5, 5, 0},              // everybody for themselves
		{0, "/x/list", "u-alice", 10, 10, 0},          // the same id in another tenant is somebody else
		{0, "/x/check", "t-alice", 50, 40, 10},        // questions apart from the rest
		{0, "/x/open", "", 50, 50, 0},                 // nobody
		{time.Second, "/x/list", "t-alice", 10, 5, 5}, // it flows on
		{200 * time.Millisecond, "/x/list", "t-alice", 2, 1, 1},
		{time.Hour, "/x/list", "t-alice", 20, 10, 10}, // and is not saved up
		{-time.Minute, "/x/list", "t-bob", 10, 10, 0}, // a clock that is set back gives nothing twice and locks out nobody
	} {
		x.now, x.refused = x.now.Add(c.after), nil
		if got := x.calls(c.calls, c.path, c.token); got != c.want {
			t.Errorf("after %s, %d of GET %s as %s: %d passed, want %d", c.after, c.calls, c.path, c.token, got, c.want)
		}
		if len(x.refused) != c.byThem || c.byThem > 0 && x.refused[0] != LimitedCaller {
			t.Errorf("after %s, GET %s as %s: refused by %v, want %d by the caller's limit", c.after, c.path, c.token, x.refused, c.byThem)
		}
	}
}

func TestEachTenantIsLimited(t *testing.T) {
	x := limitedFrame(t, Limits{Calls: Rates{Caller: 4, Tenant: 10}})
	passed := 0
	for i := range 10 {
		passed += x.calls(10, "/x/list", fmt.Sprintf("t-%d", i))
	}
	if passed != 20 {
		t.Errorf("ten callers of one tenant: %d calls passed, want 20", passed)
	}
	if last := x.refused[len(x.refused)-1]; last != LimitedCaller && last != LimitedTenant {
		t.Errorf("refused by %q", last)
	}
	if got := x.calls(1, "/x/list", "u-0"); got != 1 {
		t.Error("another tenant is refused for it")
	}
}

func TestWhatARefusalSays(t *testing.T) {
	for _, c := range []struct {
		rate, want float64
	}{{5, 1}, {0.25, 4}, {0.1, 10}} {
		x := limitedFrame(t, Limits{Calls: Rates{Caller: c.rate}})
		for x.calls(1, "/x/list", "t-alice") == 1 {
		}
		rec := serve(t, x.Frame, "GET", "/x/list", "t-alice")
		if got := rec.Header().Get("Retry-After"); rec.Code != http.StatusTooManyRequests || got != strconv.Itoa(int(c.want)) {
			t.Errorf("%g a second: got %d, Retry-After %q, want 429 and %g", c.rate, rec.Code, got, c.want)
		}
		if !strings.Contains(rec.Body.String(), `"code":"TooManyRequests"`) {
			t.Errorf("got %s", rec.Body)
		}
		x.now = x.now.Add(time.Duration(c.want) * time.Second)
		if x.calls(1, "/x/list", "t-alice") != 1 {
			t.Errorf("%g a second: who waits as long as told is refused again", c.rate)
		}
	}
}

// TestWhoFailsIsLimited: calls that prove nothing are counted by address, and never bring those down who prove who they are.
func TestWhoFailsIsLimited(t *testing.T) {
	x := limitedFrame(t, Limits{Failures: 3})
	count := func(n int) (unauthenticated, tooMany int) {
		for range n {
			switch serve(t, x.Frame, "GET", "/x/list", "nobody").Code {
			case http.StatusUnauthorized:
				unauthenticated++
			case http.StatusTooManyRequests:
				tooMany++
			}
		}
		return
	}
	if a, b := count(20); a != 12 || b != 8 {
		t.Errorf("20 failures: %d with 401 and %d with 429, want 12 and 8", a, b)
	}
	if x.calls(10, "/x/list", "t-alice") != 10 {
		t.Error("somebody is refused for what others do at the same address")
	}
	x.address = "192.0.2.2"
	if a, _ := count(1); a != 1 {
		t.Error("another address is refused")
	}
	x.address = "2001:db8:0:1::1"
	count(12)
	x.address = "2001:db8:0:1:ffff::9" // of the same sender
	if _, b := count(1); b != 1 {
		t.Error("a sender with many addresses of the sixth version has a limit for each")
	}
	x.address = "2001:db8:0:2::1"
	if a, _ := count(1); a != 1 {
		t.Error("the neighbour is refused")
	}
}

func TestLimitsCanBeLifted(t *testing.T) {
	x := limitedFrame(t, Limits{Calls: Rates{Caller: -1, Tenant: -1}, Checks: Rates{Caller: -1, Tenant: -1}, Failures: -1})
	if got := x.calls(3000, "/x/list", "t-alice"); got != 3000 {
		t.Errorf("%d of 3000 passed", got)
	}
	if got := serve(t, x.Frame, "GET", "/x/list", "").Code; got != http.StatusUnauthorized {
		t.Errorf("got %d, want 401", got)
	}
	x = limitedFrame(t, Limits{})
	if got := x.calls(2500, "/x/list", "t-alice"); got != 2000 {
		t.Errorf("by default: %d of 2500 at once passed, want 2000", got)
	}
}

func TestNetworksOfAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:443": "192.0.2.1", "[2001:db8::1]:443": "2001:db8::", "2001:db8:1:2:3::": "2001:db8:1:2::",
		"fe80::1%eth0": "fe80::", "::ffff:192.0.2.1": "::ffff:192.0.2.1", "": "", "pipe": "pipe",
	} {
		if got := network(address); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}

func TestBucketsAreBounded(t *testing.T) {
	b := newBuckets[int](1, 1, 100)
	now := time.Now()
	for i := range 10_000 {
		b.take(i, now)
		b.take(0, now) // who is always there is not forgotten
	}
	if b.order.Len() != 100 || len(b.byKey) != 100 {
		t.Errorf("got %d and %d buckets, want 100", b.order.Len(), len(b.byKey))
	}
	if b.take(0, now) == 0 {
		t.Error("whoever is there all the time was forgotten")
	}
}

func TestLimitsAtOnce(t *testing.T) {
	b := newBuckets[string](100, 1, 10)
	now := time.Now()
	var all sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	for range 8 {
		all.Go(func() {
			for range 100 {
				if b.take("a", now) == 0 {
					mu.Lock()
					passed++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if passed != 100 {
		t.Errorf("%d passed, want 100", passed)
	}
}

func BenchmarkLimit(b *testing.B) {
	l := newLimiter(Limits{Checks: Rates{Caller: 1e9, Tenant: 1e9}})
	m := mounted{frame: &Frame{limiter: l, Options: Options{Now: time.Now}}, route: Route{Check: true}}
	call := &Request{Request: httptest.NewRequest(http.MethodGet, "/", nil), Tenant: "7c9e6679-7425-40de-944b-e07fc1f90ae7"}
	call.Caller.Principal = "550e8400-e29b-41d4-a716-446655440000"
	b.ReportAllocs()
	for b.Loop() {
		_ = m.limit(call)
	}
}
