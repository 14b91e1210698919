package main

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"portcullis/internal/app"
	"portcullis/internal/client"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pim": main})
}

// TestServerCommands runs the scripts in testdata/script. They know two commands of their own: `exits CODE COMMAND …`
// wants an exit code, and `appears FILE` waits for a file.
func TestServerCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"appears": appears,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGUMENT…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError) //nolint:errorlint // what testscript returns
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func appears(ts *testscript.TestScript, _ bool, args []string) {
	for range 600 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond) // polls another process, up to a deadline
	}
	ts.Fatalf("%s does not appear", args[0])
}

func TestTheServerKnowsTheCommandLine(t *testing.T) {
	if app.CommandLineClientID != client.CommandLineID {
		t.Errorf("tenants have the command line as %s, it calls itself %s", app.CommandLineClientID, client.CommandLineID)
	}
}
