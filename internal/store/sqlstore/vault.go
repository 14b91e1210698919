package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"time"

	"portcullis/internal/store"
)

func secretsTable() table {
	return table{name: "secrets", key: 1, columns: []column{{"name", binary}, {"value", binary}, {"expires", number}}}
}

// secretName is what a secret is kept under, so that a stolen database names no session. The kind ends at a NUL, so
// that no kind and key run together like another's.
func secretName(kind, key string) []byte {
	sum := sha256.Sum256([]byte(kind + "\x00" + key))
	return sum[:]
}

func some(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// PutSecret implements store.Vault.
func (s *Store) PutSecret(ctx context.Context, kind, key string, value []byte, expires time.Time) error {
	put := secretsTable().upsert()
	put.key = 0 // one row, and no text to compare it by
	return s.fault("put a secret", s.db.apply(ctx, plan{{&put, [][]any{{secretName(kind, key), some(value), endStamp(expires)}}}}))
}

// AddSecret implements store.Vault.
func (s *Store) AddSecret(ctx context.Context, kind, key string, value []byte, expires, now time.Time) error {
	over := &statement{
		columns: []column{{"name", binary}, {"now", number}},
		text:    "DELETE FROM secrets WHERE name IN (SELECT v.name FROM {{rows}} WHERE secrets.expires <= v.now)",
	}
	add := secretsTable().insert()
	add.exact = true
	// SQLite needs a WHERE between a SELECT and ON CONFLICT to tell it from a join's ON.
	add.text += " WHERE true ON CONFLICT (name) DO NOTHING"
	name := secretName(kind, key)
	return s.fault("add a secret", s.db.apply(ctx, plan{
		{over, [][]any{{name, stamp(now)}}}, {&add, [][]any{{name, some(value), endStamp(expires)}}},
	}))
}

// GetSecret implements store.Vault.
func (s *Store) GetSecret(ctx context.Context, kind, key string, now time.Time) ([]byte, error) {
	var value []byte
	found := false
	err := s.db.browse(ctx, question{
		sql:  "SELECT value FROM secrets WHERE name = $1 AND expires > $2",
		args: []any{secretName(kind, key), stamp(now)},
		each: func(row scan) error {
			found = true
			return row(&value)
		}})
	return s.secret("get a secret", value, found, err)
}

// TakeSecret implements store.Vault.
func (s *Store) TakeSecret(ctx context.Context, kind, key string, now time.Time) ([]byte, error) {
	var value []byte
	found := false
	err := s.db.alter(ctx, question{
		sql:  "DELETE FROM secrets WHERE name = $1 AND expires > $2 RETURNING value",
		args: []any{secretName(kind, key), stamp(now)},
		each: func(row scan) error {
			found = true
			return row(&value)
		}})
	return s.secret("take a secret", value, found, err)
}

func (s *Store) secret(doing string, value []byte, found bool, err error) ([]byte, error) {
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, s.fault(doing, err)
	}
	return bytes.Clone(value), nil
}

// SwapSecret implements store.Vault.
func (s *Store) SwapSecret(ctx context.Context, kind, key string, before, after []byte, expires time.Time) error {
	swap := &statement{
		exact:   true,
		columns: []column{{"name", binary}, {"was", binary}, {"becomes", binary}, {"expires", number}},
		text: `UPDATE secrets SET value = v.becomes, expires = v.expires FROM {{rows}}
			WHERE secrets.name = v.name AND secrets.value = v.was`,
	}
	row := []any{secretName(kind, key), some(before), some(after), endStamp(expires)}
	return s.fault("swap a secret", s.db.apply(ctx, plan{{swap, [][]any{row}}}))
}

// DeleteSecret implements store.Vault.
func (s *Store) DeleteSecret(ctx context.Context, kind, key string) error {
	remove := secretsTable().remove()
	remove.key = 0
	return s.fault("delete a secret", s.db.apply(ctx, plan{{&remove, [][]any{{secretName(kind, key)}}}}))
}

// PurgeSecrets implements store.Vault.
func (s *Store) PurgeSecrets(ctx context.Context, now time.Time, limit int) (int, error) {
	n := 0
	err := s.db.alter(ctx, question{
		sql: `DELETE FROM secrets WHERE name IN (SELECT name FROM secrets WHERE expires <= $1 ORDER BY expires LIMIT $2)
			RETURNING expires`,
		args: []any{stamp(now), int64(limit)},
		each: func(row scan) error {
			var expires int64
			n++
			return row(&expires)
		}})
	return n, s.fault("purge secrets", err)
}
