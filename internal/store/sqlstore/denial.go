package sqlstore

import (
	"context"

	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/store"
)

func denialsTable() table {
	return table{name: "denials", key: 2, columns: texts("tenant", "id", "scope", "doc")}
}

// storedDenial is what is kept of a deny assignment beside the columns.
type storedDenial struct {
	Name        string             `json:"name,omitempty"`
	Description string             `json:"text,omitempty"`
	NotBelow    bool               `json:"here,omitempty"`
	Everybody   bool               `json:"all,omitempty"`
	Principals  []storedNamed      `json:"who,omitempty"`
	Except      []storedNamed      `json:"not,omitempty"`
	Permissions []storedPermission `json:"what,omitempty"`
	Condition   string             `json:"if,omitempty"`
	Version     string             `json:"v,omitempty"`
	Audit       bool               `json:"audit,omitempty"`
	System      bool               `json:"sys,omitempty"`
	Created     *int64             `json:"new,omitempty"`
	Updated     *int64             `json:"mod,omitempty"`
	CreatedBy   string             `json:"newBy,omitempty"`
	UpdatedBy   string             `json:"modBy,omitempty"`
}

type storedNamed struct {
	ID   string `json:"id,omitempty"`
	Type string `json:"t,omitempty"`
}

// storedPermission is an entry of a role of resources or of a denial.
type storedPermission struct {
	Actions        []string `json:"a,omitempty"`
	NotActions     []string `json:"na,omitempty"`
	DataActions    []string `json:"d,omitempty"`
	NotDataActions []string `json:"nd,omitempty"`
	Condition      string   `json:"if,omitempty"`
	Version        string   `json:"v,omitempty"`
}

func fromPermissions(ps []rbac.Permission) (out []storedPermission) {
	for _, p := range ps {
		out = append(out, storedPermission{p.Actions, p.NotActions, p.DataActions, p.NotDataActions, p.Condition, p.ConditionVersion})
	}
	return out
}

func permissions(fs []storedPermission) (out []rbac.Permission) {
	for _, f := range fs {
		out = append(out, rbac.Permission{
			Actions: f.Actions, NotActions: f.NotActions, DataActions: f.DataActions, NotDataActions: f.NotDataActions,
			Condition: f.Condition, ConditionVersion: f.Version,
		})
	}
	return out
}

func fromNamed(ns []rbac.Named) (out []storedNamed) {
	for _, n := range ns {
		out = append(out, storedNamed(n))
	}
	return out
}

func named(fs []storedNamed) (out []rbac.Named) {
	for _, f := range fs {
		out = append(out, rbac.Named(f))
	}
	return out
}

func denialRow(d store.Denial) ([]any, error) {
	f, err := doc(storedDenial{
		Name: d.Name, Description: d.Description, NotBelow: d.NotBelow, Everybody: d.Everybody, Principals: fromNamed(d.Principals),
		Except: fromNamed(d.Except), Permissions: fromPermissions(d.Permissions), Condition: d.Condition, Version: d.ConditionVersion,
		Audit: d.Audit, System: d.System, Created: optionalStamp(d.Created), Updated: optionalStamp(d.Updated),
		CreatedBy: d.CreatedBy, UpdatedBy: d.UpdatedBy,
	})
	return append(denialKey(d), plain(d.Scope), f), err
}

func denialKey(d store.Denial) []any { return []any{string(d.Tenant), plain(d.ID)} }

func scanDenial(s scan, before ...any) (store.Denial, error) {
	var tenant, id, scope, d string
	if err := s(append(before, &tenant, &id, &scope, &d)...); err != nil {
		return store.Denial{}, err
	}
	var f storedDenial
	err := undoc(d, &f)
	return store.Denial{Tenant: pim.TenantID(tenant), Denial: rbac.Denial{
		ID: id, Scope: scope, Name: f.Name, Description: f.Description, NotBelow: f.NotBelow, Everybody: f.Everybody,
		Principals: named(f.Principals), Except: named(f.Except), Permissions: permissions(f.Permissions), Condition: f.Condition,
		ConditionVersion: f.Version, Audit: f.Audit, System: f.System, Created: optionalInstant(f.Created),
		Updated: optionalInstant(f.Updated), CreatedBy: f.CreatedBy, UpdatedBy: f.UpdatedBy,
	}}, err
}

// Denials implements store.Resources.
func (s *Store) Denials(ctx context.Context, q store.Query) (store.Page[store.Denial], error) {
	return page(ctx, s, q, list[store.Denial]{table: denialsTable(), scan: scanDenial, fields: map[store.Field]field{
		store.FieldID:    {"id", exactText},
		store.FieldScope: {"scope", exactText},
	}})
}
