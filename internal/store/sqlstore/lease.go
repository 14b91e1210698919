package sqlstore

import (
	"context"
	"time"
)

// leaseText takes a lease that is free, over or the holder's own, and returns a row if it is the holder's now. When a lease is over
// is tested once the row is the statement's alone, by the clock of that moment.
const leaseText = `INSERT INTO leases (name, holder, until_at) VALUES ($1, $2, ` + nowWord + ` + $3)
	ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_at = excluded.until_at
	WHERE leases.holder = excluded.holder OR leases.until_at <= ` + nowWord + ` RETURNING holder`

// Lease implements store.Feed.
func (s *Store) Lease(ctx context.Context, name, holder string, length time.Duration) (bool, error) {
	if holder == "" {
		return false, errNobody
	}
	held := false
	err := s.db.alter(ctx, question{
		sql:  s.db.words(leaseText),
		args: []any{plain(name), plain(holder), length.Microseconds()},
		each: func(row scan) error {
			held = true
			var by string
			return row(&by)
		}})
	if err != nil {
		return false, s.fault("lease "+name, err)
	}
	return held, nil
}

// Release implements store.Feed.
func (s *Store) Release(ctx context.Context, holder string) error {
	if holder == "" {
		return errNobody
	}
	err := s.db.alter(ctx, question{
		sql:  "DELETE FROM leases WHERE holder = $1 RETURNING name",
		args: []any{plain(holder)},
		each: func(row scan) error {
			var name string
			return row(&name)
		}})
	return s.fault("give leases back", err)
}
