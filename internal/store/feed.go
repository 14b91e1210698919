package store

import (
	"context"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// Feed tells every node what was committed, by whichever node, so that what each keeps in memory follows the store.
//
// Each commit that changes such things has a number. Numbers rise, with gaps, and may become visible out of order; but of two
// commits that change the same thing the later has the higher number, and is never seen without the earlier.
type Feed interface {
	// Now is the time by the store's clock; zero: it has none of its own.
	Now(context.Context) (time.Time, error)
	// FeedPlace is the place behind everything that can be read now: begin there, then read what memory is filled with.
	FeedPlace(context.Context) (FeedPlace, error)
	// Changes reads what was committed behind a place and can be read now, by number.
	Changes(context.Context, FeedPlace) (FeedPage, error)
	// Listen calls heard after commits of other processes, soon and as often as it likes, until the context ends. An error says
	// that it cannot listen any more: read now and then, and listen anew. A store that tells nobody waits for the context.
	Listen(ctx context.Context, heard func()) error
	// PurgeChanges deletes changes that were made before an instant of the store's clock, at most limit, and says how many. Who is
	// behind them is told so by FeedPage.Lost.
	PurgeChanges(ctx context.Context, before time.Time, limit int) (int, error)
	// Leases are told apart by name. Lease makes one the holder's for a time by the store's clock, or keeps it so, and says whether
	// it is; another's that has not ended stays the other's.
	Lease(ctx context.Context, name, holder string, length time.Duration) (bool, error)
	// Release ends the holder's leases at once.
	Release(ctx context.Context, holder string) error
}

// FeedPlace is how far somebody has read the feed. The zero value is its beginning. Only a store makes others.
type FeedPlace struct {
	// Head is the highest number that was read.
	Head int64
	// Gaps are lower numbers that were not there to be read and may still come, ascending.
	Gaps []FeedGap
	// Server names the run of the database server. Another run may have lost numbers, or used them again.
	Server string
	// Unfed tells apart what programs have written that do not feed.
	Unfed string
}

// FeedGap is a number that may still come, as long as transactions run that began before Until.
type FeedGap struct{ Number, Until int64 }

// Reached says whether everything with that number and below was read.
func (p FeedPlace) Reached(number int64) bool {
	return p.Head >= number && (len(p.Gaps) == 0 || p.Gaps[0].Number > number)
}

// FeedPage is a part of the feed.
type FeedPage struct {
	Changes []Change
	// Place is behind them, and behind all that could be read when they were.
	Place FeedPlace
	// Now is the time by the store's clock at some moment of the call; zero: the store has no clock of its own.
	Now time.Time
	// Lost says that changes behind the place may be missing: fill memory anew. The page is empty then.
	Lost bool
}

// Change is what one commit changed of what nodes keep in memory, as Commit has it.
type Change struct {
	// Number is its place in the feed.
	Number int64
	// Schedules that have ended tell their key, id and end alone.
	Schedules      []pim.Schedule
	Links, Unlinks []directory.Link
	Objects        []directory.Object
	Deleted        []directory.Object
	Resources      []resource.Node
	Cleared        []Place
	Denials        []Denial
	Undenied       []Denial
	Tenants        []pim.TenantID
	// Doors are cases whose effects were changed though none of their schedules was: somebody asked whether doors are in line.
	Doors []pim.Key
	// Due is when the first of what was planned is due; zero: nothing was. Told says that somebody is to be told something.
	Due  time.Time
	Told bool
}

// ChangeOf is what a commit changes, without its number.
func ChangeOf(c Commit) Change {
	out := Change{
		Schedules: c.Schedules, Links: c.Links, Unlinks: c.Unlinks, Objects: c.Objects, Deleted: c.Deleted,
		Resources: c.Resources, Cleared: c.Cleared, Denials: c.Denials, Undenied: c.Undenied,
		Doors: doorsMoved(c.Outcome), Due: firstDue(c.Outcome), Told: len(c.Notices) > 0,
	}
	if c.Tenant != nil {
		out.Tenants = []pim.TenantID{c.Tenant.ID}
	}
	return out
}

// Nothing says whether nobody needs to know of the change.
func (c Change) Nothing() bool {
	return len(c.Schedules)+len(c.Links)+len(c.Unlinks)+len(c.Objects)+len(c.Deleted)+len(c.Resources)+len(c.Cleared)+
		len(c.Denials)+len(c.Undenied)+len(c.Tenants)+len(c.Doors) == 0 && c.Due.IsZero() && !c.Told
}

// doorsMoved are the cases of effects that are changed without their schedules.
func doorsMoved(o pim.Outcome) (moved []pim.Key) {
	if len(o.Effects) == 0 {
		return nil
	}
	changed := make(map[pim.ScheduleID]bool, len(o.Schedules))
	for _, s := range o.Schedules {
		changed[s.ID] = true
	}
	seen := map[pim.Key]bool{}
	for _, e := range o.Effects {
		if !changed[e.Schedule] && !seen[e.Key] {
			seen[e.Key] = true
			moved = append(moved, e.Key)
		}
	}
	return moved
}

// firstDue is when the first of what an outcome plans is due; zero: nothing is.
func firstDue(o pim.Outcome) (first time.Time) {
	sooner := func(at time.Time) {
		if first.IsZero() || !at.IsZero() && at.Before(first) {
			first = at
		}
	}
	if o.Request != nil {
		sooner(o.Request.Due)
	}
	for _, r := range o.More {
		sooner(r.Due)
	}
	for _, s := range o.Schedules {
		sooner(s.Due)
	}
	for _, e := range o.Effects {
		sooner(e.Due)
	}
	return first
}
