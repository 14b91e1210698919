package rbac_test

import (
	"slices"
	"strings"

	"portcullis/internal/abac"
	"portcullis/internal/rbac"
)

// world is who holds what where, for tests: what a caller of Decide knows, and finds grants and denials in.
type world struct {
	// under are the scopes above management groups and subscriptions; all else is told by its path.
	under   map[string]string
	members map[string][]string
	holds   []held
	denials []rbac.Denial
}

// held is a role assignment.
type held struct {
	who, scope string
	role       rbac.Role
	condition  string
}

// fact is a question about a world.
type fact struct {
	who, scope string
	op         rbac.Operation
	about      abac.Attributes
}

// decide asks Decide as the index does: by the scopes from the one in question upwards, and the groups above the principal.
func (w world) decide(f fact, compiled bool) rbac.Verdict {
	above := w.chain(f.scope)
	groups := w.groups(f.who)
	inGroup := func(id string) bool {
		return slices.ContainsFunc(groups, func(g string) bool { return strings.EqualFold(g, id) })
	}
	var denials []*rbac.Denial
	for _, d := range w.denials {
		if slices.Contains(above, d.Scope) && d.HoldsAt(f.scope) && d.Names(f.who, inGroup) {
			denials = append(denials, &d)
			if compiled {
				denials[len(denials)-1] = d.Compiled()
			}
		}
	}
	var grants []rbac.Grant
	for _, h := range w.holds {
		if slices.Contains(above, h.scope) && (h.who == f.who || inGroup(h.who)) {
			grants = append(grants, rbac.Grant{Role: &h.role, Condition: abac.Stored(h.condition)})
			if compiled {
				grants[len(grants)-1].Role = h.role.Compiled()
			}
		}
	}
	return rbac.Decide(denials, grants, f.op, f.about)
}

// chain is the scope and all above it.
func (w world) chain(scope string) []string {
	chain := []string{scope}
	for scope != "/" {
		scope = w.parent(scope)
		chain = append(chain, scope)
	}
	return chain
}

func (w world) parent(scope string) string {
	if parent, ok := w.under[scope]; ok {
		return parent
	}
	parts := strings.Split(scope, "/")
	n := len(parts)
	switch {
	case n <= 3 || strings.HasPrefix(scope, "/providers/microsoft.management/"):
		return "/" // a management group or subscription that nobody put under another
	case n == 5:
		return strings.Join(parts[:3], "/") // /subscriptions/a/resourcegroups/rg
	case parts[n-4] == "providers":
		return strings.Join(parts[:n-4], "/") // …/providers/namespace/type/name
	}
	return strings.Join(parts[:n-2], "/") // …/type/name/type/name
}

// groups are those above a principal, at any depth.
func (w world) groups(who string) []string {
	var found []string
	next := []string{who}
	for len(next) > 0 {
		member := next[0]
		next = next[1:]
		for group, members := range w.members {
			if slices.Contains(members, member) && !slices.Contains(found, group) {
				found, next = append(found, group), append(next, group)
			}
		}
	}
	return found
}
