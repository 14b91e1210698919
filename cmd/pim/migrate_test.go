package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crypto/tls"
	"crypto/x509"
	"encoding/pem"

	"portcullis/internal/catalog"
	"portcullis/internal/client"
	"portcullis/internal/client/clienttest"
	"portcullis/internal/client/provision"
	"portcullis/internal/config"
	"portcullis/internal/directory"
	"portcullis/internal/idp"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/resource"
	"portcullis/internal/sample"
	"portcullis/internal/schedule"
	"portcullis/internal/server"
	"portcullis/internal/store"
)

// tenancy is a server in this process with one tenant whose administrator, olga, also owns all resources.
type tenancy struct {
	*server.Server
	sample.Organisation
	t       *testing.T
	secrets sample.Secrets
	people  []pim.PrincipalID
	groups  []pim.PrincipalID
}

// migrationSize is how large the tenant is that is carried over.
type migrationSize struct{ grants, roles, scopes, users, groups, policies int }

const shop = "/subscriptions/5a0c0000-0000-4000-8000-%012d"

// places are the tree: a management group, a subscription for each hundred places, and resource groups.
func (n migrationSize) places(t pim.TenantID) []resource.Node {
	add := func(list []resource.Node, path, title string, parent pim.Scope) []resource.Node {
		node, err := resource.ParseFor(t, path)
		if err != nil {
			panic(err) // the paths are those below
		}
		node.DisplayName = title
		if parent != "" {
			node.Parent = parent
		}
		return append(list, node)
	}
	list := add(nil, "/providers/"+resource.ManagementGroupType+"/estate", "The estate", pim.Everywhere)
	for i := 0; len(list) < n.scopes; i++ {
		path := fmt.Sprintf(shop, i)
		list = add(list, path, fmt.Sprintf("Subscription %d", i), list[0].Scope)
		for j := 0; j < 100 && len(list) < n.scopes; j++ {
			list = add(list, fmt.Sprintf("%s/resourceGroups/rg-%03d", path, j), "", "")
		}
	}
	return list
}

// newTenancy serves a tenant with a part of the tree and the people of a directory elsewhere.
func newTenancy(t *testing.T, seed uint64, n migrationSize, places int) *tenancy {
	t.Helper()
	o := server.Options{
		Settings: config.Settings{Data: t.TempDir(), Listen: []string{"127.0.0.1:0"}}, Notices: io.Discard,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	s, err := server.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	h := &tenancy{Organisation: sample.Neighbour(sample.Options{Seed: seed, Created: s.App.Time()}), t: t}
	h.Grants, h.Owner, h.Tree = nil, h.People["olga"], n.places(h.Tenant.ID)[:places]
	h.secrets = sample.NewSecrets(h.Organisation)
	err = sample.Load(t.Context(), s.App, h.Organisation, h.secrets, sample.Hashes{Password: idp.HashPassword, Secret: idp.HashSecret})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	// The start after it gives the tenant's command line its permissions.
	if h.Server, err = server.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	h.provision(n)
	return h
}

// provision brings people and groups in by SCIM, as an operator does: every server gives them ids of its own.
func (h *tenancy) provision(n migrationSize) {
	h.t.Helper()
	ctx := h.t.Context()
	source, err := server.Sources().Add(ctx, h.App, h.Tenant.Domain, "staff")
	if err != nil {
		h.t.Fatal(err)
	}
	scim, err := client.NewSource(client.Options{Server: h.URL(), CAFile: h.CAFile()}, source.Secret)
	if err != nil {
		h.t.Fatal(err)
	}
	report, err := provision.Loader{Server: scim, Parallel: 4, Progress: func(provision.Progress) {}}.Load(ctx, provision.Sample(n.users, n.groups, h.Tenant.Domain))
	if err != nil || len(report.Failures) > 0 {
		h.t.Fatalf("the people: %v, %v", err, report.Failures)
	}
	begins := map[pim.PrincipalID]bool{}
	for _, o := range h.Objects {
		begins[o.ID] = true
	}
	q := store.Query{Tenant: h.Tenant.ID, Limit: 1000}
	for {
		page, err := h.Store.Objects(ctx, q)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, o := range page.Rows {
			switch {
			case begins[o.ID]:
			case o.Kind == directory.KindUser:
				h.people = append(h.people, o.ID)
			case o.Kind == directory.KindGroup:
				h.groups = append(h.groups, o.ID)
			}
		}
		if q.After = page.Next; q.After == nil {
			return
		}
	}
}

// olga is the administrator, as the application knows her.
func (h *tenancy) olga() pim.Caller {
	return h.App.Caller(h.Tenant.ID, pim.Caller{Actor: pim.Actor{Principal: h.Administrator, Kind: pim.UserPrincipal, Name: "Olga Marchetti"}, MFA: true})
}

// signIn leaves olga signed in with a second factor in a folder, and returns her token.
func (h *tenancy) signIn(folder string) string {
	h.t.Helper()
	account := "olga.marchetti@" + h.Tenant.Domain
	for _, o := range h.Objects {
		if o.ID == h.Administrator {
			account = o.User.PrincipalName
		}
	}
	person, err := clienttest.New(account, h.secrets.Passwords["olga"], h.secrets.TOTP["olga"], h.CAFile())
	if err != nil {
		h.t.Fatal(err)
	}
	answered := make(chan error, 1)
	c, err := client.NewCache(folder).SignedOut(client.Options{
		Server: h.URL(), Tenant: h.Tenant.Domain, CAFile: h.CAFile(),
		Sleep: func(ctx context.Context, _ time.Duration) error {
			select {
			case err := <-answered:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	tell := func(p client.Prompt) {
		go func() { answered <- person.Answer(h.t.Context(), p.Address, p.Code, true) }()
	}
	if err := c.SignIn(h.t.Context(), client.MFA(), tell); err != nil {
		h.t.Fatal(err)
	}
	return c.Session().Access
}

// asks are what makes the tenant as large as it is to be, each about a case of its own.
func (n migrationSize) asks(h *tenancy) []pim.Ask {
	random := rand.New(rand.NewPCG(1, 2))
	var roles []pim.RoleKey
	for _, r := range catalog.Roles() {
		if len(roles) < n.roles/6 && r.ID != catalog.GlobalAdministrator {
			roles = append(roles, pim.RoleKey{Tenant: h.Tenant.ID, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.RoleID(r.ID)})
		}
	}
	for _, r := range catalog.AzureRoles() {
		if len(roles) < n.roles {
			roles = append(roles, pim.RoleKey{Tenant: h.Tenant.ID, Provider: pim.Resource, Role: pim.RoleID(r.ID)})
		}
	}
	taken := map[pim.Key]bool{}
	var out []pim.Ask
	for len(out) < n.grants {
		i := len(out)
		r := roles[i%len(roles)]
		k := pim.Key{Tenant: r.Tenant, Provider: r.Provider, Scope: r.Scope, Role: r.Role, Principal: h.people[random.IntN(len(h.people))]}
		switch {
		case i%19 == 0: // a side of a group; 19 has nothing in common with the numbers of roles and places
			k.Provider, k.Scope, k.Role = pim.Group, pim.Scope(h.groups[random.IntN(len(h.groups))]), []pim.RoleID{pim.Member, pim.Owner}[i/19%2]
		case r.Provider == pim.Resource:
			k.Scope = h.Tree[i*7%len(h.Tree)].Scope // each of them is met
			if i%9 == 0 {
				k.Principal = h.groups[random.IntN(len(h.groups))]
			}
		}
		if taken[k] {
			continue
		}
		taken[k] = true
		ask := pim.Ask{By: h.olga(), Action: pim.AdminAssign, Kind: pim.Eligibility, Key: k, Justification: "as agreed",
			Schedule: schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.FromTime(time.Duration(20+random.IntN(150)) * 24 * time.Hour)}}}
		if i%3 == 0 && k.Provider != pim.Group {
			ask.Kind = pim.Assignment
		}
		if k.Provider == pim.Directory && i%2 == 0 {
			ask.Schedule.Expiration = schedule.Expiration{Kind: schedule.NoExpiration}
		}
		out = append(out, ask)
	}
	return out
}

// fill makes the tenant as large as it is to be: rules first, then grants.
func (h *tenancy) fill(n migrationSize) {
	h.t.Helper()
	ctx, asks := h.t.Context(), n.asks(h)
	roles, scopes := map[pim.RoleID]bool{}, map[pim.Scope]bool{}
	for _, a := range asks {
		if a.Key.Provider != pim.Group {
			roles[a.Key.Role] = true
		}
		if a.Key.Provider == pim.Resource {
			scopes[a.Key.Scope] = true
		}
	}
	if len(asks) != n.grants || len(roles) != n.roles || len(scopes) != n.scopes {
		h.t.Fatalf("%d grants of %d roles at %d places, want %+v", len(asks), len(roles), len(scopes), n)
	}
	edited := map[pim.RoleKey]bool{}
	for _, a := range asks {
		k := a.Key.Policy()
		if len(edited) == n.policies || edited[k] || k.Scope == pim.Everywhere && k.Provider == pim.Resource {
			continue
		}
		edited[k] = true
		if _, err := h.App.EditPolicy(ctx, h.olga(), k, func(r *policy.Rules) error {
			r.EndUserAssignment.Expiration.Maximum = schedule.FromTime(time.Duration(1+len(edited)%20) * time.Hour / 2)
			r.EndUserAssignment.Enablement.Ticketing = len(edited)%2 == 0
			if len(edited)%3 == 0 {
				r.Approval.Required = true
				r.Approval.Stages[0].Approvers = []policy.Approver{{Kind: policy.Group, ID: string(h.groups[len(edited)%len(h.groups)])}, {Kind: policy.User, ID: string(h.people[len(edited)])}}
			}
			return nil
		}); err != nil {
			h.t.Fatal(err)
		}
	}
	work := make(chan pim.Ask)
	var wait sync.WaitGroup
	var failed atomic.Value
	for range 32 {
		wait.Go(func() {
			for a := range work {
				if _, err := h.App.Do(ctx, a); err != nil {
					failed.Store(fmt.Errorf("%v: %w", a.Key, err))
				}
			}
		})
	}
	for _, a := range asks {
		work <- a
	}
	close(work)
	wait.Wait()
	if err, ok := failed.Load().(error); ok {
		h.t.Fatal(err)
	}
}

// counted are how many requests and live schedules the tenant has, and the keys that have more than one of the same kind.
func (h *tenancy) counted() (requests, schedules int, twice []string) {
	h.t.Helper()
	ctx, seen := h.t.Context(), map[string]bool{}
	q := store.Query{Tenant: h.Tenant.ID, Limit: 1000}
	for {
		page, err := h.Store.Requests(ctx, q)
		if err != nil {
			h.t.Fatal(err)
		}
		requests += len(page.Rows)
		if q.After = page.Next; q.After == nil {
			break
		}
	}
	for q.After = nil; ; {
		page, err := h.Store.Schedules(ctx, q)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, s := range page.Rows {
			if s.Request == "" {
				continue // made outside PIM, by the directory elsewhere
			}
			schedules++
			what := fmt.Sprint(s.Key, s.Kind)
			if seen[what] {
				twice = append(twice, what)
			}
			seen[what] = true
		}
		if q.After = page.Next; q.After == nil {
			return requests, schedules, twice
		}
	}
}

// faulty stands before a server and fails now and then, as a busy one does. It returns its address and the file of its authority.
func faulty(t *testing.T, h *tenancy) (address, ca string, failed *atomic.Int32) {
	t.Helper()
	to, err := url.Parse(h.URL())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(h.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	failed = new(atomic.Int32)
	var calls atomic.Int32
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	proxy.ModifyResponse = func(r *http.Response) error { // pages go on at the address that was asked
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		body = bytes.ReplaceAll(body, []byte(h.URL()), []byte(address))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return nil
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := calls.Add(1); n {
		case 3, 17, 40:
			failed.Add(1)
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case 5, 30:
			failed.Add(1)
			w.WriteHeader(http.StatusInternalServerError)
		default:
			r.Header.Del("Accept-Encoding")
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	address, ca = s.URL, filepath.Join(t.TempDir(), "proxy.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return address, ca, failed
}

// TestAWholeTenantIsMigrated is the proof of `pim migrate`: a tenant is served in PIM's second iteration, by a server that fails now
// and then, and carried into an empty one whose people have other ids. The copy is killed half-way and started again.
func TestAWholeTenantIsMigrated(t *testing.T) {
	n := migrated
	began := time.Now()
	timed := func(what string) {
		t.Logf("%-28s %v", what, time.Since(began).Round(100*time.Millisecond))
		began = time.Now()
	}
	source, target := newTenancy(t, 1, n, n.scopes), newTenancy(t, 2, n, 1)
	timed("two tenants with people")
	source.fill(n)
	timed("the source is filled")
	folder := t.TempDir()
	token := filepath.Join(folder, "source.token")
	if err := os.WriteFile(token, []byte(source.signIn(filepath.Join(folder, "there"))), 0o600); err != nil {
		t.Fatal(err)
	}
	target.signIn(filepath.Join(folder, "here"))
	address, ca, failed := faulty(t, source)
	pim := func(args ...string) *exec.Cmd {
		args = append([]string{"migrate"}, args...)
		args = append(args, "--from", address, "--from-ca", ca, "--from-token-file", token, "--iteration", "2", "--json")
		cmd := exec.Command("pim", args...)
		cmd.Env = append(os.Environ(), "PIM_CONFIG_DIR="+filepath.Join(folder, "here"))
		cmd.Stderr = t.Output()
		return cmd
	}
	_, before, _ := target.counted()

	first := pim("copy")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- first.Wait() }()
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(100 * time.Millisecond) { // polls another process
		if _, now, _ := target.counted(); now-before >= n.grants/2 {
			break
		}
		if time.Now().After(deadline) || len(ended) > 0 {
			t.Fatal("the copy does not come half-way")
		}
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; first.ProcessState.Exited() {
		t.Fatalf("the copy was done before it was killed: %v", err)
	}
	_, half, _ := target.counted()
	timed("killed half-way")
	if half-before >= n.grants {
		t.Fatalf("%d of %d grants were there when the copy was killed", half-before, n.grants)
	}

	out, err := pim("copy").Output()
	if err != nil {
		t.Fatalf("the second copy: %v\n%.4000s", err, out)
	}
	timed("the rest is copied")
	requests, schedules, twice := target.counted()
	if len(twice) > 0 || schedules-before != n.grants || requests != n.grants {
		t.Errorf("the target has %d requests and %d schedules, %v twice; want %d of each", requests, schedules-before, twice, n.grants)
	}
	if failed.Load() == 0 {
		t.Error("the source never failed")
	}
	verified(t, pim("verify"), true)
	timed("verified")

	out, err = pim("copy").Output()
	if again, _, _ := target.counted(); err != nil || again != requests {
		t.Errorf("a third copy makes %d requests: %v\n%.2000s", again-requests, err, out)
	}
	timed("copied again: nothing to do")

	want := target.tamper(t)
	got := verified(t, pim("verify"), false)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the differences are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	timed("three changes are found")
}

// verified runs a verification and returns what differs, each in short.
func verified(t *testing.T, cmd *exec.Cmd, equal bool) []string {
	t.Helper()
	out, err := cmd.Output()
	exit, _ := errors.AsType[*exec.ExitError](err)
	if equal && err != nil || !equal && (exit == nil || exit.ExitCode() != exitDiffers) {
		t.Fatalf("verify ends with %v\n%.4000s", err, out)
	}
	var told struct {
		Equal       bool
		Differences []differenceView
	}
	if err := json.Unmarshal(out, &told); err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	if told.Equal != equal {
		t.Fatalf("equal is %v\n%.4000s", told.Equal, out)
	}
	var list []string
	for _, d := range told.Differences {
		list = append(list, fmt.Sprintf("%s %s %s %s", d.Aspect, d.Provider, d.Role, d.Rule))
	}
	return list
}

// tamper changes one assignment, one setting and one end at the target, and returns what is to be found.
func (h *tenancy) tamper(t *testing.T) []string {
	t.Helper()
	ctx := t.Context()
	page, err := h.Store.Schedules(ctx, store.Query{Tenant: h.Tenant.ID, Limit: 3, Where: store.And{
		store.Is(store.FieldProvider, string(pim.Resource)), store.Is(store.FieldKind, int(pim.Eligibility))}})
	if err != nil || len(page.Rows) != 3 {
		t.Fatalf("three eligibilities: %v, %v", page.Rows, err)
	}
	gone, moved, ruled := page.Rows[0].Key, page.Rows[1], page.Rows[2].Key.Policy()
	_, removed := h.App.Do(ctx, pim.Ask{By: h.olga(), Action: pim.AdminRemove, Kind: pim.Eligibility, Key: gone})
	_, updated := h.App.Do(ctx, pim.Ask{By: h.olga(), Action: pim.AdminUpdate, Kind: pim.Eligibility, Key: moved.Key, Justification: "a day less",
		Schedule: schedule.Info{Expiration: schedule.Expiration{Kind: schedule.AfterDateTime, End: moved.Window.End.AddDate(0, 0, -1)}}})
	_, edited := h.App.EditPolicy(ctx, h.olga(), ruled, func(r *policy.Rules) error {
		r.EndUserAssignment.Expiration.Maximum = schedule.MustDuration("PT7H")
		return nil
	})
	if err := errors.Join(removed, updated, edited); err != nil {
		t.Fatal(err)
	}
	return []string{
		fmt.Sprintf("eligible resource %s ", gone.Role), fmt.Sprintf("eligible resource %s ", moved.Key.Role),
		fmt.Sprintf("rules resource %s %s", ruled.Role, policy.RuleExpirationEndUserAssignment),
	}
}
