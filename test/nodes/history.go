package nodes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Case is what is written and asked about: whether somebody holds a role.
type Case struct{ Principal, Role string }

// Write is a grant or a removal. Those of one case are made one after the other, never two at once.
type Write struct {
	Case   Case
	Node   string
	Grants bool
	// Until is when the grant ends by itself; zero: never.
	Until time.Time
	Begun time.Time
	// Ended is when it was answered; zero: it was not, and may take effect at any later time, or never.
	Ended time.Time
	// Repeated says that it was made more than once, because an answer was lost. Until one came, a node that does not know whether it has
	// written something takes it for written where that is a no: such a no proves nothing to others.
	Repeated bool
}

func (w *Write) String() string {
	what, until, answered := "removal", "", "never answered"
	if w.Grants {
		what = "grant"
	}
	if !w.Until.IsZero() {
		until = " until " + clock(w.Until)
	}
	if !w.Ended.IsZero() {
		answered = "answered " + clock(w.Ended)
	}
	return fmt.Sprintf("%s%s at %s begun %s, %s", what, until, w.Node, clock(w.Begun), answered)
}

// Check is a question and its answer. One that was told that the node cannot know is none.
type Check struct {
	Case         Case
	Node         string
	Held         bool
	Reason       string
	Begun, Ended time.Time
	// AfterWrite and AfterCheck are what the consistency token that it carried came with, one of them, about the same case. Nil: it
	// carried none.
	AfterWrite *Write
	AfterCheck *Check
}

func (c *Check) String() string {
	token := ""
	switch {
	case c.AfterWrite != nil:
		token = ", after the write of " + clock(c.AfterWrite.Begun)
	case c.AfterCheck != nil:
		token = ", after the check of " + clock(c.AfterCheck.Begun)
	}
	return fmt.Sprintf("%s held %v (%s) at %s asked %s, answered %s%s", c.Case, c.Held, c.Reason, c.Node, clock(c.Begun), clock(c.Ended), token)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000000") }

// History is what was done and answered, in no order. Its methods may be called by several goroutines.
type History struct {
	mu     sync.Mutex
	writes map[Case][]*Write
	checks []*Check
}

// Wrote keeps a write.
func (h *History) Wrote(w *Write) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.writes == nil {
		h.writes = map[Case][]*Write{}
	}
	h.writes[w.Case] = append(h.writes[w.Case], w)
}

// Checked keeps a check.
func (h *History) Checked(c *Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, c)
}

// Of tells everything about a case from some time before an instant to some time after it, in order of its beginning.
func (h *History) Of(k Case, at time.Time, around time.Duration) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	type line struct {
		begun time.Time
		text  string
	}
	var lines []line
	for _, w := range h.writes[k] {
		lines = append(lines, line{w.Begun, w.String()})
	}
	for _, c := range h.checks {
		if c.Case == k {
			lines = append(lines, line{c.Begun, c.String()})
		}
	}
	lines = slices.DeleteFunc(lines, func(l line) bool { return l.begun.Sub(at).Abs() > around })
	slices.SortFunc(lines, func(a, b line) int { return a.begun.Compare(b.begun) })
	var b strings.Builder
	for _, l := range lines {
		b.WriteString("\n\t" + l.text)
	}
	return b.String()
}

// Rules say what an answer must know.
type Rules struct {
	// Bound is the age of what is answered without a token, at most.
	Bound time.Duration
	// Always holds every check to what was answered before it began, whether it carried a token or not.
	Always bool
	// Clock is how exactly ends are known.
	Clock time.Duration
}

// Wrong is a check that was answered by what was no longer so.
type Wrong struct {
	*Check
	// Knew are the writes that the node had to know of, the last being the one that counts, and Later those after it that the
	// answer could have gone by.
	Knew, Later []*Write
}

func (w Wrong) String() string {
	s := w.Check.String()
	if n := len(w.Knew); n > 0 {
		s += "\n\tafter the " + w.Knew[n-1].String()
	}
	for _, l := range w.Later {
		s += "\n\tor the " + l.String()
	}
	return s
}

// Verdict is what a history comes to.
type Verdict struct {
	// Stale are yeses that were none any more. Missed are noes although it was held, and known to be.
	Stale, Missed       []Wrong
	Writes, Yeses, Noes int
}

// Judge decides about every check.
func (h *History) Judge(r Rules) Verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	j := judge{rules: r, writes: h.writes, known: map[*Check]int{}, place: map[*Write]int{}}
	v := Verdict{}
	for _, list := range j.writes {
		slices.SortFunc(list, func(a, b *Write) int { return a.Begun.Compare(b.Begun) })
		for i, w := range list {
			j.place[w] = i + 1
		}
		v.Writes += len(list)
	}
	checks := slices.Clone(h.checks)
	slices.SortFunc(checks, func(a, b *Check) int { return cmp.Or(a.Begun.Compare(b.Begun), a.Ended.Compare(b.Ended)) })
	for _, c := range checks {
		if c.Held {
			v.Yeses++
		} else {
			v.Noes++
		}
		wrong := Wrong{Check: c}
		if j.right(c) {
			continue
		}
		from := j.knew(c)
		wrong.Knew, wrong.Later = j.writes[c.Case][:from], j.begunBefore(c)[min(from, len(j.begunBefore(c))):]
		if c.Held {
			v.Stale = append(v.Stale, wrong)
		} else {
			v.Missed = append(v.Missed, wrong)
		}
	}
	return v
}

// judge counts writes of a case from 1; before the first, place 0, nothing is held.
type judge struct {
	rules  Rules
	writes map[Case][]*Write
	place  map[*Write]int
	known  map[*Check]int
}

// knew is the place that the answer goes by at least.
func (j judge) knew(c *Check) int {
	if n, ok := j.known[c]; ok {
		return n
	}
	n := 0
	switch {
	case c.AfterWrite != nil:
		n = j.place[c.AfterWrite]
	case c.AfterCheck != nil:
		n = j.saw(c.AfterCheck)
	}
	for i, w := range j.writes[c.Case] {
		if !w.Ended.IsZero() && w.Ended.Before(j.horizon(c, w)) {
			n = max(n, i+1)
		}
	}
	j.known[c] = n
	return n
}

// horizon is the instant up to which a check has to know what was answered. The node that answered a write knows it at once.
func (j judge) horizon(c *Check, w *Write) time.Time {
	if j.rules.Always || w.Node == c.Node {
		return c.Begun
	}
	return c.Begun.Add(-j.rules.Bound)
}

// saw is the first place by which a check can have been answered: its token leads there at least.
func (j judge) saw(c *Check) int {
	from := j.knew(c)
	if j.doubtful(c) {
		return from
	}
	for n := from; n <= len(j.begunBefore(c)); n++ {
		if !j.explains(c, n) {
			continue
		}
		if w := j.write(c.Case, n); w != nil && w.Repeated && c.Begun.Before(w.Ended) {
			return from
		}
		return n
	}
	return from // it is wrong, and told so
}

// right says whether some state that the answer may go by explains it.
func (j judge) right(c *Check) bool {
	if j.doubtful(c) {
		return true
	}
	for n := j.knew(c); n <= len(j.begunBefore(c)); n++ {
		if j.explains(c, n) {
			return true
		}
	}
	return false
}

// doubtful says whether a write that was never answered explains the answer. It may come true behind later ones.
func (j judge) doubtful(c *Check) bool {
	return slices.ContainsFunc(j.begunBefore(c), func(w *Write) bool { return w.Ended.IsZero() && j.gives(c, w) })
}

// begunBefore are the writes that the answer can go by.
func (j judge) begunBefore(c *Check) []*Write {
	all := j.writes[c.Case]
	n := slices.IndexFunc(all, func(w *Write) bool { return !w.Begun.Before(c.Ended) })
	if n < 0 {
		return all
	}
	return all[:n]
}

// write is the one at a place; nil: nothing was written yet.
func (j judge) write(k Case, place int) *Write {
	if place == 0 {
		return nil
	}
	return j.writes[k][place-1]
}

func (j judge) explains(c *Check, place int) bool {
	w := j.write(c.Case, place)
	return w == nil && !c.Held || w != nil && j.gives(c, w)
}

// gives says whether the answer is right where a write is the last.
func (j judge) gives(c *Check, w *Write) bool {
	ends := w.Grants && !w.Until.IsZero()
	switch {
	case c.Held && ends:
		return c.Begun.Before(w.Until.Add(j.rules.Clock))
	case c.Held:
		return w.Grants
	case ends:
		return c.Ended.After(w.Until.Add(-j.rules.Clock))
	}
	return !w.Grants
}
