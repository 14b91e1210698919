// Package server is one node: it mounts every surface once, on one address, and runs what stands behind.
//
// Open wires the parts in reading order and is the whole of it: the program and the tests run the same. On an empty
// store it makes the first tenant and its administrator; with a sample it brings the sample organisation. Serve answers
// until it is told to stop, and then stops in order: calls that run are finished, then the worker's, then the store is
// closed. Addresses of its own: /, /livez, /readyz and, in sample mode, /sample/clock.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/api/scim"
	"portcullis/internal/app"
	"portcullis/internal/auth"
	"portcullis/internal/config"
	"portcullis/internal/connector"
	"portcullis/internal/idp"
	"portcullis/internal/pim"
	"portcullis/internal/sample"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
	"portcullis/internal/telemetry"
	"portcullis/internal/telemetry/tracing"
	"portcullis/internal/worker"
)

// Options say what to run.
type Options struct {
	Settings config.Settings
	// Sample brings the sample organisation, and what only a sample has. Nil: none.
	Sample *Sample
	Log    *slog.Logger
	// Notices is where the operator is told, once, what they need to know: the one-time password of a first start.
	Notices io.Writer
	// Now is the real clock; nil means time.Now.
	Now func() time.Time
	// Version is this program's, as metrics and traces tell it.
	Version string
}

// Sample says which sample organisation.
type Sample struct {
	Seed uint64
	// ClockOffset is by how much PIM's time is ahead of the real one.
	ClockOffset time.Duration
}

// Server is a node. Make it with Open, then call Serve once, or Close.
type Server struct {
	App   *app.App
	Store store.Store
	Log   *slog.Logger

	options   Options
	settings  config.Settings
	notices   io.Writer
	real      func() time.Time
	clock     *shifted
	nodeClock *storeClock
	lock      io.Closer
	listeners []net.Listener
	metricsAt net.Listener       // nil: metrics are not served
	metrics   *telemetry.Metrics // nil: nor made
	tracing   *tracing.Tracing   // nil: no traces are made
	url       string
	tls       *tls.Config
	surfaces  []api.Surface
	uses      *uses
	frame     *api.Frame
	idp       *idp.Provider
	doors     map[string]connector.Connector
	closers   []func()
	worker    *worker.Worker
	mails     *worker.Mails
	manifest  sample.Manifest
	closing   sync.Once
	closed    error
}

// Open makes a node that is ready to serve. Its errors are an *Unable, a sentence for the operator with the program's
// exit code. The context bounds opening alone.
func Open(ctx context.Context, o Options) (*Server, error) {
	collectLess()
	s := &Server{options: o, settings: o.Settings.WithDefaults(), Log: o.Log, notices: o.Notices, real: o.Now}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.notices == nil {
		s.notices = io.Discard
	}
	if s.real == nil {
		s.real = time.Now
	}
	s.nodeClock = &storeClock{machine: s.real}
	s.real = s.nodeClock.Now
	for _, step := range []func(context.Context) error{
		s.openData, s.listen, s.openTLS, s.openStore, s.setClock, s.openApp, s.openMetrics, s.openTracing, s.observe, s.fill, s.checkClock, s.openDoors, s.openSignIn, s.openFrame, s.openWorker, s.openMail, s.tellPrograms,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// URL is the origin that callers know the server by.
func (s *Server) URL() string { return s.url }

// CAFile is the file with the certificate that clients have to trust; empty with a certificate of one's own.
func (s *Server) CAFile() string { return caFileOf(s.settings) }

func caFileOf(settings config.Settings) string {
	if settings.TLS.Certificate != "" {
		return ""
	}
	path, err := filepath.Abs(filepath.Join(settings.Data, caFile))
	if err != nil {
		return filepath.Join(settings.Data, caFile)
	}
	return path
}

// openData makes the data folder and takes it for this process alone.
func (s *Server) openData(context.Context) error {
	dir := s.settings.Data
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unable(ExitUnusable, "the data folder %s cannot be made: %w", dir, reason(err))
	}
	lock, err := takeFolder(dir)
	if err != nil {
		return unable(ExitUnusable, "the data folder %s cannot be used: %w", dir, reason(err))
	}
	s.lock = lock
	return nil
}

// reason leaves out of an error what the sentence around it says already.
func reason(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// listen takes the addresses, so that the port is known even where any will do.
func (s *Server) listen(ctx context.Context) error {
	for _, address := range s.settings.Listen {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			return unable(ExitFailure, "cannot listen at %s: %w", address, err)
		}
		s.listeners = append(s.listeners, l)
	}
	if s.options.Sample != nil {
		s.warnOfSample()
	}
	s.url = s.settings.PublicURL
	if s.url == "" {
		s.url = "https://" + publicHost(s.settings.Listen[0], s.listeners[0].Addr().String())
	}
	return nil
}

// warnOfSample says that what is for trying out is open to others.
func (s *Server) warnOfSample() {
	for _, l := range s.listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			s.Log.Warn("the sample is for trying out, and its clock can be moved by anybody who reaches it", "address", a.String())
		}
	}
}

// publicHost is how callers on this machine reach an address.
func publicHost(asked, got string) string {
	host, _, _ := net.SplitHostPort(asked) // the settings were looked at
	_, port, _ := net.SplitHostPort(got)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	if port == "443" {
		if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, port)
}

func (s *Server) openTLS(context.Context) error {
	s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if own := s.settings.TLS; own.Certificate != "" {
		source := &ownCertificate{certificate: own.Certificate, key: own.Key}
		s.tls.GetCertificate = source.GetCertificate
		if _, err := source.GetCertificate(nil); err != nil {
			return unable(ExitSettings, "tls: %w", err)
		}
		return nil
	}
	hosts := append(aliasHosts(s.settings.Aliases), hostOf(s.url))
	for _, address := range s.settings.Listen {
		host, _, _ := net.SplitHostPort(address) // it was listened at
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			hosts = append(hosts, host)
		}
	}
	a, err := openAuthority(s.settings.Data, certificateNames(hosts...), s.real)
	if err != nil {
		return unable(ExitUnusable, "%w", err)
	}
	s.tls.GetCertificate = a.GetCertificate
	return nil
}

func (s *Server) openStore(ctx context.Context) error {
	address, err := s.settings.DatabaseURL()
	if err != nil {
		return unable(ExitSettings, "%w", err)
	}
	if address == "" {
		address = s.settings.Data
	}
	s.Store, err = sqlstore.Open(ctx, sqlstore.Options{URL: address, Logger: s.Log})
	if err != nil {
		s.Store = nil // not an interface around nothing
		return unable(ExitUnusable, "%w", err)
	}
	return nil
}

// openApp makes the application and its dialects. Its doors come when the roles that open them are there.
func (s *Server) openApp(context.Context) error {
	s.clock = &shifted{real: s.real}
	if s.options.Sample != nil {
		s.clock.set(s.options.Sample.ClockOffset)
	}
	s.App = &app.App{Store: s.Store, Index: access.New(), Now: s.clock.Now, Wake: s.wake, Log: s.Log,
		HashPassword: idp.HashPassword, Bound: s.settings.Staleness, Synchronise: s.synchronise, Filling: collectMore}
	s.uses = &uses{store: s.Store}
	s.surfaces = surfaces(s.App, s.Store, s.settings.Dialects, s.usesOf)
	return nil
}

// fill brings what an empty store needs, and the index.
func (s *Server) fill(ctx context.Context) error {
	var err error
	if s.options.Sample != nil {
		err = s.bringSample(ctx)
	} else {
		err = s.firstStart(ctx)
	}
	if err == nil {
		err = s.App.Load(ctx)
	}
	if err != nil {
		if errors.As(err, new(*Unable)) {
			return err
		}
		return unable(ExitUnusable, "the store cannot be used: %w", err)
	}
	return nil
}

// openSignIn makes the embedded issuer and the verifier of its tokens and those of the other issuers.
func (s *Server) openSignIn(ctx context.Context) error {
	keys, err := s.signingKeys(ctx)
	if err != nil {
		return err
	}
	o := idp.Options{
		PublicURL: s.url, Aliases: s.aliases(), Store: s.Store, Keys: keys,
		Sample: s.options.Sample != nil, MFAAge: s.settings.MFAFreshness, Logger: s.Log, Now: s.real,
		Standing: s.standing,
	}
	provider, err := idp.New(o)
	if err != nil {
		return unable(ExitSettings, "sign-in: %w", err)
	}
	s.idp = provider
	return nil
}

// verifier believes the embedded issuer and the configured ones.
func (s *Server) verifier() (*auth.Verifier, error) {
	o := auth.Options{Audiences: s.idp.Audiences(), Now: s.real}
	for _, pattern := range s.idp.IssuerPatterns() {
		o.Issuers = append(o.Issuers, auth.Issuer{URL: pattern, Keys: s.idp.VerificationKeys()})
	}
	for _, i := range s.settings.Issuers {
		o.Issuers = append(o.Issuers, auth.Issuer{
			URL: i.URL, Tenant: pim.TenantID(i.Tenant), Audiences: i.Audiences, KeysURL: i.KeysURL,
			ObjectClaim: i.ObjectClaim, MFAMethods: i.MFAMethods, Client: s.issuerClient(),
		})
	}
	return auth.New(o)
}

func (s *Server) openFrame(context.Context) error {
	verifier, err := s.verifier()
	if err != nil {
		return unable(ExitSettings, "%w", err)
	}
	s.frame = api.New(api.Options{
		Verifier: scim.Tokens{Next: verifier, Secrets: s.Store, Verify: idp.VerifySecret}, FreshMFA: s.settings.MFAFreshness, Now: s.real, Log: s.Log,
		Callers: s.App, Called: s.uses.called, Consistency: s.App,
		Limits: s.limits(), Refused: func(by api.Limited) { s.metrics.Limited(string(by)) }, Answered: s.answered,
	}, s.surfaces...)
	return nil
}

func (s *Server) openWorker(context.Context) error {
	if s.settings.NoWorker {
		return nil
	}
	s.worker = &worker.Worker{
		App: s.App, Store: s.Store, Connectors: s.doors, Align: s.App.Align, Leases: s.leases(), Holder: app.NewID(),
		Now: s.App.Time, Offset: s.clock.Offset, Log: s.Log, Observer: s.observer(),
	}
	return nil
}

// wake tells the worker that something falls due at an instant; zero: that the clock was moved.
func (s *Server) wake(at time.Time) {
	if s.worker != nil {
		s.worker.Wake(at)
	}
	if at.IsZero() {
		s.tell()
	}
}

// Close releases everything that Open took. It is for a server that is not served; Serve closes by itself.
func (s *Server) Close() error {
	s.closing.Do(func() {
		var errs []error
		for _, l := range s.listeners {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
		if s.metricsAt != nil {
			if err := s.metricsAt.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
		for _, end := range s.closers {
			end()
		}
		s.lastTraces()
		if s.Store != nil {
			errs = append(errs, s.keepLastUses(), s.Store.Close())
		}
		if s.lock != nil {
			errs = append(errs, s.lock.Close())
		}
		s.closed = errors.Join(errs...)
	})
	return s.closed
}

// The times that a call may take, so that nobody can hold a connection for nothing.
const (
	headerWithin = 10 * time.Second
	readWithin   = 30 * time.Second
	writeWithin  = 60 * time.Second
	idleWithin   = 2 * time.Minute
	drainWithin  = 20 * time.Second
	maxHeader    = 64 << 10
)

// Serve answers until the context ends, and returns once everything has stopped: nil, or why it had to.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	web := &http.Server{
		Handler:           s.tracing.Requests(telemetry.Requests(s.Log, s.handler(), pathLive, pathReady, pathAccess), pathLive, pathReady),
		TLSConfig:         s.tls,
		ReadHeaderTimeout: headerWithin, ReadTimeout: readWithin, WriteTimeout: writeWithin, IdleTimeout: idleWithin,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	web.RegisterOnShutdown(s.frame.Stop)
	var serving, working sync.WaitGroup
	for _, l := range s.listeners {
		serving.Go(func() {
			if err := web.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("serve at %s: %w", l.Addr(), err))
			}
		})
	}
	// The worker goes on while calls are finished: what they decide is carried out at once.
	background, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	working.Go(func() { s.follow(background) })
	working.Go(func() { s.housekeeping(background) })
	working.Go(func() { s.keepUses(background) })
	if s.metrics != nil {
		working.Go(func() {
			if err := s.serveMetrics(background); err != nil {
				cancel(err)
			}
		})
	}
	if s.worker != nil {
		working.Go(func() {
			if err := s.worker.Run(background); err != nil {
				cancel(err)
			}
		})
	}
	if s.mails != nil {
		working.Go(func() {
			if err := s.mails.Run(background); err != nil {
				cancel(err)
			}
		})
	}
	s.Log.Info("serving", "url", s.url, "ca", s.CAFile())
	<-ctx.Done()
	s.Log.Info("stopping")
	drain, stopDraining := context.WithTimeout(background, drainWithin)
	defer stopDraining()
	err := web.Shutdown(drain)
	if err != nil { // somebody would not finish
		err = web.Close()
	}
	serving.Wait()
	stopWorking()
	working.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return errors.Join(err, s.Close())
}
