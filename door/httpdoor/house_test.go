package httpdoor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"portcullis/door/httpdoor"
)

// wire joins clients and a server by pipes, so that a whole conversation runs in the time of a synctest bubble.
type wire struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newWire() *wire { return &wire{conns: make(chan net.Conn), done: make(chan struct{})} }

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error   { w.once.Do(func() { close(w.done) }); return nil }
func (w *wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case w.conns <- theirs:
		return ours, nil
	case <-w.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve runs a server in the bubble of the test, and returns a client of it.
func serve(t *testing.T, h http.Handler) *http.Client {
	t.Helper()
	w := newWire()
	s := &http.Server{Handler: h}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(w) }()
	transport := &http.Transport{DialContext: w.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = s.Close()
		<-ended
		time.Sleep(2 * time.Second) // of the bubble: handlers that look at nothing write once more
	})
	return &http.Client{Transport: transport}
}

// decider is a server that says what the test tells it, in the shapes of the access surface.
type decider struct {
	t     *testing.T
	began time.Time

	mu      sync.Mutex
	now     map[string]answer // by subject
	changed chan struct{}
	broken  chan struct{} // closed to break off the streams
	mute    bool          // answers nothing, and says nothing on its streams
	status  int           // instead of an answer
	body    string        // instead of an answer
	delay   time.Duration
	asked   []string // bodies of evaluations and queries of streams
	headers []http.Header
	open    int // streams
}

type answer struct {
	Decision bool           `json:"decision"`
	Context  map[string]any `json:"context"`
}

func newDecider(t *testing.T) *decider {
	return &decider{t: t, began: time.Now(), now: map[string]answer{}, changed: make(chan struct{}), broken: make(chan struct{})}
}

// clockAhead is by how much the clock of the server differs from that of the door.
const clockAhead = 400 * 24 * time.Hour

func (d *decider) time() time.Time { return time.Now().Add(clockAhead).UTC() }

// says sets what holds of alice from now on, for a duration if it is not zero.
func (d *decider) says(decision bool, reason string, lasts time.Duration) {
	d.saysOf("alice", decision, reason, lasts)
}

func (d *decider) saysOf(subject string, decision bool, reason string, lasts time.Duration) {
	a := answer{decision, map[string]any{"reason": reason, "consistencyToken": "t" + reason}}
	if lasts > 0 {
		a.Context["until"] = d.time().Add(lasts).Format(time.RFC3339Nano)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now[subject] = a
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *decider) set(edit func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	edit()
}

func (d *decider) breakOff() {
	d.set(func() {
		close(d.broken)
		d.broken = make(chan struct{})
	})
}

func (d *decider) streams() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

func (d *decider) questions() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.asked...)
}

func (d *decider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	asked := string(body)
	if r.Method == http.MethodGet {
		asked = r.URL.RawQuery
	}
	d.asked, d.headers = append(d.asked, asked), append(d.headers, r.Header.Clone())
	status, text, delay := d.status, d.body, d.delay
	if d.mute {
		delay = time.Hour
	}
	d.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return
	}
	switch {
	case status != 0:
		w.WriteHeader(status)
	case text != "":
		_, _ = io.WriteString(w, text)
	case r.URL.Path == "/access/v1/evaluation":
		d.evaluate(w, body)
	case r.URL.Path == "/access/v1/watch":
		d.watch(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (d *decider) evaluate(w http.ResponseWriter, body []byte) {
	var in struct{ Subject struct{ ID string } }
	if err := json.Unmarshal(body, &in); err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	a := d.now[in.Subject.ID]
	d.mu.Unlock()
	_ = json.NewEncoder(w).Encode(answer{a.Decision, d.at(a.Context)})
}

// at adds the instant of the answer.
func (d *decider) at(context map[string]any) map[string]any {
	out := map[string]any{"at": d.time().Format(time.RFC3339Nano)}
	for k, v := range context {
		out[k] = v
	}
	return out
}

func (d *decider) watch(w http.ResponseWriter, r *http.Request) {
	subjects := r.URL.Query()["subject"]
	d.set(func() { d.open++ })
	defer d.set(func() { d.open-- })
	w.Header().Set("Content-Type", "text/event-stream")
	beat := time.NewTicker(15 * time.Second)
	defer beat.Stop()
	sent := map[string]string{}
	for {
		d.mu.Lock()
		changed, broken, mute := d.changed, d.broken, d.mute
		for i, s := range subjects {
			if a := d.now[s]; !mute && sent[s] != fmt.Sprint(a) {
				e := d.at(a.Context)
				e["subject"], e["decision"] = s, a.Decision
				text, _ := json.Marshal(e)
				fmt.Fprintf(w, "id: %d\nevent: decision\ndata: %s\n\n", i, text)
				sent[s] = fmt.Sprint(a)
			}
		}
		d.mu.Unlock()
		_ = http.NewResponseController(w).Flush()
		select {
		case <-beat.C:
			d.mu.Lock()
			mute = d.mute
			d.mu.Unlock()
			if !mute {
				_, _ = io.WriteString(w, ": alive\n\n")
			}
		case <-changed:
		case <-broken:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
			return
		}
	}
}

// token is that of the door.
func token(context.Context) (string, error) { return "door's own", nil }

// question takes the subject from the query.
func question(r *http.Request) (httpdoor.Question, error) {
	who := r.URL.Query().Get("who")
	if who == "" {
		return httpdoor.Question{}, httpdoor.ErrNobody
	}
	return httpdoor.Question{
		Subject: httpdoor.Subject{Type: "user", ID: who}, Action: "Payroll Administrator", ResourceType: "directory", Resource: "/",
	}, nil
}

// house is a page behind a door that asks the decider.
type house struct {
	*decider
	page *http.Client
	door *httpdoor.Door
	t    *testing.T

	mu     sync.Mutex
	causes []error // why held requests ended
}

func open(t *testing.T, edit func(*httpdoor.Options)) *house {
	t.Helper()
	h := &house{decider: newDecider(t), t: t}
	o := httpdoor.Options{URL: "http://localhost:1", Token: token, Question: question, Client: serve(t, h.decider)}
	if edit != nil {
		edit(&o)
	}
	door, err := httpdoor.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h.door = door
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "salaries") })
	mux.HandleFunc("/live", h.live)
	mux.HandleFunc("/deaf", deaf)
	mux.HandleFunc("/taken", taken)
	h.page = serve(t, door.Handler(mux))
	t.Cleanup(door.Close)
	return h
}

// live holds its request until its context ends, and says something every second.
func (h *house) live(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		_, _ = io.WriteString(w, "tick\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			h.mu.Lock()
			h.causes = append(h.causes, context.Cause(r.Context()))
			h.mu.Unlock()
			return
		}
	}
}

// deaf looks at no context: it writes until it cannot.
func deaf(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := io.WriteString(w, "tick\n"); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		time.Sleep(time.Second) // of the bubble
	}
}

// taken takes the connection over, as web sockets do, and goes on with it after it has returned.
func taken(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	go func() {
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		for {
			if _, err := io.WriteString(conn, "tick\n"); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
}

// get asks for the page as somebody.
func (h *house) get(path string) (int, string) {
	h.t.Helper()
	r, err := h.page.Get("http://page" + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// wants checks how the page answers alice.
func (h *house) wants(when string, status int) {
	h.t.Helper()
	if got, body := h.get("/?who=alice"); got != status {
		h.t.Errorf("%s: got %d %s, want %d", when, got, body, status)
	}
}

// held is a request that goes on.
type held struct {
	began time.Time
	ended chan time.Duration // after which time it broke off; negative: it was ended properly
}

// hold opens a held request and follows it.
func (h *house) hold(path string) *held {
	h.t.Helper()
	r, err := h.page.Get("http://page" + path) //nolint:bodyclose // by whoever follows it
	if err != nil {
		h.t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		r.Body.Close()
		h.t.Fatalf("%s: got %s", path, r.Status)
	}
	x := &held{began: time.Now(), ended: make(chan time.Duration, 1)}
	go func() {
		defer r.Body.Close()
		_, err := io.Copy(io.Discard, r.Body)
		after := time.Since(x.began)
		if err == nil && path[:6] != "/taken" {
			after = -after
		}
		x.ended <- after
	}()
	return x
}

// endsAfter checks when the held request breaks off.
func (h *house) endsAfter(x *held, want time.Duration) {
	h.t.Helper()
	select {
	case got := <-x.ended:
		if got != want {
			h.t.Errorf("the held request was cut after %s, want %s (negative: not cut)", got, want)
		}
	case <-time.After(24 * time.Hour):
		h.t.Errorf("the held request goes on, want it cut after %s", want)
	}
}

func (h *house) cause() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.causes) == 0 {
		return nil
	}
	return h.causes[len(h.causes)-1]
}
