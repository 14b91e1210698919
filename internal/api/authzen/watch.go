package authzen

import (
	"cmp"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/pim"
)

const (
	// mostSubjects is how many subjects one stream watches.
	mostSubjects = 100
	// An account has so many streams at once, and all together so many.
	mostStreamsOf, mostStreams = 64, 10_000

	heartbeat = 15 * time.Second
	// glance is how often a stream looks whether its node still knows, and whether the clock was moved. Neither asks the store.
	glance = 250 * time.Millisecond
	// settle is the shortest time between two looks at the index, where commits come one after the other.
	settle = 5 * time.Millisecond
	// lookWithin bounds one look: the store is asked where the caller's account is not in memory any more.
	lookWithin = 10 * time.Second
)

// streams counts those that are open.
type streams struct {
	mu  sync.Mutex
	all int
	of  map[access.Account]int
}

// open counts a stream, and refuses it where there are too many.
func (s *streams) open(of access.Account) (closed func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= mostStreams || s.of[of] >= mostStreamsOf {
		return nil, &api.Fault{Problem: api.TooMany, Detail: "Too many streams at once.", RetryAfter: heartbeat}
	}
	s.all++
	s.of[of]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[of]--; s.of[of] == 0 {
			delete(s.of, of)
		}
	}, nil
}

// watch streams decisions and how they change.
func (s *Surface) watch(r *api.Request) (api.Answer, error) {
	w, err := s.newWatch(r)
	if err != nil {
		return api.Answer{}, err
	}
	// The first look says whether the caller may watch them at all; it is sent with the stream.
	first, err := w.look()
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{
		Status: http.StatusOK, Type: "text/event-stream", Header: requestID(r), Endless: true,
		Stream: func(ctx context.Context, out io.Writer) error {
			closed, err := s.streams.open(access.Account{Tenant: r.Tenant, ID: r.Caller.Principal})
			if err != nil { // another came between
				return err
			}
			defer closed()
			return w.run(ctx, out, first)
		},
	}, s.streams.room(access.Account{Tenant: r.Tenant, ID: r.Caller.Principal})
}

// room refuses a stream that could not be opened now.
func (s *streams) room(of access.Account) error {
	closed, err := s.open(of)
	if err == nil {
		closed()
	}
	return err
}

// watching is one stream.
type watching struct {
	*Surface
	call *api.Request
	// questions are one for each subject. everything: of no action and resource, but of all roles that they hold.
	questions  []asked
	everything bool
	// told is what was sent last, by the place of the subject and by what it is about.
	told map[topic]told
	// changed is closed when something was committed after the last look, looked is when that was, by PIM's time, and next when it
	// may be otherwise by itself; zero: never. foreseen says that next is all that there is.
	changed  <-chan struct{}
	looked   time.Time
	next     time.Time
	foreseen bool
	stale    bool
}

// topic is what an event is about: the zero value beside the subject stands for the one question.
type topic struct {
	subject  int
	provider pim.Provider
	role     pim.RoleID
	scope    pim.Scope
}

// told is what of a decision is told again when it changes.
type told struct {
	yes         bool
	reason      string
	until, next time.Time
}

func (s *Surface) newWatch(r *api.Request) (*watching, error) {
	values, err := parameters(r, "subject")
	if err != nil {
		return nil, err
	}
	subjects := values["subject"]
	if len(subjects) == 0 || len(subjects) > mostSubjects || slices.Contains(subjects, "") {
		return nil, malformed("Between one and %d subjects can be watched.", mostSubjects)
	}
	w := &watching{Surface: s, call: r, told: map[topic]told{}}
	w.everything = !values.Has("action") && !values.Has("resource") && !values.Has("resourceType") && !values.Has("dataAction")
	for _, name := range subjects {
		q := asked{subject: entity{kind: values.Get("subjectType"), id: name}}
		if len(name) > longest || len(q.subject.kind) > longest {
			return nil, malformed("A parameter is longer than %d bytes.", longest)
		}
		if !w.everything {
			values.Set("subject", name)
			if q, err = questionOf(values); err != nil {
				return nil, err
			}
		}
		w.questions = append(w.questions, q)
	}
	return w, nil
}

// run sends the first look, and what changes after it, until the context ends or the caller may not watch any more.
func (w *watching) run(ctx context.Context, out io.Writer, events []byte) error {
	beat := time.Now()
	for {
		if len(events) > 0 {
			if _, err := out.Write(events); err != nil {
				return err
			}
			beat = time.Now()
		}
		again, err := w.wait(ctx)
		if err != nil {
			return nil //nolint:nilerr // it is over, as told
		}
		again, quiet := again || w.due(), time.Since(beat) >= heartbeat
		events = nil
		if again || quiet {
			if events, err = w.again(ctx, again); err != nil {
				return nil //nolint:nilerr // the caller may not ask any more, or comes again
			}
		}
		if quiet && len(events) == 0 {
			events = []byte(":\n\n")
		}
	}
}

// again holds the caller against the gates once more, and looks where that is wanted, within a time of its own: that of the call is
// over by and by.
func (w *watching) again(ctx context.Context, looks bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	w.call.Request = w.call.WithContext(ctx)
	if err := w.call.Still(); err != nil || !looks {
		return nil, err
	}
	return w.look()
}

// errOver says that nobody watches any more.
var errOver = context.Canceled

// wait waits for a commit, for the next instant, or for a glance, and says whether it was a commit.
func (w *watching) wait(ctx context.Context) (committed bool, err error) {
	pause := glance
	if !w.next.IsZero() {
		pause = max(0, min(pause, w.next.Sub(w.app.Time())))
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, errOver
	case <-timer.C:
		return false, nil
	case <-w.changed:
	}
	// More may follow at once. They are looked at together.
	timer.Reset(settle)
	select {
	case <-ctx.Done():
		return false, errOver
	case <-timer.C:
		return true, nil
	}
}

// due says whether there may be something new though nothing was committed.
func (w *watching) due() bool {
	now := w.app.Time()
	return !w.foreseen || !w.next.IsZero() && !now.Before(w.next) || now.Before(w.looked) || (w.app.Fresh() != nil) != w.stale
}

// look asks everything, and returns the events of what is new. The error says that the caller may not ask, or is a fault.
func (w *watching) look() ([]byte, error) {
	w.changed = w.index.Changed(w.call.Tenant) // before anything is asked, lest a commit is missed
	a := w.begin(w.call)
	w.looked, w.stale, w.next, w.foreseen = a.now, a.stale, time.Time{}, true
	var events []byte
	for i := range w.questions {
		var err error
		if w.everything {
			events, err = w.lookAtAll(&a, events, i)
		} else {
			events, err = w.lookAtOne(&a, events, i)
		}
		if err != nil {
			return nil, err
		}
	}
	return events, nil
}

func (w *watching) lookAtOne(a *asking, events []byte, i int) ([]byte, error) {
	q := &w.questions[i]
	d, err := a.decide(q)
	if err != nil {
		return nil, err
	}
	// Conditions may look at the time: of these nobody knows when.
	w.foreseen = w.foreseen && !strings.Contains(q.action, "/")
	w.sooner(d.until, d.next)
	return w.tell(a, events, topic{subject: i}, &d), nil
}

// lookAtAll asks for each role that a subject holds, and for those that it held when they were told last.
func (w *watching) lookAtAll(a *asking, events []byte, i int) ([]byte, error) {
	about := target{provider: pim.Directory, scope: pim.Everywhere}
	who, reason, err := a.subject(w.questions[i].subject, about)
	if err != nil {
		return nil, err
	}
	if a.stale {
		reason = reasonStale
	}
	topics := map[topic]bool{}
	if reason == "" {
		for _, h := range w.index.Held(a.now, w.call.Tenant, who) {
			topics[topic{i, h.Provider, h.Role, h.Scope}] = true
		}
		w.sooner(w.index.NextChange(a.now, w.call.Tenant, who), time.Time{})
	}
	whole := topic{subject: i}
	for t, before := range w.told {
		if t.subject == i && t != whole && before.yes {
			topics[t] = true
		}
	}
	for _, t := range slices.SortedFunc(maps.Keys(topics), byTopic) {
		d := no(reason)
		if reason == "" {
			d = a.answer(who, target{provider: t.provider, scope: t.scope, role: t.role})
			w.sooner(d.until, time.Time{})
		}
		events = w.tell(a, events, t, &d)
		if !d.yes {
			delete(w.told, t)
		}
	}
	if len(topics) == 0 || reason != "" {
		d := no(cmp.Or(reason, access.NoGrant.String()))
		return w.tell(a, events, whole, &d), nil
	}
	delete(w.told, whole)
	return events, nil
}

func byTopic(a, b topic) int {
	return cmp.Or(cmp.Compare(a.provider, b.provider), cmp.Compare(a.role, b.role), cmp.Compare(a.scope, b.scope))
}

// sooner notes instants at which something may change.
func (w *watching) sooner(instants ...time.Time) {
	for _, t := range instants {
		if !t.IsZero() && (w.next.IsZero() || t.Before(w.next)) {
			w.next = t
		}
	}
}

// tell appends the event of a decision, if that is new.
func (w *watching) tell(a *asking, events []byte, about topic, d *decision) []byte {
	now := told{d.yes, d.reason, d.until, d.next}
	if before, known := w.told[about]; known && before == now {
		return events
	}
	w.told[about] = now
	a.looked()
	b := append(events, "event: decision\n"...)
	if a.token != "" && printable(a.token) {
		b = append(append(append(b, "id: "...), a.token...), '\n')
	}
	b = api.AppendText(append(b, `data: {"subject":`...), w.questions[about.subject].subject.id)
	if about.provider != "" {
		b = api.AppendText(append(b, `,"action":{"name":`...), string(about.role))
		b = appendEntity(append(b, `},"resource":`...), typeOfProvider(about.provider), string(about.scope))
	}
	b = api.AppendBool(append(b, `,"decision":`...), d.yes)
	b = append(append(append(b, `,"reason":"`...), d.reason...), '"')
	b = appendInstant(b, `,"until":`, d.until)
	b = appendInstant(b, `,"nextChange":`, d.next)
	if a.token != "" {
		b = api.AppendText(append(b, `,"consistencyToken":`...), a.token)
	}
	return append(api.AppendTime(append(b, `,"at":`...), a.now), "}\n\n"...)
}
