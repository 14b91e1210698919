package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// clientCommands are the commands that work with a server, over its public interfaces alone.
func clientCommands() []*cobra.Command {
	return []*cobra.Command{
		loginCommand(), logoutCommand(), rolesCommand(), activateCommand(), deactivateCommand(), requestsCommand(),
		approveCommand(), denyCommand(), cancelCommand(), statusCommand(), assignCommand(), auditCommand(), resourcesCommand(), migrateCommand(), dialectsCommand(),
	}
}

// The variables that stand for flags of every client command, and the one that names the folder of the sign-ins.
const (
	envServer = "PIM_SERVER"
	envTenant = "PIM_TENANT"
	envCA     = "PIM_CA"
	envClient = "PIM_CLIENT_ID"
	envFolder = "PIM_CONFIG_DIR"
)

// connection is how a client command reaches its server, and how it answers.
type connection struct {
	server, tenant, ca, clientID string
	json                         bool
	stepUp                       bool
}

// command gives a client command the flags that all have.
func (o *connection) command(cmd *cobra.Command) *cobra.Command {
	f := cmd.Flags()
	f.StringVar(&o.server, "server", "", "address of the server, https://host:port ("+envServer+"); default: where you last signed in")
	f.StringVar(&o.tenant, "tenant", "", "tenant, by id or domain ("+envTenant+")")
	f.StringVar(&o.ca, "ca", "", "file with the certificate authority of the server ("+envCA+")")
	f.StringVar(&o.clientID, "client-id", "", "application to sign in with ("+envClient+")")
	f.BoolVar(&o.json, "json", false, "write JSON with times in UTC")
	f.BoolVar(&o.stepUp, "step-up", false, "sign in again where more proof is asked for, also without a terminal")
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &failure{code: exitUsage, err: err, hint: "See: " + c.CommandPath() + " --help"}
	})
	return cmd
}

func sessions() (*client.Cache, error) {
	if dir := os.Getenv(envFolder); dir != "" {
		return client.NewCache(dir), nil
	}
	return client.DefaultCache()
}

// options says which server is meant: by flag, by environment, or where somebody last signed in.
func (o *connection) options(cache *client.Cache) (client.Options, error) {
	out := client.Options{
		Server: first(o.server, os.Getenv(envServer)), Tenant: first(o.tenant, os.Getenv(envTenant)),
		CAFile: first(o.ca, os.Getenv(envCA)), ClientID: first(o.clientID, os.Getenv(envClient)), Agent: "pim",
	}
	here, err := cache.Current()
	if err != nil && !errors.Is(err, client.ErrSignedOut) {
		return out, err
	}
	if out.Server == "" {
		if here.Server == "" {
			return out, client.ErrSignedOut
		}
		out.Server, out.Tenant = here.Server, first(out.Tenant, here.Tenant)
	}
	if out.CAFile == "" && out.Server == here.Server {
		out.CAFile = here.CAFile
	}
	if out.CAFile != "" {
		if out.CAFile, err = filepath.Abs(out.CAFile); err != nil {
			return out, err
		}
	}
	return out, nil
}

// open is the server with whoever is signed in there.
func (o *connection) open() (*client.Client, error) {
	cache, err := sessions()
	if err != nil {
		return nil, err
	}
	options, err := o.options(cache)
	if err != nil {
		return nil, o.signIn(err, options.Server)
	}
	c, err := cache.Open(options)
	if errors.Is(err, client.ErrSignedOut) {
		return nil, o.signIn(err, options.Server)
	}
	if err != nil && c == nil {
		return nil, usage(err)
	}
	return c, err
}

// signIn makes the error say how to sign in.
func (o *connection) signIn(err error, server string) error {
	if server == "" {
		server = "https://HOST:PORT"
	}
	hint := "pim login --server " + server
	if o.tenant != "" {
		hint += " --tenant " + o.tenant
	}
	if o.ca != "" {
		hint += " --ca " + o.ca
	}
	return &failure{code: exitSignedOut, err: err, hint: "Sign in with: " + hint}
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
