package httpdoor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Handler lets through to next who may. A door serves any number of handlers.
func (d *Door) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := d.options.Question(r)
		if err == nil {
			err = q.check()
		}
		if err != nil {
			d.options.Refuse(w, r, Decision{}, err)
			return
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		h := &hold{cancel: cancel, control: http.NewResponseController(w)}
		defer h.finish()
		decision, err := d.admit(r, q, h)
		if err != nil || !decision.Allowed {
			d.options.Refuse(w, r, decision, err)
			return
		}
		next.ServeHTTP(&writer{w, h}, r.WithContext(context.WithValue(ctx, decisionKey{}, decision)))
	})
}

// admit decides, and sees to it that a request which gets through is cut when it may not go on.
func (d *Door) admit(r *http.Request, q Question, h *hold) (Decision, error) {
	if d.options.Watch {
		return d.watched(r.Context(), q, h)
	}
	if d.ctx.Err() != nil {
		return Decision{}, errProgram()
	}
	consistency := ""
	if d.options.Consistency != nil {
		consistency = d.options.Consistency(r)
	}
	// From before the question: the server's instant is a later one.
	asked := time.Now()
	decision, err := d.Ask(r.Context(), q, consistency)
	if err != nil {
		d.options.Log.WarnContext(r.Context(), "no decision", "error", err)
		return Decision{}, err
	}
	left, ends := decision.left(d.options.Now())
	if left -= time.Since(asked); decision.Allowed && ends {
		end := time.AfterFunc(left, func() { h.cut(fmt.Errorf("%w: the grant is over", ErrClosed)) })
		h.atEnd(func() { end.Stop() })
	}
	stop := context.AfterFunc(d.ctx, func() { h.cut(fmt.Errorf("%w: by its program", ErrClosed)) })
	h.atEnd(func() { stop() })
	return decision, nil
}

// Refuse answers a request that does not get through, as doors do unless told otherwise: 403 where the server says no, 401 where
// nobody is known to ask, and 503 where there is no decision or the server cannot know now. The answer is kept by nobody.
func Refuse(w http.ResponseWriter, _ *http.Request, d Decision, err error) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case errors.Is(err, ErrNobody):
		http.Error(w, "It is not known who you are.", http.StatusUnauthorized)
	case err != nil || d.Temporary():
		w.Header().Set("Retry-After", "5")
		http.Error(w, "It cannot be decided now whether you may do this.", http.StatusServiceUnavailable)
	case d.Reason == "notActivated":
		http.Error(w, "You are eligible for this; activate it first.", http.StatusForbidden)
	default:
		http.Error(w, "You may not do this now.", http.StatusForbidden)
	}
}
