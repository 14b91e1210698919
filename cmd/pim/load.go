package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
	"portcullis/internal/client/provision"
)

// envToken is the variable with the token of a directory source.
const envToken = "PIM_SCIM_TOKEN" //nolint:gosec // the name of a variable

// loading is what is to be loaded, and as whom.
type loading struct {
	server, ca, tokenFile string
	parallel              int
}

func loadCommand() *cobra.Command {
	var l loading
	c := &cobra.Command{
		Use:   "load FILE.json|FILE.csv",
		Short: "Bring people and groups from a file into a server, as a directory source",
		Long: `Make the users and groups of a file that are not there yet, and put members into groups. Nobody is changed or taken out:
loading the same file again makes nothing twice.

A JSON file is {"users": [SCIM users], "groups": [SCIM groups with members]}; managers and members are named by external id or
by name. A table has a first line that names its columns, of these:
` + strings.Join(provision.Columns(), ", ") + `
where type is user or group, and memberOf lists groups with semicolons between.

The source's token comes from --token-file or from ` + envToken + `.`,
		Example: `pim scim load people.csv --server https://pim.example.org --token-file entra.token
pim scim sample --domain example.org > sample.json && pim scim load sample.json`,
		Args: exactly("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return new(connection).explained(l.run(c.Context(), newConsole(c, false), args[0]))
		},
	}
	f := c.Flags()
	f.StringVar(&l.server, "server", "", "address of the server, https://host:port ("+envServer+")")
	f.StringVar(&l.ca, "ca", "", "file with the certificate authority of the server ("+envCA+")")
	f.StringVar(&l.tokenFile, "token-file", "", "file with the token of the source ("+envToken+" holds the token itself)")
	f.IntVar(&l.parallel, "parallel", 4, "how many requests run at once")
	return c
}

// maxFile bounds the file, in bytes.
const maxFile = 1 << 30

func (l loading) run(ctx context.Context, out *console, name string) error {
	token, err := l.token()
	if err != nil {
		return err
	}
	file, err := readFile(name)
	if err != nil {
		return usage(err)
	}
	source, err := client.NewSource(client.Options{
		Server: cmp.Or(l.server, os.Getenv(envServer)), CAFile: cmp.Or(l.ca, os.Getenv(envCA)), Agent: "pim",
	}, token)
	if err != nil {
		return usage(err)
	}
	bar := newBar(out)
	report, err := provision.Loader{Server: source, Parallel: min(max(1, l.parallel), 32), Progress: bar.show}.Load(ctx, file)
	bar.end()
	if e, ok := errors.AsType[*client.Error](err); ok && e.Status == 401 {
		return &failure{code: exitSignedOut, err: e, hint: "Give the source another token with: pim scim source token"}
	}
	if err != nil {
		return err
	}
	return tellReport(out, report)
}

// token is the source's.
func (l loading) token() (string, error) {
	if l.tokenFile == "" {
		if token := strings.TrimSpace(os.Getenv(envToken)); token != "" {
			return token, nil
		}
		return "", usagef("say with --token-file or %s which source loads; `pim scim source add` makes one", envToken)
	}
	text, err := os.ReadFile(l.tokenFile)
	if err != nil {
		return "", usagef("read the token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// openFile opens a file that a person named.
func openFile(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("the file %s cannot be read: %w", name, err)
	}
	return f, nil
}

func readFile(name string) (provision.File, error) {
	f, err := openFile(name)
	if err != nil {
		return provision.File{}, err
	}
	defer f.Close()
	in := io.LimitReader(f, maxFile)
	if strings.EqualFold(filepath.Ext(name), ".csv") {
		return provision.ReadCSV(in)
	}
	return provision.ReadJSON(in)
}

// mostFailures is how many of what was refused are told one by one.
const mostFailures = 20

func tellReport(out *console, r provision.Report) error {
	out.printf("users    %d made, %d there already", r.UsersMade, r.UsersThere)
	out.printf("groups   %d made, %d there already", r.GroupsMade, r.GroupsThere)
	out.printf("members  %d", r.Members)
	if len(r.Failures) == 0 {
		return nil
	}
	for i, f := range r.Failures {
		if i == mostFailures {
			out.note("… and %d more", len(r.Failures)-i)
			break
		}
		out.note("%s: %s", f.What, f.Detail)
	}
	return refused("", "%d of what the file holds was refused", len(r.Failures))
}

// bar shows how far something has come: a line that is written over on a terminal, else a line for every tenth.
type bar struct {
	*console
	began time.Time
	stage string
	tenth int
	// titles is how wide the names of stages are.
	titles int
}

func newBar(c *console) *bar { return &bar{console: c, began: c.now(), titles: 9} }

const barWidth = 30

func (b *bar) show(p provision.Progress) {
	if p.Stage != b.stage {
		b.end()
		b.stage, b.tenth, b.began = p.Stage, -1, b.now()
	}
	if p.Total == 0 { // nobody knows yet
		b.count(p)
		return
	}
	tenth := p.Done * 10 / p.Total
	passed := length(b.now().Sub(b.began))
	switch {
	case b.live:
		full := p.Done * barWidth / p.Total
		fmt.Fprintf(b.err, "\r\x1b[K%-*s %s%s %d of %d %s", b.titles, p.Stage, good(strings.Repeat("█", full)), faint(strings.Repeat("░", barWidth-full)),
			p.Done, p.Total, faint(passed))
	case tenth > b.tenth:
		fmt.Fprintf(b.err, "%s: %d of %d\n", p.Stage, p.Done, p.Total)
	}
	b.tenth = tenth
}

// count shows how far something has come whose end is not known.
func (b *bar) count(p provision.Progress) {
	if b.live {
		fmt.Fprintf(b.err, "\r\x1b[K%-*s %d %s", b.titles, p.Stage, p.Done, faint(length(b.now().Sub(b.began))))
	} else if b.tenth < 0 {
		fmt.Fprintf(b.err, "%s\n", p.Stage)
	}
	b.tenth = 0
}

// end leaves the last line of a stage standing.
func (b *bar) end() {
	if b.live && b.stage != "" {
		fmt.Fprintln(b.err)
	}
	b.stage = ""
}

func sampleCommand() *cobra.Command {
	var users, groups int
	var domain string
	c := &cobra.Command{
		Use:     "sample",
		Short:   "Write a file of made-up people in nested groups, to try a server at size",
		Example: "pim scim sample --users 10000 --groups 500 --domain portcullis.local > sample.json",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if users < 0 || groups < 0 || users+groups > 1_000_000 {
				return usagef("a sample has up to a million users and groups")
			}
			e := json.NewEncoder(c.OutOrStdout())
			e.SetEscapeHTML(false)
			return e.Encode(provision.Sample(users, groups, domain))
		},
	}
	f := c.Flags()
	f.IntVar(&users, "users", 10_000, "how many people")
	f.IntVar(&groups, "groups", 500, "how many groups")
	f.StringVar(&domain, "domain", "portcullis.local", "what their user names end in: the domain of the tenant")
	return c
}
