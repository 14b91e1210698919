// Package localpg starts a private PostgreSQL server from the binaries that this machine already has: for the demonstration,
// the benchmarks and the tests.
//
// The server listens on 127.0.0.1 alone, on a port of its own, and lets in one superuser with a random password. It keeps
// everything in one folder of mode 0700. PostgreSQL refuses to run as root, so a caller who is root gets a server that runs
// as an unprivileged account and a folder that belongs to it.
//
// A server does not outlive the program that started it on Linux, where the kernel tells it of its parent's death. Elsewhere
// a program that is killed before it calls [Server.Stop] leaves its server behind. A killed program always leaves the folder.
//
// It is no way to run a database that anybody relies on: without [Options.Fsync] a crash of the machine loses data.
package localpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// superuser is the one login of a new cluster.
const superuser = "postgres"

// Bounds on how long a server may take. They are generous because a loaded machine is slow, not wrong.
const (
	readyWithin = 60 * time.Second
	fastWithin  = 30 * time.Second
	quitWithin  = 10 * time.Second
	pollEvery   = 20 * time.Millisecond
)

// ErrStopped says that the server was stopped for good.
var ErrStopped = errors.New("localpg: the server was stopped")

// Options say how a server is run. The zero value is a server in a temporary folder that trades durability for speed.
type Options struct {
	// Dir keeps the cluster, which a later Start with the same Dir finds again. It is created if missing, and otherwise
	// must be empty or hold a cluster that Start made. Empty means a temporary folder, removed by Stop.
	Dir string
	// Fsync makes commits durable as PostgreSQL does by default. Without it a crash of the machine (not of the server)
	// may lose the cluster.
	Fsync bool
	// Settings are run-time parameters by name, as in postgresql.conf. They win over what this package sets.
	Settings map[string]string
}

func (o Options) validate() error {
	for name := range o.Settings {
		if !settingName.MatchString(name) {
			return fmt.Errorf("localpg: %q is no name of a setting", name)
		}
	}
	return nil
}

// Server is a running PostgreSQL. Its methods may be called by several goroutines.
type Server struct {
	bindir    string
	dir       string
	temporary bool
	options   Options
	account   account
	password  string

	mu      sync.Mutex // held while the process is started or ended
	port    int
	process *process
	stopped bool
}

// Start makes a cluster unless the folder has one, runs a server on it, and returns once it answers. The context bounds the
// start alone. The error is [ErrNotInstalled] where the machine has no PostgreSQL; otherwise it carries the end of the
// server's own log. After an error nothing runs and no temporary folder is left.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	bindir, err := Find()
	if err != nil {
		return nil, err
	}
	who, err := runAs()
	if err != nil {
		return nil, err
	}
	s := &Server{bindir: bindir, options: o, account: who}
	return s.begin(ctx, s.makeCluster)
}

// begin makes the folder, what the cluster is, and runs the server.
func (s *Server) begin(ctx context.Context, cluster func(context.Context) error) (*Server, error) {
	if err := s.makeDir(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.firstStart(ctx, cluster); err != nil {
		return nil, errors.Join(err, s.removeTemporary())
	}
	return s, nil
}

func (s *Server) firstStart(ctx context.Context, cluster func(context.Context) error) error {
	if err := cluster(ctx); err != nil {
		return err
	}
	// Between choosing a port and binding it, somebody else may take it.
	for attempt := 0; ; attempt++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		s.port = port
		err = s.run(ctx)
		if err == nil || attempt == 9 || !errors.Is(err, errPortTaken) {
			return err
		}
	}
}

// URL is a connection string for the superuser and the given database, password included.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     s.Addr(),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Addr is the host and port the server listens on. It stays the same over Kill and Restart.
func (s *Server) Addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// Dir is the folder that holds the cluster and its log.
func (s *Server) Dir() string { return s.dir }

// PID is the process id of the server, or zero while none runs.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.pid()
}

// CreateDatabase makes an empty database of any name that PostgreSQL takes.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	return s.exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
}

// DropDatabase removes a database, cutting whoever is connected to it. One that does not exist is no error.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	return s.exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
}

func (s *Server) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.URL(superuser))
	if err != nil {
		return fmt.Errorf("localpg: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// Stop ends the server with a fast shutdown, waits for it, and removes a temporary folder. It is the end: a stopped server
// cannot be restarted. Stopping again does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	return errors.Join(s.halt(), s.removeTemporary())
}

// Kill ends the server as a crash would, and waits for the end. The cluster stays for Restart. On Linux the backends end
// with the server; elsewhere they leave by themselves within moments.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	err := s.process.killFamily()
	s.process = nil
	return err
}

// Restart runs the server again on the same cluster and port, after a fast shutdown if it still runs. After an error
// nothing runs, and Restart may be tried again.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return ErrStopped
	}
	if err := s.halt(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := s.run(ctx)
		// What a killed server leaves behind goes away by itself: backends that have not noticed yet, a port not yet free.
		if !errors.Is(err, errPortTaken) && !errors.Is(err, errStillInUse) {
			return err
		}
		if wait(ctx, pollEvery) != nil {
			return err
		}
	}
}

// halt ends the process gently, then less so.
func (s *Server) halt() error {
	p := s.process
	if p == nil {
		return nil
	}
	s.process = nil
	if p.end(os.Interrupt, fastWithin) || p.end(immediate, quitWithin) {
		return nil
	}
	if err := p.kill(); err != nil {
		return err
	}
	return errors.New("localpg: the server did not shut down and was killed")
}

func (s *Server) removeTemporary() error {
	if !s.temporary {
		return nil
	}
	return os.RemoveAll(s.dir)
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "server.log") }

// What the log says when a start failed for a reason that passes.
var (
	errPortTaken  = errors.New("the port was taken")
	errStillInUse = errors.New("processes of the former server have not ended yet")
)

// run starts the process and waits until it answers. On an error the process has ended.
func (s *Server) run(ctx context.Context) error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command("postgres", s.arguments()...)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := startProcess(cmd)
	if err != nil {
		return fmt.Errorf("localpg: start PostgreSQL: %w", err)
	}
	if err := s.awaitReady(ctx, p); err != nil {
		return errors.Join(s.explain(err), p.kill())
	}
	s.process = p
	return nil
}

func (s *Server) arguments() []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": "",
		"max_connections":         "200",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
	}
	if !s.options.Fsync {
		// Commits still reach the operating system before they are answered, so a killed server loses none of them.
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, s.options.Settings)
	args := []string{"-D", s.dataDir()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// awaitReady returns once the superuser can log in. Only our own cluster knows the password, so a stranger's server that
// answers on the port is never mistaken for ours.
func (s *Server) awaitReady(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL(superuser))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.done:
			return errors.New("the server ended at once")
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(pollEvery):
		}
	}
}

// explain adds what the server's log says about a failed start.
func (s *Server) explain(err error) error {
	const enough = 2000
	text, readErr := os.ReadFile(s.logFile())
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	log := string(text[max(0, len(text)-enough):])
	switch {
	case strings.Contains(log, "Address already in use"):
		err = errPortTaken
	case strings.Contains(log, "is still in use"), strings.Contains(log, "lock file \"postmaster.pid\""):
		err = errStillInUse
	}
	return fmt.Errorf("localpg: start PostgreSQL: %w; its log says: %s", err, strings.TrimSpace(log))
}

// freePort picks a port below those that systems hand to outgoing connections. Such a port cannot be lost to a client
// while the server is down, and a client that keeps trying cannot connect to itself.
func freePort() (int, error) {
	const lowest, count = 20000, 10000
	var err error
	for range 100 {
		var b [2]byte
		_, _ = rand.Read(b[:]) // crypto/rand never fails: it ends the program first
		port := lowest + (int(b[0])<<8|int(b[1]))%count
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("localpg: no free port: %w", err)
}

var settingName = regexp.MustCompile(`^[a-z_][a-z0-9_.]*$`)

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
