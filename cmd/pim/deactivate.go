package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// deactivateCommand ends an activation before its time.
func deactivateCommand() *cobra.Command {
	var o connection
	var of side
	var scope, reason string
	var noWait bool
	var limit time.Duration
	cmd := o.command(&cobra.Command{
		Use:   "deactivate ROLE | --group GROUP [--owner]",
		Short: "End an activation before its time",
		Long:  "End an activation before its time. You stay eligible. Something active stays so for at least five minutes.",
		Example: `pim deactivate "Billing Reader"
pim deactivate --group "Project Kestrel"`,
		RunE: o.run(func(ctx context.Context, s *session, args []string) error {
			role := ""
			if of.group == "" {
				role = args[0]
			}
			return s.deactivate(ctx, of, role, scope, reason, noWait, limit)
		}),
		ValidArgsFunction: o.completeRoles("active"),
	})
	cmd.Flags().StringVar(&scope, "scope", "", "where, if it is active at several scopes")
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	of.flags(cmd, "ROLE")
	waiting(cmd, &noWait, &limit, 30*time.Second)
	return cmd
}

func (s *session) deactivate(ctx context.Context, of side, role, scope, reason string, noWait bool, limit time.Duration) error {
	active, err := s.active(ctx)
	if err != nil {
		return err
	}
	var mine []client.Grant
	for _, g := range active {
		if g.Activated() && !strings.EqualFold(g.MemberType, "Group") && g.OfGroup == (of.group != "") {
			mine = append(mine, g)
		}
	}
	var g client.Grant
	if of.group != "" {
		g, err = of.choose(mine, "you have not activated being")
	} else {
		g, _, err = choose(mine, role, scope, "you have not activated")
	}
	if err != nil {
		return err
	}
	var made client.Request
	err = s.stepping(ctx, func() error {
		made, err = s.Submit(ctx, g.Kind(client.Assignment), client.Ask{
			Action: "selfDeactivate", PrincipalID: s.Session().ObjectID, RoleID: g.RoleID, ScopeID: g.ScopeID, Justification: reason,
		})
		return err
	})
	if err != nil {
		return err
	}
	made.Role, made.Scope = g.Role, g.Scope
	return s.deactivated(ctx, made, g.ScheduleID(), noWait, limit)
}

// deactivated tells what became of it, once the doors are shut.
func (s *session) deactivated(ctx context.Context, made client.Request, schedule string, noWait bool, limit time.Duration) error {
	view := viewRequest(made)
	var err error
	if !noWait {
		err = s.wait(ctx, "Ended; waiting for the doors to shut", func(ctx context.Context) error {
			return every(ctx, limit, func(ctx context.Context) (bool, error) {
				view.Doors, err = s.doors(ctx, schedule)
				return err == nil && settled(view.Doors, "gone"), err
			})
		})
	} else {
		view.Doors, err = s.doors(ctx, schedule)
	}
	if err != nil && !errors.Is(err, errLate) {
		return err
	}
	if s.json {
		if err := s.value(view); err != nil {
			return err
		}
	} else {
		s.printf("%s is no longer active %s.", bold(view.Role), at(view.Scope))
		if len(view.Doors) > 0 {
			s.table(doorHeads(), s.doorRows(view.Role, view.Doors))
		}
	}
	if !noWait && astray(view.Doors, "gone") {
		return &failure{code: exitDoor, err: errors.New("the role is no longer active, but a door has not been seen to shut"),
			hint: "It is tried until it is proved, and shown to the administrators. Follow it with: pim status"}
	}
	return nil
}
