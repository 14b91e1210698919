package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// pluginName is what Terraform looks for in the folder of a provider that is being developed.
func pluginName(provider string) string { return "terraform-provider-" + provider }

// workspace is a folder with the configuration and a state of its own.
type workspace struct {
	program, dir string
	env          []string
	changed      bool
	out          io.Writer
	// said is what the last command printed.
	said string
}

// environment tells Terraform where the provider is, and the provider where the server is and who signs in.
func environment(s *server, p programs, provider, dir, until, password string) ([]string, error) {
	plugins := filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o700); err != nil {
		return nil, err
	}
	if err := os.Symlink(p.providers[provider], filepath.Join(plugins, pluginName(provider))); err != nil {
		return nil, err
	}
	// With an override there is nothing to be installed, so that no registry is asked.
	cli := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    %q = %q\n  }\n  direct {}\n}\n", "hashicorp/"+provider, plugins)
	file := filepath.Join(dir, "terraform.rc")
	if err := os.WriteFile(file, []byte(cli), 0o600); err != nil {
		return nil, err
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	return append(inherited(),
		"TF_CLI_CONFIG_FILE="+file, "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1",
		"TF_VAR_until="+until, "TF_VAR_password="+password, "TF_VAR_alice="+s.People["alice"].ID, "TF_VAR_bob="+s.People["bob"].ID,
		"SSL_CERT_FILE="+s.CAFile, "ARM_METADATA_HOSTNAME="+u.Host, "ARM_USE_CLI=false",
		"ARM_TENANT_ID="+s.TenantID, "ARM_CLIENT_ID="+s.Client.ID, "ARM_CLIENT_SECRET="+s.Client.Secret,
		"ARM_SUBSCRIPTION_ID="+subscription,
	), nil
}

// inherited is this program's environment without what would lead Terraform or the provider elsewhere.
func inherited() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		upper := strings.ToUpper(name)
		return strings.HasPrefix(name, "ARM_") || strings.HasPrefix(name, "TF_CLI") || strings.HasPrefix(name, "TF_VAR_") ||
			upper == "HTTPS_PROXY" || upper == "HTTP_PROXY" || upper == "ALL_PROXY"
	})
}

// terraform runs one command and shows what it prints.
func (w *workspace) terraform(ctx context.Context, args ...string) error {
	c := exec.CommandContext(ctx, w.program, args...)
	c.Dir, c.Env = w.dir, append(slices.Clone(w.env), fmt.Sprintf("TF_VAR_changed=%t", w.changed))
	var said bytes.Buffer
	c.Stdout, c.Stderr = io.MultiWriter(&said, w.out), w.out
	// It stops in order, after what it is doing.
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGINT) }
	err := c.Run()
	w.said = said.String()
	return err
}

// apply makes the server as the configuration says.
func (w *workspace) apply(ctx context.Context) error {
	return w.terraform(ctx, "apply", "-no-color", "-compact-warnings", "-auto-approve", parallel)
}

// parallel is how many resources are made at once: the provider waits half a minute for each, so many.
const parallel = "-parallelism=30"

// errChanges is what a plan that should be empty says.
var errChanges = errors.New("the plan is not empty")

// planEmpty reads everything anew and compares it with the configuration.
func (w *workspace) planEmpty(ctx context.Context) error {
	err := w.terraform(ctx, "plan", "-no-color", "-compact-warnings", "-detailed-exitcode", parallel)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 2 {
		return errChanges
	}
	return err
}

func (w *workspace) destroy(ctx context.Context) error {
	if err := w.terraform(ctx, "destroy", "-no-color", "-compact-warnings", "-auto-approve", parallel); err != nil {
		return err
	}
	left, err := w.resources(ctx)
	if err == nil && len(left) != 0 {
		err = fmt.Errorf("the state still has %d resources", len(left))
	}
	return err
}

// resource is one that a state has.
type resource struct {
	Address string `json:"address"`
	Mode    string `json:"mode"`
	Values  struct {
		ID       string `json:"id"`
		ObjectID string `json:"object_id"`
	} `json:"values"`
}

// resources lists what the state has, without what is only read.
func (w *workspace) resources(ctx context.Context) ([]resource, error) {
	out := w.out
	w.out = io.Discard
	err := w.terraform(ctx, "show", "-json")
	w.out = out
	if err != nil {
		return nil, fmt.Errorf("show the state: %w", err)
	}
	var state struct {
		Values struct {
			Root struct {
				Resources []resource `json:"resources"`
			} `json:"root_module"`
		} `json:"values"`
	}
	if err := json.Unmarshal([]byte(w.said), &state); err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	return slices.DeleteFunc(state.Values.Root.Resources, func(r resource) bool { return r.Mode != "managed" }), nil
}
