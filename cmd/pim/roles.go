package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// rolesCommand lists what somebody may activate and holds.
func rolesCommand() *cobra.Command {
	var o connection
	return o.command(&cobra.Command{
		Use:   "roles",
		Short: "List the roles that you can activate and those that you hold",
		Long: `List the roles that you can activate (eligible), those that you have activated (active), and those that you hold
without activating (assigned). "By group" is what you have as a member of a group.`,
		Args: exactly(),
		RunE: o.run(func(ctx context.Context, s *session, _ []string) error {
			list, err := s.myRoles(ctx)
			if err != nil {
				return err
			}
			if s.json {
				return s.value(list)
			}
			s.showRoles(list)
			return nil
		}),
	})
}

func (s *session) myRoles(ctx context.Context) ([]roleView, error) {
	active, err := s.active(ctx)
	if err != nil {
		return nil, err
	}
	eligible, err := s.eligible(ctx)
	if err != nil {
		return nil, err
	}
	list := []roleView{}
	for _, g := range slices.Concat(active, eligible) {
		list = append(list, viewRole(g))
	}
	sortRoles(list)
	return list, nil
}

// sortRoles sorts by name, then scope, what is active before what could be.
func sortRoles(list []roleView) {
	slices.SortStableFunc(list, func(a, b roleView) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Role), strings.ToLower(b.Role)), cmp.Compare(a.Scope, b.Scope),
			cmp.Compare(a.State, b.State))
	})
}

func (s *session) showRoles(list []roleView) {
	if len(list) == 0 {
		s.printf("You hold no role and can activate none.")
		return
	}
	now := s.now()
	rows := [][]string{}
	for _, v := range list {
		state := v.State
		if v.State != "eligible" {
			state = good(state)
		}
		if v.ByGroup {
			state += ", by group"
		}
		rows = append(rows, []string{v.Role, v.Scope, state, moment(v.Until, now), leftOf(v, s)})
	}
	s.table([]string{"ROLE", "SCOPE", "STATE", "UNTIL", "LEFT"}, rows)
}

func leftOf(v roleView, s *session) string {
	if v.Until == nil {
		return ""
	}
	return left(v.Until, s.now())
}
