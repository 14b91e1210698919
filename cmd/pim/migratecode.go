package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"portcullis/internal/migrate"
)

// codeOptions are what pim migrate code is told.
type codeOptions struct {
	connection
	file, scan, body string
	scopes           []string
	ask              bool
}

// migrateCodeCommand shows what a program calls instead of the older iterations.
func migrateCodeCommand() *cobra.Command {
	var o codeOptions
	c := o.command(&cobra.Command{
		Use:   "code [METHOD ADDRESS [BODY] | curl …]",
		Short: "Show for a call of the older iterations the one to write instead",
		Long: `Shows for calls of privilegedAccess and privilegedRoles the calls of roleManagement, of privileged access for
groups and of Azure Resource Manager that take their place, with their bodies. A call is named by its method,
its address and its body, or by a command line of curl behind --; --file reads a log, a file of requests or a
script of curl. What only the program knows stands in braces, and a note says where it is found.

Ids of the second iteration are PIM's own. --scope names paths of Azure Resource Manager that they may stand
for, and --ask asks the server that you are signed in at, which must speak the second iteration.

--scan looks through the files of a folder for the older iterations. The exit code is 7 where they are found.`,
		Example: `pim migrate code GET "/beta/privilegedAccess/aadRoles/roleAssignments?\$filter=subjectId eq 'ID'"
pim migrate code POST /beta/privilegedAccess/aadGroups/roleAssignmentRequests --body @request.json
pim migrate code --file access.log --ask
pim migrate code --scan ./src`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return o.explained(o.code(c.Context(), newConsole(c, o.json), c.InOrStdin(), args))
		},
	})
	f := c.Flags()
	f.StringVar(&o.file, "file", "", "read calls from this file; -: standard input")
	f.StringVar(&o.scan, "scan", "", "look through this folder for the older iterations")
	f.StringVar(&o.body, "body", "", "body of the call; @FILE: what is in the file")
	f.StringSliceVar(&o.scopes, "scope", nil, "a path of Azure Resource Manager, such as /subscriptions/ID; may be repeated")
	f.BoolVar(&o.ask, "ask", false, "ask the server what ids stand for")
	return c
}

func (o *codeOptions) code(ctx context.Context, out *console, in io.Reader, args []string) error {
	ways := 0
	for _, given := range []bool{len(args) > 0, o.file != "", o.scan != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return usagef("name one call, or a file of calls with --file, or a folder with --scan")
	}
	if o.scan != "" {
		return o.look(ctx, out)
	}
	calls, err := o.calls(in, args)
	if err != nil {
		return usage(err)
	}
	known := &migrate.Known{Scopes: o.scopes}
	if o.ask {
		if known.Server, err = o.open(); err != nil {
			return err
		}
	}
	return translate(ctx, out, calls, known)
}

// calls are those of the command line or of the file, each once.
func (o *codeOptions) calls(in io.Reader, args []string) ([]migrate.Call, error) {
	if o.file == "" {
		c, err := migrate.ReadCommand(args)
		if err != nil {
			return nil, err
		}
		if o.body != "" {
			if c.Body, err = bodyOf(o.body); err != nil {
				return nil, err
			}
		}
		return []migrate.Call{c}, nil
	}
	if o.file != "-" {
		f, err := openFile(o.file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	all, err := migrate.ReadCalls(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.file, err)
	}
	var calls []migrate.Call
	seen := map[string]bool{}
	for _, c := range all {
		if key := c.Method + " " + c.Address + " " + string(c.Body); !seen[key] {
			seen[key] = true
			calls = append(calls, c)
		}
	}
	return calls, nil
}

func bodyOf(text string) ([]byte, error) {
	name, isFile := strings.CutPrefix(text, "@")
	if !isFile {
		return []byte(text), nil
	}
	f, err := openFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f) // Translate bounds what it takes
}

// callView and adviceView are what is written with --json.
type callView struct {
	Method  string          `json:"method"`
	Address string          `json:"address"`
	Body    json.RawMessage `json:"body,omitempty"`
}

type adviceView struct {
	Old   callView   `json:"old"`
	New   []callView `json:"new"`
	Notes []noteView `json:"notes"`
	Error string     `json:"error,omitempty"`
}

func viewCall(c migrate.Call) callView {
	v := callView{c.Method, c.Address, nil}
	if json.Valid(c.Body) {
		v.Body = c.Body
	}
	return v
}

func viewAdvice(a migrate.Advice) adviceView {
	v := adviceView{Old: viewCall(a.Old), New: []callView{}, Notes: viewNotes(a.Notes)}
	for _, c := range a.New {
		v.New = append(v.New, viewCall(c))
	}
	return v
}

// translate tells what takes the place of calls. Where one alone cannot be read, that is the failure; among many it is said beside it.
func translate(ctx context.Context, out *console, calls []migrate.Call, known *migrate.Known) error {
	views := []adviceView{}
	unread := 0
	for _, c := range calls {
		a, err := migrate.Translate(ctx, c, known)
		if _, answered := errors.AsType[*migrate.AskError](err); err != nil && (answered || len(calls) == 1) {
			if answered {
				return err
			}
			return usage(err)
		}
		if err != nil {
			unread++
			views = append(views, adviceView{Old: viewCall(c), New: []callView{}, Notes: []noteView{}, Error: err.Error()})
		} else {
			views = append(views, viewAdvice(a))
		}
		if !out.json {
			out.showAdvice(c, a, err)
		}
	}
	if out.json {
		if err := out.value(views); err != nil {
			return err
		}
	}
	if unread > 0 {
		return refused("", "%d of %d calls cannot be read", unread, len(calls))
	}
	if len(calls) == 0 {
		out.note("There are no calls of the older iterations.")
	}
	return nil
}

func (c *console) showAdvice(old migrate.Call, a migrate.Advice, err error) {
	c.printf("%s", bold(old.Method+" "+old.Address))
	if err != nil {
		c.printf("  %s  %s", bad("unread"), err)
	}
	for _, n := range a.New {
		c.printf("  → %s %s", n.Method, n.Address)
		var body bytes.Buffer
		if len(n.Body) > 0 && json.Indent(&body, n.Body, "    ", "  ") == nil {
			c.printf("    %s", body.String())
		}
	}
	for _, n := range a.Notes {
		word := severity(n.Severity)
		if n.Severity == migrate.Changed {
			word = amber(word)
		} else {
			word = bad(word)
		}
		c.printf("  %s  %s (%s)", word, n.Detail, n.Code)
	}
}

// findingView is a place as it is written with --json.
type findingView struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Text    string `json:"text"`
	What    string `json:"what"`
	Instead string `json:"instead"`
}

// look looks through a folder.
func (o *codeOptions) look(ctx context.Context, out *console) error {
	if info, err := os.Stat(o.scan); err != nil || !info.IsDir() {
		return usagef("%s is no folder", o.scan)
	}
	views := []findingView{}
	err := migrate.Scan(ctx, os.DirFS(o.scan), func(f migrate.Finding) error {
		views = append(views, findingView(f))
		if !out.json {
			out.printf("%s:%d: %s\n    %s\n    → %s", f.File, f.Line, amber(f.What), f.Text, f.Instead)
		}
		return nil
	}, func(name string) { out.note("%s is too long to be looked at", name) })
	if err != nil {
		return err
	}
	if out.json {
		if err := out.value(views); err != nil {
			return err
		}
	}
	if len(views) > 0 {
		return &failure{code: exitDiffers, err: fmt.Errorf("%d lines speak an older iteration", len(views)), hint: "See what to call instead with: pim migrate code METHOD ADDRESS"}
	}
	return nil
}
