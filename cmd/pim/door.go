package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"portcullis/internal/server"
)

// newDoor are the commands that make the applications by which doors ask.
func newDoor(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "door",
		Short: "Let a program ask whether somebody may, on the server's own store",
		Long: "A door is a program, gateway or proxy that asks at /access/v1 (AuthZEN) whether somebody may, now. `pim door add` makes the " +
			"application that it asks as, which may ask about everybody in the tenant and do nothing else.\n\n" +
			"Works on the store directly: run it where the server runs, with the same data folder or database. A server that runs knows a new " +
			"door at once, and lets one that was removed ask no more within two seconds.",
	}
	c.AddCommand(p.serviceCommands(serviceKind{
		services: server.Doors(), path: "pim door", example: `"Payroll page"`, what: "door", secret: "secret",
		lives:   " What a door got by an old secret, an access token, goes on to work for an hour at most: remove the door where that is too long.",
		removed: "its secrets and tokens work no more",
		tell:    (*program).tellDoor,
	})...)
	return c
}

// tellDoor prints a door with its secret, and how to ask as it. The example keeps the secret off the list of processes.
func (p *program) tellDoor(s server.Service, at server.Reach) error {
	token := fmt.Sprintf("%s/%s/oauth2/v2.0/token", at.URL, s.Object.Tenant)
	_, err := fmt.Fprintf(p.stdout, `door    %s
tenant  %s
client  %s
secret  %s
tokens  %s
ask     %s/access/v1/evaluation

The secret is not shown again. To try it:

  TOKEN=$(printf %%s %s |
    %s --data-urlencode client_secret@- \
      -d grant_type=client_credentials -d client_id=%s \
      -d scope=%s/.default %s |
    sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  %s -H "Authorization: Bearer $TOKEN" \
    %s/access/v1/evaluation -d '{
    "subject":  {"type": "user", "id": "NAME@DOMAIN"},
    "action":   {"name": "Global Administrator"},
    "resource": {"type": "directory", "id": "/"}}'
`, s.Object.DisplayName, s.Object.Tenant, s.Object.App.ClientID, s.Secret, token, at.URL,
		s.Secret, at.Curl(), s.Object.App.ClientID, at.URL, token, at.Curl(), at.URL)
	return err
}
