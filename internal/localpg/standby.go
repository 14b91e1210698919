package localpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Standby copies the server's cluster while it runs, runs a second server on the copy, and returns once the two are
// synchronous: from then on the first answers no commit before the second has it too. Where the second is gone, the first
// waits; a transaction that waits is seen by nobody. The second takes no writes until [Server.Promote].
//
// The context bounds the copying and the start. After an error nothing new runs.
func (s *Server) Standby(ctx context.Context, o Options) (*Server, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	name := "standby_" + strings.ToLower(rand.Text()[:8])
	standby := &Server{bindir: s.bindir, options: o, account: s.account, password: s.password}
	if _, err := standby.begin(ctx, func(ctx context.Context) error { return standby.copyOf(ctx, s, name) }); err != nil {
		return nil, err
	}
	// The copy is made before the setting, so that a promoted standby waits for nobody.
	err := s.exec(ctx, "ALTER SYSTEM SET synchronous_standby_names = "+pgx.Identifier{name}.Sanitize())
	if err == nil {
		err = s.exec(ctx, "SELECT pg_reload_conf()")
	}
	if err == nil {
		err = s.awaitSynchronous(ctx, name)
	}
	if err != nil {
		return nil, errors.Join(err, standby.Stop())
	}
	return standby, nil
}

// copyOf makes the cluster a copy that follows the primary under a name.
func (s *Server) copyOf(ctx context.Context, primary *Server, name string) error {
	if _, err := os.Stat(filepath.Join(s.dataDir(), "PG_VERSION")); err == nil {
		return fmt.Errorf("localpg: %s holds a cluster already", s.dir)
	}
	if err := s.keepPassword(filepath.Join(s.dir, passwordFile)); err != nil {
		return err
	}
	target := "host=127.0.0.1 port=" + strconv.Itoa(primary.port) + " user=" + superuser + " application_name=" + name
	cmd := s.command("pg_basebackup", "-D", s.dataDir(), "-d", target, "--write-recovery-conf", "--create-slot", "--slot="+name,
		"--wal-method=stream", "--checkpoint=fast", "--no-sync", "--no-password")
	// A folder on PATH may hold links to some of the programs alone.
	real, err := filepath.EvalSymlinks(filepath.Join(s.bindir, "postgres"))
	if err != nil {
		return fmt.Errorf("localpg: %w", err)
	}
	cmd.Path = filepath.Join(filepath.Dir(real), "pg_basebackup")
	cmd.Env = append(cmd.Env, "PGPASSWORD="+s.password)
	return s.finish(ctx, cmd)
}

func (s *Server) awaitSynchronous(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(superuser))
	if err != nil {
		return fmt.Errorf("localpg: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for {
		var state string
		err := conn.QueryRow(ctx, "SELECT sync_state FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'", name).Scan(&state)
		if err == nil && state == "sync" {
			return nil
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("localpg: wait for the standby: %w", err)
		}
		if err := wait(ctx, pollEvery); err != nil {
			return fmt.Errorf("localpg: the standby does not become synchronous: %w", err)
		}
	}
}

// Promote makes a standby a server of its own that takes writes, and returns once it does. Whoever promotes sees to it that
// the former primary is gone for good: two would both take writes.
func (s *Server) Promote(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(superuser))
	if err != nil {
		return fmt.Errorf("localpg: promote: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var promoted bool
	if err := conn.QueryRow(ctx, "SELECT pg_promote(true, $1)", int(readyWithin.Seconds())).Scan(&promoted); err != nil {
		return fmt.Errorf("localpg: promote: %w", err)
	}
	if !promoted {
		return errors.New("localpg: the standby was not promoted in time")
	}
	return nil
}
