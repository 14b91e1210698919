package client_test

import (
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/client"
	"portcullis/internal/pim"
)

// TestTheMainJob: amira asks for a role, proves more, gives a reason, is approved by ana, holds it, and cannot let it
// go within five minutes.
func TestTheMainJob(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	amira, ana := w.signedIn("amira"), w.signedIn("ana")
	eligible, err := amira.Eligible(ctx)
	if err != nil || len(eligible) != 1 || eligible[0].Role == nil || eligible[0].Role.Name != "Payroll Administrator" || eligible[0].ScopeID != "/" {
		t.Fatalf("amira is eligible for %+v, %v", eligible, err)
	}
	role := eligible[0].RoleID
	rules, err := amira.Rules(ctx, role)
	if err != nil || !rules.MFA || !rules.Justification || !rules.Approval || rules.Maximum != "PT8H" || len(rules.Stages) != 1 || len(rules.Stages[0]) != 2 {
		t.Errorf("the rules are %+v, %v", rules, err)
	}
	if o, err := amira.ObjectByID(ctx, rules.Stages[0][0].ID); err != nil || o.Name != "Ana Ferreira" || o.Kind() != "user" {
		t.Errorf("the first approver is %+v, %v", o, err)
	}
	ask := client.Ask{Action: "selfActivate", PrincipalID: amira.Session().ObjectID, RoleID: role, ScopeID: "/", Justification: "pay run",
		Schedule: &client.Schedule{Expiration: &client.Expiration{Type: "afterDuration", Duration: "PT1H"}}}
	_, err = amira.Submit(ctx, client.Assignment, ask)
	refused, ok := errors.AsType[*client.Error](err)
	if !ok || refused.Status != http.StatusBadRequest || refused.StepUp == nil || refused.RequestID == "" {
		t.Fatalf("without a second factor: %#v, want a step-up", err)
	}
	if err := amira.StepUp(ctx, refused.StepUp, amira.tell); err != nil {
		t.Fatalf("step up: %v", err)
	}
	r, err := amira.Submit(ctx, client.Assignment, ask)
	if err != nil || !r.Pending() || r.ApprovalID != r.ID {
		t.Fatalf("the request is %+v, %v", r, err)
	}
	if _, err := amira.Submit(ctx, client.Assignment, ask); codeOf(err) != "PendingRoleAssignmentRequest" {
		t.Errorf("asked twice: %v", err)
	}
	list, err := ana.Requests(ctx, client.Assignment, client.ToApprove, "PendingApproval", 10)
	if err != nil || len(list) != 1 || list[0].ID != r.ID || list[0].Principal.Name != "Amira Haddad" || list[0].Role.Name != "Payroll Administrator" {
		t.Fatalf("ana sees %+v, %v", list, err)
	}
	steps, err := ana.Approval(ctx, client.Assignment, r.ID)
	if err != nil || len(steps) != 1 || !steps[0].Mine || steps[0].Status != "InProgress" {
		t.Fatalf("the approval is %+v, %v", steps, err)
	}
	if err := ana.Decide(ctx, client.Assignment, r.ID, steps[0].ID, true, ""); codeOf(err) != "InvalidRequest" {
		t.Errorf("approved without a reason: %v", err)
	}
	if err := ana.Decide(ctx, client.Assignment, r.ID, steps[0].ID, true, "agreed"); err != nil {
		t.Fatal(err)
	}
	if err := ana.Decide(ctx, client.Assignment, r.ID, steps[0].ID, true, "agreed"); err == nil || err.(*client.Error).Status != http.StatusConflict { //nolint:errorlint // as it is returned
		t.Errorf("approved twice: %v", err)
	}
	held, err := amira.Check(ctx, role, "/")
	if err != nil || !held.Held || held.Until == nil || held.Until.Sub(held.At) > time.Hour {
		t.Errorf("amira holds it: %+v, %v", held, err)
	}
	active, err := amira.Active(ctx)
	if err != nil || len(active) != 1 || !active[0].Activated() || active[0].ScheduleID() != r.ID {
		t.Errorf("active are %+v, %v", active, err)
	}
	ask.Action = "selfDeactivate"
	if _, err := amira.Submit(ctx, client.Assignment, ask); codeOf(err) != "ActiveDurationTooShort" {
		t.Errorf("deactivated at once: %v", err)
	}
	if _, err := amira.Events(ctx, r.ID, ""); err == nil {
		t.Error("amira reads the log")
	}
	if events, err := w.signedIn("aud").Events(ctx, r.ID, ""); err != nil || len(events) < 4 {
		t.Errorf("aud reads %v, %v", events, err)
	}
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Code
	}
	return ""
}

// TestAnAdministratorGivesAndTakes: pat makes alice eligible for a role, found by its name, and takes it away again.
func TestAnAdministratorGivesAndTakes(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	pat, alice := w.signedIn("pat"), w.signedIn("alice")
	roles, err := pat.RolesNamed(ctx, "reports reader")
	if err != nil || len(roles) != 1 || roles[0].ID != string(pim.ReportsReader) {
		t.Fatalf("roles named so: %v, %v", roles, err)
	}
	if o, err := pat.Role(ctx, roles[0].ID); err != nil || o.Name != "Reports Reader" {
		t.Errorf("role by id: %v, %v", o, err)
	}
	who, err := pat.User(ctx, "Alice@"+w.Domain)
	if err != nil || who.ID != alice.Session().ObjectID {
		t.Fatalf("user by name: %v, %v", who, err)
	}
	if named, err := pat.Named(ctx, "alice nakamura"); err != nil || len(named) != 1 || named[0].Kind() != "user" {
		t.Errorf("named so: %v, %v", named, err)
	}
	ask := client.Ask{Action: "adminAssign", PrincipalID: who.ID, RoleID: roles[0].ID, ScopeID: "/", Justification: "for now",
		Schedule: &client.Schedule{Expiration: &client.Expiration{Type: "afterDuration", Duration: "P30D"}}}
	if _, err := alice.Submit(ctx, client.Eligibility, ask); codeOf(err) != "Authorization_RequestDenied" {
		t.Errorf("alice gives herself: %v", err)
	}
	if _, err := pat.Submit(ctx, client.Eligibility, ask); err != nil {
		t.Fatal(err)
	}
	if list, err := alice.Eligible(ctx); err != nil || len(list) != 1 {
		t.Errorf("alice is eligible for %v, %v", list, err)
	}
	later := time.Now().Add(time.Hour).UTC()
	planned, err := alice.Submit(ctx, client.Assignment, client.Ask{Action: "selfActivate", PrincipalID: who.ID, RoleID: roles[0].ID,
		ScopeID: "/", Justification: "later", Schedule: &client.Schedule{Start: &later}})
	if e, ok := errors.AsType[*client.Error](err); ok && e.StepUp != nil {
		t.Fatalf("Reports Reader asks for no proof here: %v", err)
	}
	if err != nil || !planned.In("Granted") {
		t.Fatalf("planned: %+v, %v", planned, err)
	}
	if err := alice.Cancel(ctx, client.Assignment, planned.ID); err != nil {
		t.Errorf("cancel: %v", err)
	}
	if r, err := alice.Request(ctx, client.Assignment, planned.ID); err != nil || !r.In("Canceled") {
		t.Errorf("the request is %+v, %v", r, err)
	}
	ask.Action, ask.Schedule = "adminRemove", nil
	if _, err := pat.Submit(ctx, client.Eligibility, ask); err != nil {
		t.Fatal(err)
	}
	if list, err := alice.Eligible(ctx); err != nil || len(list) != 0 {
		t.Errorf("alice is still eligible for %v, %v", list, err)
	}
	all, err := pat.Requests(ctx, client.Eligibility, client.Everybody, "", 7)
	if err != nil || len(all) != 7 || all[0].Action != "adminRemove" {
		t.Errorf("the newest of all: %d %+v, %v", len(all), all, err)
	}
	if all, err := pat.Requests(ctx, client.Eligibility, client.Everybody, "", 1000); err != nil || len(all) < 40 {
		t.Errorf("all pages: %d, %v", len(all), err)
	}
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	t.Run("by domain and by id", func(t *testing.T) {
		for _, tenant := range []string{w.Domain, w.TenantID, "organizations"} {
			p := w.as("alice")
			o := p.options()
			o.Tenant = tenant
			c, err := p.cache.SignedOut(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.SignIn(ctx, nil, p.tell); err != nil || c.Session().TenantID != w.TenantID || c.Session().Name != "Alice Nakamura" {
				t.Errorf("tenant %s: %+v, %v", tenant, c.Session(), err)
			}
			if _, err := p.cache.Load(c.Server, tenant); err != nil {
				t.Errorf("tenant %s is not kept: %v", tenant, err)
			}
		}
	})
	t.Run("refused on the page", func(t *testing.T) {
		p := w.as("alice")
		p.allow = false
		if err := p.SignIn(ctx, nil, p.tell); !errors.Is(err, client.ErrDenied) || p.Session() != nil {
			t.Errorf("got %v, want %v", err, client.ErrDenied)
		}
	})
	t.Run("as somebody else", func(t *testing.T) {
		p := w.signedIn("alice")
		bob := w.as("bob")
		p.Person = bob.Person
		err := p.StepUp(ctx, client.MFA(), p.tell)
		if err == nil || !strings.Contains(err.Error(), "bob@") || p.Session().Name != "Alice Nakamura" {
			t.Errorf("bob steps up for alice: %v", err)
		}
		if kept, err := p.cache.Load(p.Server, ""); err != nil || kept.Name != "Alice Nakamura" {
			t.Errorf("kept is %v, %v", kept, err)
		}
	})
	t.Run("unknown tenant and application", func(t *testing.T) {
		for want, change := range map[string]func(*client.Options){
			"invalid_tenant": func(o *client.Options) { o.Tenant = "nobody.example" },
			"invalid_client": func(o *client.Options) { o.ClientID = "00000000-0000-4000-8000-000000000000" },
		} {
			o := w.as("alice").options()
			change(&o)
			c, err := client.New(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.SignIn(ctx, nil, nil); codeOf(err) != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	})
	t.Run("unknown authority", func(t *testing.T) {
		c, err := client.New(client.Options{Server: w.URL})
		if err != nil {
			t.Fatal(err)
		}
		err = c.SignIn(ctx, nil, nil)
		if _, ok := errors.AsType[*client.Unreachable](err); !ok {
			t.Errorf("got %v, want unreachable", err)
		}
		if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
			t.Errorf("got %v, want an unknown authority", err)
		}
	})
}

func TestTheSignInIsKept(t *testing.T) {
	w := newWorld(t)
	t.Run("in files of its owner's", func(t *testing.T) { keptForTheNextCommand(t, w) })
	t.Run("and renewed once for many commands", func(t *testing.T) { renewedOnce(t, w) })
	t.Run("until it ends", func(t *testing.T) { ended(t, w) })
}

// keptForTheNextCommand: in files that only their owner reads; and forgotten when told to.
func keptForTheNextCommand(t *testing.T, w world) {
	ctx := t.Context()
	p := w.signedIn("nora")
	files, err := filepath.Glob(filepath.Join(p.cache.Dir(), "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("files are %v, %v", files, err)
	}
	for _, f := range append(files, p.cache.Dir()) {
		info, err := os.Stat(f)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v, %v", f, info.Mode(), err)
		}
	}
	c, err := p.cache.Open(p.options())
	if err != nil {
		t.Fatal(err)
	}
	if list, err := c.Eligible(ctx); err != nil || len(list) == 0 {
		t.Errorf("the next command: %v, %v", list, err)
	}
	if at, err := p.cache.Current(); err != nil || at.Server != w.URL || at.CAFile != w.CAFile {
		t.Errorf("the current place is %+v, %v", at, err)
	}
	if there, err := p.cache.SignOut(w.URL, ""); !there || err != nil {
		t.Errorf("signed out: %v, %v", there, err)
	}
	if there, err := p.cache.SignOut(w.URL, ""); there || err != nil {
		t.Errorf("signed out twice: %v, %v", there, err)
	}
	if _, err := p.cache.Open(p.options()); !errors.Is(err, client.ErrSignedOut) {
		t.Errorf("after signing out: %v", err)
	}
}

// renewedOnce: a refresh token that is used twice ends the sign-in, so that commands at once share one.
func renewedOnce(t *testing.T, w world) {
	p := w.signedIn("nora")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			o := p.options()
			o.Now = func() time.Time { return time.Now().Add(2 * time.Hour) } // all tokens are over
			c, err := p.cache.Open(o)
			if err != nil {
				t.Error(err)
				return
			}
			for range 3 {
				if _, err := c.Eligible(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if _, err := p.Eligible(t.Context()); err != nil {
		t.Errorf("the first command goes on: %v", err)
	}
}

// ended: a refresh token that is no good leads to ErrSignedOut.
func ended(t *testing.T, w world) {
	p := w.signedIn("nora")
	kept, err := p.cache.Load(w.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(p.cache.Dir(), "session-*.json"))
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	spoilt := strings.ReplaceAll(strings.ReplaceAll(string(text), kept.Access, "spoilt"), kept.Refresh, kept.Refresh+"x")
	if err := os.WriteFile(files[0], []byte(spoilt), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := p.cache.Open(p.options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Eligible(t.Context()); !errors.Is(err, client.ErrSignedOut) {
		t.Errorf("got %v, want %v", err, client.ErrSignedOut)
	}
}
