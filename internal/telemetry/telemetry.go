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

// Requests logs each request once it is answered, and gives it an id where the handler has none of its own. What the
// paths in quiet answer well is not logged: somebody asks for them every second.
func Requests(log *slog.Logger, next http.Handler, quiet ...string) http.Handler {
	still := map[string]bool{}
	for _, path := range quiet {
		still[path] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id := rand.Text()
		w.Header().Set(RequestID, id)
		answer := &answer{ResponseWriter: w}
		path := r.URL.Path
		defer func() {
			if answer.status == 0 {
				answer.status = http.StatusOK
			}
			if still[path] && answer.status < http.StatusBadRequest {
				return
			}
			if own := w.Header().Get(RequestID); own != "" {
				id = own
			}
			log.LogAttrs(r.Context(), level(answer.status), "request", slog.String("method", r.Method), slog.String("path", path),
				slog.Int("status", answer.status), slog.Int64("bytes", answer.bytes), slog.Duration("took", time.Since(began)),
				slog.String("request", id), slog.String("from", r.RemoteAddr))
		}()
		next.ServeHTTP(answer, r)
	})
}

// level is that of a request's line: what we failed at stands out.
func level(status int) slog.Level {
	if status >= http.StatusInternalServerError {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// answer counts what goes back.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what lies behind.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
