// Package telemetry tells the operator what the server does: one log, and a line in it for each request.
//
// Nothing secret is logged: of a request its method, path, status, size and time, and the id under which the caller
// was answered; never the query, headers or bodies, for codes and tokens travel there.
package telemetry

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// NewLogger makes a log that writes lines of text or, with json, one JSON object a line.
func NewLogger(w io.Writer, level slog.Level, json bool) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// RequestID is the header under which every answer names its request.
const RequestID = "Request-Id"

// Name returns the id under which a request is answered, by the headers of its answer. Without one it is given one here.
func Name(answer http.Header) string {
	if named := answer[RequestID]; len(named) > 0 && named[0] != "" {
		return named[0]
	}
	id := rand.Text()
	answer[RequestID] = []string{id}
	return id
}

// Requests logs each request once it is answered, and gives it an id where the handler has none of its own. What the
// paths in quiet answer well is logged for debugging alone: somebody asks for them every second. So is, of paths below one that ends
// with a slash, everything that the server did not fail at: doors ask there for every call of theirs.
func Requests(log *slog.Logger, next http.Handler, quiet ...string) http.Handler {
	still := quietly(quiet)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		answer := &Answer{ResponseWriter: w, named: true}
		path := r.URL.Path
		defer func() {
			if answer.status == 0 { // nothing was written
				Name(w.Header())
			}
			status := answer.Status()
			as := level(status)
			if still(path, status) {
				as = slog.LevelDebug
			}
			if !log.Enabled(r.Context(), as) {
				return
			}
			log.LogAttrs(r.Context(), as, "request", slog.String("method", r.Method), slog.String("path", path),
				slog.Int("status", status), slog.Int64("bytes", answer.bytes), slog.Duration("took", time.Since(began)),
				slog.String("request", Name(w.Header())), slog.String("from", r.RemoteAddr))
		}()
		next.ServeHTTP(answer, r)
	})
}

// quietly says which answers matter to nobody but who debugs.
func quietly(paths []string) func(path string, status int) bool {
	exact := map[string]bool{}
	var below []string
	for _, p := range paths {
		if strings.HasSuffix(p, "/") {
			below = append(below, p)
		} else {
			exact[p] = true
		}
	}
	return func(path string, status int) bool {
		if exact[path] {
			return status < http.StatusBadRequest
		}
		return status < http.StatusInternalServerError && slices.ContainsFunc(below, func(p string) bool { return strings.HasPrefix(path, p) })
	}
}

// level is that of a request's line: what we failed at stands out.
func level(status int) slog.Level {
	if status >= http.StatusInternalServerError {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// Answer counts what goes back.
type Answer struct {
	http.ResponseWriter
	status int
	bytes  int64
	// named says that no answer goes out without an id.
	named bool
}

// Status is that of the answer, once it is written.
func (a *Answer) Status() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}

// WriteHeader implements http.ResponseWriter.
func (a *Answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.begin(status)
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *Answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.begin(http.StatusOK)
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// begin stands before the headers are sent.
func (a *Answer) begin(status int) {
	a.status = status
	if a.named {
		Name(a.Header())
	}
}

// Unwrap lets http.ResponseController reach what lies behind.
func (a *Answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
