package httpdoor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// The server tells of 100 subjects by one stream, whose names have to fit into an address.
const (
	mostOfStream = 100
	longestName  = 512
	longestNames = 24 << 10
)

// stream is a connection to the server by which it tells of several subjects that are asked the same. Where somebody joins, another is
// opened for all of them, and the old one goes on until the new one has told of everybody. The door's mu guards all of it.
type stream struct {
	door     *Door
	topic    Question // without the subject's id
	cancel   context.CancelFunc
	joined   chan struct{} // somebody has to be told of; never blocks
	subjects map[string]*subject
	size     int           // of their names in an address
	current  *connection   // by which the server speaks
	live     bool          // it does
	token    string        // of what the server knew when it spoke last
	failures int           // attempts to connect that failed
	err      error         // of the last one
	changed  chan struct{} // closed at the next change of what stands above
	silence  *time.Timer   // runs while something is kept
}

// subject is what the door keeps of one question, as long as the connection of its stream confirms it.
type subject struct {
	stream   *stream
	question Question
	told     bool      // by the connection that is there
	decision Decision  // the zero one until then
	end      time.Time // of a yes, by this machine's clock; zero: none
	over     *time.Timer
	holds    map[*hold]struct{}
	users    int         // requests that need it
	idle     *time.Timer // runs while there are none
}

// watched decides by the stream of the question.
func (d *Door) watched(ctx context.Context, q Question, h *hold) (Decision, error) {
	s, err := d.join(q)
	if err != nil {
		return Decision{}, err
	}
	h.atEnd(func() { d.leave(s, h) })
	ctx, cancel := context.WithTimeout(ctx, d.options.Timeout)
	defer cancel()
	return d.await(ctx, s, h)
}

// join finds what is kept of a question, or has it watched.
func (d *Door) join(q Question) (*subject, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errProgram()
	}
	s := d.subjects[q]
	if s == nil {
		if len(d.subjects) >= d.options.Subjects && !d.dropIdle() {
			return nil, fmt.Errorf("%w: %d subjects are watched already", ErrUnavailable, len(d.subjects))
		}
		s = d.add(q)
	}
	if !s.told {
		s.stream.want()
	}
	s.users++
	if s.idle != nil {
		s.idle.Stop()
		s.idle = nil
	}
	return s, nil
}

// size is what the subject takes of an address.
func (q Question) size() int { return len("&subject=") + len(url.QueryEscape(q.Subject.ID)) }

func errProgram() error { return fmt.Errorf("%w: the door was closed by its program", ErrUnavailable) }

// add puts a question on a stream that has room, or on a new one. The mu is held.
func (d *Door) add(q Question) *subject {
	topic := q
	topic.Subject.ID = ""
	var on *stream
	for _, x := range d.streams[topic] {
		if len(x.subjects) < mostOfStream && x.size+q.size() <= longestNames {
			on = x
		}
	}
	if on == nil {
		on = d.open(topic)
	}
	s := &subject{stream: on, question: q, holds: map[*hold]struct{}{}}
	on.subjects[q.Subject.ID], d.subjects[q] = s, s
	on.size += q.size()
	return s
}

// open starts a stream. The mu is held.
func (d *Door) open(topic Question) *stream {
	ctx, cancel := context.WithCancel(d.ctx)
	x := &stream{
		door: d, topic: topic, cancel: cancel, joined: make(chan struct{}, 1), subjects: map[string]*subject{}, changed: make(chan struct{}),
	}
	d.streams[topic] = append(d.streams[topic], x)
	d.running.Go(func() { x.run(ctx) })
	return x
}

// dropIdle makes room by forgetting a subject that no request needs. The mu is held.
func (d *Door) dropIdle() bool {
	for _, s := range d.subjects {
		if s.users == 0 {
			d.drop(s)
			return true
		}
	}
	return false
}

// drop forgets a subject that no request needs, and ends its stream with the last one. The mu is held.
func (d *Door) drop(s *subject) {
	for _, t := range []*time.Timer{s.idle, s.over} {
		if t != nil {
			t.Stop()
		}
	}
	x := s.stream
	delete(d.subjects, s.question)
	delete(x.subjects, s.question.Subject.ID)
	x.size -= s.question.size()
	if len(x.subjects) > 0 {
		return
	}
	x.cancel()
	rest := d.streams[x.topic][:0:0]
	for _, other := range d.streams[x.topic] {
		if other != x {
			rest = append(rest, other)
		}
	}
	if d.streams[x.topic] = rest; len(rest) == 0 {
		delete(d.streams, x.topic)
	}
}

// leave lets go of a subject at the end of a request.
func (d *Door) leave(s *subject, h *hold) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(s.holds, h)
	if s.users--; s.users > 0 || d.closed {
		return
	}
	s.idle = time.AfterFunc(d.options.Linger, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if s.users == 0 && d.subjects[s.question] == s {
			d.drop(s)
		}
	})
}

// await returns the decision once a connection confirms one, and holds a request that gets through. It fails as soon as an attempt to
// connect does, or when the context ends.
func (d *Door) await(ctx context.Context, s *subject, h *hold) (Decision, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := s.stream
	for before := x.failures; ; {
		switch {
		case x.live && s.told:
			return s.admit(h), nil
		case x.failures > before:
			return Decision{}, fmt.Errorf("%w: %w", ErrUnavailable, x.err)
		}
		if err := x.wait(ctx); err != nil {
			return Decision{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// wait waits for a change. The mu is held before and after, and not meanwhile.
func (x *stream) wait(ctx context.Context) error {
	changed := x.changed
	x.door.mu.Unlock()
	defer x.door.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// admit decides by what the server said last, and holds a request that gets through. The mu is held.
func (s *subject) admit(h *hold) Decision {
	if s.decision.Allowed && !s.end.IsZero() && !time.Now().Before(s.end) {
		return Decision{Reason: "over", At: s.decision.Until}
	}
	if s.decision.Allowed {
		s.holds[h] = struct{}{}
	}
	return s.decision
}

// set takes in what the server says of a subject, and returns what may not go on. The mu is held.
func (s *subject) set(decision Decision) []*hold {
	s.decision, s.told, s.end = decision, true, time.Time{}
	if s.over != nil {
		s.over.Stop()
	}
	if !decision.Allowed {
		return s.take()
	}
	if left, ends := decision.left(s.stream.door.options.Now()); ends {
		// The server says so itself at that instant; this is for when it cannot.
		s.end = time.Now().Add(left)
		s.over = time.AfterFunc(left, func() { s.expire(decision) })
	}
	return nil
}

// take empties the holds. The mu is held.
func (s *subject) take() []*hold {
	var all []*hold
	for h := range s.holds {
		all = append(all, h)
	}
	clear(s.holds)
	return all
}

// expire ends a yes at its end.
func (s *subject) expire(decision Decision) {
	mu := &s.stream.door.mu
	mu.Lock()
	var holds []*hold
	if s.decision.Allowed && s.decision.Until.Equal(decision.Until) {
		s.decision = Decision{Reason: "over", At: decision.Until}
		holds = s.take()
	}
	mu.Unlock()
	cut(holds, "the grant is over")
}

// cut ends requests that were let through. No lock is held.
func cut(holds []*hold, why string) {
	cause := fmt.Errorf("%w: %s", ErrClosed, why)
	for _, h := range holds {
		h.cut(cause)
	}
}

// want says that somebody has to be told of.
func (x *stream) want() {
	select {
	case x.joined <- struct{}{}:
	default:
	}
}

// tell wakes those who wait. The mu is held.
func (x *stream) tell() {
	close(x.changed)
	x.changed = make(chan struct{})
}

// confirmed notes that the connection lives. The mu is held.
func (x *stream) confirmed() {
	if x.silence != nil {
		x.silence.Stop()
	}
	x.silence = time.AfterFunc(x.door.options.Silence, func() { x.cutAll("the server says nothing any more") })
}

// cutAll ends all that was let through.
func (x *stream) cutAll(why string) {
	x.door.mu.Lock()
	var holds []*hold
	for _, s := range x.subjects {
		holds = append(holds, s.take()...)
	}
	x.door.mu.Unlock()
	cut(holds, why)
}

// failed notes that an attempt to connect failed.
func (x *stream) failed(err error) {
	x.door.mu.Lock()
	defer x.door.mu.Unlock()
	x.err = err
	x.failures++
	x.tell()
}

// lost notes that there is no connection. What was let through goes on until the silence is too long.
func (x *stream) lost() {
	x.door.mu.Lock()
	defer x.door.mu.Unlock()
	x.current, x.live = nil, false
	x.tell()
}

// stop lets nobody through any more.
func (x *stream) stop() {
	x.lost()
	x.failed(errors.New("the door was closed by its program"))
	x.door.mu.Lock()
	if x.silence != nil {
		x.silence.Stop()
	}
	for _, s := range x.subjects {
		if s.over != nil {
			s.over.Stop()
		}
	}
	x.door.mu.Unlock()
	x.cutAll("by its program")
}
