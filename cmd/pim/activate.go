package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// activation is what activating asks for.
type activation struct {
	side
	role, length, reason, ticket, scope, start string
	noWait                                     bool
	limit                                      time.Duration
}

// waiting gives a command the flags that say whether and how long it waits.
func waiting(cmd *cobra.Command, noWait *bool, limit *time.Duration, otherwise time.Duration) {
	cmd.Flags().Bool("wait", true, "wait until it is done; the default")
	cmd.Flags().BoolVar(noWait, "no-wait", false, "do not wait")
	cmd.Flags().DurationVar(limit, "timeout", otherwise, "how long to wait at most")
	cmd.Args = alone(cmd.Args, "wait", "no-wait")
}

// activateCommand activates a role.
func activateCommand() *cobra.Command {
	var o connection
	var a activation
	cmd := o.command(&cobra.Command{
		Use:   "activate ROLE | --group GROUP [--owner]",
		Short: "Activate a role, or membership of a group, that you are eligible for",
		Long: `Activate a role that you are eligible for, by its name or id, for a reason and a bounded time; with --group,
membership of a group, and with --owner beside it, ownership.

On a terminal a missing reason is asked for, and a second factor where the role wants one. Where somebody has to
approve, they are named, and pim waits until they have; end it with Ctrl-C, the request goes on. Once the role is
active, pim shows whether the doors that it opens have opened.`,
		Example: `pim activate "Billing Reader" --for 2h --reason "Month end"
pim activate "Groups Administrator" --scope /administrativeUnits/ID --ticket 4711
pim activate "Reports Reader" --start 22:00 --no-wait
pim activate --group "Project Kestrel" --for 2h --reason "Stocktaking"`,
		RunE: o.run(func(ctx context.Context, s *session, args []string) error {
			if a.group == "" {
				a.role = args[0]
			}
			return s.activate(ctx, a)
		}),
		ValidArgsFunction: o.completeRoles("eligible"),
	})
	f := cmd.Flags()
	f.StringVar(&a.length, "for", "", "how long: 90m, 2h, 1h30m or PT2H; default: as long as the role's rules allow")
	f.StringVar(&a.reason, "reason", "", "why")
	f.StringVar(&a.ticket, "ticket", "", "number of a ticket")
	f.StringVar(&a.scope, "scope", "", "where: / or /administrativeUnits/ID; default: where you are eligible")
	f.StringVar(&a.start, "start", "", "when: 15:04, \"2006-01-02 15:04\", +30m; default: now")
	a.flags(cmd, "ROLE")
	waiting(cmd, &a.noWait, &a.limit, 15*time.Minute)
	return cmd
}

// chosen is what is to be activated, and where.
func (a activation) chosen(eligible []client.Grant) (client.Grant, string, error) {
	if a.group != "" {
		g, err := a.choose(eligible, "you are not eligible to be")
		return g, g.ScopeID, err
	}
	roles := slices.DeleteFunc(eligible, func(g client.Grant) bool { return g.OfGroup })
	return choose(roles, a.role, a.scope, "you are not eligible for")
}

func (s *session) activate(ctx context.Context, a activation) error {
	when, err := a.schedule(s.now())
	if err != nil {
		return err
	}
	eligible, err := s.eligible(ctx)
	if err != nil {
		return err
	}
	role, scope, err := a.chosen(eligible)
	if err != nil {
		return err
	}
	rules, err := s.allowed(ctx, role.Kind(client.Assignment), role.RoleID, scope)
	if err != nil {
		return err
	}
	s.needs(rules.Justification || rules.RequestorJustification, &a.reason, "Why do you need "+nameOf(role.Role, role.RoleID)+"?")
	s.needs(rules.Ticket, &a.ticket, "Which ticket is it for?")
	ask := client.Ask{
		Action: "selfActivate", PrincipalID: s.Session().ObjectID, RoleID: role.RoleID, ScopeID: scope,
		Justification: a.reason, Schedule: when, Ticket: ticketOf(a.ticket),
	}
	var made client.Request
	err = s.stepping(ctx, func() error {
		made, err = s.Submit(ctx, role.Kind(client.Assignment), ask)
		return err
	})
	if err != nil {
		return err
	}
	made.Role, made.Scope = role.Role, role.Scope
	if scope != role.ScopeID {
		made.Scope = nil
	}
	return s.activated(ctx, made, rules, a)
}

func ticketOf(number string) *client.Ticket {
	if number == "" {
		return nil
	}
	return &client.Ticket{Number: number}
}

func (a activation) schedule(now time.Time) (*client.Schedule, error) {
	out := &client.Schedule{}
	if a.length != "" {
		iso, err := span(a.length)
		if err != nil {
			return nil, err
		}
		out.Expiration = &client.Expiration{Type: "afterDuration", Duration: iso}
	}
	if a.start != "" {
		at, err := instant(a.start, now, false)
		if err != nil {
			return nil, err
		}
		at = at.UTC()
		out.Start = &at
	}
	return out, nil
}

// choose finds the grant that a name and a scope mean. Without a scope there must be one alone. A scope within that of
// a grant for the whole tenant is taken as it is.
func choose(grants []client.Grant, name, scope, without string) (client.Grant, string, error) {
	var found []client.Grant
	for _, g := range grants {
		if !strings.EqualFold(g.RoleID, name) && !strings.EqualFold(nameOf(g.Role, ""), name) {
			continue
		}
		same := func(o client.Grant) bool { return o.RoleID == g.RoleID && strings.EqualFold(o.ScopeID, g.ScopeID) }
		if !slices.ContainsFunc(found, same) {
			found = append(found, g)
		}
	}
	if len(found) == 0 {
		return client.Grant{}, "", noSuchRole(grants, name, without)
	}
	if scope != "" {
		for _, wide := range []string{scope, "/"} {
			for _, g := range found {
				if strings.EqualFold(g.ScopeID, wide) {
					return g, scope, nil
				}
			}
		}
	}
	if scope != "" || len(found) > 1 {
		var scopes []string
		for _, g := range found {
			scopes = append(scopes, fmt.Sprintf("    --scope %s   (%s)", g.ScopeID, scopeName(g.ScopeID, g.Scope)))
		}
		return client.Grant{}, "", &failure{
			code: exitUsage, err: fmt.Errorf("say at which scope you mean %s", nameOf(found[0].Role, name)),
			hint: "You can choose between:\n" + strings.Join(scopes, "\n"),
		}
	}
	return found[0], found[0].ScopeID, nil
}

func noSuchRole(grants []client.Grant, name, without string) error {
	var near []string
	for _, g := range grants {
		n := nameOf(g.Role, g.RoleID)
		if strings.Contains(strings.ToLower(n), strings.ToLower(name)) && !slices.Contains(near, n) {
			near = append(near, n)
		}
	}
	hint := "See your roles with: pim roles"
	if len(near) > 0 {
		hint = "Did you mean " + strings.Join(sorted(near), ", ") + "? " + hint
	}
	return refused(hint, "%s %q", without, name)
}

// activated tells what became of an activation and waits for what is still to come.
func (s *session) activated(ctx context.Context, r client.Request, rules client.Rules, a activation) error {
	view := viewRequest(r)
	if r.Pending() {
		view.Approvers = s.approvers(ctx, rules)
		s.note("%s is asked for with request %s.", bold(view.Role), r.ID)
		s.note("It must be approved by %s.", strings.Join(view.Approvers, ", and then by "))
		var err error
		if view.WaitsFor, err = s.waitsFor(ctx, r); err != nil {
			return err
		}
		if len(view.WaitsFor) > 0 {
			s.note("It waits for: %s", fewNames(view.WaitsFor))
		}
	}
	if a.noWait {
		return s.tellActivation(ctx, view)
	}
	began := s.now()
	late := func() error {
		return &failure{code: exitTimeout, err: errors.New("nobody has decided yet"),
			hint: "The request goes on. Follow it with: pim status " + r.ID + "; withdraw it with: pim cancel " + r.ID}
	}
	if r.Pending() {
		decided, err := s.decided(ctx, r, a.limit)
		if errors.Is(err, errLate) {
			return errors.Join(s.reportIfJSON(view), late())
		}
		if err != nil {
			return err
		}
		approvers := view.Approvers
		view = viewRequest(decided)
		view.Approvers = approvers
		r = decided
	}
	if !r.In("Provisioned", "Granted") {
		return errors.Join(s.reportIfJSON(view), s.turnedDown(ctx, r))
	}
	if r.In("Provisioned") {
		if err := s.doorsOpen(ctx, r.TargetID, min(30*time.Second, max(time.Second, a.limit-s.now().Sub(began)))); err != nil {
			return err
		}
	}
	return s.tellActivation(ctx, view)
}

func (s *session) reportIfJSON(v any) error {
	if s.json {
		return s.value(v)
	}
	return nil
}

// decided waits until somebody has decided.
func (s *session) decided(ctx context.Context, r client.Request, limit time.Duration) (client.Request, error) {
	now := r
	err := s.wait(ctx, "Waiting for approval", func(ctx context.Context) error {
		return every(ctx, limit, func(ctx context.Context) (bool, error) {
			next, err := s.Request(ctx, r.Kind, r.ID)
			if _, away := errors.AsType[*client.Unreachable](err); away {
				return false, nil // it may come back
			}
			if err == nil {
				now = next
			}
			return err == nil && !next.Pending(), err
		})
	})
	return now, err
}

// turnedDown says why a request came to nothing.
func (s *session) turnedDown(ctx context.Context, r client.Request) error {
	why := map[string]string{
		"Denied": "the request was denied", "Canceled": "the request was withdrawn", "Revoked": "the request was withdrawn",
		"Failed": "nobody decided in time, or what the request rests on is gone",
	}[r.Status]
	if why == "" {
		why = "the request ended as " + r.Status
	}
	if steps, err := s.Approval(ctx, r.Kind, r.ID); err == nil {
		for _, step := range steps {
			if step.Result == "Denied" && step.By != nil {
				why += " by " + step.By.Name
				if step.Justification != "" {
					why += fmt.Sprintf(": %q", step.Justification)
				}
			}
		}
	}
	return refused("See what happened with: pim status "+r.ID, "%s", why)
}

// doorsOpen waits until the doors of a schedule have opened, or will not by themselves.
func (s *session) doorsOpen(ctx context.Context, schedule string, limit time.Duration) error {
	err := s.wait(ctx, "Active; waiting for the doors to open", func(ctx context.Context) error {
		return every(ctx, limit, func(ctx context.Context) (bool, error) {
			doors, err := s.doors(ctx, schedule)
			return err == nil && settled(doors, "usable"), err
		})
	})
	if errors.Is(err, errLate) {
		return nil // shown as it is
	}
	return err
}

// tellActivation shows what there is of an activation now.
func (s *session) tellActivation(ctx context.Context, v requestView) error {
	if v.Status == "Provisioned" {
		active, err := s.active(ctx)
		if err != nil {
			return err
		}
		for _, g := range active {
			if g.ScheduleID() == v.ScheduleID {
				v.Start, v.Until = utc(g.Start), utc(g.End)
			}
		}
		if v.Doors, err = s.doors(ctx, v.ScheduleID); err != nil {
			return err
		}
	}
	if s.json {
		if err := s.value(v); err != nil {
			return err
		}
	} else {
		s.showActivation(v)
	}
	if v.Status == "Provisioned" && astray(v.Doors, "usable") {
		return &failure{code: exitDoor, err: errors.New("the role is active, but a door has not opened"),
			hint: "It is tried again by itself. Follow it with: pim status"}
	}
	return nil
}

func (s *session) showActivation(v requestView) {
	now := s.now()
	switch v.Status {
	case "Provisioned":
		s.printf("%s is %s %s until %s (%s).", bold(v.Role), good("active"), at(v.Scope), moment(v.Until, now), left(v.Until, now))
	case "Granted":
		s.printf("%s will be active %s from %s.", bold(v.Role), at(v.Scope), moment(v.Start, now))
	default:
		s.printf("%s %s: request %s is %s.", bold(v.Role), at(v.Scope), v.ID, amber(statusWords(v.Status)))
	}
	if len(v.Doors) > 0 {
		s.table(doorHeads(), s.doorRows(v.Role, v.Doors))
	}
}

// at is a scope within a sentence.
func at(scope string) string {
	if scope == "everywhere" {
		return scope
	}
	return "at " + scope
}

// statusWords are the words of a status, apart: PendingApproval is pending approval.
func statusWords(status string) string {
	var b strings.Builder
	for i, r := range status {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}
