package app

import (
	"context"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Together is together, for tests of what only writing to the directory asks.
func (a *App) Together(ctx context.Context, asks []pim.Ask, with store.Commit) (pim.Outcome, error) {
	return a.together(ctx, asks, with)
}
