package api

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// streamWithin is how long one piece of a streamed answer may take on its way to the caller.
const streamWithin = time.Minute

// stream sends an answer that is made while it is sent. Between two pieces it may be still for as long as it likes: the deadlines of
// whole calls, which the server has set, are taken off, also that for reading: when it passes, net/http takes the caller for gone.
func (f *Frame) stream(w http.ResponseWriter, call *Request, a Answer) {
	control := http.NewResponseController(w)
	// A writer that knows no deadlines or pieces, such as one that records, takes its time.
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Now().Add(streamWithin))
	w.WriteHeader(a.Status)
	_ = control.Flush()
	_ = control.SetWriteDeadline(time.Time{})
	ctx, cancel := context.WithCancel(call.whole)
	defer cancel()
	if a.Endless {
		defer context.AfterFunc(f.stopping, cancel)()
	}
	err := a.Stream(ctx, patient{w, control})
	if a.Endless && f.stopping.Err() != nil {
		err = nil // it ends here as well as anywhere
	}
	if err != nil {
		if call.whole.Err() == nil {
			f.Log.WarnContext(call.whole, "an answer was broken off", "request", call.ID, "path", call.URL.Path, "error", err)
		}
		panic(http.ErrAbortHandler) // the status is sent: all that is left is to break the connection
	}
	_ = control.SetWriteDeadline(time.Now().Add(streamWithin)) // for the last of it, which net/http sends
}

// Stop ends the answers that have no end of their own. It is for a server that stops.
func (f *Frame) Stop() { f.stop() }

// patient gives each piece the time that the server gives a whole answer, and sends it at once.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(streamWithin))
	n, err := p.ResponseWriter.Write(b)
	if err == nil {
		err = p.control.Flush()
		if errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
	}
	_ = p.control.SetWriteDeadline(time.Time{}) // of HTTP/2 a deadline that passes while nothing is sent would end the stream
	return n, err
}
