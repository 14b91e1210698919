// Command pim is Portcullis: the server, a demonstration of it, and the commands that people and scripts use it by.
//
// This package is the wiring and the talking, in reading order: a command per file. What the server is made of stands
// in internal/server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"

	"portcullis/internal/server"
)

func main() { os.Exit(run()) }

// run runs the program on what the process was given, and returns its exit code.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks to stop in order; a second one ends the program at once.
	context.AfterFunc(ctx, stop)
	p := &program{environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr}
	root := newRoot(p)
	root.SetArgs(os.Args[1:])
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := fang.Execute(ctx, root, fang.WithVersion(version()), fang.WithErrorHandler(tell))
	return p.exitCode(err)
}

// program is what commands share: the world outside, and whether a command began.
type program struct {
	environ        []string
	stdout, stderr io.Writer
	// began is false while the command line is still being read: what fails then is a mistake in it.
	began bool
}

// exitCode is the exit code of a command's error.
func (p *program) exitCode(err error) int {
	if unable, ok := errors.AsType[*server.Unable](err); ok {
		return int(unable.Code)
	}
	if err != nil && !p.began {
		return exitUsage
	}
	return exitCode(err)
}

// tell prints an error: each thing that is wrong on a line of its own.
func tell(w io.Writer, _ fang.Styles, err error) {
	_, _ = fmt.Fprintln(w, "pim: "+strings.ReplaceAll(err.Error(), "\n", "\n     ")) // there is nobody left to tell
}

// newRoot lists every command once.
func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "pim",
		Short: "Privileged identity management: nobody holds a privilege, everybody may be eligible for one",
		Long: "Portcullis makes people eligible for roles. They activate them for a reason and a bounded time, after the checks and " +
			"approvals that the role demands; it takes effect on the real target, and falls shut by itself.\n\n" + exitCodes,
		PersistentPreRun: func(*cobra.Command, []string) { p.began = true },
		Example:          "  pim demo\n  pim serve --data ./data\n  pim serve --sample --data ./sample",
	}
	root.AddCommand(
		// The server.
		newServe(p),
		newDemo(p),
		newTenant(p),
		newSCIM(p),
		newDoor(p),
		newVersion(p),
	)
	root.AddCommand(clientCommands()...) // what people and scripts do with one
	return root
}
