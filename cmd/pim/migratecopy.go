package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"portcullis/internal/migrate"
	"portcullis/internal/pim"
)

func migrateCopyCommand() *cobra.Command {
	var p pair
	o := migrate.CopyOptions{}
	c := p.command(&cobra.Command{
		Use:   "copy",
		Short: "Write to the target whatever it lacks of the source",
		Long: `Reads both sides, and writes to the target what it lacks: the tree of resources, custom roles, rules, who may
activate and who has what. It can be stopped at any point and started again: what is there is not written twice.
What the target has and answers differently is told and left as it is, unless --overwrite.

What somebody has activated is written as an assignment that ends at the same time; --without-activations leaves
it to be activated again. A request that waits for a decision will wait at the target, as made by you, and
others than you and who asked decide it; your own cannot be carried over by you. A grant that its own rules
would refuse is told; --widen lets the rules allow it for the time of the copy.

The exit code is 7 where something was refused, differs, is lost or points nowhere, unless --accept names its
code.`,
		Example: "pim migrate copy --from https://pim.old.example --from-token-file old.token --map ids.json",
		Args:    exactly(),
	})
	f := c.Flags()
	f.BoolVar(&o.Overwrite, "overwrite", false, "also change what the target has and answers differently")
	f.BoolVar(&o.Widen, "widen", false, "let rules allow, for the time of the copy, grants that they would refuse")
	f.StringVar(&o.Reason, "reason", "", "what every request says it is made for")
	c.RunE = func(c *cobra.Command, _ []string) error {
		out := newConsole(c, p.json)
		m, err := p.meet(c.Context(), out)
		if err != nil {
			return err
		}
		out.note("Writing to %s", m.server.Origin())
		b := stepsBar(out)
		o.Parallel, o.LeaveActivations, o.Progress = p.parallel, p.without, showing(b)
		report, err := migrate.Copy(c.Context(), m.server, m.source, m.target, m.mapping, o)
		b.end()
		told := p.tellCopy(out, report)
		switch {
		case told == nil && err == nil && !out.json && report.Made() == 0:
			out.printf("%s: the target has all of it, and nothing was written", good("done"))
		case told == nil && err == nil && !out.json:
			out.printf("%s: %d written. Prove it with: pim migrate verify", good("done"), report.Made())
		case err != nil && !out.json:
			out.note("Stopped after %d were written. Started again, it goes on.", report.Made())
		case err == nil:
			err = told
		}
		return p.connection.explained(err)
	}
	return c
}

// stepView, refusedView and differenceView are these as they are written with --json.
type stepView struct {
	Name    string `json:"name"`
	There   int    `json:"there"`
	Made    int    `json:"made"`
	Refused int    `json:"refused"`
}

type refusedView struct {
	Item   string `json:"item"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

type differenceView struct {
	Aspect    migrate.Aspect `json:"aspect"`
	Provider  pim.Provider   `json:"provider"`
	Scope     pim.Scope      `json:"scope"`
	Role      pim.RoleID     `json:"role"`
	RoleName  string         `json:"roleName,omitempty"`
	Principal string         `json:"principal,omitempty"`
	Name      string         `json:"name,omitempty"`
	Rule      string         `json:"rule,omitempty"`
	Source    string         `json:"source"`
	Target    string         `json:"target"`
}

func viewDifferences(list []migrate.Difference) []differenceView {
	out := make([]differenceView, len(list))
	for i, d := range list {
		out[i] = differenceView{d.Aspect, d.Provider, d.Scope, d.Role, d.RoleName, d.Principal, d.Name, d.Rule, d.Source, d.Target}
	}
	return out
}

func (c *console) showDifferences(list []migrate.Difference) {
	for i, d := range list {
		if i == mostLines {
			c.printf("… and %d more; --json writes all", len(list)-i)
			return
		}
		c.printf("%-8s  %s\n          %s %s\n          %s %s", d.Aspect, d.Question(), faint("source:"), d.Source, faint("target:"), d.Target)
	}
}

// tellCopy tells what came of a copy. The error says that it is not whole.
func (p *pair) tellCopy(out *console, r migrate.Report) error {
	if out.json {
		steps, refused := []stepView{}, []refusedView{}
		for _, s := range r.Steps {
			steps = append(steps, stepView(s))
		}
		for _, x := range r.Refused {
			refused = append(refused, refusedView(x))
		}
		err := out.value(map[string]any{"steps": steps, "refused": refused, "differs": viewDifferences(r.Differs), "notes": viewNotes(r.Notes)})
		if err != nil {
			return err
		}
	} else {
		p.showCopy(out, r)
	}
	return p.whole(r)
}

// whole is nil where nothing is left to be done about a copy, and else says what.
func (p *pair) whole(r migrate.Report) error {
	var left, hints []string
	if n := len(r.Refused); n > 0 {
		left = append(left, fmt.Sprintf("%d refused", n))
	}
	if n := len(r.Differs); n > 0 {
		left, hints = append(left, fmt.Sprintf("%d otherwise at the target and left so", n)), append(hints, "Write over what differs with --overwrite.")
	}
	if n := len(p.weighty(r.Notes)); n > 0 {
		left, hints = append(left, lostOrNowhere(n)), append(hints, acceptHint)
	}
	if len(left) == 0 {
		return nil
	}
	return &failure{code: exitDiffers, err: fmt.Errorf("the target is not yet as the source: %s", strings.Join(left, ", ")), hint: strings.Join(hints, " ")}
}

func (p *pair) showCopy(out *console, r migrate.Report) {
	rows := [][]string{}
	for _, s := range r.Steps {
		rows = append(rows, []string{s.Name, fmt.Sprint(s.There), fmt.Sprint(s.Made), fmt.Sprint(s.Refused)})
	}
	out.table([]string{"", "THERE", "MADE", "REFUSED"}, rows)
	for i, x := range r.Refused {
		if i == mostLines {
			out.printf("… and %d more; --json writes all", len(r.Refused)-i)
			break
		}
		out.printf("%s  %s: %s (%s)", bad("refused"), x.Item, x.Detail, x.Code)
	}
	out.showDifferences(r.Differs)
	out.showNotes(r.Notes)
}

func answersDiffer(n int) string {
	if n == 1 {
		return "one answer differs"
	}
	return fmt.Sprintf("%d answers differ", n)
}

func migrateVerifyCommand() *cobra.Command {
	var p pair
	c := p.command(&cobra.Command{
		Use:   "verify",
		Short: "Ask source and target who may what, and list what differs",
		Long: `Asks both sides, for every principal, role and scope that either of them names: may they activate it, have they
it, until when, and under which rules? Ends are compared to the second; when something began is no part of the
answer. The exit code is 0 where all answers are the same, and 7 where some differ.`,
		Example: "pim migrate verify --from https://pim.old.example --from-token-file old.token --map ids.json --json",
		Args:    exactly(),
	})
	c.RunE = func(c *cobra.Command, _ []string) error {
		out := newConsole(c, p.json)
		m, err := p.meet(c.Context(), out)
		if err != nil {
			return err
		}
		list := migrate.Compare(m.source, m.target, m.mapping, migrate.CompareOptions{Now: out.now(), WithoutActivations: p.without})
		if p.json {
			err = out.value(map[string]any{"equal": len(list) == 0, "compared": len(m.source.Grants), "differences": viewDifferences(list)})
		} else {
			out.showDifferences(list)
		}
		switch {
		case err != nil:
			return err
		case len(list) > 0:
			return &failure{code: exitDiffers, err: fmt.Errorf("%s", answersDiffer(len(list)))}
		case !p.json:
			out.printf("%s: %d grants, %d sets of rules and %d open requests of the source are the same at the target", good("equal"),
				len(m.source.Grants), len(m.source.Policies), len(m.source.Requests))
		}
		return nil
	}
	return c
}
