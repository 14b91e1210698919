// Command terraform shows that Terraform with HashiCorp's unmodified azuread and azurerm providers works with Portcullis: it
// starts a server with the sample organisation, keeps people, groups, units, roles and privileged access in it by the
// configuration in this folder, and resources with who has what there by that in azurerm, and tears everything down again.
// Between each two steps the plan must be empty: what the server tells is what it was told. README.md says what each step
// shows and how to get Terraform and the providers, which are no part of the product. Where one is missing it says so and
// exits with 3; with 1 where a step fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

// Exit codes.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitMissing = 3
)

// errMissing says that a program is not on this machine.
var errMissing = errors.New("not run")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	switch {
	case errors.Is(err, errMissing):
		os.Exit(exitMissing)
	case errors.Is(err, flag.ErrHelp):
		os.Exit(exitUsage)
	}
	os.Exit(exitFailed)
}

// options are the command line's.
type options struct {
	// pim is the server's program, and config the folder of the configuration.
	pim, config string
	// keep leaves the working folder behind, to look at.
	keep bool
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	var o options
	f := flag.NewFlagSet("terraform", flag.ContinueOnError)
	f.StringVar(&o.pim, "pim", "bin/pim", "the server's program")
	f.StringVar(&o.config, "config", "test/clients/terraform", "the folder of the configuration")
	f.BoolVar(&o.keep, "keep", false, "leave the working folder behind")
	if err := f.Parse(args); err != nil {
		return errors.Join(flag.ErrHelp, err)
	}
	programs, missing := findPrograms()
	if programs.terraform == "" || programs.providers[azuread] == "" && programs.providers[azurerm] == "" {
		return missing
	}
	dir, err := os.MkdirTemp("", "portcullis-terraform-")
	if err != nil {
		return err
	}
	if o.keep {
		fmt.Fprintln(out, "the working folder stays:", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	for _, p := range []struct {
		provider, config string
		steps            func(*story) []step
	}{{azuread, o.config, (*story).ofDirectory}, {azurerm, filepath.Join(o.config, azurerm), (*story).ofResources}} {
		if programs.providers[p.provider] == "" {
			continue
		}
		own := filepath.Join(dir, p.provider)
		err := os.Mkdir(own, 0o700)
		if err == nil {
			err = tellStory(ctx, o, programs, p.provider, p.config, own, out, p.steps)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.provider, err)
		}
	}
	return missing
}

// tellStory tells one story to a server of its own: each moves PIM's clock as it needs.
func tellStory(ctx context.Context, o options, p programs, provider, config, dir string, out io.Writer, steps func(*story) []step) (err error) {
	s, err := startServer(ctx, o.pim, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop(err != nil)) }()
	t, err := newStory(s, p, provider, config, dir, out)
	if err != nil {
		return err
	}
	return t.tell(ctx, steps(t))
}

// The providers.
const (
	azuread = "azuread"
	azurerm = "azurerm"
)

// programs are those that this needs and does not bring. The file of one that is not there is empty.
type programs struct {
	terraform string
	providers map[string]string
}

// findPrograms looks where TERRAFORM, AZUREAD_PROVIDER and AZURERM_PROVIDER say, or else on the path. The error wraps errMissing
// and names all that is not there.
func findPrograms() (programs, error) {
	terraform, err1 := findProgram("TERRAFORM", "terraform")
	directory, err2 := findProgram("AZUREAD_PROVIDER", pluginName(azuread))
	resources, err3 := findProgram("AZURERM_PROVIDER", pluginName(azurerm))
	return programs{terraform, map[string]string{azuread: directory, azurerm: resources}}, errors.Join(err1, err2, err3)
}

func findProgram(variable, name string) (string, error) {
	file := os.Getenv(variable)
	if file == "" {
		file = name
	}
	found, err := exec.LookPath(file)
	if err != nil {
		return "", fmt.Errorf("%s IS NOT THERE: %w. Put it on the path, or its address into %s", name, errMissing, variable)
	}
	return filepath.Abs(found)
}
