package localpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// passwordFile keeps the superuser's password beside the cluster, so that a later Start can use the cluster.
const passwordFile = "password"

// makeDir chooses or creates the folder, for the account that the server runs as alone.
func (s *Server) makeDir() error {
	if s.options.Dir == "" {
		return s.makeTemporary()
	}
	dir, err := filepath.Abs(s.options.Dir)
	if err != nil {
		return err
	}
	s.dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := s.account.canReach(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := checkOurs(dir); err != nil {
		return err
	}
	return s.own(dir, 0o700)
}

// makeTemporary creates a folder under TMPDIR, or under /tmp where the server's account cannot reach TMPDIR: a folder that
// root keeps to itself is of no use to it.
func (s *Server) makeTemporary() error {
	parent := os.TempDir()
	if s.account.canReach(parent) != nil {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "localpg-")
	if err != nil {
		return err
	}
	s.dir, s.temporary = dir, true
	if err := s.own(dir, 0o700); err != nil {
		return errors.Join(err, s.removeTemporary())
	}
	return nil
}

// checkOurs refuses a folder with other things in it, because the folder changes its owner.
func checkOurs(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, passwordFile)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("localpg: %s is not empty and holds no cluster of ours", dir)
	} else if err != nil {
		return err
	}
	return nil
}

func (s *Server) own(path string, mode fs.FileMode) error {
	if err := os.Chmod(path, mode); err != nil {
		return err
	}
	return s.account.own(path)
}

// makeCluster runs initdb unless a former Start has finished doing so.
func (s *Server) makeCluster(ctx context.Context) error {
	secret := filepath.Join(s.dir, passwordFile)
	if _, err := os.Stat(filepath.Join(s.dataDir(), "PG_VERSION")); err == nil {
		text, err := os.ReadFile(secret)
		s.password = strings.TrimSpace(string(text))
		return err
	}
	s.password = rand.Text()
	if err := s.keepPassword(secret); err != nil {
		return err
	}
	return s.initdb(ctx, secret)
}

func (s *Server) keepPassword(file string) error {
	if err := os.WriteFile(file, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	return s.own(file, 0o600)
}

func (s *Server) initdb(ctx context.Context, secret string) error {
	locale := "C.UTF-8"
	if runtime.GOOS == "darwin" {
		locale = "C" // older macOS has no C.UTF-8
	}
	return s.finish(ctx, s.command("initdb", "-D", s.dataDir(), "-U", superuser, "--pwfile="+secret, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale="+locale, "--no-sync", "--no-instructions"))
}

// finish runs a program to its end.
func (s *Server) finish(ctx context.Context, cmd *exec.Cmd) error {
	name := filepath.Base(cmd.Path)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	p, err := startProcess(cmd)
	if err != nil {
		return fmt.Errorf("localpg: %s: %w", name, err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("localpg: %s: %w", name, context.Cause(ctx)), p.kill())
	}
	if p.err != nil {
		return fmt.Errorf("localpg: %s: %w: %s", name, p.err, strings.TrimSpace(said.String()))
	}
	return nil
}

// command is a program of PostgreSQL, run as the server's account in the server's folder. The caller's environment stays
// outside: its PG* variables would change what the programs do, and its language what they say.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bindir, name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + s.bindir + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + s.dir}
	cmd.SysProcAttr = s.account.attributes()
	return cmd
}
