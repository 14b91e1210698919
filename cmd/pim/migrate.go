package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portcullis/internal/api/governance"
	"portcullis/internal/client"
	"portcullis/internal/client/provision"
	"portcullis/internal/migrate"
)

// migrateCommand carries what another server holds to this one.
func migrateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Carry who may what from another server to this one, and prove that nothing was lost",
		Long: `A source is a server that speaks PIM's first, second or third iteration, or a folder with answers that were
saved from one. The target is the server that you are signed in at, which is named and signed in at as for all
other commands. Both are asked and written by what they offer to everybody.

  pim migrate analyse   says what of a source maps, what changes its meaning and what has no counterpart
  pim migrate copy      writes whatever the target lacks; stopped at any point, it goes on when it is started again
  pim migrate verify    asks both sides who may what, who has what, until when and under which rules
  pim migrate code      shows for a call of the older iterations the one to write instead

People, groups and applications have to be at the target before: bring them in by SCIM or Microsoft Graph. They
are found there by id, by user name or application id, groups by their name; --map names a file that says
otherwise.`,
		Example: `pim migrate analyse --from https://pim.old.example --from-token-file old.token
pim migrate copy    --from https://pim.old.example --from-token-file old.token --server https://pim.example.org
pim migrate verify  --from https://pim.old.example --from-token-file old.token --server https://pim.example.org`,
	}
	c.AddCommand(migrateAnalyseCommand(), migrateCopyCommand(), migrateVerifyCommand(), migrateCodeCommand())
	return c
}

// origin is where something is carried from.
type origin struct {
	from, resources, tenant, ca, tokenFile string
	iteration                              int
	providers                              []string
	parallel                               int
	accept                                 []string
}

func (g *origin) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&g.from, "from", "", "the source: https://host[:port], or a folder of saved answers")
	f.StringVar(&g.resources, "from-resources", "", "address of the source for roles of resources, where it is another")
	f.StringVar(&g.tenant, "from-tenant", "", "tenant at the source, by id or domain")
	f.StringVar(&g.ca, "from-ca", "", "file with the certificate authority of the source")
	f.StringVar(&g.tokenFile, "from-token-file", "", "file with a token for the source, read again when it has ended (default: whoever is signed in there)")
	f.IntVar(&g.iteration, "iteration", 0, "read the source in the words of iteration 1, 2 or 3 (the newest that it speaks)")
	f.StringSliceVar(&g.providers, "only", nil, "only aadRoles, aadGroups or azureResources; may be repeated")
	f.IntVar(&g.parallel, "parallel", 8, "how many calls run at once")
	f.StringSliceVar(&g.accept, "accept", nil, "codes of notes that are known and no reason to fail; may be repeated")
}

// check wants a source that can be.
func (g *origin) check() error {
	if g.from == "" {
		return usagef("say with --from what is to be read")
	}
	if g.iteration < 0 || g.iteration > 3 {
		return usagef("there are the iterations 1, 2 and 3")
	}
	g.parallel = min(max(1, g.parallel), 64)
	return nil
}

func (g *origin) options(b *bar) (migrate.ReadOptions, error) {
	o := migrate.ReadOptions{Parallel: g.parallel, Progress: showing(b)}
	for _, name := range g.providers {
		p, ok := governance.ParseProvider(name)
		if !ok {
			return o, usagef("--only is aadRoles, aadGroups or azureResources, not %s", name)
		}
		o.Providers = append(o.Providers, p)
	}
	return o, nil
}

// showing lets a bar follow the steps of a migration.
func showing(b *bar) func(migrate.Progress) {
	return func(p migrate.Progress) { b.show(provision.Progress{Stage: p.Step, Done: p.Done, Total: p.Total}) }
}

// stepsBar is a bar for the steps of a migration, whose names are longer.
func stepsBar(out *console) *bar {
	b := newBar(out)
	b.titles = len("rules of directory roles")
	return b
}

// read reads the source.
func (g *origin) read(ctx context.Context, out *console) (*migrate.Estate, error) {
	b := stepsBar(out)
	defer b.end()
	o, err := g.options(b)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(g.from, "://") {
		if info, err := os.Stat(g.from); err != nil || !info.IsDir() {
			return nil, usagef("--from %s is neither an address nor a folder", g.from)
		}
		return migrate.ReadFiles(os.DirFS(g.from), o)
	}
	s, err := g.open(g.from)
	if err != nil {
		return nil, err
	}
	if g.resources != "" {
		if o.Resources, err = g.open(g.resources); err != nil {
			return nil, err
		}
	}
	switch migrate.Iteration(g.iteration) {
	case migrate.First:
		return migrate.ReadV1(ctx, s, o)
	case migrate.Second:
		return migrate.ReadV2(ctx, s, o)
	case migrate.Third:
		return migrate.ReadV3(ctx, s, o)
	}
	return migrate.Read(ctx, s, o)
}

// open is a server of the source: with a token, or with whoever is signed in there.
func (g *origin) open(address string) (migrate.Server, error) {
	if g.tokenFile == "" {
		return (&connection{server: address, tenant: g.tenant, ca: g.ca}).open()
	}
	s, err := client.NewBearer(client.Options{Server: address, Tenant: g.tenant, CAFile: g.ca, Agent: "pim"}, g.tokenFile)
	return s, usage(err)
}

// explained says what of an error concerns the source: its sign-in is another one than that at the target.
func (g *origin) explained(err error) error {
	e, ok := errors.AsType[*client.Error](err)
	if ok && e.Status == 401 {
		return &failure{code: exitSignedOut, err: fmt.Errorf("the source: %w", err), hint: "Give another token with --from-token-file."}
	}
	if u, ok := errors.AsType[*client.Unreachable](err); ok {
		return unreachable(u)
	}
	if err != nil && ok && e.Temporary() {
		return &failure{code: exitUnreachable, err: fmt.Errorf("the source: %w", err), hint: "Nothing was written. Try again in a moment."}
	}
	return err
}

// weighty are the notes that are not accepted: what is lost, or points nowhere.
func (g *origin) weighty(notes []migrate.Note) []migrate.Note {
	return slices.DeleteFunc(slices.Clone(notes), func(n migrate.Note) bool {
		return n.Severity == migrate.Changed || slices.ContainsFunc(g.accept, func(code string) bool { return strings.EqualFold(code, n.Code) })
	})
}

// noteView is a note as it is written with --json.
type noteView struct {
	Severity string `json:"severity"`
	Item     string `json:"item"`
	Code     string `json:"code"`
	Detail   string `json:"detail"`
}

func severity(s migrate.Severity) string {
	switch s {
	case migrate.Changed:
		return "changed"
	case migrate.Lost:
		return "lost"
	case migrate.Unresolved:
		return "unresolved"
	}
	return ""
}

func viewNotes(notes []migrate.Note) []noteView {
	out := make([]noteView, len(notes))
	for i, n := range notes {
		out[i] = noteView{severity(n.Severity), n.Item, n.Code, n.Detail}
	}
	return out
}

// mostLines bounds how much of a list is told one by one, unless it is asked for with --json.
const mostLines = 50

func (c *console) showNotes(notes []migrate.Note) {
	sorted := slices.Clone(notes)
	slices.SortStableFunc(sorted, func(a, b migrate.Note) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Code, b.Code))
	})
	for i, n := range sorted {
		if i == mostLines {
			c.printf("… and %d more; --json writes all", len(sorted)-i)
			return
		}
		word := severity(n.Severity)
		switch n.Severity {
		case migrate.Changed:
			word = amber(word)
		case migrate.Lost, migrate.Unresolved:
			word = bad(word)
		}
		c.printf("%s  %s: %s (%s)", word, n.Item, n.Detail, n.Code)
	}
}

func migrateAnalyseCommand() *cobra.Command {
	var g origin
	var o connection
	c := o.command(&cobra.Command{
		Use:   "analyse",
		Short: "Say what of a source maps, changes its meaning or has no counterpart",
		Long: `Reads the source, writes nothing anywhere and needs no target. The exit code is 7 where something is lost or
points nowhere, unless --accept names its code.`,
		Example: "pim migrate analyse --from ./saved --json\npim migrate analyse --from https://pim.old.example --from-token-file old.token --accept AttributeConditionRule",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := g.check(); err != nil {
				return err
			}
			out := newConsole(c, o.json)
			e, err := g.read(c.Context(), out)
			if err != nil {
				return o.explained(g.explained(err))
			}
			return g.tellAnalysis(out, e)
		},
	})
	for _, name := range []string{"server", "tenant", "ca", "client-id", "step-up"} { // there is no target
		_ = c.Flags().MarkHidden(name) // they are flags of every client command
	}
	g.flags(c)
	return c
}

func (g *origin) tellAnalysis(out *console, e *migrate.Estate) error {
	a := migrate.Analyse(e)
	if out.json {
		if err := out.value(map[string]any{"origin": e.Origin, "counts": a.Counts, "notes": viewNotes(a.Notes)}); err != nil {
			return err
		}
	} else {
		rows := [][]string{}
		for _, n := range a.Counts {
			rows = append(rows, []string{n.Kind, fmt.Sprint(n.Same), fmt.Sprint(n.Changed), fmt.Sprint(n.Lost), fmt.Sprint(n.Unresolved)})
		}
		out.table([]string{"", "SAME", "CHANGED", "LOST", "UNRESOLVED"}, rows)
		out.showNotes(a.Notes)
	}
	if left := len(g.weighty(a.Notes)); left > 0 {
		return &failure{code: exitDiffers, err: fmt.Errorf("%s", lostOrNowhere(left)), hint: acceptHint}
	}
	if !out.json {
		out.printf("%s: nothing is lost, and nothing points nowhere", good("whole"))
	}
	return nil
}

const acceptHint = "Name those that are known and no reason to fail with --accept CODE."

func lostOrNowhere(n int) string {
	if n == 1 {
		return "one thing is lost or points nowhere"
	}
	return fmt.Sprintf("%d things are lost or point nowhere", n)
}

// pair is the source and the target of a migration.
type pair struct {
	origin
	connection
	targetToken, mapping string
	without              bool
}

func (p *pair) command(c *cobra.Command) *cobra.Command {
	c = p.connection.command(c)
	p.flags(c)
	f := c.Flags()
	f.StringVar(&p.targetToken, "token-file", "", "file with a token for the target, instead of signing in")
	f.StringVar(&p.mapping, "map", "", `file that says what is what: {"principals": {"SOURCE": "TARGET"}, "roles": {…}, "units": {…}}`)
	f.BoolVar(&p.without, "without-activations", false, "leave out what people have activated themselves")
	return c
}

// target is the server that is written to.
func (p *pair) target() (migrate.Server, error) {
	if p.targetToken == "" {
		return p.connection.open()
	}
	cache, err := sessions()
	if err != nil {
		return nil, err
	}
	o, err := p.connection.options(cache)
	if err != nil {
		return nil, p.signIn(err, o.Server)
	}
	s, err := client.NewBearer(o, p.targetToken)
	return s, usage(err)
}

// met is what was read of both sides.
type met struct {
	server         migrate.Server
	source, target *migrate.Estate
	mapping        migrate.Mapping
}

// meet reads both sides, and finds what of the one is what of the other.
func (p *pair) meet(ctx context.Context, out *console) (m met, err error) {
	if err := p.check(); err != nil {
		return m, err
	}
	var by migrate.Overrides
	if p.mapping != "" {
		f, err := openFile(p.mapping)
		if err != nil {
			return m, usage(err)
		}
		defer f.Close()
		if by, err = migrate.ReadOverrides(f); err != nil {
			return m, usage(err)
		}
	}
	if m.server, err = p.target(); err != nil {
		return m, p.connection.explained(err)
	}
	p.server = m.server.Origin()
	out.note("Reading the source %s", p.from)
	if m.source, err = p.read(ctx, out); err != nil {
		return m, p.connection.explained(p.origin.explained(err))
	}
	out.note("Reading the target %s", m.server.Origin())
	b := stepsBar(out)
	defer b.end()
	o, err := p.origin.options(b)
	if err != nil {
		return m, err
	}
	m.target, m.mapping, err = migrate.ReadTarget(ctx, m.server, m.source, by, o)
	return m, p.connection.explained(err)
}
