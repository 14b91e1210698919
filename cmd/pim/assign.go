package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/api/wire"
	"portcullis/internal/client"
)

// giving is what an administrator gives or takes.
type giving struct {
	side
	principal, role                             string
	eligible, active, permanent, remove         bool
	length, until, start, scope, reason, ticket string
}

// assignCommand makes somebody eligible for a role, gives them the role, or takes either away.
func assignCommand() *cobra.Command {
	var o connection
	var g giving
	cmd := o.command(&cobra.Command{
		Use:   "assign PRINCIPAL ROLE|--group GROUP --eligible|--active",
		Short: "Make somebody eligible for a role, give them the role, or take it away",
		Long: `Make a person, a group or an application eligible for a role, or give it to them without activating; with --remove
take that away. The principal is an id, a user principal name or a display name; the role an id or a display name. With
--group in place of the role it is membership of a group, and with --owner beside it, ownership.

Without an end it lasts as long as the role's rules allow.`,
		Example: `pim assign amira@example.com "Billing Reader" --eligible --for 180d --reason "Payroll team"
pim assign "Service Desk" "Helpdesk Administrator" --eligible --permanent
pim assign amira@example.com "Billing Reader" --eligible --remove`,
		Args: alone(alone(func(*cobra.Command, []string) error {
			if !g.eligible && !g.active {
				return usagef("say whether they are to be --eligible for the role or to have it --active")
			}
			return nil
		}, "eligible", "active"), "for", "until", "permanent", "remove"),
		RunE: o.run(func(ctx context.Context, s *session, args []string) error {
			g.principal = args[0]
			if g.group == "" {
				g.role = args[1]
			}
			return s.assign(ctx, g)
		}),
	})
	f := cmd.Flags()
	g.flags(cmd, "PRINCIPAL", "ROLE")
	f.BoolVar(&g.eligible, "eligible", false, "they may activate the role")
	f.BoolVar(&g.active, "active", false, "they have the role without activating")
	f.BoolVar(&g.remove, "remove", false, "take it away")
	f.StringVar(&g.length, "for", "", "how long: 8h, 30d, P180D")
	f.StringVar(&g.until, "until", "", "until when: 2006-01-02 (the whole day), \"2006-01-02 15:04\"")
	f.BoolVar(&g.permanent, "permanent", false, "without end")
	f.StringVar(&g.start, "start", "", "from when; default: now")
	f.StringVar(&g.scope, "scope", "/", "where: / or /administrativeUnits/ID")
	f.StringVar(&g.reason, "reason", "", "why")
	f.StringVar(&g.ticket, "ticket", "", "number of a ticket")
	return cmd
}

func (g giving) kind() client.Kind {
	kind := client.Assignment
	if g.eligible {
		kind = client.Eligibility
	}
	return client.Grant{OfGroup: g.group != ""}.Kind(kind)
}

// given is the role that is given, and where: of a group its side.
func (s *session) given(ctx context.Context, g giving) (role client.Object, scope *client.Object, err error) {
	if g.group == "" {
		role, err = s.roleNamed(ctx, g.role)
		return role, nil, err
	}
	group, err := s.groupNamed(ctx, g.group)
	return client.Object{ID: g.side.role(), Name: map[bool]string{true: "Owner", false: "Member"}[g.owner]}, &group, err
}

func (g giving) schedule(now time.Time) (*client.Schedule, error) {
	if g.remove {
		return nil, nil
	}
	out := &client.Schedule{}
	var err error
	switch {
	case g.length != "":
		var iso string
		iso, err = span(g.length)
		out.Expiration = &client.Expiration{Type: "afterDuration", Duration: iso}
	case g.until != "":
		var end time.Time
		end, err = instant(g.until, now, true)
		end = end.UTC()
		out.Expiration = &client.Expiration{Type: "afterDateTime", End: &end}
	case g.permanent:
		out.Expiration = &client.Expiration{Type: "noExpiration"}
	}
	if err != nil {
		return nil, err
	}
	if g.start != "" {
		at, err := instant(g.start, now, false)
		if err != nil {
			return nil, err
		}
		at = at.UTC()
		out.Start = &at
	}
	return out, nil
}

func (s *session) assign(ctx context.Context, g giving) error {
	when, err := g.schedule(s.now())
	if err != nil {
		return err
	}
	who, err := s.principal(ctx, g.principal)
	if err != nil {
		return err
	}
	role, scope, err := s.given(ctx, g)
	if err != nil {
		return err
	}
	if scope != nil {
		g.scope = scope.ID
	}
	s.needs(g.active && !g.remove, &g.reason, "Why does "+who.Name+" get "+role.Name+"?")
	ask := client.Ask{
		Action: "adminAssign", PrincipalID: who.ID, RoleID: role.ID, ScopeID: g.scope, Justification: g.reason,
		Schedule: when, Ticket: ticketOf(g.ticket),
	}
	if g.remove {
		ask.Action = "adminRemove"
	}
	var made client.Request
	err = s.stepping(ctx, func() error {
		made, err = s.Submit(ctx, g.kind(), ask)
		return err
	})
	if err != nil {
		return err
	}
	made.Role, made.Principal, made.Scope = &role, &who, scope
	return s.tellAssignment(viewRequest(made), g)
}

func (s *session) tellAssignment(v requestView, g giving) error {
	if s.json {
		return s.value(v)
	}
	has := "has"
	if g.eligible {
		has = "is eligible for"
	}
	if g.remove {
		has = map[bool]string{true: "is no longer eligible for", false: "no longer has"}[g.eligible]
	}
	if v.Status == "Granted" {
		has = map[bool]string{true: "will be eligible for", false: "will have"}[g.eligible]
	}
	s.printf("%s %s %s %s.", bold(v.Principal), has, bold(v.Role), at(v.Scope))
	return nil
}

// principal finds who is meant: by id, by user principal name, or by a display name that one alone has.
func (s *session) principal(ctx context.Context, name string) (client.Object, error) {
	switch {
	case wire.IsGUID(name):
		o, err := s.ObjectByID(ctx, strings.ToLower(name))
		return o, missing(err, "there is nobody with the id %s", name)
	case strings.Contains(name, "@"):
		o, err := s.User(ctx, name)
		return o, missing(err, "there is no user %s", name)
	}
	list, err := s.Named(ctx, name)
	if err != nil {
		return client.Object{}, err
	}
	return one(list, name, "nobody is called")
}

// roleNamed finds a role definition by id or name.
func (s *session) roleNamed(ctx context.Context, name string) (client.Object, error) {
	if wire.IsGUID(name) {
		o, err := s.Role(ctx, strings.ToLower(name))
		return o, missing(err, "there is no role with the id %s", name)
	}
	list, err := s.RolesNamed(ctx, name)
	if err != nil {
		return client.Object{}, err
	}
	return one(list, name, "no role is called")
}

func missing(err error, format string, args ...any) error {
	if e, ok := errors.AsType[*client.Error](err); ok && e.Status == http.StatusNotFound {
		return refused("", format, args...)
	}
	return err
}

// one is the only one of a list.
func one(list []client.Object, name, none string) (client.Object, error) {
	switch len(list) {
	case 0:
		return client.Object{}, refused("Give the name as it is shown, in quotes, or an id.", "%s %q", none, name)
	case 1:
		return list[0], nil
	}
	var lines []string
	for _, o := range list {
		lines = append(lines, fmt.Sprintf("    %s   %s %s %s", o.ID, o.Kind(), o.Name, o.Account))
	}
	return client.Object{}, &failure{
		code: exitUsage, err: fmt.Errorf("several are called %q", name), hint: "Give the id of one of them:\n" + strings.Join(lines, "\n"),
	}
}
