package main

import (
	"errors"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// logoutCommand forgets who is signed in.
func logoutCommand() *cobra.Command {
	var o connection
	return o.command(&cobra.Command{
		Use:   "logout",
		Short: "Forget the sign-in",
		Long:  "Forget the sign-in on this machine. What you have activated stays active: end it with pim deactivate.",
		Args:  exactly(),
		RunE:  func(cmd *cobra.Command, _ []string) error { return o.explained(o.logout(newConsole(cmd, o.json))) },
	})
}

func (o *connection) logout(c *console) error {
	cache, err := sessions()
	if err != nil {
		return err
	}
	options, err := o.options(cache)
	there := false
	if err == nil {
		var at *client.Client
		if at, err = client.New(options); err == nil {
			there, err = cache.SignOut(at.Server, at.Tenant)
		}
	}
	if err != nil && !errors.Is(err, client.ErrSignedOut) {
		return err
	}
	if c.json {
		return c.value(struct {
			Server    string `json:"server"`
			SignedOut bool   `json:"signedOut"`
		}{options.Server, there})
	}
	if !there {
		c.printf("Nobody was signed in.")
		return nil
	}
	c.printf("You are signed out of %s.", options.Server)
	return nil
}
