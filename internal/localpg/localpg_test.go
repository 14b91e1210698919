//go:build unix

package localpg_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/localpg"
	"portcullis/internal/localpg/localpgtest"
)

// ownerVariable makes this test binary a program that starts a server and then hangs. See TestServerEndsWithItsParent.
const ownerVariable = "LOCALPG_TEST_OWNER"

func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		own()
		return
	}
	localpgtest.Main(m)
}

func own() {
	s, err := localpg.Start(context.Background(), localpg.Options{})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println(s.PID(), s.Dir())
	select {}
}

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var got string
	if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return got
}

func exec1(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestServerIsPrivate(t *testing.T) {
	s := localpgtest.Server(t)
	url := localpgtest.Database(t)
	facts := []struct{ sql, want string }{
		{"SHOW listen_addresses", "127.0.0.1"},
		{"SHOW unix_socket_directories", ""},
		{"SHOW password_encryption", "scram-sha-256"},
		{"SHOW server_encoding", "UTF8"},
		{"SHOW fsync", "off"},
		{"SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user", "true"},
	}
	for _, f := range facts {
		if got := query(t, url, f.sql); got != f.want {
			t.Errorf("%s: got %q, want %q", f.sql, got, f.want)
		}
	}
	info, err := os.Stat(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o700); got != want {
		t.Errorf("folder: got mode %#o, want %#o", got, want)
	}
	wrong := "postgres://postgres:wrong@" + s.Addr() + "/postgres?sslmode=disable"
	if conn, err := pgx.Connect(t.Context(), wrong); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a wrong password was let in")
	}
}

func TestDatabasesAreApart(t *testing.T) {
	one, two := localpgtest.Database(t), localpgtest.Database(t)
	exec1(t, one, "CREATE TABLE only_here (n int)")
	const count = "SELECT count(*)::text FROM pg_tables WHERE tablename = 'only_here'"
	if got := query(t, one, count); got != "1" {
		t.Errorf("first database: got %s tables, want 1", got)
	}
	if got := query(t, two, count); got != "0" {
		t.Errorf("second database: got %s tables, want 0", got)
	}
}

func TestDatabaseOfAnyName(t *testing.T) {
	s := localpgtest.Server(t)
	const name = `a "quoted"/name?; drop %41 ü`
	if err := s.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if got := query(t, s.URL(name), "SELECT current_database()"); got != name {
		t.Errorf("got %q, want %q", got, name)
	}
	if err := s.DropDatabase(t.Context(), name); err != nil {
		t.Error(err)
	}
}

func TestSettingsWin(t *testing.T) {
	s := localpgtest.Private(t, localpg.Options{Fsync: true, Settings: map[string]string{"max_connections": "17"}})
	if got := query(t, s.URL("postgres"), "SHOW max_connections"); got != "17" {
		t.Errorf("max_connections: got %s, want 17", got)
	}
	if got := query(t, s.URL("postgres"), "SHOW fsync"); got != "on" {
		t.Errorf("fsync: got %s, want on", got)
	}
}

func TestBadSettingIsExplained(t *testing.T) {
	for name, want := range map[string]string{"no_such_setting": "no_such_setting", "port=1 -c x": "no name of a setting"} {
		_, err := localpg.Start(t.Context(), localpg.Options{Settings: map[string]string{name: "1"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("setting %q: got %v, want an error that mentions %q", name, err, want)
		}
	}
}

func TestKilledServerComesBackWithItsData(t *testing.T) {
	s := localpgtest.Private(t, localpg.Options{})
	addr := s.Addr()
	exec1(t, s.URL("postgres"), "CREATE TABLE kept (n int)")
	idle, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close(context.WithoutCancel(t.Context()))
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Ping(t.Context()); err == nil && runtime.GOOS == "linux" {
		t.Error("a backend outlived a killed server")
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		_ = conn.Close()
		t.Error("a killed server still listens")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Addr() != addr {
		t.Errorf("address: got %s, want %s", s.Addr(), addr)
	}
	if got := query(t, s.URL("postgres"), "SELECT count(*)::text FROM pg_tables WHERE tablename = 'kept'"); got != "1" {
		t.Errorf("got %s tables, want 1", got)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Errorf("restart of a running server: %v", err)
	}
}

func TestStopIsTheEnd(t *testing.T) {
	s := localpgtest.Private(t, localpg.Options{})
	dir := s.Dir()
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder after Stop: got %v, want it gone", err)
	}
	if err := s.Restart(t.Context()); !errors.Is(err, localpg.ErrStopped) {
		t.Errorf("restart after Stop: got %v, want %v", err, localpg.ErrStopped)
	}
	if s.PID() != 0 {
		t.Errorf("process id after Stop: got %d, want 0", s.PID())
	}
}

// reachable is a folder that an unprivileged account can walk to; t.TempDir is not one when the test runs as root.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "localpg-test-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFolderIsFoundAgain(t *testing.T) {
	o := localpg.Options{Dir: filepath.Join(reachable(t), "pg")}
	first, err := localpg.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	exec1(t, first.URL("postgres"), "CREATE TABLE kept (n int)")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := localpgtest.Private(t, o)
	if got := query(t, second.URL("postgres"), "SELECT count(*)::text FROM pg_tables WHERE tablename = 'kept'"); got != "1" {
		t.Errorf("got %s tables, want 1", got)
	}
}

func TestFolderOfOthersIsRefused(t *testing.T) {
	dir := reachable(t)
	if err := os.WriteFile(filepath.Join(dir, "letter"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := localpg.Start(t.Context(), localpg.Options{Dir: dir}); err == nil {
		t.Error("a folder with other things in it was taken over")
	}
}

// As root, a folder below one that only root may enter is of no use to the account the server runs as. The temporary
// folder is then made elsewhere, and a chosen folder is refused with the reason.
func TestUnreachableFolder(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", closed)
	localpgtest.Private(t, localpg.Options{})
	s, err := localpg.Start(t.Context(), localpg.Options{Dir: filepath.Join(closed, "pg")})
	if err == nil {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
	if asRoot := os.Geteuid() == 0; asRoot != (err != nil) {
		t.Errorf("as root %v: got error %v", asRoot, err)
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	dir := reachable(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := localpg.Start(ctx, localpg.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
