package sqlstore

import (
	"context"
	"errors"
	"strings"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

func resourcesTable() table {
	return table{name: "resources", key: 2, columns: []column{
		{"tenant", text},
		{"scope", text},
		{"parent", text},
		{"kind", number},
		{"type", text},
		{"title", text},
		{"doc", text},
		{"alias", text},
	}}
}

// storedNode is a node but for the columns that keep it as it came. What callers carry beside is a text, so that nobody writes
// it anew.
type storedNode struct {
	ID          string            `json:"id,omitempty"`
	Name        string            `json:"name,omitempty"`
	DisplayName string            `json:"title,omitempty"`
	Type        string            `json:"type,omitempty"`
	Location    string            `json:"loc,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Further     string            `json:"more,omitempty"`
	Created     *int64            `json:"new,omitempty"`
	Modified    *int64            `json:"mod,omitempty"`
	Registered  *int64            `json:"reg,omitempty"`
}

func nodeRow(n resource.Node) ([]any, error) {
	d, err := doc(storedNode{
		n.ID, n.Name, n.DisplayName, n.Type, n.Location, n.Tags, string(n.Further), optionalStamp(n.Created), optionalStamp(n.Modified),
		optionalStamp(n.Registered),
	})
	return []any{
		string(n.Tenant), plain(string(n.Scope)), plain(string(n.Parent)), int64(n.Kind), plain(strings.ToLower(n.Type)), fold(n.Title()), d,
		resource.GovernanceID(n.Scope),
	}, err
}

func scanNode(s scan, before ...any) (resource.Node, error) {
	var tenant, scope, parent, typ, title, d, alias string
	var kind int64
	if err := s(append(before, &tenant, &scope, &parent, &kind, &typ, &title, &d, &alias)...); err != nil {
		return resource.Node{}, err
	}
	var f storedNode
	err := undoc(d, &f)
	n := resource.Node{
		Tenant: pim.TenantID(tenant), Scope: pim.Scope(scope), ID: f.ID, Kind: resource.Kind(kind), Parent: pim.Scope(parent),
		Name: f.Name, DisplayName: f.DisplayName, Type: f.Type, Location: f.Location, Tags: f.Tags,
		Created: optionalInstant(f.Created), Modified: optionalInstant(f.Modified),
		Registered: optionalInstant(f.Registered),
	}
	if f.Further != "" {
		n.Further = []byte(f.Further)
	}
	return n, err
}

// clearTree deletes nodes with what lies below them by their path. One range of the primary key holds both, and a few siblings whose
// names go on in a sign before the slash: as two alternatives engines look at every node of the tenant for each row.
func clearTree() statement {
	return statement{columns: texts("tenant", "scope", "first", "last"), text: `
		DELETE FROM resources WHERE (tenant, scope) IN (
			SELECT r.tenant, r.scope FROM {{rows}} CROSS JOIN resources r
			WHERE r.tenant = v.tenant AND r.scope >= v.scope AND r.scope < v.last AND (r.scope = v.scope OR r.scope >= v.first))`}
}

// clearRules deletes the policies of roles at scopes and below them by their path, as clearTree does.
func clearRules() statement {
	return statement{columns: texts("tenant", "scope", "first", "last"), text: `
		DELETE FROM policies WHERE (tenant, provider, scope, role) IN (
			SELECT p.tenant, p.provider, p.scope, p.role FROM {{rows}} CROSS JOIN policies p
			WHERE p.tenant = v.tenant AND p.provider = '` + string(pim.Resource) + `'
				AND p.scope >= v.scope AND p.scope < v.last AND (p.scope = v.scope OR p.scope >= v.first))`}
}

func placeRow(p store.Place) ([]any, error) {
	if p.Scope == "" {
		return nil, errors.New("what is to be cleared has no scope")
	}
	first, last := below(p.Scope)
	return []any{string(p.Tenant), plain(string(p.Scope)), first, last}, nil
}

// below are the bounds of the paths that lie below a scope: the first is one of them, the last is not.
func below(s pim.Scope) (first, last string) {
	path := plain(string(s))
	if s == pim.Everywhere {
		path = ""
	}
	return path + "/", path + "0" // which follows the slash
}

// Resources implements store.Resources.
func (s *Store) Resources(ctx context.Context, q store.Query) (store.Page[resource.Node], error) {
	return page(ctx, s, q, list[resource.Node]{table: resourcesTable(), scan: scanNode, finders: []finder{{field: store.FieldScope}, {field: store.FieldAlias}}, fields: map[store.Field]field{
		store.FieldID:           {"scope", exactText},
		store.FieldScope:        {"scope", exactText},
		store.FieldParent:       {"parent", exactText},
		store.FieldAlias:        {"alias", exactText},
		store.FieldResourceKind: {"kind", numeric},
		store.FieldResourceType: {"type", exactText},
		store.FieldDisplayName:  {"title", foldedText},
	}})
}

// ResourcesByScope implements store.Resources.
func (s *Store) ResourcesByScope(ctx context.Context, t pim.TenantID, scopes []pim.Scope) ([]resource.Node, error) {
	if len(scopes) == 0 {
		return nil, nil
	}
	values := make([]string, len(scopes))
	for i, scope := range scopes {
		values[i] = plain(string(scope))
	}
	var nodes []resource.Node
	err := s.db.browse(ctx, question{
		sql:  "SELECT " + resourcesTable().list("") + " FROM resources WHERE tenant = $1 AND " + s.db.in("scope", 2),
		args: []any{string(t), s.db.list(values)},
		each: func(row scan) error {
			n, err := scanNode(row)
			nodes = append(nodes, n)
			return err
		}})
	return nodes, s.fault("read resources", err)
}
