package app

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrStale says that this node has not confirmed lately that it knows what was committed: it answers no, and calls 503.
	ErrStale = errors.New("this node has not heard from the store within its bound")
	// ErrBehind says that this node did not come to see what a consistency token names in time. Answer no, or 503.
	ErrBehind = errors.New("this node does not see yet what the consistency token names")
	// ErrToken says that a consistency token is not one of ours. The caller made it up.
	ErrToken = errors.New("not a consistency token")
)

// Fresh is nil where this node knows everything that was committed up to its bound ago; else it wraps ErrStale.
func (a *App) Fresh() error { return nil }

// Behind is how long ago this node knew certainly everything that was committed.
func (a *App) Behind() time.Duration { return 0 }

// Token is what this node sees now, for Await at any node.
func (a *App) Token() string { return "" }

// Await returns nil once this node sees at least what a token names, at once where it does; ErrToken, or ErrBehind where it does
// not come to see it within the bound.
func (a *App) Await(_ context.Context, _ string) error { return nil }

// CatchUp makes known what was committed since.
func (a *App) CatchUp(context.Context) error { return nil }
