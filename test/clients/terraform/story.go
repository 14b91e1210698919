package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// lapse is how far PIM's time moves, and lasts how long what is not permanent holds: well beyond that.
	lapse = "P400D"
	lasts = 3 * 365 * 24 * time.Hour
)

// story is the life of a configuration, from its first plan until nothing of it is left.
type story struct {
	*server
	first *workspace
	// fresh knows nothing until it imports everything.
	fresh *workspace
	// password is that of the people that the configuration makes.
	password string
	out      io.Writer
}

func newStory(s *server, p programs, provider, config, dir string, out io.Writer) (*story, error) {
	until := time.Now().UTC().Add(lasts).Truncate(24 * time.Hour).Format(time.RFC3339)
	password := rand.Text() + "-a1"
	env, err := environment(s, p, provider, dir, until, password)
	if err != nil {
		return nil, err
	}
	t := &story{server: s, password: password, out: out}
	for name, w := range map[string]**workspace{"first": &t.first, "fresh": &t.fresh} {
		*w = &workspace{program: p.terraform, dir: filepath.Join(dir, name), env: env, out: out}
		if err := copyConfig(config, (*w).dir); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// copyConfig copies the configuration, so that nothing is written where it is kept.
func copyConfig(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.tf"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s holds no configuration", from)
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(name)), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// step is a part of a story.
type step struct {
	name string
	do   func(context.Context) error
}

// ofDirectory is what is told of the directory, its roles and its groups.
func (t *story) ofDirectory() []step {
	return []step{
		{"nothing is there", t.nothingLeft},
		{"apply", func(ctx context.Context) error { return t.first.apply(ctx) }},
		{"the plan is empty", t.first.planEmpty},
		{"change", t.change},
		{"the plan is empty", t.first.planEmpty},
		{"somebody activates, and whom the configuration names agrees", t.activate},
		{"the plan is empty", t.first.planEmpty},
		{"import into a fresh state", t.imports},
		{"the plan of the fresh state is empty", t.fresh.planEmpty},
		{"400 days pass", func(ctx context.Context) error { return t.after(ctx, lapse) }},
		{"the plan is empty", t.first.planEmpty},
		{"the plan of the fresh state is empty", t.fresh.planEmpty},
		{"destroy", t.first.destroy},
		{"nothing is left", t.nothingLeft},
	}
}

// tell does one step after the other and says how long each took.
func (t *story) tell(ctx context.Context, steps []step) error {
	for _, step := range steps {
		fmt.Fprintf(t.out, "=== %s\n", step.name)
		start := time.Now()
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(t.out, "=== %s: passed after %s\n", step.name, time.Since(start).Round(time.Second))
	}
	return nil
}

// change applies the configuration as it is after the change.
func (t *story) change(ctx context.Context) error {
	t.first.changed, t.fresh.changed = true, true
	return t.first.apply(ctx)
}

// imports brings every resource of the first state into the fresh one, by its id alone, and changes nothing.
func (t *story) imports(ctx context.Context) error {
	all, err := t.first.resources(ctx)
	if err != nil {
		return err
	}
	var blocks strings.Builder
	for _, r := range all {
		fmt.Fprintf(&blocks, "import {\n  to = %s\n  id = %q\n}\n\n", r.Address, r.Values.ID)
	}
	if err := os.WriteFile(filepath.Join(t.fresh.dir, "imports.tf"), []byte(blocks.String()), 0o600); err != nil {
		return err
	}
	if err := t.fresh.apply(ctx); err != nil {
		return err
	}
	want := fmt.Sprintf("%d imported, 0 added, 0 changed, 0 destroyed", len(all))
	if !strings.Contains(t.fresh.said, want) {
		return fmt.Errorf("the import did something else than: %s", want)
	}
	return nil
}

// nothingLeft asks the server for what the configuration makes, by name.
func (t *story) nothingLeft(ctx context.Context) error {
	for _, c := range []struct{ path, filter string }{
		{"/v1.0/users", "startswith(userPrincipalName,'tf-')"},
		{"/v1.0/groups", "startswith(displayName,'Terraform')"},
		{"/v1.0/directory/administrativeUnits", "startswith(displayName,'Terraform')"},
		{"/v1.0/roleManagement/directory/roleDefinitions", "startswith(displayName,'Terraform')"},
	} {
		left, err := t.list(ctx, c.path+"?$filter="+url.QueryEscape(c.filter))
		if err != nil {
			return err
		}
		if len(left) != 0 {
			return fmt.Errorf("%s with %s: got %d, want none: %v", c.path, c.filter, len(left), left)
		}
	}
	return nil
}
