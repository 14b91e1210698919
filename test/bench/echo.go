package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	providers "portcullis/test/issuer"
)

// echoVariable names a file of echoSettings: this program is then the server that answers every question without knowing anything.
const echoVariable = "PORTCULLIS_BENCH_ECHO"

// echoSettings say where the echo writes its certificate, and how long its answers are, in bytes.
type echoSettings struct {
	Certificate string
	Size        int
}

const (
	// echoPath decodes the question and encodes an answer, with encoding/json; bytesPath looks at neither.
	echoPath  = "/echo"
	bytesPath = "/bytes"
)

// echoQuestion and echoAnswer are the shape of an evaluation, as short as it can be.
type echoQuestion struct {
	Subject  echoNamed `json:"subject"`
	Action   echoNamed `json:"action"`
	Resource echoNamed `json:"resource"`
}

type echoNamed struct {
	Type string `json:"type,omitempty"`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

type echoAnswer struct {
	Decision bool        `json:"decision"`
	Context  echoContext `json:"context"`
}

type echoContext struct {
	Subject string `json:"subject"`
	Rest    string `json:"rest"`
}

// serveEcho is the echo: nothing but net/http. It ends when its standard input does.
func serveEcho(ctx context.Context, file string) int {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := echo(ctx, file); err != nil {
		fmt.Fprintln(os.Stderr, "bench: echo:", err)
		return exitFailed
	}
	return 0
}

func echo(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s echoSettings
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	certificate, err := providers.SelfSigned(s.Certificate)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: echoHandler(s.Size), ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13},
	}
	if err := json.NewEncoder(os.Stdout).Encode(where{"https://" + l.Addr().String(), s.Certificate}); err != nil {
		return err
	}
	stopProfile, err := profileTo(os.Getenv(profileVariable))
	if err != nil {
		return err
	}
	defer stopProfile()
	debug.SetGCPercent(echoGCPercent)
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// echoGCPercent is what a node sets for itself: the echo collects no more often.
const echoGCPercent = 400

// mostAsked bounds a question.
const mostAsked = 1 << 20

func echoHandler(size int) http.Handler {
	bare, _ := json.Marshal(echoAnswer{Context: echoContext{Subject: numbered(personKind, 0)}}) // these types can be encoded
	rest := strings.Repeat("x", max(0, size-len(bare)))
	all := []byte(strings.Repeat("x", size))
	answer := func(w http.ResponseWriter, body []byte) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+echoPath, func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostAsked))
		var q echoQuestion
		if err == nil {
			err = json.Unmarshal(text, &q)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body, err := json.Marshal(echoAnswer{Context: echoContext{Subject: q.Subject.ID, Rest: rest}})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, body)
	})
	mux.HandleFunc("POST "+bytesPath, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, mostAsked)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, all)
	})
	return mux
}

// startEcho runs an echo whose answers have that many bytes.
func (b *bench) startEcho(ctx context.Context, size int) (*process, error) {
	text, err := json.Marshal(echoSettings{Certificate: filepath.Join(b.dir, "echo.pem"), Size: size})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "echo.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, exe), log: filepath.Join(b.dir, "echo.log")}
	p.cmd.Env = append(os.Environ(), echoVariable+"="+file, profileVariable+"="+b.profileFile("echo"))
	if err := p.run(); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}
