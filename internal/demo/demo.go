// Package demo tells the whole story once, on the sample organisation: it starts a server in a temporary folder and a
// door for it to open, lets somebody activate a role by real calls over HTTPS, and prints each step with what was asked
// and answered. A step that goes otherwise than told ends the story with an error. Then the server may go on.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"portcullis/internal/config"
	"portcullis/internal/localpg"
	"portcullis/internal/sample"
	"portcullis/internal/server"
	"portcullis/internal/telemetry"
)

// Options say how the story is told. The zero value, with somewhere to print to, is a story on any free port.
type Options struct {
	// Out is printed to, in colour where that is a terminal. Environ tells of the terminal, as os.Environ does.
	Out     io.Writer
	Environ []string
	// Program is how the command line was called, for the commands that are shown. Empty: pim.
	Program string
	// Listen is the address to serve HTTPS at. Empty: 127.0.0.1 and any free port.
	Listen string
	// Door is the kind of door; empty: Auto.
	Door Kind
	// Once ends the server with the story. Else it goes on until the context ends.
	Once bool
}

// Kind is a kind of door.
type Kind string

// The kinds of doors.
const (
	// Auto is PostgreSQL where this machine has its binaries, else a web page.
	Auto     Kind = "auto"
	Postgres Kind = "postgres"
	Web      Kind = "web"
)

// Run starts everything, tells the story, and goes on serving.
func Run(ctx context.Context, o Options) (err error) {
	dir, err := os.MkdirTemp("", "portcullis-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	say := newTalk(o.Out, o.Environ)
	say.title("Portcullis: nobody holds a privilege, everybody may be eligible for one")
	d, err := openDoor(ctx, o.Door)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	log, logFile, err := logInto(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := server.Open(ctx, server.Options{
		Settings: config.Settings{Data: dir, Listen: []string{o.Listen}, Doors: d.settings()},
		Sample:   &server.Sample{Seed: 1}, Log: log, Notices: io.Discard,
	})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- s.Serve(serving) }()
	if err = tellStory(ctx, say, dir, d); err == nil && !o.Once {
		say.serving(cmp.Or(o.Program, "pim"), dir, d)
		select {
		case <-ctx.Done():
		case err := <-served:
			return err
		}
	}
	stop()
	return errors.Join(err, <-served)
}

// logInto keeps the server's log out of the story.
func logInto(dir string) (*slog.Logger, io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, "pim.log"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return telemetry.NewLogger(f, slog.LevelInfo, false), f, nil
}

// tellStory reads who is there, and tells the story.
func tellStory(ctx context.Context, say *talk, dir string, d door) error {
	m, err := sample.ReadManifest(dir)
	if err != nil {
		return err
	}
	caller, err := newCaller(m, say)
	if err != nil {
		return err
	}
	if err := d.begin(ctx, caller); err != nil {
		return err
	}
	return (&story{caller: caller, talk: say, door: d}).tell(ctx)
}

// door is what the demonstration opens and shuts.
type door interface {
	// describe says what it is.
	describe() string
	// hint says how to try it oneself.
	hint() string
	// settings are those of the server for it; none where it asks Portcullis by itself.
	settings() []config.Door
	// begin starts what needs the server to run.
	begin(context.Context, *caller) error
	// visit is one try of somebody to see the salaries: what they asked, and what they saw or why not.
	visit(ctx context.Context, who string) (asked, saw string, err error)
	// stay opens a session that goes on by itself. The channel tells how it ended.
	stay(ctx context.Context, who string) (<-chan string, error)
	close() error
}

// openDoor makes a door of a kind; auto is PostgreSQL where it can be had.
func openDoor(ctx context.Context, kind Kind) (door, error) {
	if kind == Web {
		return newWebDoor(ctx)
	}
	d, err := newPostgresDoor(ctx)
	if (kind == Auto || kind == "") && errors.Is(err, localpg.ErrNotInstalled) {
		return newWebDoor(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("the door: %w", err)
	}
	return d, nil
}
