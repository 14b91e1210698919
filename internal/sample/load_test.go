package sample_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/catalog"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/sample"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
)

// hashes stand for the real ones, which take their time.
func hashes() sample.Hashes {
	return sample.Hashes{
		Password: func(p string) (string, error) { return hex.EncodeToString([]byte(p)), nil },
		Secret:   func(s string) string { return hex.EncodeToString([]byte(s)) },
	}
}

func loaded(t *testing.T) (*app.App, sample.Organisation, sample.Secrets) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	a := &app.App{Store: s, Index: access.New()}
	o := sample.Organise(options(1))
	secrets := sample.NewSecrets(o)
	if err := sample.Load(t.Context(), a, o, secrets, hashes()); err != nil {
		t.Fatal(err)
	}
	return a, o, secrets
}

func TestLoading(t *testing.T) {
	a, o, secrets := loaded(t)
	schedules, err := a.Store.Schedules(t.Context(), store.Query{Tenant: o.Tenant.ID, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	// The administrator's role is made outside PIM, and so is everybody's place in a group.
	asked, outside := 0, map[pim.Provider]int{}
	for _, s := range schedules.Rows {
		if s.Request == "" {
			outside[s.Key.Provider]++
		} else {
			asked++
		}
	}
	memberships := 0
	for _, l := range o.Links {
		if l.Relation != directory.UnitMember {
			memberships++
		}
	}
	if want := len(o.Grants); asked != want || outside[pim.Directory] != 1 || outside[pim.Group] != memberships {
		t.Errorf("got %d schedules asked for, and outside PIM %v, want %d, and 1 and %d", asked, outside, want, memberships)
	}
	held := func(key string) (roles []pim.HeldRole) {
		for _, r := range a.Index.Held(a.Time(), o.Tenant.ID, o.People[key]) {
			if r.Provider == pim.Directory {
				roles = append(roles, r)
			}
		}
		return roles
	}
	if eve := o.People["eve"]; !slices.Contains(a.Index.GroupsAbove(a.Time(), o.Tenant.ID, eve), o.Groups["security-operations"]) {
		t.Error("eve is no member of Security Operations")
	}
	for key, role := range map[string]pim.RoleID{
		"grace": pim.GlobalAdministrator, "pat": pim.PrivilegedRoleAdministrator, "aud": pim.GlobalReader, "eve": pim.SecurityReader,
	} {
		if roles := held(key); len(roles) != 1 || roles[0].Role != role {
			t.Errorf("%s holds %+v, want role %s alone", key, roles, role)
		}
	}
	for _, key := range []string{"alice", "bob"} {
		if roles := held(key); len(roles) != 0 {
			t.Errorf("%s holds %+v, want nothing", key, roles)
		}
	}
	c, err := a.Store.Credential(t.Context(), o.Tenant.ID, o.People["alice"])
	if err != nil || c.TOTPSecret != secrets.TOTP["alice"] || c.Password == "" || c.MustChange {
		t.Errorf("alice's credential is not as told: %v", err)
	}
	if err := sample.Load(t.Context(), a, o, secrets, hashes()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("loading twice: got %v, want a conflict", err)
	}
}

// TestTheTreeIsSomebodys: one owns all of it, others may have parts of it, and whoever set it up has nothing there.
func TestTheTreeIsSomebodys(t *testing.T) {
	a, o, _ := loaded(t)
	may := func(key, action string, at pim.Scope) bool {
		by := a.Caller(o.Tenant.ID, pim.Caller{Actor: pim.Actor{Principal: o.People[key], Kind: pim.UserPrincipal}})
		return pim.MayDo(by, action, at) == nil
	}
	ledger := resource.SubscriptionScope(o.Subscriptions["payroll"]) + "/resourcegroups/ledger"
	const read, write = "Portcullis.Targets/databases/read", "Portcullis.Targets/databases/write"
	for _, fact := range []struct {
		who, action string
		at          pim.Scope
		want        bool
	}{
		{"pat", write, "/", true}, {"pat", write, ledger, true}, {"aud", read, ledger, true}, {"aud", write, ledger, false},
		{"amira", read, ledger, false}, {"grace", read, "/", false}, {"alice", read, ledger, false},
	} {
		if got := may(fact.who, fact.action, fact.at); got != fact.want {
			t.Errorf("%s may do %s at %s: got %v, want %v", fact.who, fact.action, fact.at, got, fact.want)
		}
	}
	page, err := a.Store.Resources(t.Context(), store.Query{Tenant: o.Tenant.ID})
	if err != nil || len(page.Rows) != len(o.Tree) {
		t.Errorf("there are %d nodes (%v), want %d", len(page.Rows), err, len(o.Tree))
	}
	k := pim.RoleKey{Tenant: o.Tenant.ID, Provider: pim.Resource, Scope: ledger, Role: catalog.Contributor}
	stored, err := a.Store.Policies(t.Context(), k.Tenant, []pim.RoleKey{k})
	if err != nil || !stored[k].Rules.Approval.Required {
		t.Errorf("the ledger's contributors are approved by nobody: %+v, %v", stored[k].Rules.Approval, err)
	}
}

// TestTheLastAdministratorStays is promise P6 on the sample: its one permanent administrator cannot be removed.
func TestTheLastAdministratorStays(t *testing.T) {
	a, o, _ := loaded(t)
	a.Now = func() time.Time { return time.Now().Add(10 * time.Minute) } // past the five minutes that every grant runs
	by := pim.Caller{Actor: pim.Actor{Principal: o.People["pat"], Kind: pim.UserPrincipal}, MFA: true,
		Roles: a.Index.Held(a.Time(), o.Tenant.ID, o.People["pat"])}
	_, err := a.Do(t.Context(), pim.Ask{By: by, Action: pim.AdminRemove, Kind: pim.Assignment, Key: pim.Key{
		Tenant: o.Tenant.ID, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.GlobalAdministrator, Principal: o.People["grace"],
	}})
	refusal, ok := errors.AsType[*pim.Refusal](err)
	if !ok || refusal.Code != pim.LastAdministrator {
		t.Errorf("removing grace: got %v, want the last administrator kept", err)
	}
}

func TestRenewing(t *testing.T) {
	a, o, old := loaded(t)
	fresh := sample.NewSecrets(o)
	if fresh.Passwords["alice"] == old.Passwords["alice"] || fresh.Client == old.Client {
		t.Fatal("secrets are not random")
	}
	if err := sample.Renew(t.Context(), a.Store, o, fresh, hashes()); err != nil {
		t.Fatal(err)
	}
	c, err := a.Store.Credential(t.Context(), o.Tenant.ID, o.People["alice"])
	if err != nil || c.TOTPSecret != fresh.TOTP["alice"] {
		t.Errorf("alice signs in with %q (%v), want the new secret", c.TOTPSecret, err)
	}
}

func TestTheManifest(t *testing.T) {
	dir := t.TempDir()
	o := sample.Organise(options(1))
	m := sample.NewManifest(o, sample.NewSecrets(o), "https://localhost:1", "/x/ca.pem")
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := sample.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Errorf("manifest (-written +read):\n%s", diff)
	}
	info, err := os.Stat(filepath.Join(dir, sample.ManifestFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	if len(got.People) != 15 || len(got.Groups) != 25 || len(got.AdministrativeUnits) != 6 || got.Subscriptions["shop"].DisplayName != "Web shop" || got.People["alice"].TOTPSecret == "" {
		t.Errorf("the manifest tells of %d people, %d groups, %d units", len(got.People), len(got.Groups), len(got.AdministrativeUnits))
	}
	if _, err := sample.ReadManifest(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a manifest: got %v", err)
	}
}
