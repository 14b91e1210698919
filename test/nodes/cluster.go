//go:build unix

package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/audit"
	"portcullis/internal/catalog"
	"portcullis/internal/config"
	"portcullis/internal/directory"
	"portcullis/internal/localpg"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
	"portcullis/test/cable"
	"portcullis/test/issuer"
)

const (
	tenant   = "7e000000-0000-4000-8000-000000000001"
	database = "portcullis"
)

// administrator writes and asks.
var administrator = issuer.Person{ID: "ad000000-0000-4000-8000-000000000001", Name: "Pat", Account: "pat@nodes.example"}

// Link is how one node reaches the two database servers.
type Link struct{ Primary, Standby *cable.Cable }

// Cluster is several nodes on one database.
type Cluster struct {
	Nodes []*Node
	Links []Link // of the nodes
	// Primary and Standby are the database servers as they began.
	Primary, Standby *localpg.Server
	Cases            []Case
	// Ending are grants that are there from the beginning, by when they end.
	Ending []*Write

	token string
}

// Options say what a cluster is like.
type Options struct {
	// Clocks are by how much the nodes' clocks are ahead, one for each node.
	Clocks []time.Duration
	// Bound is how old what a node knows may be; zero: as the product has it.
	Bound time.Duration
	// Standby makes the database one with a synchronous standby.
	Standby bool
}

// New runs a cluster for a test.
func New(t testing.TB, o Options) *Cluster {
	t.Helper()
	c := &Cluster{Primary: localpgtest.Private(t, localpg.Options{})}
	must(t, c.Primary.CreateDatabase(t.Context(), database))
	must(t, c.found(t.Context()))
	if o.Standby {
		c.follow(t)
	}
	dir := t.TempDir()
	trust := filepath.Join(dir, "issuer.pem")
	i, err := issuer.New(t.Context(), tenant, trust)
	must(t, err)
	t.Cleanup(func() { must(t, i.Close()) })
	c.token, err = i.Token(administrator, "RoleManagement.ReadWrite.Directory AccessEvaluation.Read.All")
	must(t, err)
	for n, clock := range o.Clocks {
		name := string(rune('a' + n))
		link := c.link(t)
		c.Links = append(c.Links, link)
		node := &Node{Name: name, dir: filepath.Join(dir, name), clock: clock, trust: trust}
		must(t, node.configure(c.databaseURL(link), i, o))
		must(t, node.Start())
		t.Cleanup(func() { c.end(t, node) })
		c.Nodes = append(c.Nodes, node)
	}
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// end stops a node, and shows what it logged where the test has failed.
func (c *Cluster) end(t testing.TB, n *Node) {
	t.Helper()
	if err := n.Kill(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("node %s logged:\n%s", n.Name, n.LogTail())
	}
}

func (c *Cluster) follow(t testing.TB) {
	t.Helper()
	var err error
	c.Standby, err = c.Primary.Standby(t.Context(), localpg.Options{})
	must(t, err)
	t.Cleanup(func() {
		// A primary waits for the standby before it ends.
		if err := errors.Join(c.Primary.Stop(), c.Standby.Stop()); err != nil {
			t.Error(err)
		}
	})
}

func (c *Cluster) link(t testing.TB) Link {
	t.Helper()
	lay := func(s *localpg.Server) *cable.Cable {
		if s == nil {
			return nil
		}
		l, err := cable.Lay(s.Addr())
		must(t, err)
		t.Cleanup(func() { must(t, l.Close()) })
		return l
	}
	return Link{lay(c.Primary), lay(c.Standby)}
}

// All are the cables of a link.
func (l Link) All() []*cable.Cable {
	if l.Standby == nil {
		return []*cable.Cable{l.Primary}
	}
	return []*cable.Cable{l.Primary, l.Standby}
}

// databaseURL leads to whichever server takes writes, over the cables.
func (c *Cluster) databaseURL(l Link) string {
	u, err := url.Parse(c.Primary.URL(database))
	if err != nil {
		return ""
	}
	var hosts []string
	for _, one := range l.All() {
		hosts = append(hosts, one.Addr())
	}
	u.Host = strings.Join(hosts, ",")
	u.RawQuery = url.Values{"sslmode": {"disable"}, "target_session_attrs": {"read-write"}, "connect_timeout": {"2"}}.Encode()
	return u.String()
}

func (n *Node) configure(database string, i *issuer.Issuer, o Options) error {
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(config.Settings{
		Data: n.dir, Listen: []string{"127.0.0.1:0"}, Database: database, Issuers: []config.Issuer{i.Settings()}, MFAFreshness: 6 * time.Hour,
		Staleness: o.Bound,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(n.settingsFile(), text, 0o600)
}

const (
	people = 40
	roles  = 25
)

// found writes the tenant, its people and their administrator.
func (c *Cluster) found(ctx context.Context) error {
	st, err := sqlstore.Open(ctx, sqlstore.Options{URL: c.Primary.URL(database)})
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	f := app.Founding{
		Tenant: directory.Tenant{ID: tenant, Name: "Nodes", Domain: "nodes.example", Created: now}, Administrator: pim.PrincipalID(administrator.ID),
		Objects: []directory.Object{user(administrator, now)},
	}
	for i := range people {
		p := issuer.Person{ID: fmt.Sprintf("a0000000-0000-4000-8000-%012x", i), Name: fmt.Sprintf("Person %d", i), Account: fmt.Sprintf("person%d@nodes.example", i)}
		f.Objects = append(f.Objects, user(p, now))
		for _, r := range catalog.Roles()[:roles] {
			if pim.RoleID(r.ID) != pim.GlobalAdministrator {
				c.Cases = append(c.Cases, Case{Principal: p.ID, Role: r.ID})
			}
		}
	}
	a := app.App{Store: st, Index: access.New()}
	return errors.Join(a.Found(ctx, f), c.grantEnding(ctx, st, now), st.Close())
}

const (
	// endEvery is the time between the ends of two of the grants that end by themselves, endsFor how long there are such.
	endEvery, endsFor = 200 * time.Millisecond, 2 * time.Minute
)

// grantEnding makes grants that end one after the other, which nobody may ask for: the policy wants longer ones.
func (c *Cluster) grantEnding(ctx context.Context, st store.Store, now time.Time) error {
	last := catalog.Roles()[roles:]
	var commits []store.Commit
	for i := range int(endsFor / endEvery) {
		w := &Write{
			Case:   Case{Principal: fmt.Sprintf("a0000000-0000-4000-8000-%012x", i%people), Role: last[i/people].ID},
			Grants: true, Until: now.Add(time.Duration(i+1) * endEvery), Begun: now, Ended: now,
		}
		c.Ending = append(c.Ending, w)
		k := pim.Key{Tenant: tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: pim.RoleID(w.Case.Role), Principal: pim.PrincipalID(w.Case.Principal)}
		s := pim.Schedule{
			ID: pim.ScheduleID(app.NewID()), Key: k, Kind: pim.Assignment, Type: pim.Assigned, Window: schedule.Window{Start: now.Add(-time.Hour), End: w.Until},
			Created: now, Open: true, Due: w.Until,
		}
		e := pim.Event{
			ID: pim.EventID(app.NewID()), Tenant: tenant, At: now, Activity: pim.CompletedRequest, Success: true, Action: pim.AdminAssign, Kind: s.Kind,
			By:  pim.Actor{Principal: pim.PrincipalID(administrator.ID), Kind: pim.UserPrincipal, Name: administrator.Name, Account: administrator.Account},
			Key: k, Schedule: s.ID, Start: s.Window.Start, End: s.Window.End,
		}
		canonical := audit.Canonical(e)
		commits = append(commits, store.Commit{
			Outcome: pim.Outcome{Key: k, Schedules: []pim.Schedule{s}, Events: []pim.Event{e}},
			Entries: []store.Entry{{Event: e, Canonical: canonical, Leaf: audit.Leaf(canonical)}},
		})
	}
	return errors.Join(st.CommitAll(ctx, commits)...)
}

func user(p issuer.Person, now time.Time) directory.Object {
	return directory.Object{
		Tenant: tenant, ID: pim.PrincipalID(p.ID), Kind: directory.KindUser, DisplayName: p.Name, Enabled: true, Created: now,
		User: &directory.User{PrincipalName: p.Account, Mail: p.Account, MailNickname: p.Name, Type: "Member"},
	}
}
