package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"portcullis/internal/config"
	"portcullis/internal/server"
	"portcullis/internal/telemetry"
)

const (
	// serveVariable names a file of settings: this program is then the server under test.
	serveVariable = "PORTCULLIS_BENCH_SERVE"
	// profileVariable names the file for a CPU profile of that server.
	profileVariable = "PORTCULLIS_BENCH_PROFILE"
)

// where is what a server tells of itself once it is ready.
type where struct{ URL, CA string }

// serve is the server under test: what `pim serve` does with these settings. It ends when its standard input does, so
// that it never outlives the bench.
func serve(ctx context.Context, file string) int {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := serveSettings(ctx, file); err != nil {
		fmt.Fprintln(os.Stderr, "bench: server:", err)
		return exitFailed
	}
	return 0
}

func serveSettings(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s config.Settings
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	stopProfile, err := profileTo(os.Getenv(profileVariable))
	if err != nil {
		return err
	}
	defer stopProfile()
	node, err := server.Open(ctx, server.Options{Settings: s, Log: telemetry.NewLogger(os.Stderr, slog.LevelInfo, false), Notices: os.Stderr})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(where{node.URL(), node.CAFile()}); err != nil {
		return err
	}
	return node.Serve(ctx)
}

// profileTo writes a CPU profile until the function that it returns is called. Without a file it does nothing.
func profileTo(file string) (stop func(), _ error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

// profileFile is where a profile of that name goes; empty if none is wanted.
func (b *bench) profileFile(name string) string {
	if b.profile == "" {
		return ""
	}
	return filepath.Join(b.profile, name+".pprof")
}

// process is a running server under test.
type process struct {
	where
	cmd   *exec.Cmd
	stdin io.Closer
	log   string
}

// start runs a server on a database, or on the data folder itself.
func (b *bench) start(ctx context.Context, name, data, database string, noWorker bool) (*process, error) {
	s := config.Settings{
		Data: data, Listen: []string{"127.0.0.1:0"}, Database: database, NoWorker: noWorker,
		Issuers: []config.Issuer{b.issuer.settings()}, MFAFreshness: 3 * time.Hour,
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(data, "settings.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, exe), log: filepath.Join(b.dir, name+".log")}
	p.cmd.Env = append(os.Environ(), serveVariable+"="+file, "SSL_CERT_FILE="+b.issuer.certificate, profileVariable+"="+b.profileFile(name))
	if err := p.run(); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

func (p *process) run() error {
	log, err := os.Create(p.log)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd.Stderr = log
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		text, _ := os.ReadFile(p.log)
		return fmt.Errorf("the server under test did not start: %s", strings.TrimSpace(string(text)))
	}
	return json.Unmarshal(line, &p.where)
}

// stop ends the server in order.
func (p *process) stop() error {
	if p.cmd.Process == nil {
		return nil
	}
	if err := p.stdin.Close(); err != nil {
		return err
	}
	return p.cmd.Wait()
}
