package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// approveCommand says yes to a request.
func approveCommand() *cobra.Command {
	return decisionCommand(true, &cobra.Command{
		Use:     "approve REQUEST",
		Short:   "Approve a request that waits for you",
		Example: `pim approve 019abf12-7c1e-7d11-8a55-0c9f6f1d2e3b --reason "Agreed"`,
	})
}

// decisionCommand is what approving and denying have in common.
func decisionCommand(approve bool, cmd *cobra.Command) *cobra.Command {
	var o connection
	var reason string
	cmd.Args = exactly("REQUEST")
	cmd.RunE = o.run(func(ctx context.Context, s *session, args []string) error {
		return s.decide(ctx, args[0], approve, reason)
	})
	o.command(cmd).Flags().StringVar(&reason, "reason", "", "why")
	cmd.ValidArgsFunction = o.completeRequests(client.ToApprove)
	return cmd
}

func (s *session) decide(ctx context.Context, id string, approve bool, reason string) error {
	r, err := s.find(ctx, id, client.ToApprove)
	if err != nil {
		return err
	}
	v := viewRequest(r)
	if !r.In("PendingApproval") {
		return refused("See what happened with: pim status "+r.ID, "the request waits for nobody: it is %s", statusWords(r.Status))
	}
	step, err := s.openStep(ctx, r)
	if err != nil {
		return err
	}
	if s.asks && reason == "" {
		s.note("%s asks to %s %s %s%s.", bold(v.Principal), actionWords(v), bold(v.Role), at(v.Scope), forLength(v.Duration))
		s.note("Reason given: %s", first(v.Reason, "none"))
		reason = s.ask(fmt.Sprintf("Why do you %s?", verb(approve)))
	}
	err = s.stepping(ctx, func() error { return s.Decide(ctx, r.Kind, first(r.ApprovalID, r.ID), step.ID, approve, reason) })
	if e, ok := errors.AsType[*client.Error](err); ok && e.Code == "InvalidRequest" {
		return refused("Give one with --reason.", "%s", e.Message)
	}
	if err != nil {
		return err
	}
	return s.tellDecision(ctx, r, approve)
}

func verb(approve bool) string {
	if approve {
		return "approve"
	}
	return "deny"
}

func forLength(iso string) string {
	if iso == "" {
		return ""
	}
	return " for " + iso
}

// openStep is the stage that waits for the person.
func (s *session) openStep(ctx context.Context, r client.Request) (client.Step, error) {
	steps, err := s.Approval(ctx, r.Kind, first(r.ApprovalID, r.ID))
	if err != nil {
		return client.Step{}, err
	}
	for _, step := range steps {
		if step.Status == "InProgress" && step.Mine {
			return step, nil
		}
	}
	return client.Step{}, refused("See those that do with: pim requests --to-approve", "the request does not wait for you")
}

func (s *session) tellDecision(ctx context.Context, r client.Request, approve bool) error {
	after, err := s.Request(ctx, r.Kind, r.ID)
	if err != nil {
		return err
	}
	v := viewRequest(after)
	if s.json {
		return s.value(v)
	}
	switch {
	case !approve:
		s.printf("Denied: %s does not get %s.", v.Principal, bold(v.Role))
	case after.Pending():
		s.printf("Approved. Others have to approve too before %s gets %s.", v.Principal, bold(v.Role))
	default:
		s.printf("Approved: %s for %s is %s.", bold(v.Role), v.Principal, colouredStatus(v.Status))
	}
	return nil
}
