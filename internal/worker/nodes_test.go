package worker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/connector"
	"portcullis/internal/directory"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/worker"
)

func TestMain(m *testing.M) { localpgtest.Main(m) }

// nodeChild has the URL of the database and the node's name, for the processes that are nodes.
const nodeChild = "WORKER_NODE_CHILD"

// The times of these nodes: what they do between two looks costs real time.
const (
	nodeDuty = 2 * time.Second
	nodeRow  = 3 * time.Second
	nodePoll = 200 * time.Millisecond
)

// TestNodeChild is the body of a node; in the parent it has nothing to do.
func TestNodeChild(t *testing.T) {
	url, name, ok := strings.Cut(os.Getenv(nodeChild), "|")
	if !ok {
		return
	}
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := nodeApp(s)
	if err := a.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &worker.Worker{
		App: a, Store: s, Connectors: map[string]connector.Connector{"db": openTableDoor(t, url, name)}, Leases: s, Holder: name, Now: a.Time,
		Limits: worker.Limits{Lease: nodeRow, Duty: nodeDuty, Poll: nodePoll},
	}
	a.Wake = w.Wake
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func nodeApp(s store.Store) *app.App {
	return &app.App{Store: s, Index: access.New(), Doors: []app.Binding{
		{Door: "db", Provider: pim.Directory, Role: desk, Scope: pim.Everywhere, Privilege: privileges()[0]},
	}}
}

// tableDoor is a door that several processes can open and shut: a table. Whoever works at an account holds a lock of the database on
// it, which goes with the process; if it is taken that is written down.
type tableDoor struct {
	pool *pgxpool.Pool
	node string
}

func openTableDoor(t *testing.T, url, node string) tableDoor {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return tableDoor{pool, node}
}

// atWork is how long a turn at the door takes, so that a death finds something in hand.
const atWork = 0.02 // seconds

func (d tableDoor) turn(ctx context.Context, account, change string, args ...any) error {
	c, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	var alone bool
	if err := c.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtext($1))", account).Scan(&alone); err != nil {
		return err
	}
	if !alone {
		_, err := c.Exec(ctx, "INSERT INTO door_crowd (account, node) VALUES ($1, $2)", account, d.node)
		return errors.Join(errCollision, err)
	}
	_, err = c.Exec(ctx, "SELECT pg_sleep($1)", atWork)
	if err == nil {
		_, err = c.Exec(ctx, change, args...)
	}
	_, unlocked := c.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock(hashtext($1))", account)
	return errors.Join(err, unlocked)
}

// Grant implements connector.Connector.
func (d tableDoor) Grant(ctx context.Context, a connector.Access) error {
	return d.turn(ctx, a.Account, `INSERT INTO door_holds (account, privilege, node) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		a.Account, a.Privilege, d.node)
}

// Revoke implements connector.Connector.
func (d tableDoor) Revoke(ctx context.Context, a connector.Access) error {
	return d.turn(ctx, a.Account, "DELETE FROM door_holds WHERE account = $1 AND privilege = $2", a.Account, a.Privilege)
}

// List implements connector.Connector.
func (d tableDoor) List(ctx context.Context, account string) ([]connector.Held, error) {
	rows, err := d.pool.Query(ctx, "SELECT account, privilege FROM door_holds WHERE account = $1 OR $1 = ''", account)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (connector.Held, error) {
		h := connector.Held{Direct: true}
		err := row.Scan(&h.Account, &h.Privilege)
		return h, err
	})
}

// cluster is a database with nodes that are processes, and a door.
type cluster struct {
	*testing.T
	url   string
	store *sqlstore.Store
	door  tableDoor
	nodes map[string]*exec.Cmd
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{T: t, url: localpgtest.Database(t), nodes: map[string]*exec.Cmd{}}
	var err error
	if c.store, err = sqlstore.Open(t.Context(), sqlstore.Options{URL: c.url}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.store.Close() })
	c.door = openTableDoor(t, c.url, "")
	for _, text := range []string{
		"CREATE TABLE door_holds (account text, privilege text, node text, PRIMARY KEY (account, privilege))",
		"CREATE TABLE door_crowd (account text, node text)",
	} {
		if _, err := c.door.pool.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	c.commit(store.Commit{Tenant: &directory.Tenant{ID: tenant, Domain: "one.example", Created: time.Now()}})
	return c
}

func (c *cluster) commit(commits ...store.Commit) {
	c.Helper()
	if err := errors.Join(c.store.CommitAll(c.Context(), commits)...); err != nil {
		c.Fatal(err)
	}
}

// start starts nodes.
func (c *cluster) start(names ...string) {
	c.Helper()
	for _, name := range names {
		cmd := exec.CommandContext(c.Context(), os.Args[0], "-test.run=^TestNodeChild$", "-test.count=1")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s", nodeChild, c.url, name))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			c.Fatal(err)
		}
		c.nodes[name] = cmd
		c.Cleanup(func() { c.kill(name) })
	}
}

// kill sends SIGKILL to a node.
func (c *cluster) kill(name string) {
	cmd := c.nodes[name]
	if cmd == nil {
		return
	}
	delete(c.nodes, name)
	_ = cmd.Process.Kill() // it may have ended
	_ = cmd.Wait()         // by that signal
}

// grants commits grants that end at an instant, one for each of so many accounts.
func (c *cluster) grants(prefix string, n int, end time.Time) {
	c.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	var all []store.Commit
	for i := range n {
		account := fmt.Sprintf("%s%03d", prefix, i)
		k := pim.Key{Tenant: tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: desk, Principal: pim.PrincipalID(account)}
		all = append(all, store.Commit{
			Objects: []directory.Object{{Tenant: tenant, ID: k.Principal, Kind: directory.KindUser, Enabled: true, DisplayName: account,
				User: &directory.User{PrincipalName: account + "@one.example", Type: "Member"}}},
			Outcome: pim.Outcome{
				Schedules: []pim.Schedule{{ID: pim.ScheduleID(account), Key: k, Kind: pim.Assignment, Type: pim.Assigned, Open: true, Created: now,
					Window: schedule.Window{Start: now.Add(-time.Hour), End: end}, Due: end}},
				Effects: []pim.Effect{{ID: account + "/db", Tenant: tenant, Schedule: pim.ScheduleID(account), Key: k, Door: "db", Account: account,
					Privilege: privileges()[0], Until: end, State: pim.EffectPending, Decided: now, Due: now}},
			},
		})
	}
	c.commit(all...)
}

// effects lists all, and how many are in each state.
func (c *cluster) effects() (all []pim.Effect, states map[pim.EffectState]int) {
	c.Helper()
	states = map[pim.EffectState]int{}
	q := store.Query{Tenant: tenant, Limit: 1000}
	page, err := c.store.Effects(c.Context(), q)
	if err != nil {
		c.Fatal(err)
	}
	for _, e := range page.Rows {
		states[e.State]++
	}
	return page.Rows, states
}

// leads is the name of the node that leads.
func (c *cluster) leads() string {
	c.Helper()
	var name string
	err := c.door.pool.QueryRow(c.Context(), "SELECT holder FROM leases WHERE name = 'worker'").Scan(&name)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		c.Fatal(err)
	}
	return name
}

// await waits for a condition.
func (c *cluster) await(what string, is func() bool) {
	c.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !is(); <-tick.C {
		if time.Now().After(deadline) {
			_, states := c.effects()
			c.Fatalf("%s: not within a minute; effects are in states %v, %q leads", what, states, c.leads())
		}
	}
}

// Three nodes, two of which are killed, one after the other, the one that leads each time, while effects are in hand: none is done by
// two at once, none is left, and what ends while nobody leads is ended by the next one.
func TestP8NodesAreKilled(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	names := []string{"a", "b", "c"}
	const each = 150
	c.start(names...)
	c.await("a node leads", func() bool { return c.leads() != "" })
	var late []time.Duration
	for round := range 2 {
		c.grants(fmt.Sprintf("x%d", round), each, time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond))
		c.await("effects are in hand", func() bool {
			_, states := c.effects()
			return states[pim.Usable] > round*each+each/10
		})
		leader := c.leads()
		c.kill(leader)
		died := time.Now().UTC().Truncate(time.Microsecond)
		c.grants(fmt.Sprintf("y%d", round), each, died) // over already: none of them is opened
		c.await("another leads", func() bool { return !slices.Contains([]string{leader, ""}, c.leads()) })
		c.await("all that was in hand is done", func() bool {
			_, states := c.effects()
			return states[pim.EffectPending] == 0 && states[pim.Revoking] == 0
		})
		late = append(late, time.Since(died))
	}
	all, states := c.effects()
	if len(all) != 2*2*each || states[pim.Usable] != 2*each || states[pim.Gone] != 2*each {
		t.Errorf("got %d effects in states %v, want %d usable and %d gone", len(all), states, 2*each, 2*each)
	}
	t.Logf("all in hand and all that ended was seen to %s after the death of the one that led (leases: %s, %s a row)", late, nodeDuty, nodeRow)
	c.saw(2 * each)
}

// saw checks what the door has seen: so many are open, several nodes opened them, and no two were at one at once.
func (c *cluster) saw(open int) {
	c.Helper()
	held, err := c.door.List(c.Context(), "")
	if err != nil || len(held) != open {
		c.Errorf("the door: got %d open, %v, want %d", len(held), err, open)
	}
	var crowd int
	if err := c.door.pool.QueryRow(c.Context(), "SELECT count(*) FROM door_crowd").Scan(&crowd); err != nil || crowd != 0 {
		c.Errorf("got %d accounts at which two were at once, %v, want none", crowd, err)
	}
	var by int
	if err := c.door.pool.QueryRow(c.Context(), "SELECT count(DISTINCT node) FROM door_holds").Scan(&by); err != nil || by < 2 {
		c.Errorf("got effects carried out by %d nodes, %v, want several", by, err)
	}
}
