package app

import (
	"context"
	"slices"
	"sync"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// secondLook remembers what was committed, by whichever node, that may have moved doors without knowing it. The node that committed
// asks at once about these doors (see aligned); but it may be gone before it has, or have asked when another node's commit was not
// known to it yet. So the node that aligns doors for all asks once more, when all of that is known to it.
type secondLook struct {
	mu sync.Mutex
	seen
	// size counts what is in it.
	size int
}

// seen is what was committed.
type seen struct {
	commits []store.Commit
	// doors are the cases whose doors were aligned, by what was known where they were.
	doors []pim.Key
	// tooMuch says that it was forgotten when it would have grown beyond mostSeen, or that something may be missing.
	tooMuch bool
}

// mostSeen bounds how many rows are remembered. A node that does not align doors comes to that in the end, and asks about all of them
// when its turn comes.
const mostSeen = 20_000

// note remembers changes.
func (l *secondLook) note(changes []store.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range changes {
		one := store.Commit{Links: c.Links, Unlinks: c.Unlinks, Objects: principalsOf(c.Objects), Resources: c.Resources, Cleared: c.Cleared}
		for _, s := range c.Schedules {
			if s.Kind == pim.Assignment && s.Ending == pim.NotEnded {
				one.Schedules = append(one.Schedules, s)
			}
		}
		n := len(one.Schedules) + len(one.Links) + len(one.Unlinks) + len(one.Objects) + len(one.Resources) + len(one.Cleared)
		if l.size += n + len(c.Doors); l.tooMuch || l.size > mostSeen {
			l.forget()
			return
		}
		if n > 0 {
			l.commits = append(l.commits, one)
		}
		l.doors = append(l.doors, c.Doors...)
	}
}

func principalsOf(objects []directory.Object) []directory.Object {
	return slices.DeleteFunc(slices.Clone(objects), func(o directory.Object) bool { return o.Principal().ID == "" })
}

// missed says that changes may have been missed.
func (l *secondLook) missed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
}

func (l *secondLook) forget() { l.seen, l.size = seen{tooMuch: true}, 0 }

// take returns what was remembered, and forgets it.
func (l *secondLook) take() seen {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.seen
	l.seen, l.size = seen{}, 0
	return was
}

// alignSeen asks once more about the cases whose doors commits may have moved.
func (a *App) alignSeen(ctx context.Context, seen seen) error {
	keys := map[pim.Key]bool{}
	for _, k := range seen.doors {
		keys[k] = true
	}
	below := slices.ContainsFunc(a.Doors, func(b Binding) bool { return b.Provider == pim.Resource })
	for _, c := range seen.commits {
		a.ofGrants(c, keys)
		a.ofMembers(c, keys)
		if err := a.ofTree(ctx, c, keys); err != nil {
			return err
		}
		for _, s := range c.Schedules {
			// What it opened is not in the feed: it may lie elsewhere now, or the node that gave it may have known other bindings.
			if below && s.Key.Provider == pim.Resource || len(a.bindings(s.Key)) > 0 {
				keys[s.Key] = true
			}
		}
	}
	return a.realign(ctx, keys)
}
