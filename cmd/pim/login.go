package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// loginCommand signs somebody in by the device code.
func loginCommand() *cobra.Command {
	var o connection
	var mfa bool
	cmd := o.command(&cobra.Command{
		Use:   "login [--server URL]",
		Short: "Sign in at a server",
		Long: `Sign in at a server: open the page that is shown, on this machine or another, and enter the code.

Who is signed in is kept in your configuration folder, readable by you alone, and renewed as long as it is used.
Later commands go to the server where you last signed in.`,
		Example: `pim login --server https://pim.example.com
pim login --server https://localhost:8443 --ca data/ca.pem
pim login --mfa`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.explained(o.login(cmd.Context(), newConsole(cmd, o.json), mfa))
		},
	})
	cmd.Flags().BoolVar(&mfa, "mfa", false, "prove a second factor at once")
	return cmd
}

func (o *connection) login(ctx context.Context, c *console, mfa bool) error {
	cache, err := sessions()
	if err != nil {
		return err
	}
	options, err := o.options(cache)
	if errors.Is(err, client.ErrSignedOut) {
		return usagef("say which server to sign in at: pim login --server https://HOST:PORT")
	}
	if err != nil {
		return err
	}
	o.server = options.Server
	if had, err := cache.Load(options.Server, options.Tenant); err == nil && options.ClientID == "" {
		options.ClientID = had.ClientID
	}
	at, err := cache.SignedOut(options)
	if err != nil {
		return usage(err)
	}
	var demand *client.Demand
	if mfa {
		demand = client.MFA()
	}
	err = c.signIn(ctx, func(ctx context.Context, tell func(client.Prompt)) error { return at.SignIn(ctx, demand, tell) })
	if err != nil {
		return err
	}
	return c.signedIn(at.Session())
}

// loginView is who is signed in.
type loginView struct {
	Server    string    `json:"server"`
	TenantID  string    `json:"tenantId"`
	ID        string    `json:"id"`
	Account   string    `json:"account"`
	Name      string    `json:"name"`
	TokenEnds time.Time `json:"tokenEnds"`
}

func (c *console) signedIn(s *client.Session) error {
	if c.json {
		return c.value(loginView{s.Server, s.TenantID, s.ObjectID, s.Account, s.Name, s.Expires})
	}
	c.printf("You are signed in at %s as %s (%s).", s.Server, bold(s.Name), s.Account)
	c.note("%s", faint("See what you can activate with: pim roles"))
	return nil
}
