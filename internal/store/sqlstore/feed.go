package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portcullis/internal/store"
)

const (
	// mostGaps bounds the numbers that are waited for. More were lost by something else than transactions that still run.
	mostGaps = 10_000
	// lookedBack is how many numbers below the newest are looked through for those that may still come: more transactions than
	// that do not run at once.
	lookedBack = 2000
	// mostChanges is how many rows are followed at once: who is behind by more reads everything anew, which takes less time and room.
	mostChanges = 5000
	// mostRead bounds what is read of them at once, in bytes, likewise.
	mostRead = 32 << 20
	// mostUnfed is how many events of programs that do not feed are looked at, the newest, to see whether there are others.
	mostUnfed = 32
)

// feedState is what is told of the feed as a whole with every reading.
type feedState struct {
	// Transactions below xmin are over. 0: there is one writer, and no number comes late.
	xmin          int64
	now           int64
	server, unfed string
	// forgotten is up to which number changes were deleted.
	forgotten int64
}

// feedText reads the state and, by a join, changes in one statement, which sees one state of the database. Without changes there is
// one row without a number.
func feedText(join string) string {
	return fmt.Sprintf(`
		SELECT s.xmin, s.now, s.server, u.unfed, COALESCE((SELECT max(seq) FROM forgotten), 0), c.seq, COALESCE(c.doc, '')
		FROM %s
		CROSS JOIN (SELECT COALESCE(max(seq), 0) || '.' || COALESCE(sum(seq), 0) AS unfed
			FROM (SELECT seq FROM events WHERE NOT fed ORDER BY seq DESC LIMIT %d) n) u
		LEFT JOIN %s ORDER BY c.seq`, snapshotWord, mostUnfed, join)
}

var nextChanges = fmt.Sprintf("SELECT seq, doc FROM changes WHERE seq > $1 ORDER BY seq LIMIT %d", mostChanges+1)

// What is joined: what is behind a number; that and some numbers below, which only engines with several writers ever ask for; and the
// newest numbers.
var (
	behindText = feedText("(" + nextChanges + ") c ON TRUE")
	gapsText   = feedText(`(SELECT * FROM (` + nextChanges + `) next
		UNION ALL SELECT seq, doc FROM changes WHERE seq = ANY($2::bigint[])) c ON TRUE`)
	newestText = feedText(fmt.Sprintf("(SELECT seq, '' AS doc FROM changes ORDER BY seq DESC LIMIT %d) c ON TRUE", lookedBack))
)

// readFeed asks for the state and calls each for every change.
func (s *Store) readFeed(ctx context.Context, sql string, args []any, each func(number int64, doc string) error) (feedState, error) {
	var st feedState
	err := s.db.ask(ctx, question{s.db.words(sql), args, func(row scan) error {
		var number *int64
		var d string
		err := row(&st.xmin, &st.now, &st.server, &st.unfed, &st.forgotten, &number, &d)
		if err != nil || number == nil {
			return err
		}
		return each(*number, d)
	}})
	return st, err
}

// Now implements store.Feed.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var now int64
	err := s.db.ask(ctx, question{sql: s.db.words("SELECT s.now FROM " + snapshotWord), each: func(row scan) error { return row(&now) }})
	if err != nil {
		return time.Time{}, s.fault("ask the store's clock", err)
	}
	return instantOf(now), nil
}

// FeedPlace implements store.Feed.
func (s *Store) FeedPlace(ctx context.Context) (store.FeedPlace, error) {
	var seen []int64
	st, err := s.readFeed(ctx, newestText, nil, func(n int64, _ string) error {
		seen = append(seen, n)
		return nil
	})
	if err != nil {
		return store.FeedPlace{}, s.fault("find the end of the feed", err)
	}
	first := store.FeedPlace{}
	if len(seen) > 0 {
		first.Head = seen[0]
	}
	next, err := s.behind(ctx, first, st, seen)
	if err != nil {
		return store.FeedPlace{}, s.fault("find the end of the feed", err)
	}
	return next, nil
}

// behind is the place after reading numbers, ascending.
func (s *Store) behind(ctx context.Context, p store.FeedPlace, st feedState, seen []int64) (store.FeedPlace, error) {
	next := store.FeedPlace{Head: p.Head, Server: st.server, Unfed: st.unfed}
	for _, g := range p.Gaps {
		if _, came := slices.BinarySearch(seen, g.Number); !came && st.xmin < g.Until {
			next.Gaps = append(next.Gaps, g)
		}
	}
	known := len(next.Gaps)
	for _, n := range seen {
		for missing := next.Head + 1; missing < n && st.xmin > 0 && len(next.Gaps) <= mostGaps; missing++ {
			next.Gaps = append(next.Gaps, store.FeedGap{Number: missing})
		}
		next.Head = max(next.Head, n)
	}
	if len(next.Gaps) == known {
		return next, nil
	}
	until, err := s.nextTransaction(ctx)
	for i := range next.Gaps[known:] {
		next.Gaps[known+i].Until = until
	}
	return next, err
}

// nextTransaction is above every transaction that has begun to write. What a snapshot tells is no such bound: its xmax is one above the
// newest that is over, and one at or above it may run and hold a number.
func (s *Store) nextTransaction(ctx context.Context) (next int64, err error) {
	err = s.db.ask(ctx, question{sql: "SELECT pg_current_xact_id()::text::bigint", each: func(row scan) error { return row(&next) }})
	return next, err
}

// Changes implements store.Feed.
func (s *Store) Changes(ctx context.Context, after store.FeedPlace) (store.FeedPage, error) {
	sql, args := behindText, []any{after.Head}
	if len(after.Gaps) > 0 {
		numbers := make([]int64, len(after.Gaps))
		for i, g := range after.Gaps {
			numbers[i] = g.Number
		}
		sql, args = gapsText, append(args, numbers)
	}
	var page store.FeedPage
	var seen []int64
	size := 0
	st, err := s.readFeed(ctx, sql, args, func(n int64, d string) error {
		size += len(d)
		if seen = append(seen, n); len(seen) > mostChanges || size > mostRead {
			return errTooLarge
		}
		changes, err := changesIn(n, d)
		page.Changes = append(page.Changes, changes...)
		return err
	})
	if errors.Is(err, errTooLarge) {
		return store.FeedPage{Lost: true}, nil
	}
	if err != nil {
		return store.FeedPage{}, s.fault("read the feed", err)
	}
	page.Now = instantOf(st.now)
	if page.Place, err = s.behind(ctx, after, st, seen); err != nil {
		return store.FeedPage{}, s.fault("read the feed", err)
	}
	started := after.Server != ""
	if started && (after.Server != st.server || after.Unfed != st.unfed) || st.forgotten > after.Head || len(page.Place.Gaps) > mostGaps {
		return store.FeedPage{Lost: true, Now: page.Now}, nil
	}
	return page, nil
}

// instantOf is the store's time; zero: it has no clock of its own.
func instantOf(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return instant(micros)
}

// Listen implements store.Feed.
func (s *Store) Listen(ctx context.Context, heard func()) error {
	return s.fault("listen to the feed", s.db.listen(ctx, heard))
}

// PurgeChanges implements store.Feed. The newest change stays, so that it can be told where the feed stands. What is forgotten is
// told first: who then reads in between may read everything anew for nothing, and misses nothing.
func (s *Store) PurgeChanges(ctx context.Context, before time.Time, limit int) (int, error) {
	last := int64(0)
	err := s.db.alter(ctx, question{
		sql: `INSERT INTO forgotten (what, seq) SELECT 'changes', max(old.seq) FROM (SELECT seq FROM changes
				WHERE made < $1 AND seq < (SELECT max(seq) FROM changes) ORDER BY seq LIMIT $2) old HAVING max(old.seq) IS NOT NULL
			ON CONFLICT (what) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > forgotten.seq RETURNING seq`,
		args: []any{stamp(before), int64(limit)},
		each: func(row scan) error { return row(&last) },
	})
	n := 0
	if err == nil && last > 0 {
		err = s.db.alter(ctx, question{
			sql:  `DELETE FROM changes WHERE seq <= $1 RETURNING seq`,
			args: []any{last},
			each: func(row scan) error {
				var seq int64
				n++
				return row(&seq)
			}})
	}
	if err != nil {
		return 0, s.fault("forget old changes", err)
	}
	return n, nil
}
