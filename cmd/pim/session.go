package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// session is a client command at work: who is signed in where, and the console.
type session struct {
	*console
	*client.Client
	connection *connection
}

// run makes the body of a client command that needs somebody who is signed in.
func (o *connection) run(do func(context.Context, *session, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := o.open()
		if err != nil {
			return o.explained(err)
		}
		o.server = c.Server
		return o.explained(do(cmd.Context(), &session{newConsole(cmd, o.json), c, o}, args))
	}
}

// alone wants at most one of several flags. It is asked where arguments are, while it still is a mistake in the command
// line.
func alone(args cobra.PositionalArgs, flags ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		var set []string
		for _, f := range flags {
			if cmd.Flags().Changed(f) {
				set = append(set, "--"+f)
			}
		}
		if len(set) > 1 {
			return usagef("say only one of %s", strings.Join(set, " and "))
		}
		return args(cmd, given)
	}
}

// exactly wants arguments of these names; one in brackets may be left out.
func exactly(names ...string) cobra.PositionalArgs {
	least := 0
	for _, n := range names {
		if !strings.HasPrefix(n, "[") {
			least++
		}
	}
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= len(names) {
			return nil
		}
		wanted := first(strings.Join(names, " "), "no arguments")
		return &failure{
			code: exitUsage, err: fmt.Errorf("the command takes %s, not %d arguments", wanted, len(args)),
			hint: "Put names of several words in quotes. See: " + cmd.CommandPath() + " --help",
		}
	}
}

// stepping does something that the server may want more proof for, and signs in once more where it does.
func (s *session) stepping(ctx context.Context, do func() error) error {
	err := do()
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.StepUp == nil || !s.live && !s.connection.stepUp {
		return err
	}
	s.note("%s", "More proof of who you are is asked for.")
	err = s.signIn(ctx, func(ctx context.Context, tell func(client.Prompt)) error { return s.StepUp(ctx, e.StepUp, tell) })
	if err != nil {
		return err
	}
	return do()
}

// signIn shows what a person has to do to sign in, and waits until they have.
func (c *console) signIn(ctx context.Context, do func(context.Context, func(client.Prompt)) error) error {
	prompts, done := make(chan client.Prompt, 1), make(chan error, 1)
	go func() { done <- do(ctx, func(p client.Prompt) { prompts <- p }) }()
	select {
	case p := <-prompts:
		c.note("Open this page and enter the code:\n\n    %s\n    %s\n", bold(p.Address), bold(p.Code))
		if p.Complete != "" {
			c.note("or open this one, which has the code in it:\n\n    %s\n", p.Complete)
		}
	case err := <-done:
		return err
	}
	return c.wait(ctx, "Waiting for you to sign in", func(context.Context) error { return <-done })
}

// needs asks for a text that the rules want, unless it is there.
func (s *session) needs(wanted bool, text *string, question string) {
	if wanted && *text == "" {
		*text = s.ask(question)
	}
}

// allowed reads what activating a role, or a side of a group, asks for. Who may not read it finds out by asking for it.
func (s *session) allowed(ctx context.Context, k client.Kind, role, scope string) (client.Rules, error) {
	read := func() (client.Rules, error) { return s.Rules(ctx, role) }
	if k.OfGroup() {
		read = func() (client.Rules, error) { return s.GroupRules(ctx, scope, role) }
	}
	rules, err := read()
	if e, ok := errors.AsType[*client.Error](err); ok && (e.Status == 403 || e.Status == 404) {
		return client.Rules{}, nil
	}
	return rules, err
}

// approvers are the names of who must approve, stage by stage.
func (s *session) approvers(ctx context.Context, rules client.Rules) []string {
	out := []string{}
	for _, stage := range rules.Stages {
		names := []string{}
		for _, a := range stage {
			switch o, err := s.ObjectByID(ctx, a.ID); {
			case a.Manager:
				names = append(names, "your manager")
			case err != nil:
				names = append(names, a.ID)
			case a.Group:
				names = append(names, "a member of "+o.Name)
			default:
				names = append(names, o.Name)
			}
		}
		if len(names) == 0 {
			names = append(names, "an administrator of roles")
		}
		out = append(out, strings.Join(names, " or "))
	}
	return out
}
