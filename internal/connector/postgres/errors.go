package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portcullis/internal/connector"
)

// attempts bounds repeat. What lasts longer than they do is the worker's to wait for.
const attempts = 12

// repeat runs do again while it fails for a reason that may pass within moments: another transaction changed the same
// catalogue row ("tuple concurrently updated"), a pooled connection turned out to be dead.
func repeat(ctx context.Context, do func() error) error {
	pause := 5 * time.Millisecond
	for attempt := 1; ; attempt++ {
		err := classify(do())
		if err == nil || attempt == attempts || errors.Is(err, connector.ErrConfiguration) {
			return err
		}
		// Two that collided must not keep step.
		if waitErr := wait(ctx, pause/2+rand.N(pause)); waitErr != nil {
			return errors.Join(err, waitErr)
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// classify marks as ErrConfiguration what people must mend. Codes are those of appendix A of the PostgreSQL manual.
func classify(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || errors.Is(err, connector.ErrConfiguration) {
		return err
	}
	switch pg.Code {
	case "42710", "23505": // the same role or membership was made a moment ago by somebody else
		return err
	case "2BP01": // something depends on the membership
		return fmt.Errorf("%w: %w", connector.ErrConfiguration, err)
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "42", "28", "3D", "0A", "0L", "0P", "22": // rights and names, sign-in, no such database, not supported, grantor, role, encoding
		return fmt.Errorf("%w: %w", connector.ErrConfiguration, err)
	}
	return err
}
