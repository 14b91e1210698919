// Package connectortest is the suite that defines a connector. Every connector passes it against the real target. For the
// tests of what drives connectors it also has a target in memory, which passes it too.
package connectortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/connector"
)

// Harness is a connector and a way to look at its target from the side of the people it lets in.
type Harness struct {
	Connector connector.Connector
	// Privileges are two privileges that the target has and nobody holds.
	Privileges [2]string
	// Account readies an account of the given name, which may be hostile but is one that the target can hold. A connector
	// that makes accounts has nothing to do here.
	Account func(t *testing.T, name string)
	// MakesAccounts says that Grant makes an account that does not exist.
	MakesAccounts bool
	// CarriesUntil says that the target keeps the end of an access by itself.
	CarriesUntil bool
	// LongestName is the length in bytes of the longest name of an account that the target takes.
	LongestName int
	// Enter opens a session as the account would and uses the privilege. The error says that it was refused.
	Enter func(t *testing.T, account, privilege string) (Session, error)
	// Down makes the target unreachable, Up brings it back.
	Down, Up func(t *testing.T)
}

// Session is somebody's open session on the target.
type Session interface {
	// Use uses the privilege that the session was opened for.
	Use(ctx context.Context) error
}

// Run runs the suite. Each test asks for a harness of its own, and calls no two at once.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, suite)
	}{
		{"grant opens, revoke shuts", grantOpensRevokeShuts},
		{"a running session is cut", runningSessionIsCut},
		{"twice is once", twiceIsOnce},
		{"revoke before grant", revokeBeforeGrant},
		{"grant after revoke", grantAfterRevoke},
		{"the end is carried and moved", endIsCarriedAndMoved},
		{"privileges are apart", privilegesAreApart},
		{"accounts are apart", accountsAreApart},
		{"everybody is listed", everybodyIsListed},
		{"two at once", twoAtOnce},
		{"cancelled", cancelled},
		{"unknown account", unknownAccount},
		{"unknown privilege", unknownPrivilege},
		{"no name", noName},
		{"hostile names", hostileNames},
		{"too long a name", tooLongName},
		{"target down, then up", targetDownThenUp},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, suite{newHarness(t)}) })
	}
}

// suite are the facts that the tests speak in.
type suite struct{ Harness }

func (s suite) access(t *testing.T, account string) connector.Access {
	t.Helper()
	s.Account(t, account)
	return connector.Access{Account: account, Privilege: s.Privileges[0], Until: inOneHour()}
}

func inOneHour() time.Time { return time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond) }

func (s suite) grant(t *testing.T, a connector.Access) {
	t.Helper()
	if err := s.Connector.Grant(t.Context(), a); err != nil {
		t.Fatalf("grant %q to %q: %v", a.Privilege, a.Account, err)
	}
}

func (s suite) revoke(t *testing.T, a connector.Access) {
	t.Helper()
	if err := s.Connector.Revoke(t.Context(), a); err != nil {
		t.Fatalf("revoke %q of %q: %v", a.Privilege, a.Account, err)
	}
}

func (s suite) list(t *testing.T, account string) []connector.Held {
	t.Helper()
	held, err := s.Connector.List(t.Context(), account)
	if err != nil {
		t.Fatalf("list %q: %v", account, err)
	}
	return held
}

// isIn checks that the target says so, and that it is so.
func (s suite) isIn(t *testing.T, a connector.Access) Session {
	t.Helper()
	if held := s.list(t, a.Account); !connector.Usable(held, a) {
		t.Fatalf("%q of %q is not usable: %+v", a.Privilege, a.Account, held)
	}
	session, err := s.Enter(t, a.Account, a.Privilege)
	if err != nil {
		t.Fatalf("%q of %q was refused: %v", a.Privilege, a.Account, err)
	}
	return session
}

func (s suite) isOut(t *testing.T, a connector.Access) {
	t.Helper()
	if held := s.list(t, a.Account); !connector.Gone(held, a) {
		t.Fatalf("%q of %q is not gone: %+v", a.Privilege, a.Account, held)
	}
	if _, err := s.Enter(t, a.Account, a.Privilege); err == nil {
		t.Fatalf("%q used %q without holding it", a.Account, a.Privilege)
	}
}

func grantOpensRevokeShuts(t *testing.T, s suite) {
	a := s.access(t, "amira")
	if _, err := s.Enter(t, a.Account, a.Privilege); err == nil {
		t.Fatal("the privilege was used before the grant")
	}
	s.grant(t, a)
	s.isIn(t, a)
	s.revoke(t, a)
	s.isOut(t, a)
}

func runningSessionIsCut(t *testing.T, s suite) {
	a := s.access(t, "amira")
	s.grant(t, a)
	session := s.isIn(t, a)
	if held := s.list(t, a.Account); len(held) != 1 || held[0].Sessions != 1 {
		t.Errorf("got %+v, want one session", held)
	}
	s.revoke(t, a)
	if err := session.Use(t.Context()); err == nil {
		t.Error("a session from before the revocation goes on")
	}
	s.isOut(t, a)
}

func twiceIsOnce(t *testing.T, s suite) {
	a := s.access(t, "amira")
	s.grant(t, a)
	first := s.list(t, a.Account)
	s.grant(t, a)
	if second := s.list(t, a.Account); len(first) != 1 || len(second) != 1 {
		t.Errorf("after one grant %+v, after two %+v, want one entry each", first, second)
	}
	s.isIn(t, a)
	s.revoke(t, a)
	s.revoke(t, a)
	s.isOut(t, a)
}

func revokeBeforeGrant(t *testing.T, s suite) {
	a := s.access(t, "amira")
	s.revoke(t, a)
	s.isOut(t, a)
	s.grant(t, a)
	s.isIn(t, a)
}

func grantAfterRevoke(t *testing.T, s suite) {
	a := s.access(t, "amira")
	for range 3 {
		s.grant(t, a)
		s.isIn(t, a)
		s.revoke(t, a)
		s.isOut(t, a)
	}
}

func endIsCarriedAndMoved(t *testing.T, s suite) {
	a := s.access(t, "amira")
	start := a.Until
	for _, until := range []time.Time{start, start.Add(time.Hour), start.Add(-30 * time.Minute), {}, start.In(time.FixedZone("", -7*3600))} {
		a.Until = until
		s.grant(t, a)
		want := time.Time{}
		if s.CarriesUntil {
			want = until
		}
		if held := s.list(t, a.Account); len(held) != 1 || !held[0].Until.Equal(want) {
			t.Errorf("asked for the end %v: got %+v, want the end %v", until, held, want)
		}
		s.isIn(t, a)
	}
}

func privilegesAreApart(t *testing.T, s suite) {
	a := s.access(t, "amira")
	b := a
	b.Privilege = s.Privileges[1]
	s.grant(t, a)
	s.isOut(t, b)
	s.grant(t, b)
	s.isIn(t, a)
	s.isIn(t, b)
	s.revoke(t, a)
	s.isOut(t, a)
	s.isIn(t, b)
	s.revoke(t, b)
	s.isOut(t, b)
}

func accountsAreApart(t *testing.T, s suite) {
	a, b := s.access(t, "amira"), s.access(t, "Amira")
	s.grant(t, a)
	s.isOut(t, b)
	s.grant(t, b)
	session := s.isIn(t, b)
	s.revoke(t, a)
	s.isOut(t, a)
	if err := session.Use(t.Context()); err != nil {
		t.Errorf("somebody else's session ended: %v", err)
	}
	s.isIn(t, b)
}

func everybodyIsListed(t *testing.T, s suite) {
	accesses := []connector.Access{s.access(t, "amira"), s.access(t, "bo")}
	accesses[1].Privilege = s.Privileges[1]
	for _, a := range accesses {
		s.grant(t, a)
	}
	everybody := s.list(t, "")
	for _, a := range accesses {
		if !connector.Usable(everybody, a) {
			t.Errorf("%q of %q is missing: %+v", a.Privilege, a.Account, everybody)
		}
		for _, h := range s.list(t, a.Account) {
			if h.Account != a.Account {
				t.Errorf("list of %q shows %+v", a.Account, h)
			}
		}
	}
	s.revoke(t, accesses[0])
	if everybody = s.list(t, ""); !connector.Gone(everybody, accesses[0]) || !connector.Usable(everybody, accesses[1]) {
		t.Errorf("after the revocation of %q: %+v", accesses[0].Account, everybody)
	}
}

// Several workers may have the same effect in hand, and effects of one account at once.
func twoAtOnce(t *testing.T, s suite) {
	a := s.access(t, "amira")
	b := a
	b.Privilege = s.Privileges[1]
	for range 5 {
		together(t, 4, func(i int) error {
			access := []connector.Access{a, b}[i%2]
			return s.Connector.Grant(t.Context(), access)
		})
		s.isIn(t, a)
		s.isIn(t, b)
		// One goes while the other is given again: the other must stay.
		together(t, 4, func(i int) error {
			if i%2 == 0 {
				return s.Connector.Revoke(t.Context(), a)
			}
			return s.Connector.Grant(t.Context(), b)
		})
		s.isOut(t, a)
		s.isIn(t, b)
		together(t, 4, func(int) error { return s.Connector.Revoke(t.Context(), b) })
		s.isOut(t, b)
	}
	// Opposite calls at once end in either state, and the next call is obeyed.
	together(t, 6, func(i int) error {
		if i%2 == 0 {
			return s.Connector.Revoke(t.Context(), a)
		}
		return s.Connector.Grant(t.Context(), a)
	})
	s.grant(t, a)
	s.isIn(t, a)
}

func together(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	errs := make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { errs[i] = do(i) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func cancelled(t *testing.T, s suite) {
	a := s.access(t, "amira")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	check := func(call string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) || errors.Is(err, connector.ErrConfiguration) {
			t.Errorf("%s: got %v, want %v", call, err, context.Canceled)
		}
	}
	check("grant", s.Connector.Grant(ctx, a))
	s.isOut(t, a)
	s.grant(t, a)
	check("revoke", s.Connector.Revoke(ctx, a))
	_, err := s.Connector.List(ctx, a.Account)
	check("list", err)
	s.isIn(t, a)
}

func unknownAccount(t *testing.T, s suite) {
	a := connector.Access{Account: "nobody by this name", Privilege: s.Privileges[0]}
	s.revoke(t, a)
	if held := s.list(t, a.Account); len(held) != 0 {
		t.Errorf("got %+v, want nothing", held)
	}
	err := s.Connector.Grant(t.Context(), a)
	if s.MakesAccounts {
		if err != nil {
			t.Fatal(err)
		}
		s.isIn(t, a)
		return
	}
	if !errors.Is(err, connector.ErrConfiguration) {
		t.Errorf("grant: got %v, want %v", err, connector.ErrConfiguration)
	}
}

func unknownPrivilege(t *testing.T, s suite) {
	a := s.access(t, "amira")
	a.Privilege = "no such privilege"
	if err := s.Connector.Grant(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
		t.Errorf("grant: got %v, want %v", err, connector.ErrConfiguration)
	}
	if err := s.Connector.Revoke(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
		t.Errorf("revoke: got %v, want %v", err, connector.ErrConfiguration)
	}
	if held := s.list(t, a.Account); connector.Usable(held, a) {
		t.Errorf("got %+v", held)
	}
}

func noName(t *testing.T, s suite) {
	a := s.access(t, "amira")
	for _, a := range []connector.Access{{Privilege: a.Privilege}, {Account: a.Account}, {}} {
		if err := s.Connector.Grant(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
			t.Errorf("grant %+v: got %v, want %v", a, err, connector.ErrConfiguration)
		}
		if err := s.Connector.Revoke(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
			t.Errorf("revoke %+v: got %v, want %v", a, err, connector.ErrConfiguration)
		}
	}
	if held := s.list(t, a.Account); !connector.Gone(held, a) {
		t.Errorf("got %+v, want nothing", held)
	}
}

func hostileNames(t *testing.T, s suite) {
	var long strings.Builder
	for i := 0; long.Len() < s.LongestName; i++ {
		fmt.Fprintf(&long, "%d.", i)
	}
	names := []string{
		`O'Brien`, `say "hello"`, `x"; DROP ROLE y; --`, `x'; SELECT 1; --`, `$1`, `%s`, `back\slash`, `new` + "\n" + `line`,
		`amira@contoso.example`, `CONTOSO\amira`, `İpek Ünal`, `山田 太郎`, "e\u0301", "\u00e9", "\u202egnp.exe", ` `, `*`, `-rf`,
		`current_user`, `all`, long.String()[:s.LongestName],
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			a := s.access(t, name)
			before := holders(s.list(t, ""), a.Privilege)
			s.grant(t, a)
			s.isIn(t, a)
			if after := holders(s.list(t, ""), a.Privilege); !slices.Equal(after, slices.Sorted(slices.Values(append(before, name)))) {
				t.Errorf("got the holders %q, before the grant %q", after, before)
			}
			s.revoke(t, a)
			s.isOut(t, a)
		})
	}
}

// holders are the accounts that hold a privilege directly, in order.
func holders(held []connector.Held, privilege string) []string {
	var accounts []string
	for _, h := range held {
		if h.Direct && h.Privilege == privilege {
			accounts = append(accounts, h.Account)
		}
	}
	slices.Sort(accounts)
	return accounts
}

// A target that cuts a name short would give one person's privilege to another.
func tooLongName(t *testing.T, s suite) {
	cut := s.access(t, strings.Repeat("x", s.LongestName))
	s.grant(t, cut)
	long := cut
	long.Account += "x"
	for _, a := range []connector.Access{long, {Account: "nul\x00", Privilege: cut.Privilege}, {Account: "bad\xff", Privilege: cut.Privilege}} {
		if err := s.Connector.Grant(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
			t.Errorf("grant to %q: got %v, want %v", a.Account, err, connector.ErrConfiguration)
		}
		if err := s.Connector.Revoke(t.Context(), a); !errors.Is(err, connector.ErrConfiguration) {
			t.Errorf("revoke of %q: got %v, want %v", a.Account, err, connector.ErrConfiguration)
		}
		if held, err := s.Connector.List(t.Context(), a.Account); len(held) > 0 || !errors.Is(err, connector.ErrConfiguration) {
			t.Errorf("list of %q: got %+v, %v, want %v", a.Account, held, err, connector.ErrConfiguration)
		}
	}
	s.isIn(t, cut)
}

func targetDownThenUp(t *testing.T, s suite) {
	a, b := s.access(t, "amira"), s.access(t, "bo")
	s.grant(t, b)
	s.Down(t)
	_, err := s.Connector.List(t.Context(), a.Account)
	for call, err := range map[string]error{
		"grant": s.Connector.Grant(t.Context(), a), "revoke": s.Connector.Revoke(t.Context(), b), "list": err,
	} {
		if err == nil || errors.Is(err, connector.ErrConfiguration) {
			t.Errorf("%s while the target is down: got %v, want an error that passes", call, err)
		}
	}
	s.Up(t)
	s.grant(t, a)
	s.isIn(t, a)
	s.isIn(t, b)
	s.revoke(t, b)
	s.isOut(t, b)
}
