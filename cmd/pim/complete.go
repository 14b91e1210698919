package main

import (
	"slices"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// completeRoles completes the names of one's own roles in a state.
func (o *connection) completeRoles(state string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := o.open()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, err := (&session{newConsole(cmd, true), c, o}).myRoles(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for _, v := range list {
			if v.State == state && !v.Group && !slices.Contains(names, v.Role) {
				names = append(names, v.Role)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeRequests completes the ids of open requests, each told by who and what it is about.
func (o *connection) completeRequests(view client.View) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		c, err := o.open()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, err := c.Requests(cmd.Context(), client.Assignment, view, "PendingApproval", 50)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []cobra.Completion
		for _, r := range list {
			ids = append(ids, cobra.CompletionWithDesc(r.ID, nameOf(r.Role, r.RoleID)+" for "+nameOf(r.Principal, r.PrincipalID)))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
