package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// goal is a row of the table: what is measured, and what it must and should be.
type goal struct {
	Row, What string
	Floor     float64
	Aim       float64
	// Most says that floor and aim are the most; else they are the least.
	Most bool
	// Unit follows the figures; ratios have none.
	Unit string
}

func goals() []goal {
	return []goal{
		{"1a", "evaluations/s over HTTPS ÷ a bare net/http JSON echo, 16 and 64 clients, the lower", 0.55, 0.8, false, ""},
		{"1b", "the same ÷ OpenFGA without caches, same data, 16 clients", 30, 80, false, ""},
		{"1c", "the same ÷ OpenFGA with caches of 60 s", 6, 14, false, ""},
		{"1d", "server CPU of an evaluation ÷ of an echo, 16 and 64 clients, the higher", 2, 1.4, true, ""},
		{"1e", "evaluations/s in batches of 50 ÷ singly", 4, 10, false, ""},
		{"1f", "in-process check at a million grants", 5, 1.5, true, " µs"},
		{"1f+", "the same for someone in 200 groups", 12, 4, true, " µs"},
		{"1f0", "allocations of a check", 0, 0, true, ""},
		{"1g", "answers that differ from a brute-force oracle", 0, 0, true, ""},
		{"1h", "wrong answers while a million grants are written, and after", 0, 0, true, ""},
		{"2a", "activations/s over HTTPS, PostgreSQL, 64 clients ÷ the same rows in ten round trips", 1.5, 5, false, ""},
		{"2b", "the same ÷ the same rows as one statement", 0.8, 2, false, ""},
		{"2c", "the same, 1 client ÷ ten round trips", 0.8, 1.3, false, ""},
		{"2d", "activations/s over HTTPS, SQLite, 64 clients ÷ a bare group-commit writer", 0.4, 0.7, false, ""},
		{"2e", "p99 of an activation at 64 clients ÷ mean of ten round trips", 1.5, 0.6, true, ""},
		{"3a", "checks and lists that say yes 1 ms after the end, no worker", 0, 0, true, ""},
		{"3b", "lateness of effects, p99, a million pending, 550 due a second", 250, 30, true, " ms"},
		{"3c", "100,000 ends due at once: drained/s ÷ bare SQL by two workers", 0.4, 0.8, false, ""},
		{"3d", "database statements a minute with nothing due for an hour", 60, 6, true, ""},
		{"4a", "HTTP page of 999 ÷ the raw keyset page in SQL (time)", 2, 1.3, true, ""},
		{"4b", "principalId eq x: p99 ÷ the raw query's p99", 3, 2, true, ""},
		{"4b+", "the last page ÷ the first page (time)", 1.5, 1.1, true, ""},
		{"4c", "ARM, asTarget() in the whole tenant ÷ the bare SQL (time)", 2, 1.5, true, ""},
		{"4d", "ARM, atScope() at a resource group ÷ the bare SQL (time)", 2, 1.5, true, ""},
		{"5a", "ready after the start with a million grants ÷ a bare load of the same rows (rate)", 0.4, 0.7, false, ""},
		{"5b", "heap of the index for each grant at a million, ids in", 120, 64, true, " B"},
		{"5b+", "peak resident memory of the server with a million grants", 400, 200, true, " MB"},
		{"5va", "PIM v2, what a person holds in the whole tenant ÷ the same through ARM (time)", 2.5, 1.7, true, ""},
		{"5vb", "PIM v2, who holds something at a resource group ÷ the same through ARM (time)", 2.5, 1.7, true, ""},
		{"5vc", "PIM v2, export of 20,000 rows ÷ the bare SQL (time)", 3, 2, true, ""},
		{"6a", "committed on one node → decided on another, p99, 1,000 commits/s", 50, 5, true, " ms"},
		{"6b", "the same with the listening connection cut", 1000, 250, true, " ms"},
		{"6c", "commits/s with propagation ÷ without, 64 clients", 0.85, 0.95, false, ""},
		{"6d", "checks that say yes after the end, 100,000 ends in the same second", 0, 0, true, ""},
	}
}

// result is a goal and what came out.
type result struct {
	goal
	Measured float64
	Holds    bool
	// Rounds are the figures of each round, of which Measured is the median.
	Rounds []float64
	// Raw are the figures behind it, for people.
	Raw []string
}

// measured adds a row, if it is wanted.
func (b *bench) measured(row string, figures []float64, raw ...string) {
	if !b.wanted(row) {
		return
	}
	for _, g := range goals() {
		if g.Row != row {
			continue
		}
		r := result{goal: g, Measured: median(figures), Rounds: figures, Raw: raw}
		r.Holds = r.Measured >= g.Floor
		if g.Most {
			r.Holds = r.Measured <= g.Floor
		}
		b.results = append(b.results, r)
		b.say("%s: %s (%s)", row, figure(r.Measured, g.Unit), strings.Join(raw, "; "))
	}
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(list))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func each(list []float64, other []float64, of func(a, b float64) float64) []float64 {
	out := make([]float64, len(list))
	for i := range list {
		out[i] = of(list[i], other[i])
	}
	return out
}

func ratio(a, b float64) float64 { return a / b }

// figure is a number with two digits or so that matter.
func figure(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v == 0 || math.Abs(v) >= 100:
		return strconv.FormatFloat(math.Round(v), 'f', -1, 64) + unit
	case math.Abs(v) >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64) + unit
	default:
		return strconv.FormatFloat(v, 'f', 2, 64) + unit
	}
}

func figureList(list []float64) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = figure(v, "")
	}
	return strings.Join(parts, " ")
}

// print writes what there is.
func (b *bench) print(w io.Writer) error {
	if len(b.results) == 0 {
		return nil
	}
	notes := append(machine(), fmt.Sprintf("Others kept the machine busy too if its load was high before the start: it was %s. Sides with different numbers"+
		" of processes then get different shares of it, and CPU times tell more than rates.", b.loadBefore))
	notes = append(notes, b.notes...)
	if b.quick {
		notes = append(notes, "A quick run: less data, shorter rounds. Its figures are rough.")
	}
	if b.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Results []result
			Notes   []string
		}{b.results, notes})
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\twhat\tfloor\taim\tmeasured\t\trounds")
	for _, r := range b.results {
		sign, verdict := "≥ ", "holds"
		if r.Most {
			sign = "≤ "
		}
		if !r.Holds {
			verdict = "DOES NOT HOLD"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Row, r.What, sign+figure(r.Floor, r.Unit), sign+figure(r.Aim, r.Unit),
			figure(r.Measured, r.Unit), verdict, figureList(r.Rounds))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range b.results {
		for _, raw := range r.Raw {
			fmt.Fprintf(&out, "\n%-3s  %s", r.Row, raw)
		}
	}
	fmt.Fprintf(&out, "\n\n%s\n", strings.Join(notes, "\n"))
	_, err := io.WriteString(w, out.String())
	return err
}

// machine says what this was measured on.
func machine() []string {
	model := ""
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.SplitSeq(string(info), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = ", " + strings.TrimSpace(value)
				break
			}
		}
	}
	return []string{fmt.Sprintf("Measured %s on %s/%s, %d CPUs%s, %s. Load, server and database share the machine.",
		time.Now().UTC().Format(time.DateOnly), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model, runtime.Version())}
}

// ms is a time in milliseconds, or in microseconds where it is shorter than a tenth of one.
func ms(d time.Duration) string {
	if d < time.Millisecond/10 && d > 0 {
		return figure(float64(d)/float64(time.Microsecond), " µs")
	}
	return figure(float64(d)/float64(time.Millisecond), " ms")
}

// loadAverage is the number of processes that wanted to run in the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "not told"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}
