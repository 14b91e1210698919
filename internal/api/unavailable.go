package api

import (
	"context"
	"errors"

	"portcullis/internal/api/odata"
	"portcullis/internal/app"
	"portcullis/internal/auth"
	"portcullis/internal/store"
)

// Temporary says whether an error passes by itself: every dialect answers it 503 with Retry-After.
func Temporary(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, app.ErrClock) || errors.Is(err, auth.ErrKeysUnavailable) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// Expected says whether an error tells of what is not there or was asked wrongly, which is no fault of the server.
func Expected(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrCursor) ||
		errors.As(err, new(*odata.Error)) || errors.As(err, new(Shown))
}

// Shown is an error of a dialect that is printed as it is and not logged.
type Shown interface {
	error
	Shown()
}
