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

// serviceKind is a kind of services, and how its commands speak of it.
type serviceKind struct {
	services server.Services
	// path is the command that the commands are below of. What is a service in words, and secret what it proves itself by.
	path, example, what, secret string
	// lives is told with the command that gives another secret, removed with the one that removes a service.
	lives, removed string
	// tell prints a service with its secret.
	tell func(p *program, s server.Service, at server.Reach) error
}

// serviceCommands add, list, renew and remove services on the server's own store.
func (p *program) serviceCommands(k serviceKind) []*cobra.Command {
	return []*cobra.Command{p.serviceAdd(k), p.serviceList(k), p.serviceRenew(k), p.serviceRemove(k)}
}

// onServices gives a command the flags of the settings and of the tenant, and the store to work on.
func (p *program) onServices(c *cobra.Command, do func(c *cobra.Command, a *app.App, tenant string, at server.Reach, args []string) error) *cobra.Command {
	var tenant string
	addSettings(c)
	c.Flags().StringVar(&tenant, "tenant", "", "tenant, by id or domain (the oldest)")
	c.RunE = func(c *cobra.Command, args []string) error {
		return p.onStore(c, func(a *app.App, s config.Settings) error { return do(c, a, tenant, server.ReachOf(s), args) })
	}
	return c
}

func (p *program) serviceAdd(k serviceKind) *cobra.Command {
	return p.onServices(&cobra.Command{
		Use:     "add NAME",
		Short:   "Make a " + k.what + ", and print its " + k.secret,
		Example: "  " + k.path + " add " + k.example + " --tenant example.org --data ./data",
		Args:    cobra.ExactArgs(1),
	}, func(c *cobra.Command, a *app.App, tenant string, at server.Reach, args []string) error {
		s, err := k.services.Add(c.Context(), a, tenant, args[0])
		if err != nil {
			return err
		}
		return k.tell(p, s, at)
	})
}

func (p *program) serviceList(k serviceKind) *cobra.Command {
	return p.onServices(&cobra.Command{
		Use:   "list",
		Short: "List the " + k.what + "s of a tenant",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, a *app.App, tenant string, _ server.Reach, _ []string) error {
		list, err := k.services.List(c.Context(), a, tenant)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tCLIENT\tSINCE\tTENANT")
		for _, o := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", o.ID, o.DisplayName, o.App.ClientID, o.Created.UTC().Format(time.RFC3339), o.Tenant)
		}
		return w.Flush()
	})
}

func (p *program) serviceRenew(k serviceKind) *cobra.Command {
	var only bool
	c := p.onServices(&cobra.Command{
		Use:   k.secret + " NAME|ID",
		Short: "Give a " + k.what + " another " + k.secret + ", and print it",
		Long:  "The last " + k.secret + " before the new one goes on to work until the next is made, so that it can be replaced where it is used." + k.lives,
		Args:  cobra.ExactArgs(1),
	}, func(c *cobra.Command, a *app.App, tenant string, at server.Reach, args []string) error {
		s, err := k.services.Renew(c.Context(), a, tenant, args[0], only)
		if err != nil {
			return err
		}
		return k.tell(p, s, at)
	})
	c.Flags().BoolVar(&only, "only", false, "end all "+k.secret+"s before it at once")
	return c
}

func (p *program) serviceRemove(k serviceKind) *cobra.Command {
	return p.onServices(&cobra.Command{
		Use:   "remove NAME|ID",
		Short: "Remove a " + k.what + ": " + k.removed,
		Args:  cobra.ExactArgs(1),
	}, func(c *cobra.Command, a *app.App, tenant string, _ server.Reach, args []string) error {
		return k.services.Remove(c.Context(), a, tenant, args[0])
	})
}
