package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/app"
	"portcullis/internal/config"
	"portcullis/internal/server"
)

// newSCIM are the commands around directories elsewhere that keep up a tenant.
func newSCIM(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "scim",
		Short: "Let a directory elsewhere keep up people and groups",
		Long: "A directory source is a directory, such as Entra ID or Okta, that makes, changes and deletes the people and groups of a tenant\n" +
			"by SCIM 2.0 at /scim/v2. `pim scim source` makes sources on the server's own store; `pim scim load` brings people and groups\n" +
			"from a file, as such a source.",
	}
	c.AddCommand(newSource(p), loadCommand(), sampleCommand())
	return c
}

func newSource(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "source",
		Short: "List, make and remove directory sources, on the server's own store",
		Long: "Works on the store directly: run it where the server runs, with the same data folder or database. A token is shown once, and\n" +
			"works and ends to work from the moment the command is done.",
	}
	c.AddCommand(newSourceAdd(p), newSourceList(p), newSourceToken(p), newSourceRemove(p))
	return c
}

// sourceCommand gives a command the flags of the settings and of the tenant, and the store to work on.
func (p *program) sourceCommand(c *cobra.Command, do func(c *cobra.Command, a *app.App, tenant string, args []string) error) *cobra.Command {
	var tenant string
	addSettings(c)
	c.Flags().StringVar(&tenant, "tenant", "", "tenant, by id or domain (the oldest)")
	c.RunE = func(c *cobra.Command, args []string) error {
		return p.onStore(c, func(a *app.App, _ config.Settings) error { return do(c, a, tenant, args) })
	}
	return c
}

func newSourceAdd(p *program) *cobra.Command {
	return p.sourceCommand(&cobra.Command{
		Use:     "add NAME",
		Short:   "Make a directory source, and print its token",
		Example: "  pim scim source add \"Entra ID\" --tenant example.org --data ./data",
		Args:    cobra.ExactArgs(1),
	}, func(c *cobra.Command, a *app.App, tenant string, args []string) error {
		s, err := server.AddSource(c.Context(), a, tenant, args[0])
		if err != nil {
			return err
		}
		return p.tellToken(s)
	})
}

// tellToken prints a source with its token.
func (p *program) tellToken(s server.Source) error {
	_, err := fmt.Fprintf(p.stdout, "source   %s\ntenant   %s\naddress  /scim/v2\ntoken    %s\n\nThe token is not shown again.\n",
		s.Object.DisplayName, s.Object.Tenant, s.Token)
	return err
}

func newSourceList(p *program) *cobra.Command {
	return p.sourceCommand(&cobra.Command{
		Use:   "list",
		Short: "List the directory sources of a tenant",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, a *app.App, tenant string, _ []string) error {
		list, err := server.Sources(c.Context(), a, tenant)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tSINCE\tTENANT")
		for _, o := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", o.ID, o.DisplayName, o.Created.UTC().Format(time.RFC3339), o.Tenant)
		}
		return w.Flush()
	})
}

func newSourceToken(p *program) *cobra.Command {
	var only bool
	c := p.sourceCommand(&cobra.Command{
		Use:   "token NAME|ID",
		Short: "Give a directory source another token, and print it",
		Long:  "The last token before the new one goes on to work until the next is made, so that it can be replaced where it is used.",
		Args:  cobra.ExactArgs(1),
	}, func(c *cobra.Command, a *app.App, tenant string, args []string) error {
		s, err := server.RenewSource(c.Context(), a, tenant, args[0], only)
		if err != nil {
			return err
		}
		return p.tellToken(s)
	})
	c.Flags().BoolVar(&only, "only", false, "end all tokens before it at once")
	return c
}

func newSourceRemove(p *program) *cobra.Command {
	return p.sourceCommand(&cobra.Command{
		Use:   "remove NAME|ID",
		Short: "Remove a directory source: its tokens work no more, its people and groups stay",
		Args:  cobra.ExactArgs(1),
	}, func(c *cobra.Command, a *app.App, tenant string, args []string) error {
		return server.RemoveSource(c.Context(), a, tenant, args[0])
	})
}
