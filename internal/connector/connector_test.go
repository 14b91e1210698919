package connector_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "portcullis/internal/connector"
)

var (
	noon  = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	one   = noon.Add(time.Hour)
	never time.Time
)

func TestUsable(t *testing.T) {
	held := func(until time.Time) Held {
		return Held{Account: "amira", Privilege: "dba", Direct: true, Until: until}
	}
	with := func(h Held, change func(*Held)) Held { change(&h); return h }
	facts := []struct {
		about string
		held  []Held
		until time.Time
		want  bool
	}{
		{"nothing held", nil, noon, false},
		{"held to the asked end", []Held{held(noon)}, noon, true},
		{"the same instant in another zone", []Held{held(noon.In(time.FixedZone("", 3600)))}, noon, true},
		{"held to the microsecond", []Held{held(noon)}, noon.Add(999 * time.Nanosecond), true},
		{"ends a microsecond early", []Held{held(noon)}, noon.Add(time.Microsecond), false},
		{"held longer", []Held{held(one)}, noon, true},
		{"held for ever", []Held{held(never)}, noon, true},
		{"ends too early", []Held{held(noon)}, one, false},
		{"ends, but no end was asked for", []Held{held(noon)}, never, false},
		{"held for ever, as asked", []Held{held(never)}, never, true},
		{"only through a group", []Held{with(held(never), func(h *Held) { h.Direct, h.Via = false, []string{"staff"} })}, noon, false},
		{"through a group and directly", []Held{{Account: "amira", Privilege: "dba", Via: []string{"staff"}}, held(noon)}, noon, true},
		{"cannot get in", []Held{with(held(never), func(h *Held) { h.Blocked = true })}, noon, false},
		{"somebody else's", []Held{with(held(never), func(h *Held) { h.Account = "bo" })}, noon, false},
		{"another privilege", []Held{with(held(never), func(h *Held) { h.Privilege = "reader" })}, noon, false},
		{"letter case counts", []Held{with(held(never), func(h *Held) { h.Account = "Amira" })}, noon, false},
	}
	for _, f := range facts {
		if got := Usable(f.held, Access{Account: "amira", Privilege: "dba", Until: f.until}); got != f.want {
			t.Errorf("%s: got %v, want %v", f.about, got, f.want)
		}
	}
}

func TestGone(t *testing.T) {
	facts := []struct {
		about string
		held  []Held
		want  bool
	}{
		{"nothing held", nil, true},
		{"held directly", []Held{{Account: "amira", Privilege: "dba", Direct: true}}, false},
		{"held through a group", []Held{{Account: "amira", Privilege: "dba", Via: []string{"staff"}}}, false},
		{"held by one who cannot get in", []Held{{Account: "amira", Privilege: "dba", Direct: true, Blocked: true}}, false},
		{"holds another, with sessions", []Held{{Account: "amira", Privilege: "reader", Direct: true, Sessions: 2}}, true},
		{"holds nothing, still inside", []Held{{Account: "amira", Sessions: 1}}, false},
		{"somebody else holds it", []Held{{Account: "bo", Privilege: "dba", Direct: true}}, true},
		{"somebody else is still inside", []Held{{Account: "bo", Sessions: 1}}, true},
	}
	for _, f := range facts {
		if got := Gone(f.held, Access{Account: "amira", Privilege: "dba"}); got != f.want {
			t.Errorf("%s: got %v, want %v", f.about, got, f.want)
		}
	}
}

func TestForeign(t *testing.T) {
	ours := Held{Account: "amira", Privilege: "dba", Direct: true}
	viaGroup := Held{Account: "amira", Privilege: "dba", Via: []string{"staff"}}
	unknown := Held{Account: "bo", Privilege: "dba", Direct: true}
	inside := Held{Account: "amira", Sessions: 1}
	got := Foreign([]Held{ours, viaGroup, unknown, inside}, []Access{{Account: "amira", Privilege: "dba", Until: noon}})
	if diff := cmp.Diff([]Held{viaGroup, unknown, inside}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}
