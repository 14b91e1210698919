package client_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"portcullis/internal/client"
	"portcullis/internal/client/clienttest"
	"portcullis/internal/config"
	"portcullis/internal/sample"
	"portcullis/internal/server"
)

// world is a real server with the sample organisation.
type world struct {
	sample.Manifest
	t *testing.T
}

func newWorld(t *testing.T) world {
	t.Helper()
	dir := t.TempDir()
	s, err := server.Open(t.Context(), server.Options{
		Settings: config.Settings{Data: dir, Listen: []string{"127.0.0.1:0"}}, Sample: &server.Sample{Seed: 1},
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Notices: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	m, err := sample.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return world{m, t}
}

// person is somebody with a command line of their own.
type person struct {
	*client.Client
	*clienttest.Person
	world world
	cache *client.Cache
	// answered is closed when they have done what the page asked.
	answered chan error
	allow    bool
}

// as is somebody who has not signed in.
func (w world) as(key string) *person {
	w.t.Helper()
	one := w.People[key]
	browser, err := clienttest.New(one.UserPrincipalName, one.Password, one.TOTPSecret, w.CAFile)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &person{world: w, Person: browser, cache: client.NewCache(filepath.Join(w.t.TempDir(), "sessions")), allow: true}
	if p.Client, err = p.cache.SignedOut(p.options()); err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (p *person) options() client.Options {
	return client.Options{
		Server: p.world.URL, CAFile: p.world.CAFile, Now: time.Now,
		// No device asks before its person is done: the tests need no time.
		Sleep: func(ctx context.Context, _ time.Duration) error {
			select {
			case err := <-p.answered:
				return err
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Second):
				return context.DeadlineExceeded
			}
		},
	}
}

// tell is what the program shows, and what its person then does.
func (p *person) tell(prompt client.Prompt) {
	p.answered = make(chan error, 1)
	go func() { p.answered <- p.Answer(p.world.t.Context(), prompt.Address, prompt.Code, p.allow) }()
}

// signedIn is somebody who has signed in.
func (w world) signedIn(key string) *person {
	w.t.Helper()
	p := w.as(key)
	if err := p.SignIn(w.t.Context(), nil, p.tell); err != nil {
		w.t.Fatalf("%s signs in: %v", key, err)
	}
	return p
}
