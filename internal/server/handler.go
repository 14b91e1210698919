package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/telemetry"
)

// The addresses of the server itself.
const (
	pathLive  = "/livez"
	pathReady = "/readyz"
	pathClock = "/sample/clock"
)

// pathAccess is where doors ask.
const pathAccess = "/access/"

// handler serves every surface, each by its own addresses: they have none in common.
func (s *Server) handler() http.Handler {
	own := http.NewServeMux()
	own.HandleFunc("GET /{$}", s.serveFront)
	for pattern, commands := range linked() {
		own.HandleFunc(pattern, s.serveLinked(commands))
	}
	own.HandleFunc("GET "+pathLive, func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "alive") })
	own.HandleFunc("GET "+pathReady, s.serveReady)
	if s.options.Sample != nil {
		own.HandleFunc(pathClock, s.serveClock)
	}
	return s.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.frame.Serve(w, r):
		case s.idp.Owns(r.URL.Path):
			s.otherwise(surfaceSignIn, w, r, s.idp.Handler())
		default:
			s.otherwise(surfaceOwn, w, r, own)
		}
	}))
}

// guard turns a panic into an answer. The frame has its own; this one is for the rest.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares this very value
				panic(p)
			}
			s.Log.ErrorContext(r.Context(), "panic", "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			plain(w, http.StatusInternalServerError, "Something went wrong. Request "+telemetry.Name(w.Header())+".")
		}()
		next.ServeHTTP(w, r)
	})
}

func plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // the caller may have gone away
}

func (s *Server) serveFront(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "Portcullis, privileged identity management.\n\n"+
		"Microsoft Graph API  "+s.url+"/v1.0\n"+
		"                     "+s.url+"/beta\n"+
		"Resource Manager     "+s.url+"/providers/Microsoft.Authorization\n"+
		"PIM v2               "+s.url+"/beta/privilegedAccess\n"+
		"                     "+s.url+"/api/v2/privilegedAccess\n"+
		"PIM v1               "+s.url+"/beta/privilegedRoles\n"+
		"SCIM 2.0             "+s.url+"/scim/v2\n"+
		"AuthZEN              "+s.url+"/.well-known/authzen-configuration\n"+
		"Sign-in              "+s.url+"/{tenant}/v2.0/.well-known/openid-configuration\n"+
		"Device code          "+s.url+"/device")
}

// pingWithin bounds how long the store may take to prove that it works.
const pingWithin = 5 * time.Second

// serveReady says whether calls can be served: this node knows what others have committed, and the store can be read and written.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), pingWithin)
	defer cancel()
	if err := s.App.Fresh(); err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "not ready", slog.Any("error", err), slog.Duration("behind", s.App.Behind()))
		w.Header().Set("Retry-After", api.Retry())
		plain(w, http.StatusServiceUnavailable, "stale")
		return
	}
	if err := s.Store.Ping(ctx); err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "not ready", slog.Any("error", err))
		w.Header().Set("Retry-After", api.Retry())
		plain(w, http.StatusServiceUnavailable, "the store is unavailable")
		return
	}
	plain(w, http.StatusOK, "ready")
}

// aliases are all further names that requests come under: the configured ones and, where the server listens on the
// loopback address, both of its names.
func (s *Server) aliases() []string {
	list := append([]string(nil), s.settings.Aliases...)
	seen := map[string]bool{}
	if u, err := url.Parse(s.url); err == nil {
		seen[strings.ToLower(u.Host)] = true
	}
	for _, a := range list {
		seen[strings.ToLower(a)] = true
	}
	for _, l := range s.listeners {
		host, port, err := net.SplitHostPort(l.Addr().String())
		ip := net.ParseIP(host)
		if err != nil || ip == nil || !ip.IsLoopback() && !ip.IsUnspecified() {
			continue
		}
		for _, name := range []string{"localhost", "127.0.0.1"} {
			if at := net.JoinHostPort(name, port); !seen[at] {
				seen[at] = true
				list = append(list, at)
			}
		}
	}
	return list
}

// aliasHosts are the host names of addresses with or without a port.
func aliasHosts(aliases []string) []string {
	var hosts []string
	for _, a := range aliases {
		if host, _, err := net.SplitHostPort(a); err == nil {
			a = host
		}
		hosts = append(hosts, a)
	}
	return hosts
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
