package sqlstore

import (
	"context"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

func tenantsTable() table {
	return table{name: "tenants", key: 1, columns: []column{
		{"tenant", text},
		{"name", text},
		{"domain", text},
		{"created", number},
	}}
}

func tenantRow(t directory.Tenant) []any {
	return []any{string(t.ID), plain(t.Name), plain(t.Domain), stamp(t.Created)}
}

// Tenants implements store.Directory.
func (s *Store) Tenants(ctx context.Context) ([]directory.Tenant, error) {
	var ts []directory.Tenant
	err := s.db.browse(ctx, question{
		sql: "SELECT tenant, name, domain, created FROM tenants ORDER BY tenant",
		each: func(row scan) error {
			var id, name, domain string
			var created int64
			err := row(&id, &name, &domain, &created)
			ts = append(ts, directory.Tenant{ID: pim.TenantID(id), Name: name, Domain: domain, Created: instant(created)})
			return err
		}})
	return ts, s.fault("list tenants", err)
}

// ObjectsByID implements store.Directory.
func (s *Store) ObjectsByID(ctx context.Context, t pim.TenantID, ids []pim.PrincipalID) ([]directory.Object, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	values := make([]string, len(ids))
	for i, id := range ids {
		values[i] = plain(string(id))
	}
	var objects []directory.Object
	err := s.db.browse(ctx, question{
		sql:  "SELECT " + objectsTable().list("") + " FROM objects WHERE tenant = $1 AND " + s.db.in("id", 2),
		args: []any{string(t), s.db.list(values)},
		each: func(row scan) error {
			o, err := scanObject(row)
			objects = append(objects, o)
			return err
		}})
	return objects, s.fault("read objects", err)
}

func credentialsTable() table {
	return table{name: "credentials", key: 2, columns: texts("tenant", "principal", "doc")}
}

type storedCredential struct {
	Password    string `json:"p,omitempty"`
	MustChange  bool   `json:"c,omitempty"`
	TOTPSecret  string `json:"t,omitempty"`
	TOTPStep    int64  `json:"s,omitempty"`
	Failures    int    `json:"f,omitempty"`
	LockedUntil *int64 `json:"l,omitempty"`
}

func credentialRow(c directory.Credential) ([]any, error) {
	d, err := doc(storedCredential{
		c.Password, c.MustChange, c.TOTPSecret, c.TOTPStep, c.Failures, optionalStamp(c.LockedUntil),
	})
	return []any{string(c.Tenant), plain(string(c.Principal)), d}, err
}

// Credential implements store.Directory.
func (s *Store) Credential(ctx context.Context, t pim.TenantID, principal pim.PrincipalID) (directory.Credential, error) {
	c := directory.Credential{Tenant: t, Principal: principal}
	err := store.ErrNotFound
	readErr := s.db.browse(ctx, question{
		sql:  "SELECT doc FROM credentials WHERE tenant = $1 AND principal = $2",
		args: []any{string(t), plain(string(principal))},
		each: func(row scan) error {
			var d string
			var f storedCredential
			if err := row(&d); err != nil {
				return err
			}
			err = undoc(d, &f)
			c.Password, c.MustChange, c.TOTPSecret, c.TOTPStep = f.Password, f.MustChange, f.TOTPSecret, f.TOTPStep
			c.Failures, c.LockedUntil = f.Failures, optionalInstant(f.LockedUntil)
			return err
		}})
	if readErr != nil {
		err = readErr
	}
	if err != nil {
		return directory.Credential{}, s.fault("read a credential", err)
	}
	return c, nil
}

// ReplaceCredential implements store.Directory.
func (s *Store) ReplaceCredential(ctx context.Context, before, after directory.Credential) error {
	b, err := credentialRow(before)
	if err != nil {
		return err
	}
	a, err := credentialRow(after)
	if err != nil {
		return err
	}
	if b[0] != a[0] || b[1] != a[1] {
		return s.fault("replace a credential", store.ErrStale)
	}
	swap := &statement{
		exact:   true,
		columns: texts("tenant", "principal", "was", "becomes"),
		text: `UPDATE credentials SET doc = v.becomes FROM {{rows}}
			WHERE credentials.tenant = v.tenant AND credentials.principal = v.principal AND credentials.doc = v.was`,
	}
	return s.fault("replace a credential", s.db.apply(ctx, plan{{swap, [][]any{append(b, a[2])}}}))
}
