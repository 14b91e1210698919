package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes in memory, so that their deadlines go by the test's clock.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes { return &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.accepted <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// streaming is a server as the real one is, with one streamed answer, and a client of it.
type streaming struct {
	*http.Server
	*http.Client
	frame *Frame
	log   *strings.Builder
}

func newStreaming(t *testing.T, second bool, a Answer) *streaming {
	s := &streaming{log: new(strings.Builder)}
	s.frame = New(Options{Verifier: verifier{}, Callers: callers{}, Log: slog.New(slog.NewTextHandler(s.log, nil))},
		plain{[]Route{get("/x/stream", Access{Open: true}, func(*Request) (Answer, error) { return a, nil })}})
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!second)
	protocols.SetUnencryptedHTTP2(second)
	s.Server = &http.Server{Handler: s.frame, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, Protocols: protocols}
	s.RegisterOnShutdown(s.frame.Stop)
	l := newPipes()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	transport := &http.Transport{DialContext: l.dial, Protocols: protocols}
	s.Client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

func eachProtocol(t *testing.T, f func(t *testing.T, second bool)) {
	for name, second := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, second) }) })
	}
}

// TestAStreamOutlivesTheTimesOfCalls: the deadlines by which a server bounds whole calls cut no stream that goes on, be its pieces
// minutes apart.
func TestAStreamOutlivesTheTimesOfCalls(t *testing.T) {
	eachProtocol(t, func(t *testing.T, second bool) {
		const pieces, apart = 5, 90 * time.Second
		s := newStreaming(t, second, Answer{Type: "text/event-stream", Stream: func(ctx context.Context, w io.Writer) error {
			for range pieces {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(apart):
				}
				if _, err := io.WriteString(w, ": still here\n\n"); err != nil {
					return err
				}
			}
			return nil
		}})
		began := time.Now()
		r, err := s.Get("http://pim/x/stream")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("the header came after %s, want at once", took)
		}
		lines := bufio.NewScanner(r.Body)
		n := 0
		for lines.Scan() {
			if lines.Text() == "" {
				continue
			}
			if n++; time.Since(began) != time.Duration(n)*apart {
				t.Errorf("piece %d came after %s, want at once when it is written", n, time.Since(began))
			}
		}
		if lines.Err() != nil || n != pieces {
			t.Errorf("got %d pieces and %v, want %d; log: %s", n, lines.Err(), pieces, s.log)
		}
	})
}

// TestAStreamDoesNotWaitForWhoDoesNotRead: a caller who takes nothing is cut off.
func TestAStreamDoesNotWaitForWhoDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended time.Time
		s := newStreaming(t, false, Answer{Stream: func(_ context.Context, w io.Writer) error {
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					ended = time.Now()
					return err
				}
			}
		}})
		began := time.Now()
		r, err := s.Get("http://pim/x/stream")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if took := ended.Sub(began); took != streamWithin {
			t.Errorf("cut off after %s, want %s", took, streamWithin)
		}
		if err := r.Body.Close(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Log(err)
		}
	})
}

// TestAServerThatStopsEndsEndlessStreams: and waits for those that have an end.
func TestAServerThatStopsEndsEndlessStreams(t *testing.T) {
	for _, endless := range []bool{true, false} {
		eachProtocol(t, func(t *testing.T, second bool) {
			s := newStreaming(t, second, Answer{Endless: endless, Stream: func(ctx context.Context, _ io.Writer) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(5 * time.Second):
					return nil
				}
			}})
			r, err := s.Get("http://pim/x/stream")
			if err != nil {
				t.Fatal(err)
			}
			stopped := make(chan error, 1)
			began := time.Now()
			go func() { stopped <- s.Shutdown(t.Context()) }()
			_, err = io.Copy(io.Discard, r.Body)
			took := time.Since(began)
			if err != nil || endless != (took < time.Second) || !endless && took != 5*time.Second {
				t.Errorf("endless %v: ended after %s with %v", endless, took, err)
			}
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
			s.CloseIdleConnections()
			if err := <-stopped; err != nil {
				t.Error(err)
			}
		})
	}
}
