// Command bench measures Portcullis against plain references on the same machine, and prints one table: what was
// measured, the floor that must hold anywhere, the aim on a quiet machine, and what came out, with the raw figures.
//
// Every ratio is made inside one run: reference and Portcullis take turns for several rounds, and the median of the
// rounds' ratios counts, because a machine's speed changes from minute to minute. PostgreSQL is a private one that the
// program starts itself, with fsync on, the same for both sides. The server under test is server.Open and Serve, as
// `pim serve` runs them, in a process of its own, reached over HTTPS with access tokens of an issuer of the bench's own.
//
// The exit code is 1 when a floor does not hold, 2 when something could not be measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"portcullis/internal/localpg"
)

const (
	exitFloor  = 1
	exitFailed = 2
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for _, part := range []struct {
		variable string
		run      func(context.Context, string) int
	}{{serveVariable, serve}, {echoVariable, serveEcho}, {indexVariable, measureIndex}} {
		if file := os.Getenv(part.variable); file != "" {
			return part.run(ctx, file)
		}
	}
	o, err := readOptions(os.Args[1:], os.Stderr)
	if err != nil {
		return exitFailed
	}
	b := &bench{options: o, progress: os.Stderr, began: time.Now(), loadBefore: loadAverage()}
	err = b.all(ctx)
	if printErr := b.print(os.Stdout); err == nil {
		err = printErr
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return exitFailed
	case slices.ContainsFunc(b.results, func(r result) bool { return !r.Holds }):
		return exitFloor
	}
	return 0
}

// options are what the command line says.
type options struct {
	only    map[string]bool
	quick   bool
	json    bool
	profile string
	keep    bool
}

func readOptions(args []string, stderr io.Writer) (options, error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	var o options
	only := f.String("only", "", "rows to measure, such as 2a,4a; default: all")
	f.BoolVar(&o.quick, "quick", false, "fewer rows and shorter rounds, to see that everything runs; its figures are rough")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.profile, "profile", "", "folder for CPU profiles of the server under test and of the parts that run in this process")
	f.BoolVar(&o.keep, "keep", false, "keep the folder with logs and databases, and say where it is")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *only == "" {
		return o, nil
	}
	o.only = map[string]bool{}
	for id := range strings.SplitSeq(*only, ",") {
		if !slices.ContainsFunc(goals(), func(g goal) bool { return g.Row == id }) {
			fmt.Fprintf(stderr, "bench: there is no row %q\n", id)
			return o, flag.ErrHelp
		}
		o.only[id] = true
	}
	return o, nil
}

// bench is one run.
type bench struct {
	options
	progress io.Writer
	began    time.Time
	// loadBefore is the machine's load before the start.
	loadBefore string
	dir        string
	pg         *localpg.Server
	issuer     *issuer
	results    []result
	notes      []string
}

// rounds is how often reference and Portcullis take turns.
const rounds = 3

// sized is a number that is smaller in a quick run.
func (b *bench) sized(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

func (b *bench) lasting(full, quick time.Duration) time.Duration {
	if b.quick {
		return quick
	}
	return full
}

// wanted says whether one of the rows is to be measured.
func (b *bench) wanted(rows ...string) bool {
	return b.only == nil || slices.ContainsFunc(rows, func(r string) bool { return b.only[r] })
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%5.0f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

func (b *bench) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// all measures every wanted row. What was measured before an error is kept.
func (b *bench) all(ctx context.Context) (err error) {
	// The load is made by this process: it shall not collect garbage more often than it must.
	debug.SetGCPercent(400)
	if b.dir, err = os.MkdirTemp("", "portcullis-bench-"); err != nil {
		return err
	}
	defer func() {
		if b.keep {
			b.say("kept: %s", b.dir)
		} else if removeErr := os.RemoveAll(b.dir); err == nil {
			err = removeErr
		}
	}()
	if b.issuer, err = newIssuer(b.dir); err != nil {
		return err
	}
	defer b.issuer.close()
	if err := b.onPostgres(ctx); err != nil {
		return err
	}
	return b.onSQLite(ctx)
}

// part is some rows and what measures them.
type part struct {
	rows    []string
	measure func(context.Context) error
}

// based are the parts that stand on a database that is filled once for all of them.
func (b *bench) based(made *base) []part {
	on := func(measure func(context.Context, *base) error) func(context.Context) error {
		return func(ctx context.Context) error { return measure(ctx, made) }
	}
	return []part{
		{[]string{"2a", "2b", "2c", "2e"}, on(b.activations)},
		{[]string{"3a"}, on(b.afterTheEnd)},
		{[]string{"3b"}, on(b.lateness)},
		{[]string{"3c"}, on(b.drain)},
		{[]string{"3d"}, on(b.idle)},
		{[]string{"4a", "4b", "4b+"}, on(b.lists)},
		{[]string{"4c", "4d", "5va", "5vb", "5vc"}, on(b.ofResources)},
		{[]string{"6a", "6b"}, on(b.propagation)},
		{[]string{"6c"}, on(b.commits)},
		{[]string{"6d"}, on(b.together)},
	}
}

// filled are the parts that fill their databases themselves.
func (b *bench) filled() []part {
	return []part{
		{[]string{"1a", "1b", "1c", "1d", "1e", "1g"}, b.checks},
		{[]string{"1f", "1f+", "1f0", "1h", "5a", "5b", "5b+"}, b.million},
	}
}

// onPostgres measures the rows that stand on PostgreSQL.
func (b *bench) onPostgres(ctx context.Context) (err error) {
	based := slices.ContainsFunc(b.based(nil), func(p part) bool { return b.wanted(p.rows...) })
	if !based && !slices.ContainsFunc(b.filled(), func(p part) bool { return b.wanted(p.rows...) }) {
		return nil
	}
	if err := b.startPostgres(ctx); err != nil {
		return err
	}
	defer func() {
		if stopErr := b.pg.Stop(); err == nil {
			err = stopErr
		}
	}()
	if err := b.each(ctx, b.filled()); err != nil || !based {
		return err
	}
	made, err := b.makeBase(ctx)
	if err != nil {
		return fmt.Errorf("fill a database: %w", err)
	}
	return b.each(ctx, b.based(made))
}

// each measures the parts that are wanted.
func (b *bench) each(ctx context.Context, parts []part) error {
	for _, p := range parts {
		if !b.wanted(p.rows...) {
			continue
		}
		if err := p.measure(ctx); err != nil {
			return fmt.Errorf("rows %s: %w", strings.Join(p.rows, ", "), err)
		}
	}
	return nil
}
