package sqlstore

import (
	"context"
	"time"

	"portcullis/internal/store"
)

// FeedPlace implements store.Feed.
func (s *Store) FeedPlace(context.Context) (store.FeedPlace, error) { return store.FeedPlace{}, nil }

// Changes implements store.Feed.
func (s *Store) Changes(context.Context, store.FeedPlace) (store.FeedPage, error) {
	return store.FeedPage{}, nil
}

// Listen implements store.Feed.
func (s *Store) Listen(ctx context.Context, _ func()) error { <-ctx.Done(); return nil }

// PurgeChanges implements store.Feed.
func (s *Store) PurgeChanges(context.Context, time.Time, int) (int, error) { return 0, nil }
