package sqlstore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/store/storetest"
)

// The child process of the crash test finds its store's URL here.
const crashURL = "SQLSTORE_CRASH_URL"

const (
	crashCommits    = 1000
	crashCommitters = 32
	crashTenant     = pim.TenantID("tenant")
)

func TestSQLiteSurvivesKill(t *testing.T) { survivesKill(t, t.TempDir(), func() {}) }

func TestPostgresSurvivesKill(t *testing.T) {
	url := localpgtest.Database(t)
	survivesKill(t, url, func() { awaitAlone(t, url) })
}

// awaitAlone waits until the server has noticed that its clients are dead: what they sent last may still be written.
func awaitAlone(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for deadline := time.Now().Add(time.Minute); ; {
		var others int
		err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&others)
		if err != nil {
			t.Fatal(err)
		}
		if others == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections of the dead process are still there", others)
		}
	}
}

// survivesKill kills a process with SIGKILL in the middle of 1,000 concurrent commits. Afterwards every commit that it
// was told of is there whole, and none is there in part.
func survivesKill(t *testing.T, url string, quiet func()) {
	// The last run is not killed: it proves that the store goes on after the crashes.
	for run, kill := range []int{100, 450, -1} {
		acknowledged := runChild(t, url, run, kill)
		if kill >= 0 && len(acknowledged) >= crashCommits {
			t.Fatalf("run %d: all commits were done before the kill", run)
		}
		if kill < 0 && len(acknowledged) != crashCommits {
			t.Fatalf("run %d: got %d commits, want %d", run, len(acknowledged), crashCommits)
		}
		quiet()
		checkWhole(t, url, run, acknowledged)
	}
}

// runChild starts the child and kills it once it has told of so many commits. It returns the ids that it told of.
func runChild(t *testing.T, url string, run, kill int) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), crashURL+"="+url, fmt.Sprintf("SQLSTORE_CRASH_RUN=%d", run))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		id, ok := strings.CutPrefix(lines.Text(), "done ")
		if !ok || !strings.HasSuffix(id, ".") { // a line that the kill cut short tells of nothing
			continue
		}
		ids = append(ids, strings.TrimSuffix(id, "."))
		if len(ids) == kill {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); (err == nil) != (kill < 0) {
		t.Fatalf("run %d: the child ended with %v", run, err)
	}
	return ids
}

// TestCrashChild is the body of the child process; in the parent it has nothing to do.
func TestCrashChild(t *testing.T) {
	url := os.Getenv(crashURL)
	if url == "" {
		return
	}
	s := open(t, url)
	run := os.Getenv("SQLSTORE_CRASH_RUN")
	numbers := make(chan int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range crashCommitters {
		wg.Go(func() {
			for n := range numbers {
				id := fmt.Sprintf("id-%s-%04d", run, n)
				k := pim.Key{Tenant: crashTenant, Provider: pim.Directory, Scope: "/", Role: "role", Principal: pim.PrincipalID(id)}
				if err := s.Commit(context.Background(), storetest.Activation(k, 0, id, time.Now())); err != nil {
					t.Errorf("commit: %v", err)
					return
				}
				mu.Lock()
				fmt.Printf("done %s.\n", id)
				mu.Unlock()
			}
		})
	}
	for n := range crashCommits {
		numbers <- n
	}
	close(numbers)
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// checkWhole reads everything back: each request has its schedule, its effect, its two events and its raised version.
func checkWhole(t *testing.T, url string, run int, acknowledged []string) {
	t.Helper()
	s := open(t, url)
	defer s.Close()
	ctx := t.Context()
	prefix := store.Compare{Field: store.FieldID, Op: store.Prefix, Value: fmt.Sprintf("id-%d-", run)}
	q := store.Query{Tenant: crashTenant, Where: prefix, Limit: 1000}
	requests, err := s.Requests(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	var needs []pim.Need
	for _, r := range requests.Rows {
		there[string(r.ID)] = true
		needs = append(needs, pim.Need{Key: r.Key})
	}
	for _, id := range acknowledged {
		if !there[id] {
			t.Errorf("run %d: %s was acknowledged and is lost", run, id)
		}
	}
	cases, err := s.Cases(ctx, needs)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if c.Version != 1 || len(c.Schedules) != 1 || len(c.Effects) != 1 {
			t.Errorf("run %d: %s is there in part: version %d, %d schedules, %d effects", run, c.Key.Principal, c.Version,
				len(c.Schedules), len(c.Effects))
		}
	}
	// Nothing is there without its request either.
	q.Limit, q.Count = 1, true
	schedules, err := s.Schedules(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	effects, err := s.Effects(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	events, err := s.Events(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	n := len(requests.Rows)
	if schedules.Count != n || effects.Count != n || events.Count != 2*n {
		t.Errorf("run %d: got %d requests, %d schedules, %d effects, %d events", run, n, schedules.Count, effects.Count, events.Count)
	}
	t.Logf("run %d: %d acknowledged, %d there", run, len(acknowledged), n)
}
