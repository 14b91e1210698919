package localpg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func install(t *testing.T, root, dir string, programs ...string) string {
	t.Helper()
	bin := filepath.Join(root, dir)
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func TestFindTakesPathThenNewest(t *testing.T) {
	root := t.TempDir()
	onPath := install(t, root, "path/bin", "initdb", "postgres")
	clientsOnly := install(t, root, "clients/bin", "psql")
	install(t, root, "lib/9.6/bin", "initdb", "postgres")
	fifteen := install(t, root, "lib/15/bin", "initdb", "postgres")
	install(t, root, "lib/18/bin", "initdb")
	globs := []string{filepath.Join(root, "lib/*/bin")}

	facts := []struct {
		path []string
		want string
	}{
		{[]string{clientsOnly, onPath}, onPath},
		{[]string{clientsOnly}, fifteen},
		{[]string{".", ""}, fifteen},
	}
	for _, f := range facts {
		if got, err := find(f.path, globs); err != nil || got != f.want {
			t.Errorf("PATH %v: got %q, %v, want %q", f.path, got, err, f.want)
		}
	}
}

func TestFindSaysWhatToInstall(t *testing.T) {
	_, err := find(nil, []string{filepath.Join(t.TempDir(), "*")})
	if !errors.Is(err, ErrNotInstalled) {
		t.Fatalf("got %v, want %v", err, ErrNotInstalled)
	}
	for _, want := range []string{"initdb", "postgres", "apt-get install postgresql"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}

func TestPortsTakenMeanwhileAreTriedAgain(t *testing.T) {
	for log, want := range map[string]error{
		`could not bind IPv4 address "127.0.0.1": Address already in use`: errPortTaken,
		`pre-existing shared memory block (key 1, ID 2) is still in use`:  errStillInUse,
		`FATAL: lock file "postmaster.pid" already exists`:                errStillInUse,
	} {
		s := &Server{dir: t.TempDir()}
		if err := os.WriteFile(s.logFile(), []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := s.explain(errors.New("ended")); !errors.Is(got, want) {
			t.Errorf("%s: got %v, want %v", log, got, want)
		}
	}
}
