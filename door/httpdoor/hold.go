package httpdoor

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// hold is a request that was let through and goes on. Whoever made it ends it once: by finish, when it is answered, or by cut.
type hold struct {
	cancel  context.CancelCauseFunc
	control *http.ResponseController

	mu    sync.Mutex
	ended bool
	conn  *heldConn // what the handler took over
	after []func()  // what is done at the end
}

// cut ends the request's context for a reason and breaks its connection.
func (h *hold) cut(cause error) {
	if taken := h.breakOff(cause); taken {
		h.release() // the handler may have returned long ago
	}
}

// breakOff does so, and tells whether the connection was taken over.
func (h *hold) breakOff(cause error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return false
	}
	h.ended = true
	h.cancel(cause)
	if h.conn != nil {
		_ = h.conn.Conn.Close() // its owner meets the error at the next use
		return true
	}
	// A writer that knows no deadlines, such as one that records, has no connection to break.
	past := time.Unix(1, 0)
	_ = h.control.SetReadDeadline(past)
	_ = h.control.SetWriteDeadline(past)
	return false
}

// finish lets go of a request whose handler has returned. A connection that was taken over is held until it is closed.
func (h *hold) finish() {
	h.mu.Lock()
	taken := h.conn != nil && !h.ended
	if !taken {
		h.ended = true
	}
	h.mu.Unlock()
	if !taken {
		h.release()
	}
}

// release does what is to be done at the end, once.
func (h *hold) release() {
	h.mu.Lock()
	after := h.after
	h.after = nil
	h.mu.Unlock()
	for _, f := range after {
		f()
	}
	h.cancel(context.Canceled)
}

// atEnd has something done when the request is over.
func (h *hold) atEnd(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.after = append(h.after, f)
}

// takeOver notes a connection that the handler goes on with by itself; false: the door has closed meanwhile.
func (h *hold) takeOver(c *heldConn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return false
	}
	h.conn = c
	return true
}

// heldConn is a connection that was taken over: the door can close it, and lets go of it when its owner has.
type heldConn struct {
	net.Conn
	hold *hold
}

func (c *heldConn) Close() error {
	err := c.Conn.Close()
	c.hold.mu.Lock()
	c.hold.ended = true
	c.hold.mu.Unlock()
	c.hold.release()
	return err
}

// writer is what the handler answers to: the real one, but for taking the connection over.
type writer struct {
	http.ResponseWriter
	hold *hold
}

// Unwrap is for [http.ResponseController].
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for handlers that ask for an [http.Flusher].
func (w *writer) Flush() { _ = w.hold.control.Flush() }

// FlushError is how [http.ResponseController] flushes: a handler learns from it that the door has closed.
func (w *writer) FlushError() error { return w.hold.control.Flush() }

// ReadFrom keeps what the real writer makes of a file.
func (w *writer) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }

// Hijack takes the connection over.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := w.hold.control.Hijack()
	if err != nil {
		return nil, nil, err
	}
	held := &heldConn{Conn: conn, hold: w.hold}
	if !w.hold.takeOver(held) {
		_ = conn.Close() // the door closed just now
		return nil, nil, ErrClosed
	}
	return held, buffered, nil
}
