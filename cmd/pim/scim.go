package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"portcullis/internal/server"
)

// newSCIM are the commands around directories elsewhere that keep up a tenant.
func newSCIM(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "scim",
		Short: "Let a directory elsewhere keep up people and groups",
		Long: "A directory source is a directory, such as Entra ID or Okta, that makes, changes and deletes the people and groups of a tenant " +
			"by SCIM 2.0 at /scim/v2. `pim scim source` makes sources on the server's own store; `pim scim load` brings people and groups " +
			"from a file, as such a source.",
	}
	c.AddCommand(newSource(p), loadCommand(), sampleCommand())
	return c
}

func newSource(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "source",
		Short: "List, make and remove directory sources, on the server's own store",
		Long: "Works on the store directly: run it where the server runs, with the same data folder or database. A token is shown once, and " +
			"works and ends to work from the moment the command is done.",
	}
	c.AddCommand(p.serviceCommands(serviceKind{
		services: server.Sources(), path: "pim scim source", example: `"Entra ID"`, what: "directory source", secret: "token",
		removed: "its tokens work no more, its people and groups stay",
		tell: func(p *program, s server.Service, _ server.Reach) error {
			_, err := fmt.Fprintf(p.stdout, "source   %s\ntenant   %s\naddress  /scim/v2\ntoken    %s\n\nThe token is not shown again.\n",
				s.Object.DisplayName, s.Object.Tenant, s.Secret)
			return err
		},
	})...)
	return c
}
