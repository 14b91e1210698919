package app

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/store"
)

var (
	// ErrStale says that this node has not confirmed lately that it knows what was committed: it answers no, and calls 503.
	ErrStale = fmt.Errorf("%w: this node has not heard from it within its bound", store.ErrUnavailable)
	// ErrBehind says that this node did not come to see what a consistency token names in time. Answer no, or 503.
	ErrBehind = fmt.Errorf("%w: this node does not see yet what the consistency token names", store.ErrUnavailable)
	// ErrToken says that a consistency token is not one of ours. The caller made it up.
	ErrToken = errors.New("not a consistency token")
)

const (
	// defaultBound is how old what a node knows may be.
	defaultBound = 5 * time.Second
	// hearWithin bounds the one try of a node that was not asked for a while, and so did not listen; hearAgain is how soon after one
	// that failed the next is made.
	hearWithin, hearAgain = 500 * time.Millisecond, 250 * time.Millisecond
	// firstLook and longestLook are pauses of somebody who waits for a token.
	firstLook, longestLook = time.Millisecond, 50 * time.Millisecond
)

// feed is how far this node has read what was committed. The index is fed by it alone, with the commits of this node like those of
// others, in the order of the store.
type feed struct {
	once sync.Once
	// turn is held while the feed is read and made known.
	turn chan struct{}
	// place is where to read on. It belongs to whoever has the turn.
	place store.FeedPlace
	// filled says that the index was filled once: until then there is no place to read on from.
	filled atomic.Bool
	// begun counts readings: whoever waited for the turn need not read where another reading has begun meanwhile.
	begun atomic.Int64
	sight atomic.Pointer[sight]
	// announced is the highest number of which the index may show something.
	announced atomic.Int64
	// asked says that somebody relied on the sight since Asked was called last; failed is when a reading last failed.
	asked  atomic.Bool
	failed atomic.Int64
	// hearing is closed when the reading ends that somebody waits for; nil: nobody does.
	hearing atomic.Pointer[chan struct{}]
}

// sight is what a node sees: all that was committed before an instant.
type sight struct {
	place store.FeedPlace
	at    time.Time
	// shared says that other nodes may write, too.
	shared bool
	// readings is how many had begun when this was read, with its own.
	readings int64
}

// take takes the turn to read.
func (f *feed) take(ctx context.Context) (leave func(), err error) {
	f.once.Do(func() { f.turn = make(chan struct{}, 1) })
	select {
	case f.turn <- struct{}{}:
		return func() { <-f.turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
}

// CatchUp makes known what was committed before the call. After an error that is not known: store.ErrUnavailable, or a fault.
func (a *App) CatchUp(ctx context.Context) error {
	before := a.feed.begun.Load()
	leave, err := a.feed.take(ctx)
	if err != nil {
		return err
	}
	defer leave()
	// A reading that began after this call, and succeeded, is as good as one of its own.
	if a.feed.begun.Load() > before && a.feed.failed.Load() == 0 {
		return nil
	}
	// Commits that were written together are told so one after the other: all of them shall come before the reading begins.
	runtime.Gosched()
	return a.read(ctx)
}

// read reads on; the caller has the turn.
func (a *App) read(ctx context.Context) error {
	a.feed.begun.Add(1)
	began := time.Now()
	err := a.readOn(ctx, began)
	if err != nil {
		a.feed.failed.Store(began.UnixNano())
		return err
	}
	a.feed.failed.Store(0)
	return nil
}

func (a *App) readOn(ctx context.Context, began time.Time) error {
	if doubt := a.doubt.there.Swap(false); doubt || !a.feed.filled.Load() {
		if err := a.fill(ctx); err != nil {
			a.doubt.there.Store(doubt || a.doubt.there.Load())
			return err
		}
	}
	page, err := a.changes(ctx)
	if err == nil && page.Lost {
		if a.Log != nil {
			a.Log.WarnContext(ctx, "what was committed meanwhile cannot be followed one by one: everything is read anew")
		}
		if err = a.fill(ctx); err == nil {
			began = time.Now()
			page, err = a.changes(ctx)
		}
	}
	if err == nil && page.Lost {
		err = fmt.Errorf("%w: the feed was lost twice in a row", store.ErrUnavailable)
	}
	if err != nil {
		return err
	}
	a.announce(page.Place)
	a.make(page.Changes)
	if len(a.Doors) > 0 && !page.Now.IsZero() { // other nodes commit, too
		a.alignment.again.note(page.Changes)
	}
	a.feed.place = page.Place
	if a.Synchronise != nil && !page.Now.IsZero() {
		a.Synchronise(page.Now, began, time.Now())
	}
	a.feed.sight.Store(&sight{place: page.Place, at: began, shared: !page.Now.IsZero(), readings: a.feed.begun.Load()})
	return nil
}

// changes reads the feed, for no longer than that may take: filling may take longer.
func (a *App) changes(ctx context.Context) (store.FeedPage, error) {
	ctx, cancel := context.WithTimeout(ctx, followWithin)
	defer cancel()
	return a.Store.Changes(ctx, a.feed.place)
}

// Load fills the access index from the store. Until it has, nobody holds anything.
func (a *App) Load(ctx context.Context) error {
	leave, err := a.feed.take(ctx)
	if err != nil {
		return err
	}
	defer leave()
	a.feed.begun.Add(1)
	if err := a.fill(ctx); err != nil {
		return err
	}
	return a.readOn(ctx, time.Now())
}

// fill reads everything; the caller has the turn. What is committed meanwhile is read from the feed afterwards.
func (a *App) fill(ctx context.Context) error {
	if a.Filling != nil {
		defer a.Filling()()
	}
	place, err := a.Store.FeedPlace(ctx)
	if err != nil {
		return err
	}
	err = a.Index.Fill(func(l *access.Loader) error {
		if err := a.readLive(ctx, l); err != nil {
			return err
		}
		read, err := a.Store.FeedPlace(ctx) // what was read may be newer than what it began with
		a.announce(read)
		return err
	})
	if err != nil {
		return err
	}
	if a.feed.filled.Load() { // else nothing was known that could have been missed
		a.accounts.forget()
	}
	a.alignment.again.missed()
	a.feed.place = place
	if again := a.feed.filled.Swap(true); again && a.Wake != nil {
		a.Wake(time.Time{}) // what was planned or is to be told meanwhile is not known
	}
	return nil
}

// announce has tokens name a place, before the index shows anything of what was committed up to there: whoever was told something is not
// told an older thing elsewhere.
func (a *App) announce(p store.FeedPlace) {
	a.feed.announced.Store(max(p.Head, a.feed.announced.Load()))
}

// make makes changes known, at once for whoever asks the index.
func (a *App) make(changes []store.Change) {
	if len(changes) == 0 {
		return
	}
	var due time.Time
	told := false
	for _, c := range changes {
		a.accounts.changed(c)
		if due.IsZero() || !c.Due.IsZero() && c.Due.Before(due) {
			due = c.Due
		}
		told = told || c.Told
	}
	a.publish(changes)
	if a.Wake != nil && !due.IsZero() {
		a.Wake(due)
	}
	if told && a.Tell != nil {
		a.Tell()
	}
}

// Fresh is nil where this node knows everything that was committed up to its bound ago; else it wraps ErrStale. A node that was not
// asked for a while does not follow closely: it tries once, for half a second at most.
func (a *App) Fresh() error {
	if !a.feed.asked.Load() {
		a.feed.asked.Store(true)
	}
	s := a.feed.sight.Load()
	if s == nil || !s.shared || s.age() <= a.staleAfter() {
		return nil
	}
	if failed := a.feed.failed.Load(); failed == 0 || time.Now().UnixNano()-failed > int64(hearAgain) {
		ctx, cancel := context.WithTimeout(context.Background(), hearWithin)
		defer cancel()
		a.hear(ctx)
	}
	if a.feed.sight.Load().age() > a.staleAfter() {
		return ErrStale
	}
	return nil
}

// hear waits for a reading of the feed, one that has begun already or its own, which goes on when the context ends: who waits gives up,
// not the reading, or a slow way to the store would never be gone to its end.
func (a *App) hear(ctx context.Context) {
	mine := make(chan struct{})
	done := &mine
	if a.feed.hearing.CompareAndSwap(nil, done) {
		go func() {
			reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), followWithin)
			defer cancel()
			_ = a.CatchUp(reading) // what is seen tells
			a.feed.hearing.Store(nil)
			close(mine)
		}()
	} else if done = a.feed.hearing.Load(); done == nil {
		return // it has just ended
	}
	select {
	case <-*done:
	case <-ctx.Done():
	}
}

// Asked says whether somebody relied on what this node knows since the last call of Asked.
func (a *App) Asked() bool { return a.feed.asked.Swap(false) }

// Behind is how long ago this node certainly knew everything that was committed; zero where no other node writes.
func (a *App) Behind() time.Duration {
	if s := a.feed.sight.Load(); s != nil && s.shared {
		return s.age()
	}
	return 0
}

// age counts the time of a machine that slept, and of a process that was stopped.
func (s *sight) age() time.Duration {
	now := time.Now()
	return max(now.Sub(s.at), now.Round(0).Sub(s.at.Round(0)))
}

func (a *App) staleAfter() time.Duration {
	if a.Bound > 0 {
		return a.Bound
	}
	return defaultBound
}

const (
	tokenPrefix = "c"
	tokenBase   = 36
)

// Token is what this node sees now, for Await at any node. Taken after a question, it covers the answer.
func (a *App) Token() string {
	return tokenPrefix + strconv.FormatInt(a.feed.announced.Load(), tokenBase)
}

// Await returns nil once this node sees at least what a token names, at once where it does. ErrToken; ErrBehind: it does not come to
// see it within the bound.
func (a *App) Await(ctx context.Context, token string) error {
	digits, ours := strings.CutPrefix(token, tokenPrefix)
	number, err := strconv.ParseInt(digits, tokenBase, 64)
	if !ours || err != nil || number < 0 {
		return ErrToken
	}
	if a.sees(number) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.staleAfter())
	defer cancel()
	pause, before := firstLook, a.feed.begun.Load()
	for {
		a.hear(ctx)
		if a.sees(number) {
			return nil
		}
		if a.neverComes(number, before) {
			return ErrBehind
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ErrBehind
		case <-timer.C:
		}
		pause = min(2*pause, longestLook)
	}
}

// neverComes says that a reading which began after so many others, and succeeded, found the feed to end below a number. A number is named
// only once it can be read: this one was made up, or lost with a database.
func (a *App) neverComes(number, before int64) bool {
	s := a.feed.sight.Load()
	return s != nil && s.readings > before && s.place.Head < number
}

func (a *App) sees(number int64) bool {
	s := a.feed.sight.Load()
	return s != nil && s.place.Reached(number) || s == nil && number == 0
}

// publish tells the index.
func (a *App) publish(changes []store.Change) {
	list := make([]access.Change, len(changes))
	for i, c := range changes {
		list[i] = access.Change{Schedules: c.Schedules, Links: edges(c.Links), Unlinks: edges(c.Unlinks)}
		for _, r := range resourceChanges(c) {
			list[i].Resources = append(list[i].Resources, *r)
		}
		list[i].Names, list[i].GoneNames = names(c)
	}
	a.Index.Publish(list...)
}

// names are the principals that a change names, and those that it takes away.
func names(c store.Change) (named []access.Name, gone []access.Account) {
	for _, o := range c.Deleted {
		gone = append(gone, access.Account{Tenant: o.Tenant, ID: o.ID})
	}
	for _, o := range c.Objects {
		n, ok := indexName(o)
		switch {
		case !o.Deleted.IsZero():
			gone = append(gone, access.Account{Tenant: o.Tenant, ID: o.ID})
		case ok:
			named = append(named, n)
		}
	}
	return named, gone
}
