package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type valueKey struct{}

// TestBoundedEndsLikeWithTimeout: whoever waits, asks or derives from it sees what context.WithTimeout would show.
func TestBoundedEndsLikeWithTimeout(t *testing.T) {
	ends := map[string]struct {
		end  func(parent context.CancelFunc, b *bounded)
		want error
	}{
		"nothing": {func(context.CancelFunc, *bounded) {}, nil},
		"time":    {func(context.CancelFunc, *bounded) { time.Sleep(time.Second) }, context.DeadlineExceeded},
		"parent":  {func(parent context.CancelFunc, _ *bounded) { parent() }, context.Canceled},
		"answer":  {func(_ context.CancelFunc, b *bounded) { b.end() }, context.Canceled},
	}
	for name, e := range ends {
		for _, waited := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(context.WithValue(t.Context(), valueKey{}, "v"))
				defer cancel()
				b := within(parent, time.Second)
				defer b.end()
				if at, ok := b.Deadline(); !ok || time.Until(at) != time.Second || b.Value(valueKey{}) != "v" {
					t.Errorf("%s: got the deadline %v", name, at)
				}
				derived, stop := context.WithCancel(context.Background())
				defer stop()
				if waited {
					_ = b.Done()
					derived, stop = context.WithCancel(b)
					defer stop()
				}
				e.end(cancel, b)
				synctest.Wait()
				if err := b.Err(); !errors.Is(err, e.want) {
					t.Errorf("%s, waited for %v: got %v, want %v", name, waited, err, e.want)
				}
				if err := derived.Err(); waited && !errors.Is(err, e.want) {
					t.Errorf("%s: derived got %v, want %v", name, err, e.want)
				}
				select {
				case <-b.Done():
					if e.want == nil {
						t.Errorf("%s: it has ended", name)
					}
				default:
					if e.want != nil {
						t.Errorf("%s: it has not ended", name)
					}
				}
				if cause := context.Cause(b); !errors.Is(cause, e.want) {
					t.Errorf("%s: got the cause %v, want %v", name, cause, e.want)
				}
			})
		}
	}
}
