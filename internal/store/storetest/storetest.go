// Package storetest is the specification of package store: a suite that every store passes, and the Model, a store in
// memory that passes it too and serves the tests of other packages.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// Run runs the suite. Open returns an empty store; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, s := range []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"does what the model does", randomUse},
		{"keeps every field", keepsEveryField},
		{"keeps an activation", keepsAnActivation},
		{"keeps instants in UTC to the microsecond", keepsInstants},
		{"compares names without letter case and ids with it", comparesNames},
		{"takes texts that databases do not", takesOddTexts},
		{"pages completely and stably while rows come and go", pagesStably},
		{"bounds pages and refuses foreign cursors and fields", boundsPages},
		{"never mixes tenants", keepsTenantsApart},
		{"commits a version once", commitsVersionOnce},
		{"relies on what has not changed", relies},
		{"never lets two commits pass each other", neverCrosses},
		{"tells a stale case from a taken id", tellsStaleFromTaken},
		{"keeps several requests of one commit", keepsSeveralRequests},
		{"commits many at once, each on its own", commitsMany},
		{"reads many cases like single ones", readsManyCases},
		{"reads what is named by the tenant or by its whole key", readsNamed},
		{"leases an effect to one holder", leasesEffects},
		{"keeps what is to be told, and each mail of it", keepsMails},
		{"leases a mail to one holder", leasesMails},
		{"leases a name to one holder", leasesNames},
		{"feeds what was committed", keepsFeed},
		{"feeds what is kept, in order", feedsWhatIsKept},
		{"says who is behind what it forgot", forgetsChanges},
		{"gives a secret to one taker", givesSecretOnce},
		{"swaps a credential once", swapsCredentialOnce},
		{"follows circles of groups once", followsCircles},
		{"keeps several links between the same two apart", keepsLinksApart},
		{"finds what rests on a membership", findsPaths},
		{"deletes an object with its links and its credential", deletesObjects},
		{"keeps what is deleted in the bin", keepsBin},
		{"keeps a tree, and clears what is below a path", keepsTree},
		{"finds what is below scopes", findsUnder},
		{"climbs the tree", climbsTree},
		{"gives one case the id of a schedule", namesScheduleOnce},
		{"keeps deny assignments", keepsDenials},
		{"finds nodes by their alias", findsAliases},
		{"adds up uses", addsUses},
		{"heeds the context", heedsContext},
		{"is unavailable once closed", closes},
	} {
		t.Run(s.name, func(t *testing.T) {
			opened := open(t)
			t.Cleanup(func() {
				if err := opened.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			s.test(t, opened)
		})
	}
}

// The names that the hand-written tests use.
const (
	tenant pim.TenantID    = "tenant"
	alice  pim.PrincipalID = "alice"
)

func start() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

func caseKey(n int) pim.Key {
	return pim.Key{
		Tenant: tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: "role", Principal: pim.PrincipalID(fmt.Sprintf("p-%04d", n)),
	}
}

// Activation is the commit of an activation as it typically is: a new request, a schedule, an effect and two events. The
// id tells them from those of others; version is that of the case.
func Activation(k pim.Key, version int64, id string, at time.Time) store.Commit {
	end := at.Add(8 * time.Hour)
	request := pim.Request{
		ID: pim.RequestID(id), Key: k, Kind: pim.Assignment, Action: pim.SelfActivate, Status: pim.Provisioned,
		Asked: schedule.Info{Start: at, Expiration: schedule.Expiration{
			Kind: schedule.AfterDuration, Duration: schedule.MustDuration("PT8H")}},
		Start: at, Justification: "a customer waits", Ticket: pim.Ticket{Number: "4711", System: "desk"},
		By:      pim.Actor{Principal: k.Principal, Kind: pim.UserPrincipal, Name: "Alice", Account: "alice@example.com", Address: "192.0.2.1"},
		Created: at, Completed: at, Target: pim.ScheduleID(id), Eligibility: "eligibility", Maximum: schedule.MustDuration("PT8H"),
	}
	c := store.Commit{Outcome: pim.Outcome{
		Key: k, Version: version, Request: &request, NewRequest: true,
		Schedules: []pim.Schedule{{
			ID: pim.ScheduleID(id), Key: k, Kind: pim.Assignment, Type: pim.Activated, Window: schedule.Window{Start: at, End: end},
			Request: request.ID, Eligibility: "eligibility", Created: at, Open: true, Due: end,
		}},
		Effects: []pim.Effect{{
			ID: id + "/1/door", Tenant: k.Tenant, Schedule: pim.ScheduleID(id), Key: k, Door: "door", Account: "alice", Privilege: "reader",
			Until: end, State: pim.EffectPending, Decided: at, Due: at,
		}},
	}}
	for i, a := range []pim.Activity{pim.Requested, pim.CompletedRequest} {
		e := pim.Event{
			ID: pim.EventID(fmt.Sprintf("%s-%d", id, i)), Tenant: k.Tenant, At: at, Activity: a, Success: true, By: request.By,
			Request: request.ID, Action: request.Action, Kind: request.Kind, Key: k, Schedule: pim.ScheduleID(id), RoleName: "Reader",
			Principal: pim.Principal{ID: k.Principal, Kind: pim.UserPrincipal, Name: "Alice", Enabled: true}, Start: at, End: end,
		}
		c.Events = append(c.Events, e)
		c.Entries = append(c.Entries, store.Entry{Event: e, Canonical: []byte(fmt.Sprintf("%s %d", e.ID, a)), Leaf: [32]byte{byte(i)}})
	}
	return c
}

// User is an enabled user.
func User(t pim.TenantID, id pim.PrincipalID) directory.Object {
	return directory.Object{
		Tenant: t, ID: id, Kind: directory.KindUser, DisplayName: "User " + string(id), Enabled: true, Created: start(),
		User: &directory.User{PrincipalName: string(id) + "@example.com", Type: "Member"},
	}
}

// keepsSeveralRequests: what a commit makes beside its own request is there as that is, or none of it is.
func keepsSeveralRequests(t *testing.T, s store.Store) {
	k := caseKey(1)
	c := Activation(k, 0, "first", start())
	second, third := *c.Request, *c.Request
	second.ID, third.ID, third.Status, third.Completed = "second", "third", pim.PendingApproval, time.Time{}
	c.More = []pim.Request{second, third}
	stale := c
	stale.Version = 7
	want(t, "a stale commit", s.Commit(t.Context(), stale), store.ErrStale)
	rows := func() []pim.Request {
		t.Helper()
		page, err := s.Requests(t.Context(), store.Query{Tenant: tenant})
		want(t, "requests", err, nil)
		return page.Rows
	}
	equal(t, "after a stale commit", rows(), nil)
	must(t, s, c)
	equal(t, "all", rows(), []pim.Request{*c.Request, second, third})
	read, err := s.Case(t.Context(), pim.Need{Key: k})
	want(t, "case", err, nil)
	equal(t, "the open one", read.Requests, []pim.Request{third})
}

func must(t *testing.T, s store.Store, cs ...store.Commit) {
	t.Helper()
	for _, c := range cs {
		if err := s.Commit(t.Context(), c); err != nil {
			t.Fatalf("commit: %v", err)
		}
	}
}

func want(t *testing.T, what string, got, want error) {
	t.Helper()
	if kindOf(got) == nil && want == nil {
		return
	}
	if !errors.Is(got, want) {
		t.Fatalf("%s: got error %v, want %v", what, got, want)
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got, options()); d != "" {
		t.Fatalf("%s: -want +got\n%s", what, d)
	}
}

func keepsAnActivation(t *testing.T, s store.Store) {
	c := Activation(caseKey(1), 0, "id", start())
	c.Relies = []pim.Touch{{Key: caseKey(2)}}
	c.Touches = []pim.Touch{{Key: caseKey(3)}}
	must(t, s, c)
	q := store.Query{Tenant: tenant, Count: true}
	requests, err := s.Requests(t.Context(), q)
	want(t, "requests", err, nil)
	equal(t, "requests", requests, store.Page[pim.Request]{Rows: []pim.Request{*c.Request}, Count: 1})
	schedules, err := s.Schedules(t.Context(), q)
	want(t, "schedules", err, nil)
	equal(t, "schedules", schedules, store.Page[pim.Schedule]{Rows: c.Schedules, Count: 1})
	effects, err := s.Effects(t.Context(), q)
	want(t, "effects", err, nil)
	equal(t, "effects", effects, store.Page[pim.Effect]{Rows: c.Effects, Count: 1})
	events, err := s.Events(t.Context(), q)
	want(t, "events", err, nil)
	equal(t, "events", events, store.Page[pim.Event]{Rows: c.Events, Count: 2})
	for n, version := range map[int]int64{1: 1, 2: 0, 3: 1} {
		got, err := s.Case(t.Context(), pim.Need{Key: caseKey(n)})
		want(t, "case", err, nil)
		if got.Version != version {
			t.Errorf("case %d: got version %d, want %d", n, got.Version, version)
		}
	}
	due, next, err := s.Due(t.Context(), start(), 10)
	want(t, "due", err, nil)
	equal(t, "due", due, nil)
	equal(t, "next", next, c.Schedules[0].Due)
}

func keepsInstants(t *testing.T, s store.Store) {
	for i, at := range []time.Time{
		time.Date(2026, 3, 2, 9, 0, 0, 123456789, time.FixedZone("east", 5*3600+1800)),
		time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
		time.Date(1899, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
	} {
		id := fmt.Sprintf("id-%d", i)
		must(t, s, store.Commit{Outcome: pim.Outcome{Key: caseKey(i), Schedules: []pim.Schedule{{
			ID: pim.ScheduleID(id), Key: caseKey(i), Kind: pim.Eligibility, Type: pim.Assigned, Created: at, Modified: at, Due: at,
			Window: schedule.Window{Start: at, End: at},
		}}}})
		p, err := s.Schedules(t.Context(), store.Query{Tenant: tenant, Where: store.Is(store.FieldCreated, at)})
		want(t, "schedules", err, nil)
		if len(p.Rows) != 1 {
			t.Fatalf("created at %s: got %d rows, want 1", at, len(p.Rows))
		}
		kept := at.UTC().Truncate(time.Microsecond)
		for _, got := range []time.Time{p.Rows[0].Created, p.Rows[0].Modified, p.Rows[0].Due, p.Rows[0].Window.Start, p.Rows[0].Window.End} {
			if got != kept {
				t.Errorf("got %v, want %v", got, kept)
			}
		}
	}
}

func comparesNames(t *testing.T, s store.Store) {
	u := User(tenant, "a1")
	u.DisplayName, u.User.PrincipalName, u.User.Mail = "Ärger Straße", "Anna.Ärger@Example.com", "Anna@Example.COM"
	must(t, s, store.Commit{Objects: []directory.Object{u}})
	for _, f := range []struct {
		field store.Field
		op    store.Op
		value any
		found bool
	}{
		{store.FieldDisplayName, store.Eq, "ärger straße", true},
		{store.FieldDisplayName, store.Prefix, "ÄRG", true},
		{store.FieldDisplayName, store.Contains, "STRA", true},
		{store.FieldDisplayName, store.Contains, "str_", false},
		{store.FieldDisplayName, store.Prefix, "%", false},
		{store.FieldDisplayName, store.Prefix, "", true},
		{store.FieldPrincipalName, store.Eq, "anna.ÄRGER@example.com", true},
		{store.FieldMail, store.Eq, "ANNA@EXAMPLE.com", true},
		{store.FieldMail, store.Ne, "ANNA@EXAMPLE.com", false},
		{store.FieldMailNickname, store.Eq, nil, true},
		{store.FieldMailNickname, store.Ne, "x", true},
		{store.FieldMailNickname, store.Lt, "x", false},
		{store.FieldID, store.Eq, "A1", false},
		{store.FieldID, store.Prefix, "A", true},
	} {
		p, err := s.Objects(t.Context(), store.Query{Tenant: tenant, Where: store.Compare{Field: f.field, Op: f.op, Value: f.value}})
		want(t, "objects", err, nil)
		if got := len(p.Rows) == 1; got != f.found {
			t.Errorf("%s %d %q: got %v, want %v", f.field, f.op, f.value, got, f.found)
		}
	}
	v := User(tenant, "a2")
	v.User.PrincipalName = "ANNA.ÄRGER@EXAMPLE.COM"
	want(t, "a second user of that name", s.Commit(t.Context(), store.Commit{Objects: []directory.Object{v}}), store.ErrConflict)
	v.Tenant = "other"
	must(t, s, store.Commit{Objects: []directory.Object{v}}, store.Commit{Deleted: []directory.Object{u}})
	v.Tenant = tenant
	must(t, s, store.Commit{Objects: []directory.Object{v}})
}

func takesOddTexts(t *testing.T, s store.Store) {
	c := Activation(caseKey(1), 0, "id", start())
	c.Request.Justification = "nul \x00, quote ' and \u2028"
	u := User(tenant, alice)
	u.DisplayName = "nul \x00"
	c.Objects = []directory.Object{u}
	must(t, s, c)
	p, err := s.Requests(t.Context(), store.Query{Tenant: tenant})
	want(t, "requests", err, nil)
	equal(t, "justification", p.Rows[0].Justification, c.Request.Justification)
	o, err := s.ObjectsByID(t.Context(), tenant, []pim.PrincipalID{alice})
	want(t, "objects", err, nil)
	equal(t, "display name", o[0].DisplayName, u.DisplayName)
	for _, odd := range []string{"\x00", "\xff\xfe", strings.Repeat("x", 100_000), "'; DROP TABLE requests; --"} {
		for _, op := range []store.Op{store.Eq, store.Prefix, store.Contains, store.Lt} {
			_, err := s.Objects(t.Context(), store.Query{Tenant: tenant, Where: store.Compare{Field: store.FieldDisplayName, Op: op, Value: odd}})
			want(t, "odd filter", err, nil)
		}
		_, err := s.Objects(t.Context(), store.Query{Tenant: tenant, Where: store.In{Field: store.FieldID, Values: []string{odd}}})
		want(t, "odd values", err, nil)
		_, err = s.Case(t.Context(), pim.Need{Key: pim.Key{Tenant: tenant, Provider: pim.Directory, Scope: pim.Scope(odd), Principal: pim.PrincipalID(odd)}})
		want(t, "odd case", err, nil)
	}
}

func pagesStably(t *testing.T, s store.Store) {
	var cs []store.Commit
	for n := range 60 {
		// Every even one is there from the start; many were created at the same instant.
		at := start().Add(time.Duration(n/10) * time.Minute)
		cs = append(cs, Activation(caseKey(n), 0, fmt.Sprintf("id-%02d", n), at))
	}
	for n := 0; n < 60; n += 2 {
		must(t, s, cs[n])
	}
	for _, order := range [][]store.Order{
		nil,
		{{Field: store.FieldCreated}},
		{{Field: store.FieldCreated, Desc: true}},
		{{Field: store.FieldCreated, Desc: true}, {Field: store.FieldPrincipal}},
		{{Field: store.FieldCreated}, {Field: store.FieldPrincipal, Desc: true}},
	} {
		seen := map[pim.ScheduleID]int{}
		q := store.Query{Tenant: tenant, Order: order, Limit: 7}
		for page := 0; ; page++ {
			p, err := s.Schedules(t.Context(), q)
			want(t, "schedules", err, nil)
			for _, r := range p.Rows {
				seen[r.ID]++
			}
			if q.After = p.Next; len(p.Next) == 0 {
				break
			}
			// Others come in while somebody pages.
			if n := 2*page + 1; n < 60 && order == nil {
				must(t, s, cs[n])
			}
		}
		for n := 0; n < 60; n += 2 {
			if id := pim.ScheduleID(fmt.Sprintf("id-%02d", n)); seen[id] != 1 {
				t.Errorf("order %v: got %s %d times, want once", order, id, seen[id])
			}
		}
	}
}

func boundsPages(t *testing.T, s store.Store) {
	var cs []store.Commit
	for n := range 1100 {
		cs = append(cs, store.Commit{Objects: []directory.Object{User(tenant, pim.PrincipalID(fmt.Sprintf("u-%04d", n)))}})
	}
	for _, err := range s.CommitAll(t.Context(), cs) {
		want(t, "commit all", err, nil)
	}
	for limit, rows := range map[int]int{0: 100, -1: 100, 1: 1, 999: 999, 1000: 1000, 5000: 1000} {
		p, err := s.Objects(t.Context(), store.Query{Tenant: tenant, Limit: limit, Count: limit == 1})
		want(t, "objects", err, nil)
		if len(p.Rows) != rows || len(p.Next) == 0 {
			t.Errorf("limit %d: got %d rows and next %q, want %d and a next", limit, len(p.Rows), p.Next, rows)
		}
		if limit == 1 && p.Count != 1100 || limit != 1 && p.Count != -1 {
			t.Errorf("limit %d: got count %d", limit, p.Count)
		}
	}
	byTime := []store.Order{{Field: store.FieldCreated}}
	for _, q := range []store.Query{
		{After: store.Cursor{"a", "b"}},
		{After: store.Cursor{"a"}, Order: byTime},
		{After: store.Cursor{"no number", "a"}, Order: byTime},
	} {
		q.Tenant = tenant
		_, err := s.Objects(t.Context(), q)
		want(t, fmt.Sprintf("cursor %q", q.After), err, store.ErrCursor)
	}
	for _, q := range []store.Query{
		{Where: store.Is(store.FieldTarget, "x")},
		{Where: store.Is(store.FieldObjectKind, "x")},
		{Where: store.Is(store.FieldObjectKind, nil)},
		{Where: store.Is(store.FieldDisplayName, 1)},
		{Where: store.Compare{Field: store.FieldDisplayName, Value: "no comparison"}},
		{Order: []store.Order{{Field: store.FieldTarget}}},
	} {
		if _, err := s.Objects(t.Context(), q); err == nil {
			t.Errorf("query %+v: got no error", q)
		}
	}
}

func keepsTenantsApart(t *testing.T, s store.Store) {
	other := caseKey(1)
	other.Tenant = "other"
	mine, theirs := Activation(caseKey(1), 0, "id", start()), Activation(other, 0, "id", start())
	theirs.Request.Justification = "theirs"
	edit := &store.PolicyEdit{Key: caseKey(1).Policy(), Policy: policy.Policy{Version: 1, Rules: policy.ForDirectoryRole()}}
	must(t, s, mine, theirs, store.Commit{
		Objects: []directory.Object{User(tenant, alice)}, Policy: edit,
		Links:       []directory.Link{{Tenant: tenant, Relation: directory.MemberOf, From: "group", To: alice}},
		Credentials: []directory.Credential{{Tenant: tenant, Principal: alice, Password: "x"}},
	})
	for _, x := range []struct {
		tenant pim.TenantID
		reason string
	}{{tenant, mine.Request.Justification}, {"other", "theirs"}} {
		p, err := s.Requests(t.Context(), store.Query{Tenant: x.tenant, Count: true, Where: store.Or{store.Is(store.FieldID, "id"), store.Not{Filter: store.Or{}}}})
		want(t, "requests", err, nil)
		if p.Count != 1 || len(p.Rows) != 1 || p.Rows[0].Justification != x.reason {
			t.Errorf("tenant %s: got %d rows, count %d", x.tenant, len(p.Rows), p.Count)
		}
	}
	c, err := s.Case(t.Context(), pim.Need{Key: other, Actor: alice, Backing: true, Administrators: true})
	want(t, "case", err, nil)
	if c.Actor.ID != "" || len(c.Memberships) != 0 || c.Policy.Version != 0 || len(c.Schedules) != 1 || c.Schedules[0].Key != other {
		t.Errorf("got %+v, which has something of another tenant", c)
	}
	_, err = s.Case(t.Context(), pim.Need{Key: pim.Key{Tenant: "third"}, Request: "id"})
	want(t, "a request of another tenant", err, store.ErrNotFound)
	_, err = s.Credential(t.Context(), "other", alice)
	want(t, "a credential of another tenant", err, store.ErrNotFound)
	objects, err := s.ObjectsByID(t.Context(), "other", []pim.PrincipalID{alice})
	want(t, "objects", err, nil)
	links, err2 := s.GroupsAbove(t.Context(), "other", alice)
	want(t, "groups above", err2, nil)
	policies, err3 := s.Policies(t.Context(), "other", []pim.RoleKey{edit.Key})
	want(t, "policies", err3, nil)
	foreign := edit.Key
	foreign.Tenant = "other"
	there, err4 := s.PoliciesAt(t.Context(), foreign)
	want(t, "policies at a scope", err4, nil)
	if len(objects)+len(links)+len(policies)+len(there) != 0 {
		t.Errorf("got %v, %v, %v, %v of another tenant", objects, links, policies, there)
	}
}

// rounds is how often a race is run.
func rounds() int {
	if testing.Short() {
		return 50
	}
	return 1000
}

// race does things at once and counts those that succeed; the others fail with the error that is allowed.
func race(t *testing.T, allowed error, things ...func() error) int {
	t.Helper()
	var wg sync.WaitGroup
	var won atomic.Int32
	errs := make([]error, len(things))
	gate := make(chan struct{})
	for i, do := range things {
		wg.Go(func() {
			<-gate
			if errs[i] = do(); errs[i] == nil {
				won.Add(1)
			}
		})
	}
	close(gate)
	wg.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, allowed) {
			t.Fatalf("got error %v, want %v", err, allowed)
		}
	}
	return int(won.Load())
}

func commitsVersionOnce(t *testing.T, s store.Store) {
	const racers = 4
	k := caseKey(1)
	for n := range rounds() {
		var things []func() error
		for i := range racers {
			c := Activation(k, int64(n), fmt.Sprintf("id-%d-%d", n, i), start())
			things = append(things, func() error { return s.Commit(t.Context(), c) })
		}
		if won := race(t, store.ErrStale, things...); won != 1 {
			t.Fatalf("round %d: got %d commits of one version, want 1", n, won)
		}
	}
	c, err := s.Case(t.Context(), pim.Need{Key: k})
	want(t, "case", err, nil)
	if c.Version != int64(rounds()) || len(c.Schedules) != rounds() {
		t.Errorf("got version %d and %d schedules, want %d of both", c.Version, len(c.Schedules), rounds())
	}
	p, err := s.Events(t.Context(), store.Query{Tenant: tenant, Limit: 1, Count: true})
	want(t, "events", err, nil)
	if p.Count != 2*rounds() {
		t.Errorf("got %d events, want %d: those of commits that failed must not be there", p.Count, 2*rounds())
	}
}

func relies(t *testing.T, s store.Store) {
	a, b, c := caseKey(1), caseKey(2), caseKey(3)
	must(t, s, Activation(b, 0, "b", start()))
	for _, x := range []struct {
		on      pim.Key
		version int64
		err     error
	}{{b, 0, store.ErrStale}, {b, 2, store.ErrStale}, {c, 1, store.ErrStale}, {c, 0, nil}, {b, 1, nil}} {
		version := int64(0)
		if got, err := s.Case(t.Context(), pim.Need{Key: a}); err == nil {
			version = got.Version
		}
		commit := Activation(a, version, fmt.Sprintf("a-%d", version), start())
		commit.Relies = []pim.Touch{{Key: x.on, Version: x.version}}
		want(t, fmt.Sprintf("rely on version %d", x.version), s.Commit(t.Context(), commit), x.err)
	}
	// What is relied on is not raised.
	got, err := s.Case(t.Context(), pim.Need{Key: b})
	want(t, "case", err, nil)
	if got.Version != 1 {
		t.Errorf("got version %d of a case that was relied on, want 1", got.Version)
	}
	must(t, s, Activation(c, 0, "c", start()))
}

// neverCrosses has two commits at once that each rely on the case that the other raises: at most one may succeed,
// also where the cases are new.
func neverCrosses(t *testing.T, s store.Store) {
	for n := range rounds() / 10 {
		a, b := caseKey(2*n), caseKey(2*n+1)
		x, y := Activation(a, 0, fmt.Sprintf("x-%d", n), start()), Activation(b, 0, fmt.Sprintf("y-%d", n), start())
		x.Relies, y.Relies = []pim.Touch{{Key: b}}, []pim.Touch{{Key: a}}
		won := race(t, store.ErrStale,
			func() error { return s.Commit(t.Context(), x) }, func() error { return s.Commit(t.Context(), y) })
		if won > 1 {
			t.Fatalf("round %d: both commits succeeded", n)
		}
	}
}

func tellsStaleFromTaken(t *testing.T, s store.Store) {
	a, b := caseKey(1), caseKey(2)
	must(t, s, Activation(a, 0, "id", start()))
	want(t, "an id that is taken", s.Commit(t.Context(), Activation(b, 0, "id", start())), store.ErrConflict)
	want(t, "the same ask again", s.Commit(t.Context(), Activation(a, 0, "id", start())), store.ErrStale)
	c, err := s.Case(t.Context(), pim.Need{Key: b})
	want(t, "case", err, nil)
	if c.Version != 0 || len(c.Schedules) != 0 {
		t.Errorf("got %+v of a commit that failed", c)
	}
	again := Activation(a, 1, "id", start())
	again.NewRequest, again.Entries = false, nil
	again.Request.Status = pim.Revoked
	must(t, s, again)
	_, err = s.Case(t.Context(), pim.Need{Key: pim.Key{Tenant: tenant}, Request: "nothing"})
	want(t, "a request that is not there", err, store.ErrNotFound)
	_, err = s.Case(t.Context(), pim.Need{Key: pim.Key{Tenant: tenant}, Schedule: "nothing"})
	want(t, "a schedule that is not there", err, store.ErrNotFound)
	validation := Activation(b, 0, "other", start())
	validation.ValidationOnly = true
	if err := s.Commit(t.Context(), validation); err == nil {
		t.Error("an outcome that is only a validation was committed")
	}
}

func commitsMany(t *testing.T, s store.Store) {
	const n = 1500
	must(t, s, Activation(caseKey(7), 0, "taken", start()), Activation(caseKey(8), 0, "stale", start()))
	var cs []store.Commit
	wanted := make([]error, n)
	for i := range n {
		cs = append(cs, Activation(caseKey(100+i), 0, fmt.Sprintf("id-%d", i), start()))
	}
	cs[3], wanted[3] = Activation(caseKey(8), 0, "id-3", start()), store.ErrStale
	cs[700], wanted[700] = Activation(caseKey(800), 0, "taken", start()), store.ErrConflict
	cs[1400], wanted[1400] = Activation(caseKey(900), 5, "id-1400", start()), store.ErrStale
	errs := s.CommitAll(t.Context(), cs)
	if len(errs) != n {
		t.Fatalf("got %d errors for %d commits", len(errs), n)
	}
	for i := range errs {
		want(t, fmt.Sprintf("commit %d", i), errs[i], wanted[i])
	}
	p, err := s.Schedules(t.Context(), store.Query{Tenant: tenant, Limit: 1, Count: true})
	want(t, "schedules", err, nil)
	if p.Count != n-3+2 {
		t.Errorf("got %d schedules, want %d", p.Count, n-1)
	}
	if errs := s.CommitAll(t.Context(), nil); len(errs) != 0 {
		t.Errorf("no commits: got %d errors", len(errs))
	}
	// All ends are drained in bulk.
	due, next, err := s.Due(t.Context(), start().Add(9*time.Hour), 10*n)
	want(t, "due", err, nil)
	if len(due) != p.Count || !next.IsZero() {
		t.Errorf("got %d due and next %s, want %d and none", len(due), next, p.Count)
	}
	keys := map[pim.ScheduleID]pim.Key{}
	for i, c := range cs {
		if wanted[i] == nil {
			keys[c.Schedules[0].ID] = c.Schedules[0].Key
		}
	}
	for _, d := range due {
		if k, ok := keys[d.Schedule]; ok && d.Key != k {
			t.Errorf("schedule %s: got the key %+v, want %+v", d.Schedule, d.Key, k)
		}
	}
}

func readsManyCases(t *testing.T, s store.Store) {
	var cs []store.Commit
	var needs []pim.Need
	for i := range 1200 {
		c := Activation(caseKey(i), 0, fmt.Sprintf("id-%d", i), start())
		c.Objects = []directory.Object{User(tenant, caseKey(i).Principal)}
		cs = append(cs, c)
		n := pim.Need{Key: pim.Key{Tenant: tenant}, Schedule: c.Schedules[0].ID, Clock: true}
		if i%3 == 1 {
			n.Key = c.Key
		}
		if i%3 == 0 {
			n = pim.Need{Key: c.Key, Backing: true, Dependents: true, Administrators: true, Actor: caseKey(i + 1).Principal}
		}
		needs = append(needs, n)
	}
	for _, err := range s.CommitAll(t.Context(), cs) {
		want(t, "commit all", err, nil)
	}
	needs = append(needs, pim.Need{Key: pim.Key{Tenant: tenant}, Schedule: "nothing"})
	got, err := s.Cases(t.Context(), needs)
	want(t, "cases", err, nil)
	if last := got[len(got)-1]; last.Key != (pim.Key{}) {
		t.Errorf("got %+v for a schedule that is not there", last)
	}
	for i := 0; i < 1200; i += 97 {
		one, err := s.Case(t.Context(), needs[i])
		want(t, "case", err, nil)
		equal(t, "case", got[i], one)
		if one.Key != caseKey(i) || one.Version != 1 || one.Principal.ID != caseKey(i).Principal || len(one.Schedules) != 1 || len(one.Effects) != 1 {
			t.Errorf("got %+v", one)
		}
	}
	none, err := s.Cases(t.Context(), nil)
	want(t, "no cases", err, nil)
	equal(t, "no cases", none, nil)
}

func readsNamed(t *testing.T, s store.Store) {
	k, other := caseKey(1), caseKey(2)
	open, over := Activation(k, 0, "open", start()), Activation(k, 1, "over", start())
	over.Request.Status, over.Schedules[0].Ending = pim.Revoked, pim.Removed
	must(t, s, open, over, Activation(other, 0, "other", start()))
	for _, c := range []store.Commit{open, over} {
		request, schedule := pim.Need{Request: c.Request.ID}, pim.Need{Schedule: c.Schedules[0].ID, Clock: true}
		for _, n := range []pim.Need{request, schedule} {
			n.Key = pim.Key{Tenant: tenant}
			byTenant, err := s.Case(t.Context(), n)
			want(t, "by the tenant alone", err, nil)
			if byTenant.Key != k || byTenant.Version != 2 {
				t.Errorf("by the tenant alone: got %+v", byTenant)
			}
			n.Key = k
			byKey, err := s.Case(t.Context(), n)
			want(t, "by the whole key", err, nil)
			equal(t, "by the whole key", byKey, byTenant)
			n.Key = other
			_, err = s.Case(t.Context(), n)
			want(t, "by the key of another", err, store.ErrNotFound)
		}
	}
	for _, n := range []pim.Need{{Key: k, Request: "nothing"}, {Key: k, Schedule: "nothing", Clock: true}} {
		_, err := s.Case(t.Context(), n)
		want(t, "not there", err, store.ErrNotFound)
	}
}

func leasesEffects(t *testing.T, s store.Store) {
	const n = 50
	for i := range n {
		must(t, s, Activation(caseKey(i), 0, fmt.Sprintf("id-%02d", i), start()))
	}
	until := start().Add(time.Minute)
	var mu sync.Mutex
	held := map[string]string{}
	var holders []func() error
	for _, holder := range []string{"one", "two", "three"} {
		holders = append(holders, func() error {
			for range 10 {
				es, _, err := s.ClaimEffects(t.Context(), holder, start(), until, 7)
				if err != nil {
					return err
				}
				mu.Lock()
				for _, e := range es {
					if other := held[e.ID]; other != "" {
						t.Errorf("%s was leased to %s and %s", e.ID, other, holder)
					}
					held[e.ID] = holder
				}
				mu.Unlock()
			}
			return nil
		})
	}
	race(t, nil, holders...)
	if len(held) != n {
		t.Errorf("got %d effects leased, want %d", len(held), n)
	}
	es, next, err := s.ClaimEffects(t.Context(), "four", start(), until, n)
	want(t, "claim", err, nil)
	if len(es) != 0 || !next.Equal(until) {
		t.Errorf("got %d effects and next %s, want none and %s", len(es), next, until)
	}
	settles(t, s, held)
}

// settles tells what a settled, a lost and a changed effect come to.
func settles(t *testing.T, s store.Store, held map[string]string) {
	p, err := s.Effects(t.Context(), store.Query{Tenant: tenant})
	want(t, "effects", err, nil)
	before := p.Rows[0]
	after := before
	after.State, after.Due, after.UsableAt = pim.Usable, time.Time{}, start().Add(time.Second)
	event := store.Entry{Event: pim.Event{ID: "opened", Tenant: tenant, At: start(), Activity: pim.DoorOpened}}
	settle := func(holder string) error {
		return s.Settle(t.Context(), holder, before, after, []store.Entry{event})
	}
	want(t, "settle by another holder", settle("nobody"), store.ErrStale)
	want(t, "settle", settle(held[before.ID]), nil)
	want(t, "settle again", settle(held[before.ID]), store.ErrStale)
	p, err = s.Effects(t.Context(), store.Query{Tenant: tenant, Where: store.Is(store.FieldState, pim.Usable)})
	want(t, "effects", err, nil)
	equal(t, "settled", p.Rows, []pim.Effect{after})
	// A new intent waits for the holder of the old one, who then finds out.
	before, event.Event.ID = p.Rows[0], "closed"
	p, err = s.Effects(t.Context(), store.Query{Tenant: tenant, Where: store.Is(store.FieldState, pim.EffectPending), Limit: 1})
	want(t, "effects", err, nil)
	before = p.Rows[0]
	intent := before
	intent.State, intent.Decided, intent.Due = pim.Revoking, start().Add(time.Second), start().Add(time.Second)
	must(t, s, store.Commit{Outcome: pim.Outcome{Key: intent.Key, Version: 1, Effects: []pim.Effect{intent}}})
	now := start().Add(2 * time.Second)
	es, _, err := s.ClaimEffects(t.Context(), "four", now, now.Add(time.Minute), 10)
	want(t, "claim", err, nil)
	equal(t, "claimed while leased", es, nil)
	after = before
	after.State = pim.Usable
	want(t, "settle the old intent", settle(held[before.ID]), store.ErrStale)
	es, _, err = s.ClaimEffects(t.Context(), "four", now, now.Add(time.Minute), 10)
	want(t, "claim", err, nil)
	equal(t, "claimed after the holder gave up", es, []pim.Effect{intent})
}

func givesSecretOnce(t *testing.T, s store.Store) {
	for n := range rounds() / 10 {
		key := fmt.Sprint(n)
		add := func() error {
			return s.AddSecret(t.Context(), "code", key, []byte("v"), start().Add(time.Minute), start())
		}
		if won := race(t, store.ErrStale, add, add, add); won != 1 {
			t.Fatalf("round %d: got %d who added, want 1", n, won)
		}
		take := func() error {
			_, err := s.TakeSecret(t.Context(), "code", key, start())
			return err
		}
		if won := race(t, store.ErrNotFound, take, take, take); won != 1 {
			t.Fatalf("round %d: got %d takers, want 1", n, won)
		}
	}
	_, err := s.GetSecret(t.Context(), "cod", "e", start())
	want(t, "a kind and key that run together", err, store.ErrNotFound)
}

func swapsCredentialOnce(t *testing.T, s store.Store) {
	before := directory.Credential{Tenant: tenant, Principal: alice, Password: "hash"}
	want(t, "replace what is not there", s.ReplaceCredential(t.Context(), before, before), store.ErrStale)
	must(t, s, store.Commit{Credentials: []directory.Credential{before}})
	for n := range rounds() / 10 {
		after := before
		after.TOTPStep = int64(n + 1)
		swap := func() error { return s.ReplaceCredential(t.Context(), before, after) }
		if won := race(t, store.ErrStale, swap, swap, swap); won != 1 {
			t.Fatalf("round %d: got %d swaps, want 1", n, won)
		}
		before = after
	}
}

func followsCircles(t *testing.T, s store.Store) {
	link := func(from, to pim.PrincipalID) directory.Link {
		return directory.Link{Tenant: tenant, Relation: directory.MemberOf, From: from, To: to}
	}
	owner := link("z", alice)
	owner.Relation = directory.OwnerOf
	all := []directory.Link{link("a", alice), link("a", "c"), link("b", "a"), link("c", "b"), link("c", "c")}
	must(t, s, store.Commit{Links: append(all, owner)})
	up, err := s.GroupsAbove(t.Context(), tenant, alice)
	want(t, "groups above", err, nil)
	equal(t, "groups above", up, all)
	down, err := s.MembersBelow(t.Context(), tenant, "b")
	want(t, "members below", err, nil)
	equal(t, "members below", down, all)
	c, err := s.Case(t.Context(), pim.Need{Key: pim.Key{Tenant: tenant, Provider: pim.Directory, Scope: pim.Everywhere, Principal: alice}})
	want(t, "case", err, nil)
	if len(c.Memberships) != len(all) {
		t.Errorf("got memberships %v, want %d", c.Memberships, len(all))
	}
}

func deletesObjects(t *testing.T, s store.Store) {
	u := User(tenant, alice)
	must(t, s, store.Commit{
		Objects: []directory.Object{u},
		Links: []directory.Link{
			{Tenant: tenant, Relation: directory.MemberOf, From: "group", To: alice},
			{Tenant: tenant, Relation: directory.OwnerOf, From: alice, To: "bob"},
			{Tenant: "other", Relation: directory.MemberOf, From: "group", To: alice},
		},
		Credentials: []directory.Credential{{Tenant: tenant, Principal: alice, Password: "x"}},
	}, store.Commit{Deleted: []directory.Object{u}})
	_, err := s.Credential(t.Context(), tenant, alice)
	want(t, "credential", err, store.ErrNotFound)
	for tn, n := range map[pim.TenantID]int{tenant: 0, "other": 1} {
		to, err := s.Links(t.Context(), tn, directory.MemberOf, "", alice)
		want(t, "links", err, nil)
		from, err := s.Links(t.Context(), tn, directory.OwnerOf, alice, "")
		want(t, "links", err, nil)
		if len(to)+len(from) != n {
			t.Errorf("tenant %s: got links %v %v, want %d", tn, to, from, n)
		}
	}
	if _, err := s.Links(t.Context(), tenant, directory.MemberOf, alice, "bob"); err == nil {
		t.Error("links between two named ends: got no error")
	}
}

// keepsBin puts an account into the bin, gives its name to another, fails to bring it back, and purges it.
func keepsBin(t *testing.T, s store.Store) {
	u := User(tenant, alice)
	must(t, s, store.Commit{
		Objects:     []directory.Object{u},
		Links:       []directory.Link{{Tenant: tenant, Relation: directory.UnitMember, From: "unit", To: alice}},
		Credentials: []directory.Credential{{Tenant: tenant, Principal: alice, Password: "x"}},
	})
	gone := u
	gone.Deleted = start()
	must(t, s, store.Commit{Objects: []directory.Object{gone}})
	held := func(ids ...pim.PrincipalID) {
		t.Helper()
		var got, found []pim.PrincipalID
		page, err := s.Objects(t.Context(), store.Query{Tenant: tenant})
		want(t, "objects", err, nil)
		for _, o := range page.Rows {
			got = append(got, o.ID)
		}
		equal(t, "objects", got, ids)
		objects, err := s.ObjectsByID(t.Context(), tenant, []pim.PrincipalID{alice})
		want(t, "objects by id", err, nil)
		for _, o := range objects {
			found = append(found, o.ID)
		}
		equal(t, "alice by id", len(found) == 1, len(ids) == 1 && ids[0] == alice)
	}
	held()
	_, err := s.Credential(t.Context(), tenant, alice)
	want(t, "credential", err, store.ErrNotFound)
	links, err := s.Links(t.Context(), tenant, directory.UnitMember, "unit", "")
	want(t, "links", err, nil)
	equal(t, "links", len(links), 0)
	k := caseKey(1)
	k.Principal = alice
	c, err := s.Case(t.Context(), pim.Need{Key: k})
	want(t, "case", err, nil)
	equal(t, "the principal of a case", c.Principal, pim.Principal{})

	bin := func(tn pim.TenantID, where store.Filter) []directory.Object {
		t.Helper()
		page, err := s.Bin(t.Context(), store.Query{Tenant: tn, Where: where})
		want(t, "bin", err, nil)
		return page.Rows
	}
	equal(t, "bin", bin(tenant, nil), []directory.Object{gone})
	equal(t, "bin of another tenant", len(bin("other", nil)), 0)
	equal(t, "deleted before", len(bin(tenant, store.Compare{Field: store.FieldDeleted, Op: store.Lt, Value: start()})), 0)
	equal(t, "deleted then", len(bin(tenant, store.Compare{Field: store.FieldDeleted, Op: store.Le, Value: start()})), 1)

	v := User(tenant, "second")
	v.User.PrincipalName = u.User.PrincipalName
	must(t, s, store.Commit{Objects: []directory.Object{v}})
	back := store.Commit{Deleted: []directory.Object{gone}, Objects: []directory.Object{u}}
	want(t, "bringing back what has lost its name", s.Commit(t.Context(), back), store.ErrConflict)
	equal(t, "bin after that", len(bin(tenant, nil)), 1)
	must(t, s, store.Commit{Deleted: []directory.Object{v}}, back)
	held(alice)
	equal(t, "bin when it is back", len(bin(tenant, nil)), 0)
	must(t, s, store.Commit{Objects: []directory.Object{gone}}, store.Commit{Deleted: []directory.Object{gone}})
	held()
	equal(t, "bin when it is purged", len(bin(tenant, nil)), 0)
}

// everyMethod calls each method once.
func everyMethod(ctx context.Context, s store.Store) map[string]error {
	errs := map[string]error{}
	q := store.Query{Tenant: tenant}
	_, errs["Case"] = s.Case(ctx, pim.Need{Key: caseKey(1)})
	_, errs["Cases"] = s.Cases(ctx, []pim.Need{{Key: caseKey(1)}})
	errs["Commit"] = s.Commit(ctx, Activation(caseKey(99), 0, "late", start()))
	errs["CommitAll"] = errors.Join(s.CommitAll(ctx, []store.Commit{Activation(caseKey(98), 0, "later", start())})...)
	_, _, errs["Due"] = s.Due(ctx, start(), 1)
	_, _, errs["ClaimEffects"] = s.ClaimEffects(ctx, "one", start(), start().Add(1), 1)
	errs["Settle"] = s.Settle(ctx, "one", pim.Effect{Tenant: tenant, ID: "x"}, pim.Effect{Tenant: tenant, ID: "x"}, nil)
	_, _, errs["ClaimMails"] = s.ClaimMails(ctx, "one", start(), start().Add(1), 1)
	errs["SettleMail"] = s.SettleMail(ctx, "one", pim.Mail{ID: "x", Notice: pim.Notice{Tenant: tenant}}, nil, nil)
	_, errs["Mails"] = s.Mails(ctx, q)
	_, errs["PurgeMails"] = s.PurgeMails(ctx, start(), 1)
	_, errs["Requests"] = s.Requests(ctx, q)
	_, errs["Schedules"] = s.Schedules(ctx, q)
	_, errs["Effects"] = s.Effects(ctx, q)
	_, errs["Events"] = s.Events(ctx, q)
	_, errs["Policies"] = s.Policies(ctx, tenant, []pim.RoleKey{caseKey(1).Policy()})
	_, errs["PoliciesAt"] = s.PoliciesAt(ctx, caseKey(1).Policy())
	errs["LiveSchedules"] = s.LiveSchedules(ctx, start(), func(pim.Schedule) error { return nil })
	errs["LiveLinks"] = s.LiveLinks(ctx, func(directory.Link) error { return nil })
	_, errs["Resources"] = s.Resources(ctx, q)
	_, errs["ResourcesByScope"] = s.ResourcesByScope(ctx, tenant, []pim.Scope{"/x"})
	_, errs["Denials"] = s.Denials(ctx, q)
	errs["LiveResources"] = s.LiveResources(ctx, func(resource.Node) error { return nil },
		func(pim.TenantID, rbac.Role) error { return nil }, func(store.Denial) error { return nil })
	_, errs["Tenants"] = s.Tenants(ctx)
	_, errs["Objects"] = s.Objects(ctx, q)
	_, errs["Bin"] = s.Bin(ctx, q)
	_, errs["ObjectsByID"] = s.ObjectsByID(ctx, tenant, []pim.PrincipalID{alice})
	_, errs["Links"] = s.Links(ctx, tenant, directory.MemberOf, "a", "")
	_, errs["GroupsAbove"] = s.GroupsAbove(ctx, tenant, alice)
	_, errs["MembersBelow"] = s.MembersBelow(ctx, tenant, alice)
	_, errs["Credential"] = s.Credential(ctx, tenant, alice)
	errs["ReplaceCredential"] = s.ReplaceCredential(ctx, directory.Credential{Tenant: tenant}, directory.Credential{Tenant: tenant})
	errs["PutSecret"] = s.PutSecret(ctx, "k", "k", []byte("v"), start())
	errs["AddSecret"] = s.AddSecret(ctx, "k", "k", []byte("v"), start(), start())
	_, errs["GetSecret"] = s.GetSecret(ctx, "k", "k", start())
	_, errs["TakeSecret"] = s.TakeSecret(ctx, "k", "k", start())
	errs["SwapSecret"] = s.SwapSecret(ctx, "k", "k", nil, nil, start())
	errs["DeleteSecret"] = s.DeleteSecret(ctx, "k", "k")
	_, errs["PurgeSecrets"] = s.PurgeSecrets(ctx, start(), 1)
	errs["Ping"] = s.Ping(ctx)
	return errs
}

func heedsContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range everyMethod(ctx, s) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a canceled context: got %v, want %v", name, err, context.Canceled)
		}
	}
	p, err := s.Requests(t.Context(), store.Query{Tenant: tenant})
	want(t, "requests", err, nil)
	equal(t, "what was written under a canceled context", p.Rows, nil)
	want(t, "ping", s.Ping(t.Context()), nil)
}

func closes(t *testing.T, s store.Store) {
	must(t, s, Activation(caseKey(1), 0, "id", start()))
	// Those that wait when the store is closed are written or told.
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			err := s.Commit(t.Context(), Activation(caseKey(100+n), 0, fmt.Sprintf("id-%d", n), start()))
			if err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("commit while closing: %v", err)
			}
		})
	}
	want(t, "close", s.Close(), nil)
	wg.Wait()
	for name, err := range everyMethod(t.Context(), s) {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s after Close: got %v, want %v", name, err, store.ErrUnavailable)
		}
	}
	want(t, "close again", s.Close(), nil)
}
