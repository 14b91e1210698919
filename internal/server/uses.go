package server

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

const (
	// keepUsesEvery is how often what was counted is written.
	keepUsesEvery = 10 * time.Second
	// keepUsesWithin bounds the last writing, when the server stops.
	keepUsesWithin = 5 * time.Second
	// mostUses bounds how many sorts of calls are counted apart between two writings. Ids of applications come from tokens: an
	// issuer elsewhere may write there what it likes.
	mostUses           = 10_000
	longestApplication = 128
)

// sortOfCall is what calls are counted by.
type sortOfCall struct {
	tenant                      pim.TenantID
	dialect, application, route string
}

// uses counts the calls of dialects that are on their way out, in memory, so that no call waits for it, and writes the counts now
// and then. What a node has counted and not written is lost when it dies: it is some seconds of a statistic.
type uses struct {
	store interface {
		AddUses(context.Context, []store.Use) error
	}

	mu      sync.Mutex
	counted map[sortOfCall]store.Use
}

// called counts a call.
func (u *uses) called(c api.Use) {
	at := c.At.UTC().Truncate(time.Microsecond)
	u.add(store.Use{Tenant: c.Tenant, Dialect: c.Dialect, Application: applicationID(c.Application), Route: c.Route, Count: 1, First: at, Last: at})
}

// applicationID is an id as it is counted; empty where it is none: what a database would not take must not keep the other counts
// from it.
func applicationID(id string) string {
	strange := func(c rune) bool { return c <= ' ' || c > '~' }
	if len(id) > longestApplication || strings.ContainsFunc(id, strange) {
		return ""
	}
	return strings.ToLower(id)
}

func (u *uses) add(more store.Use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.counted == nil {
		u.counted = map[sortOfCall]store.Use{}
	}
	at := sortOfCall{more.Tenant, more.Dialect, more.Application, more.Route}
	have, known := u.counted[at]
	if !known && len(u.counted) >= mostUses { // who it was is given up, not that somebody called
		at.application, more.Application = "", ""
		have, known = u.counted[at]
	}
	if known {
		more.Count += have.Count
		if have.First.Before(more.First) {
			more.First = have.First
		}
		if have.Last.After(more.Last) {
			more.Last = have.Last
		}
	}
	u.counted[at] = more
}

// keep writes what was counted. What could not be written is counted again.
func (u *uses) keep(ctx context.Context) error {
	u.mu.Lock()
	counted := u.counted
	u.counted = nil
	u.mu.Unlock()
	if len(counted) == 0 {
		return nil
	}
	list := make([]store.Use, 0, len(counted))
	for _, c := range counted {
		list = append(list, c)
	}
	if err := u.store.AddUses(ctx, list); err != nil {
		for _, c := range list {
			u.add(c)
		}
		return fmt.Errorf("keep who calls the older dialects: %w", err)
	}
	return nil
}

// keepUses writes what was counted until the context ends; Close writes the rest.
func (s *Server) keepUses(ctx context.Context) {
	ticker := time.NewTicker(keepUsesEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			call, cancel := context.WithTimeout(ctx, keepUsesEvery)
			err := s.uses.keep(call)
			cancel()
			if err != nil && ctx.Err() == nil {
				s.Log.WarnContext(ctx, "counting failed; it is tried again", "error", err)
			}
		}
	}
}

// keepLastUses writes what was counted since.
func (s *Server) keepLastUses() error {
	if s.uses == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), keepUsesWithin)
	defer cancel()
	return s.uses.keep(ctx)
}

// usesOf lists who calls the older dialects of a tenant, this node's last calls included.
func (s *Server) usesOf(ctx context.Context, by pim.Caller, t pim.TenantID) ([]store.Use, error) {
	if err := s.uses.keep(ctx); err != nil {
		return nil, err
	}
	return s.App.Uses(ctx, by, t)
}
