package api

import (
	"context"
	"errors"
	"net/http"

	"portcullis/internal/app"
)

// ConsistencyHeader carries a consistency token: in answers to what may have written something, what has to be seen to see that too; in
// calls, what the node that serves them has to see first.
const ConsistencyHeader = "Portcullis-Consistency"

// Consistency tells what a node sees; *app.App does.
type Consistency interface {
	// Token is what this node sees now.
	Token() string
	// Await returns nil once this node sees what a token names: app.ErrToken, app.ErrBehind.
	Await(ctx context.Context, token string) error
}

// await waits until this node sees what a call wants to be seen.
func (f *Frame) await(call *Request) error {
	if f.Consistency == nil {
		return nil
	}
	token := call.Header.Get(ConsistencyHeader)
	if token == "" {
		return nil
	}
	err := f.Consistency.Await(call.Context(), token)
	if errors.Is(err, app.ErrToken) {
		return &Fault{Problem: BadBody, Detail: "The header " + ConsistencyHeader + " is not a consistency token.", Err: err}
	}
	return err
}

// consistent tells whoever may have written something what to see.
func (f *Frame) consistent(h http.Header, call *Request) {
	if f.Consistency == nil || call.Tenant == "" || call.Method == http.MethodGet || call.Method == http.MethodHead {
		return
	}
	if call.route != nil && call.route.route.Check { // a question writes nothing, whatever its method
		return
	}
	h.Set(ConsistencyHeader, f.Consistency.Token())
}
