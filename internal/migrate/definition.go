package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"portcullis/internal/pim"
)

// What custom roles allow, held against each other: as the third iteration tells it, of directory roles and of resources.

// permission is one of the permissions of a role definition, in the words of Microsoft Graph and of Azure Resource Manager.
type permission struct {
	AllowedResourceActions, ExcludedResourceActions  []string // of Microsoft Graph
	Actions, NotActions, DataActions, NotDataActions []string // of Azure Resource Manager
	Condition                                        string
}

// terms are what a permission says, each in a few words, in a fixed order. Actions are compared without letter case.
func (p permission) terms() []string {
	var out []string
	for _, list := range []struct {
		prefix  string
		actions []string
	}{
		{"", p.AllowedResourceActions}, {"not ", p.ExcludedResourceActions}, {"", p.Actions}, {"not ", p.NotActions}, {"data ", p.DataActions}, {"not data ", p.NotDataActions},
	} {
		for _, a := range list.actions {
			out = append(out, list.prefix+strings.ToLower(a))
		}
	}
	if p.Condition != "" {
		out = append(out, "under the condition "+p.Condition)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// defined are the terms of a definition: what it allows, where it may be given, and whether it is switched off. What it is called and
// how it is described are none. place says how a path is told, and so makes those equal that are.
func (r Role) defined(place func(string) string) ([]string, error) {
	var in struct {
		IsEnabled       *bool
		RolePermissions []permission
		Properties      struct {
			Permissions      []permission
			AssignableScopes []string
		}
	}
	if err := json.Unmarshal(r.Definition, &in); err != nil {
		return nil, errors.New("a definition that cannot be read")
	}
	var permissions [][]string
	for _, p := range slices.Concat(in.RolePermissions, in.Properties.Permissions) {
		permissions = append(permissions, p.terms())
	}
	slices.SortFunc(permissions, slices.Compare)
	var out []string
	for i, terms := range permissions {
		for _, t := range terms {
			if i > 0 { // what is excluded from one permission another may still allow
				t = fmt.Sprintf("permission %d: %s", i+1, t)
			}
			out = append(out, t)
		}
	}
	for _, s := range in.Properties.AssignableScopes {
		out = append(out, "at "+strings.ToLower(place(s)))
	}
	if in.IsEnabled != nil && !*in.IsEnabled {
		out = append(out, "switched off")
	}
	return out, nil
}

// differingRole tells in what the role of the source and its counterpart differ, where both sides tell. Equal: two empty texts.
func (e *Estate) differingRole(r Role, target *Estate, to RoleRef) (source, there string) {
	counterpart := target.Roles[to]
	if !r.Custom || r.Definition == nil || counterpart.Definition == nil {
		return "", ""
	}
	a, err := r.defined(e.moved)
	if err != nil {
		return err.Error(), "what it is to be held against"
	}
	b, err := counterpart.defined(target.moved)
	if err != nil {
		return "what it is to be held against", err.Error()
	}
	only := func(a, b []string) string {
		return besides(slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) }))
	}
	if source, there = only(a, b), only(b, a); source == there {
		return "", ""
	}
	return source, there
}

// mostTerms is how many terms are told one by one.
const mostTerms = 8

// besides tells what only one side says.
func besides(terms []string) string {
	switch {
	case len(terms) == 0:
		return "nothing besides"
	case len(terms) > mostTerms:
		return fmt.Sprintf("%s and %d more besides", strings.Join(terms[:mostTerms], ", "), len(terms)-mostTerms)
	}
	return strings.Join(terms, ", ") + " besides"
}

// inDefinition is what a difference of what a role allows names in place of a rule.
const inDefinition = "definition"

// compareRoles compares what the source's own roles allow. Roles that the target has besides give nobody anything by themselves.
func (c *comparison) compareRoles() {
	for ref, r := range c.source.Roles {
		to := RoleRef{ref.Provider, c.m.Roles[ref]}
		at := Place{Provider: ref.Provider, Role: ref.Role}
		if _, ok := c.target.Roles[to]; !ok && r.Custom && r.Definition != nil {
			c.add(InRules, c.source, at, "", inDefinition, "there is such a role", "none that is the same one")
			continue
		}
		if source, target := c.source.differingRole(r, c.target, to); source != target {
			c.add(InRules, c.source, at, "", inDefinition, source, target)
		}
	}
}

// updateRole writes what the source says of a role over what the target has.
func (c *copying) updateRole(ctx context.Context, r Role, to pim.RoleID) error {
	if r.Provider == pim.Resource {
		r.Role = to
		return c.makeResourceRole(ctx, r)
	}
	in, err := r.directoryBody()
	if err != nil {
		return err
	}
	return c.server.Call(ctx, http.MethodPatch, "/v1.0/roleManagement/directory/roleDefinitions/"+url.PathEscape(string(to)), in, nil)
}
