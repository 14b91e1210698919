package idp

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
)

// libraryPrefix is how the names of the OpenID library's functions begin.
const libraryPrefix = "github.com/zitadel/oidc/"

// WithoutLibrary drops what the OpenID library writes to the default logger: each refused request, with the
// application's address and state in it. What matters of it the provider logs itself. The program wraps the handler of
// its default logger.
func WithoutLibrary(h slog.Handler) slog.Handler { return quiet{h} }

type quiet struct{ slog.Handler }

// Handle passes a record on unless the library wrote it.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if f := runtime.FuncForPC(r.PC); f != nil && strings.HasPrefix(f.Name(), libraryPrefix) {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

// WithAttrs keeps the rule for the loggers that are made from this one.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup does so too.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
