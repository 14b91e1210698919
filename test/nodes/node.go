//go:build unix

// Package nodes runs several real servers on one PostgreSQL with a synchronous standby, each in a process of its own, and
// decides about what they answered.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { nodes.Main(m) }
//
// because the test binary is the program that the nodes run.
package nodes

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"portcullis/internal/config"
	"portcullis/internal/server"
	"portcullis/internal/telemetry"
)

const (
	// settingsVariable names a file of settings: this program is then a node.
	settingsVariable = "PORTCULLIS_TEST_NODE"
	// clockVariable is by how much that node's clock is ahead.
	clockVariable = "PORTCULLIS_TEST_NODE_CLOCK"
)

// Main is a node where the environment says so; else it runs the tests and exits. It is the body of TestMain.
func Main(m *testing.M) {
	file := os.Getenv(settingsVariable)
	if file == "" {
		os.Exit(m.Run())
	}
	if err := serve(file, os.Getenv(clockVariable)); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// where is what a node tells of itself once it is ready.
type where struct{ URL, CA string }

// serve is what `pim serve` does with these settings. It ends when its standard input does.
func serve(file, clock string) error {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until whoever started this ends it
		stop()
	}()
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s config.Settings
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	ahead, err := time.ParseDuration(clock)
	if err != nil {
		return err
	}
	now := func() time.Time { return time.Now().Add(ahead) }
	node, err := server.Open(ctx, server.Options{Settings: s, Log: telemetry.NewLogger(os.Stderr, slog.LevelWarn, false), Notices: io.Discard, Now: now})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(where{node.URL(), node.CAFile()}); err != nil {
		return err
	}
	return node.Serve(ctx)
}

// Node is a server in a process of its own, which can be killed, stopped and started again.
type Node struct {
	Name  string
	dir   string
	clock time.Duration
	trust string // the file with the issuer's certificate

	mu      sync.Mutex
	process *process
	client  *client
}

// process is one run of a node.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
	err   error // read after ended
}

// Start runs the node and returns once it serves.
func (n *Node) Start() error {
	p, at, err := n.run()
	if err != nil {
		return err
	}
	c, err := newClient(at)
	if err != nil {
		return errors.Join(err, p.kill())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.process, n.client = p, c
	return nil
}

func (n *Node) run() (*process, where, error) {
	var at where
	exe, err := os.Executable()
	if err != nil {
		return nil, at, err
	}
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, at, err
	}
	defer log.Close()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), settingsVariable+"="+n.settingsFile(), clockVariable+"="+n.clock.String(), "SSL_CERT_FILE="+n.trust)
	cmd.Stderr, cmd.SysProcAttr = log, endWithParent()
	p := &process{cmd: cmd, ended: make(chan struct{})}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, at, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, at, err
	}
	if err := p.start(); err != nil {
		return nil, at, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &at)
	}
	if err != nil {
		return nil, at, errors.Join(fmt.Errorf("node %s did not start: %s", n.Name, n.LogTail()), p.kill())
	}
	return p, at, nil
}

// start runs the program. Its thread lives as long as the program does, because the kernel takes the thread's end for the
// parent's.
func (p *process) start() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_, p.err = p.cmd.Process.Wait()
		}
		close(p.ended)
	}()
	return <-started
}

func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.ended
	return p.stdin.Close()
}

func (n *Node) settingsFile() string { return filepath.Join(n.dir, "settings.json") }
func (n *Node) logFile() string      { return n.dir + ".log" }

// LogTail is the end of what the node has logged.
func (n *Node) LogTail() string {
	const enough = 4000
	text, err := os.ReadFile(n.logFile())
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-enough):]))
}

// Kill ends the node at once (SIGKILL). Start runs it again.
func (n *Node) Kill() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return nil
	}
	p := n.process
	n.process = nil
	n.client.close()
	return p.kill()
}

// Pause stops the node where it stands (SIGSTOP), Resume lets it go on.
func (n *Node) Pause() error  { return n.signal(syscall.SIGSTOP) }
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(s os.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return fmt.Errorf("node %s does not run", n.Name)
	}
	return n.process.cmd.Process.Signal(s)
}

// endWithin is how long a node may take to end in order.
const endWithin = time.Minute

// Stop ends the node in order.
func (n *Node) Stop() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return nil
	}
	p := n.process
	n.process = nil
	n.client.close()
	err := p.stdin.Close()
	select {
	case <-p.ended:
		return errors.Join(err, p.err)
	case <-time.After(endWithin):
		return errors.Join(fmt.Errorf("node %s does not end", n.Name), p.kill())
	}
}

func (n *Node) caller() (*client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return nil, fmt.Errorf("node %s: %w", n.Name, syscall.ECONNREFUSED)
	}
	return n.client, nil
}

// Ready says whether the node says that it can be asked.
func (n *Node) Ready(ctx context.Context) bool {
	c, err := n.caller()
	if err != nil {
		return false
	}
	a, err := c.do(ctx, call{method: http.MethodGet, path: "/readyz"})
	return err == nil && a.status == http.StatusOK
}
