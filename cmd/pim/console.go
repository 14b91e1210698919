package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"
)

// console is where a client command reads and writes: results to the standard output, everything else to the standard
// error. Colours are written always and taken out on the way where there is no terminal, or none is wanted (NO_COLOR).
type console struct {
	in  *bufio.Reader
	out io.Writer
	err io.Writer
	// live says that the standard error is a terminal, where a line can be written over, and asks that a person is
	// there to answer.
	live, asks bool
	json       bool
	now        func() time.Time
}

func newConsole(cmd *cobra.Command, asJSON bool) *console {
	in := cmd.InOrStdin()
	return &console{
		in: bufio.NewReader(in), out: colorprofile.NewWriter(cmd.OutOrStdout(), os.Environ()),
		err:  colorprofile.NewWriter(cmd.ErrOrStderr(), os.Environ()),
		live: terminal(cmd.ErrOrStderr()), asks: terminal(in) && terminal(cmd.ErrOrStderr()), json: asJSON, now: time.Now,
	}
}

func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

// The colours say what a state means, never more than its word does.
func good(s string) string  { return lipgloss.NewStyle().Foreground(lipgloss.Green).Render(s) }
func bad(s string) string   { return lipgloss.NewStyle().Foreground(lipgloss.Red).Render(s) }
func amber(s string) string { return lipgloss.NewStyle().Foreground(lipgloss.Yellow).Render(s) }
func faint(s string) string { return lipgloss.NewStyle().Faint(true).Render(s) }
func bold(s string) string  { return lipgloss.NewStyle().Bold(true).Render(s) }

func (c *console) printf(format string, args ...any) { fmt.Fprintf(c.out, format+"\n", args...) }

// note writes to the standard error, over a progress line if there is one.
func (c *console) note(format string, args ...any) {
	if c.live {
		fmt.Fprint(c.err, "\r\x1b[K")
	}
	fmt.Fprintf(c.err, format+"\n", args...)
}

// value writes JSON.
func (c *console) value(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table writes rows under heads, each column as wide as its widest cell.
func (c *console) table(heads []string, rows [][]string) {
	widths := make([]int, len(heads))
	for _, row := range append([][]string{heads}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], lipgloss.Width(cell))
		}
	}
	titles := make([]string, len(heads))
	for i, h := range heads {
		titles[i] = bold(h)
	}
	for _, row := range append([][]string{titles}, rows...) {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-lipgloss.Width(cell)+2))
			}
		}
		fmt.Fprintln(c.out, strings.TrimRight(line.String(), " "))
	}
}

// ask asks the person for a line. Empty: nobody is there to ask, or they gave none.
func (c *console) ask(question string) string {
	if !c.asks {
		return ""
	}
	fmt.Fprint(c.err, question+" ")
	line, err := c.in.ReadString('\n')
	if err != nil {
		fmt.Fprintln(c.err) // the line was not ended by the person
	}
	return strings.TrimSpace(line)
}

// tick is how often a progress line moves.
const tick = 200 * time.Millisecond

// wait shows a progress line until do returns: what happens, and for how long already. Without a terminal it says once
// what is waited for.
func (c *console) wait(ctx context.Context, what string, do func(context.Context) error) error {
	if !c.live {
		c.note("%s", what)
		return do(ctx)
	}
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	began := c.now()
	for frame := 0; ; frame++ {
		dots := strings.Repeat("·", frame%4) + strings.Repeat(" ", 3-frame%4)
		fmt.Fprintf(c.err, "\r\x1b[K%s %s %s", amber(dots), what, faint(length(c.now().Sub(began))))
		select {
		case err := <-done:
			fmt.Fprint(c.err, "\r\x1b[K")
			return err
		case <-ticker.C:
		}
	}
}

// every asks again and again, a little slower each time, until it is done or the time is over. The error is errLate then.
func every(ctx context.Context, limit time.Duration, ask func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errLate)
	defer cancel()
	pause := 300 * time.Millisecond
	for {
		done, err := ask(ctx)
		if done || err != nil {
			if err != nil && context.Cause(ctx) != nil && errors.Is(context.Cause(ctx), errLate) {
				return errLate
			}
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		pause = min(pause*3/2, 5*time.Second)
	}
}

var errLate = errors.New("waiting took too long")

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
