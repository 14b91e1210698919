package api

import (
	"net/http"
	"time"
)

// streamWithin is how long one piece of a streamed answer may take on its way to the caller.
const streamWithin = time.Minute

// stream sends an answer that is made while it is sent.
func (f *Frame) stream(w http.ResponseWriter, call *Request, a Answer) {
	w.WriteHeader(a.Status)
	if err := a.Stream(call.whole, patient{w, http.NewResponseController(w)}); err != nil {
		f.Log.WarnContext(call.whole, "an answer was broken off", "request", call.ID, "path", call.URL.Path, "error", err)
		panic(http.ErrAbortHandler) // the status is sent: all that is left is to break the connection
	}
}

// patient gives each piece the time that the server gives a whole answer, and sends it at once.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	// A writer that knows no deadlines or pieces, such as one that records, takes its time.
	_ = p.control.SetWriteDeadline(time.Now().Add(streamWithin))
	n, err := p.ResponseWriter.Write(b)
	if err == nil {
		_ = p.control.Flush()
	}
	return n, err
}
