package storetest

import (
	"context"
	"errors"
	"time"

	"portcullis/internal/store"
)

// fed is a change with the time of its commit.
type fed struct {
	store.Change
	made time.Time
}

// held is a lease.
type held struct {
	holder string
	until  time.Time
}

// feed notes what a commit changes.
func (m *Model) feed(c store.Commit) {
	change := kept(store.ChangeOf(c))
	if change.Nothing() {
		return
	}
	m.numbers++
	change.Number = m.numbers
	m.changes = append(m.changes, fed{change, time.Now()})
}

// Now implements store.Feed.
func (m *Model) Now(ctx context.Context) (time.Time, error) {
	leave, err := m.enter(ctx)
	if err == nil {
		leave()
	}
	return time.Time{}, err
}

// FeedPlace implements store.Feed.
func (m *Model) FeedPlace(ctx context.Context) (store.FeedPlace, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return store.FeedPlace{}, err
	}
	defer leave()
	return store.FeedPlace{Head: m.numbers}, nil
}

// Changes implements store.Feed.
func (m *Model) Changes(ctx context.Context, after store.FeedPlace) (store.FeedPage, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return store.FeedPage{}, err
	}
	defer leave()
	page := store.FeedPage{Place: store.FeedPlace{Head: m.numbers}}
	if after.Head < m.purged {
		page.Lost = true
		return page, nil
	}
	for _, c := range m.changes {
		if c.Number > after.Head {
			page.Changes = append(page.Changes, kept(c.Change))
		}
	}
	return page, nil
}

// Listen implements store.Feed.
func (m *Model) Listen(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}

// PurgeChanges implements store.Feed.
func (m *Model) PurgeChanges(ctx context.Context, before time.Time, limit int) (int, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	n := 0
	for n < len(m.changes) && n < limit && m.changes[n].made.Before(before) {
		m.purged = m.changes[n].Number
		n++
	}
	m.changes = m.changes[n:]
	return n, nil
}

// errNobody is a fault of the program: nobody can hold anything.
var errNobody = errors.New("a lease needs the name of its holder")

// Lease implements store.Feed.
func (m *Model) Lease(ctx context.Context, name, holder string, length time.Duration) (bool, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	if holder == "" {
		return false, errNobody
	}
	now := time.Now()
	if l, there := m.leases[name]; there && l.holder != holder && now.Before(l.until) {
		return false, nil
	}
	m.leases[name] = held{holder, now.Add(length)}
	return true, nil
}

// Release implements store.Feed.
func (m *Model) Release(ctx context.Context, holder string) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if holder == "" {
		return errNobody
	}
	for name, l := range m.leases {
		if l.holder == holder {
			delete(m.leases, name)
		}
	}
	return nil
}
