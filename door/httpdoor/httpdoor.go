// Package httpdoor puts a door of Portcullis in front of an [http.Handler]: whoever makes a request gets through while they hold the
// role, or may do the action, that the door asks about, and no longer.
//
//	door, err := httpdoor.New(httpdoor.Options{
//		URL:   "https://pim.example.org",
//		Token: (&httpdoor.ClientCredentials{URL: …, ID: …, Secret: …, Scope: …}).Token,
//		Question: func(r *http.Request) (httpdoor.Question, error) {
//			name, ok := session(r) // who it is, is the page's own business
//			if !ok {
//				return httpdoor.Question{}, httpdoor.ErrNobody
//			}
//			return httpdoor.Question{
//				Subject: httpdoor.Subject{Type: "user", ID: name},
//				Action:  "Payroll Administrator", ResourceType: "directory", Resource: "/",
//			}, nil
//		},
//		Watch: true,
//	})
//	…
//	defer door.Close()
//	http.ListenAndServeTLS(address, certificate, key, door.Handler(page))
//
// # Two ways
//
// A door asks the server for each request (POST /access/v1/evaluation), or, with Watch, keeps a stream open that tells of everybody who
// is about (GET /access/v1/watch) and answers from what it said last. Both are exact when a request comes in. They differ in what
// becomes of a request that goes on:
//
//	                                             asking        watching
//	the grant reaches its end                    cut then      cut then
//	the grant is taken away before its end       goes on       cut when the server says so
//	the server, or the way to it, goes away      goes on       cut after Silence
//	questions to the server                      one a request one a person, and what changes
//
// An answer of yes to a request that needs no time to be served is as good by either way. Watch where connections are held:
// downloads, streams, web sockets, consoles.
//
// # What being cut means
//
// The request's context ends; [context.Cause] wraps [ErrClosed]. Nothing goes over its connection any more: what the handler still reads
// or writes fails, whether it looks at the context or not, and the connection is closed when it returns. A connection that was taken
// over (Hijack, as for a web socket) is closed at once, also after the handler has returned.
//
// # What keeps it shut
//
// The door fails closed: without an answer in time, with an answer that is not understood, with a token that the server does not take
// and with a question that cannot be made, nobody gets through. The zero Decision refuses. Nothing is kept beyond the stream that
// confirms it.
//
// # What it rests on
//
// The wire is that of the OpenID Authorization API 1.0 with what Portcullis adds to it; the package needs nothing but the standard
// library. Instants of a decision are by the server's clock; how long a grant still lasts is measured from the server's own "now", so
// that the clock of the door's machine does not matter.
//
// Who makes a request is found out before, by the Question function: from a session, a client certificate, or a header that a proxy in
// front sets and nobody else can. What the door lets through may be kept by browsers and proxies on the way: a page that must not be
// seen later says so itself (Cache-Control: no-store).
package httpdoor

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

var (
	// ErrNobody is returned, perhaps wrapped, by a Question function for a request of which it is not known who makes it.
	ErrNobody = errors.New("httpdoor: it is not known who makes the request")
	// ErrClosed is why the context of a request that was let through ended: its cause wraps this error.
	ErrClosed = errors.New("httpdoor: the door closed")
	// ErrUnavailable is wrapped by errors of a door that got no decision: the server cannot be reached, does not take the door's token,
	// or answers what cannot be understood. Nobody gets through meanwhile.
	ErrUnavailable = errors.New("httpdoor: no decision")
)

// Options say what a door asks, and whom. URL, Token and Question are required.
type Options struct {
	// URL is the origin of the server: https, or http on this machine alone.
	URL string
	// Token returns the access token that the door itself calls the server with. It is called for every question and has to keep
	// what it got; [ClientCredentials] does. A door asks about others: its application needs the permission
	// AccessEvaluation.Read.All.
	Token func(context.Context) (string, error)
	// Question says what to ask for a request. An error refuses it: [ErrNobody] with 401, another with 503.
	Question func(*http.Request) (Question, error)
	// Watch keeps streams open that tell of whoever is about, instead of asking for each request.
	Watch bool
	// Consistency returns the token of the write that the answer has to know of (the header Portcullis-Consistency of whatever made it),
	// or "". Without Watch alone: a stream shows what its node sees, at once.
	Consistency func(*http.Request) string
	// Refuse answers a request that does not get through; nil means [Refuse].
	Refuse func(http.ResponseWriter, *http.Request, Decision, error)
	// Client makes the calls; nil means one of the door's own. Redirects are not followed, and its Timeout does not count.
	Client *http.Client
	// Timeout bounds how long a request waits for its decision: 2 s when zero.
	Timeout time.Duration
	// Silence is how long a stream may say nothing before what rests on it is cut: 20 s when zero. The server says something at
	// least every 15 s. It is also the longest that a grant which was taken away outlives a network that is down.
	Silence time.Duration
	// Linger is how long somebody is watched after their last request: one minute when zero.
	Linger time.Duration
	// Subjects bounds how many are watched at once: 1,000 when zero. Those that no request needs give way; when all are needed, who
	// comes next is refused. The server gives an application 64 streams, each for up to 100 subjects of whom the same is asked.
	Subjects int
	// Log is told of what keeps the door from asking; nil: nobody is. It is told no tokens.
	Log *slog.Logger
	// Now is the clock for decisions that do not say when they were made; nil means [time.Now].
	Now func() time.Time
}

const (
	defaultTimeout  = 2 * time.Second
	defaultSilence  = 20 * time.Second
	defaultLinger   = time.Minute
	defaultSubjects = 1000
)

// Door lets requests through while Portcullis says yes. Make one with [New]. It may be used by several goroutines at once, and in front
// of several handlers.
type Door struct {
	options Options
	origin  *url.URL
	client  *http.Client

	ctx     context.Context // of the streams
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	subjects map[Question]*subject
	streams  map[Question][]*stream // by what is asked of all their subjects
	closed   bool
}

// New makes a door. It asks nothing yet; the error says which option cannot be used.
func New(o Options) (*Door, error) {
	origin, err := readOrigin(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Token == nil || o.Question == nil {
		return nil, errors.New("httpdoor: Token and Question are required")
	}
	if o.Timeout < 0 || o.Silence < 0 || o.Linger < 0 || o.Subjects < 0 {
		return nil, errors.New("httpdoor: Timeout, Silence, Linger and Subjects are not negative")
	}
	if o.Refuse == nil {
		o.Refuse = Refuse
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	orDefault(&o.Timeout, defaultTimeout)
	orDefault(&o.Silence, defaultSilence)
	orDefault(&o.Linger, defaultLinger)
	orDefault(&o.Subjects, defaultSubjects)
	d := &Door{options: o, origin: origin, client: plainClient(o.Client), subjects: map[Question]*subject{}, streams: map[Question][]*stream{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

func orDefault[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// readOrigin reads the server's address.
func readOrigin(text string) (*url.URL, error) {
	u, err := readURL(text)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("httpdoor: URL is the origin of a server, without a query")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// readURL reads an address that secrets may be sent to: over plain HTTP they do not leave this machine.
func readURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("httpdoor: URL is not an address") // the text may hold a password
	}
	local := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) || u.Host == "" || u.User != nil {
		return nil, errors.New("httpdoor: URL is not https://host, or http on this machine")
	}
	return u, nil
}

// plainClient is a client that follows no redirects, since a token is meant for one server, and whose calls are bounded by their
// contexts alone, since a stream has no end.
func plainClient(c *http.Client) *http.Client {
	own := http.Client{}
	if c != nil {
		own = *c
	} else if t, ok := http.DefaultTransport.(*http.Transport); ok {
		own.Transport = t.Clone() // streams of a door that is closed leave nobody else's connections open
	}
	own.Timeout = 0
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Close ends the door's streams and waits for them. What they let through is cut, and nobody gets through any more.
func (d *Door) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.running.Wait()
	d.client.CloseIdleConnections()
}
