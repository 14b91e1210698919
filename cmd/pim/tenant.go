package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/app"
	"portcullis/internal/config"
	"portcullis/internal/directory"
	"portcullis/internal/server"
	"portcullis/internal/store"
)

func newTenant(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "tenant",
		Short: "List and make tenants, on the server's own store",
		Long: "Works on the store directly: run it where the server runs, with the same data folder or database. A server that runs " +
			"serves a new tenant within seconds.",
	}
	c.AddCommand(newTenantAdd(p), newTenantList(p))
	return c
}

func newTenantAdd(p *program) *cobra.Command {
	t := config.Tenant{}
	c := &cobra.Command{
		Use:     "add DOMAIN",
		Short:   "Make a tenant with one administrator, and print a one-time password",
		Example: "  pim tenant add example.org --name Example --data ./data",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.onStore(c, func(a *app.App, s config.Settings) error {
				t.Domain = args[0]
				s.Tenant = config.Tenant{Name: cmp.Or(t.Name, t.Domain), Domain: t.Domain, Administrator: t.Administrator}
				if err := s.Validate(); err != nil {
					return usage(err)
				}
				admin, err := server.AddTenant(c.Context(), a, s.WithDefaults().Tenant)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(p.stdout, "tenant         %s\nadministrator  %s\npassword       %s\nsign in        %s\n\n"+
					"The password works once: the first sign-in asks for another. It is not shown again.\n",
					admin.Tenant, admin.Account, admin.Password, server.ReachOf(s).SignIn(t.Domain))
				return err
			})
		},
	}
	addSettings(c)
	c.Flags().StringVar(&t.Name, "name", "", "display name (the domain)")
	c.Flags().StringVar(&t.Administrator, "administrator", "", "name of the administrator before the @ (admin)")
	return c
}

func newTenantList(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List the tenants",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.onStore(c, func(a *app.App, _ config.Settings) error {
				tenants, err := a.Store.Tenants(c.Context())
				if err != nil {
					return err
				}
				slices.SortFunc(tenants, func(a, b directory.Tenant) int { return a.Created.Compare(b.Created) })
				w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tDOMAIN\tNAME\tSINCE")
				for _, t := range tenants {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.ID, t.Domain, t.Name, t.Created.UTC().Format(time.RFC3339))
				}
				return w.Flush()
			})
		},
	}
	addSettings(c)
	return c
}

// onStore does something on the store of a server.
func (p *program) onStore(c *cobra.Command, do func(*app.App, config.Settings) error) error {
	settings, err := p.settings(c)
	if err != nil {
		return err
	}
	a, err := server.OpenStore(c.Context(), settings, p.logger(settings.Log))
	if err != nil {
		return err
	}
	err = do(a, settings)
	if errors.Is(err, store.ErrUnavailable) {
		err = &server.Unable{Code: server.ExitUnusable, Err: err}
	}
	return errors.Join(err, a.Store.Close())
}
