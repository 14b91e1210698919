package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"portcullis/internal/sample"
)

const (
	startsWithin = 2 * time.Minute
	stopsWithin  = 30 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 4 << 20
)

// server is a running server with the sample organisation.
type server struct {
	sample.Manifest
	client  *http.Client
	process *exec.Cmd
	ended   chan struct{} // closed when the process is gone
	log     string        // the file that it writes its log to
	token   string
}

// startServer starts a server on a free port of the loopback interface and waits until it is ready.
func startServer(ctx context.Context, program, dir string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{ended: make(chan struct{}), log: filepath.Join(dir, "pim.log")}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	data := filepath.Join(dir, "data")
	s.process = exec.Command(program, "serve", "--sample", "--data", data, "--listen", address)
	s.process.Stdout, s.process.Stderr = log, log
	// Ctrl-C ends the story, which then stops the server in order.
	s.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	go func() {
		_ = s.process.Wait() // how it ended matters to stop alone, which looks at ProcessState
		close(s.ended)
	}()
	if err := s.ready(ctx, data); err != nil {
		return nil, errors.Join(fmt.Errorf("the server does not start: %w", err), s.stop(true))
	}
	return s, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// ready waits for the manifest, which the server writes once it can answer, and signs in.
func (s *server) ready(ctx context.Context, data string) error {
	ctx, cancel := context.WithTimeout(ctx, startsWithin)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		m, err := sample.ReadManifest(data)
		if err == nil {
			s.Manifest = m
			return s.connect(ctx)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		select {
		case <-again.C:
		case <-s.ended:
			return fmt.Errorf("it ended: %s", s.process.ProcessState)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// connect trusts the server's own authority and gets a token for the sample's application.
func (s *server) connect(ctx context.Context) error {
	authority, err := os.ReadFile(s.CAFile)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return fmt.Errorf("%s holds no certificate", s.CAFile)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	s.client = &http.Client{Transport: transport, Timeout: time.Minute}
	s.token, err = s.signIn(ctx, url.Values{"grant_type": {"client_credentials"}})
	return err
}

// signIn gets a token by a grant through the sample's application.
func (s *server) signIn(ctx context.Context, grant url.Values) (string, error) {
	grant.Set("client_id", s.Client.ID)
	grant.Set("client_secret", s.Client.Secret)
	grant.Set("scope", s.URL+"/.default")
	var got struct {
		Token string `json:"access_token"`
	}
	err := s.send(ctx, "", http.MethodPost, "/"+s.TenantID+"/oauth2/v2.0/token", "application/x-www-form-urlencoded", grant.Encode(), &got)
	return got.Token, err
}

// do sends JSON, nil for none, in the name of a token's holder, and reads the answer into a value, nil for none.
func (s *server) do(ctx context.Context, token, method, path string, body, into any) error {
	text := ""
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = string(b)
	}
	return s.send(ctx, token, method, path, "application/json", text, into)
}

// send sends one request. Any answer but success is an error.
func (s *server) send(ctx context.Context, token, method, path, contentType, body string, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	if body != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: got %s, want success: %s", method, path, answer.Status, bytes.TrimSpace(text))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// list reads all objects of a collection of Microsoft Graph.
func (s *server) list(ctx context.Context, path string) ([]map[string]any, error) {
	var all []map[string]any
	for path != "" {
		var page struct {
			Value []map[string]any `json:"value"`
			Next  string           `json:"@odata.nextLink"`
		}
		if err := s.do(ctx, s.token, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		path = strings.TrimPrefix(page.Next, s.URL)
	}
	return all, nil
}

// after sets PIM's time ahead of the real one.
func (s *server) after(ctx context.Context, offset string) error {
	return s.do(ctx, "", http.MethodPost, "/sample/clock", map[string]string{"offset": offset}, nil)
}

// stop ends the process, shows what it said if that was asked for, and tells when it does not end well.
func (s *server) stop(show bool) error {
	err := s.end()
	if !show && err == nil {
		return nil
	}
	text, readErr := os.ReadFile(s.log)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	fmt.Fprintf(os.Stderr, "the server said:\n%s", text[max(0, len(text)-maxShown):])
	return err
}

// maxShown is how much of the server's log is shown, its end.
const maxShown = 16 << 10

func (s *server) end() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
	case <-time.After(stopsWithin):
		err := s.process.Process.Kill()
		<-s.ended
		return errors.Join(fmt.Errorf("the server did not stop within %s", stopsWithin), err)
	}
	if !s.process.ProcessState.Success() {
		return fmt.Errorf("the server ended with: %s", s.process.ProcessState)
	}
	return nil
}
