package authzen

import (
	"errors"
	"net/http"
	"sync"

	"portcullis/internal/api"
	"portcullis/internal/pim"
)

// scratch is the room that one call needs. It is used again and again.
type scratch struct {
	in, out []byte
	batch   batch
	said    []decision
	// release gives it back once the answer is sent.
	release func()
}

// roomiest is how large room may have become and be used again, in bytes.
const roomiest = 64 << 10

type rooms struct{ pool sync.Pool }

func (r *rooms) get() *scratch {
	if s, ok := r.pool.Get().(*scratch); ok {
		return s
	}
	s := &scratch{in: make([]byte, 0, 1024), out: make([]byte, 0, 1024)}
	s.release = func() {
		if cap(s.in) > roomiest || cap(s.out) > roomiest {
			return
		}
		clear(s.batch.list) // lest it keeps the body alive
		if s.batch.list != nil {
			s.batch.room = s.batch.list
		}
		s.batch = batch{room: s.batch.room[:0]}
		clear(s.said)
		s.said = s.said[:0]
		r.pool.Put(s)
	}
	return s
}

const typeJSON = "application/json"

// evaluation answers one question ("Access Evaluation API").
func (s *Surface) evaluation(r *api.Request) (api.Answer, error) {
	room := s.rooms.get()
	out, err := s.evaluate(r, room)
	if err != nil {
		room.release()
		return api.Answer{}, err
	}
	room.out = out
	return api.Answer{Status: http.StatusOK, Type: typeJSON, Header: requestID(r), Body: out, Done: room.release}, nil
}

func (s *Surface) evaluate(r *api.Request, room *scratch) ([]byte, error) {
	var err error
	if room.in, err = r.AppendBody(room.in[:0]); err != nil {
		return nil, err
	}
	var q asked
	if err := readEvaluation(room.in, &q); err != nil {
		return nil, err
	}
	return s.one(r, &q, room.out[:0])
}

// one answers a question that was read.
func (s *Surface) one(r *api.Request, q *asked, out []byte) ([]byte, error) {
	if err := q.complete("", partSubject|partAction|partResource, 0); err != nil {
		return nil, err
	}
	there, err := s.await(r.Context(), q.token)
	if err != nil {
		return nil, err
	}
	a := s.begin(r)
	d, err := a.decide(q)
	if err != nil {
		return nil, err
	}
	if !there {
		d = no(reasonBehind)
	}
	a.looked()
	s.checked(d.reason)
	return a.appendDecision(out, &d), nil
}

func (s *Surface) checked(reason string) {
	if s.Checked != nil {
		s.Checked(reason)
	}
}

// forbidden says whether an error is that the caller may not ask.
func forbidden(err error) bool {
	if f, ok := errors.AsType[*api.Fault](err); ok {
		return f.Problem == api.MissingPermission
	}
	r, ok := errors.AsType[*pim.Refusal](err)
	return ok && r.Code == pim.Forbidden
}

// requestID sends back the caller's own name for the call ("Request Identification"); nil: it has none, or none that can be sent.
func requestID(r *api.Request) http.Header {
	id := r.Header["X-Request-Id"]
	if len(id) == 0 || id[0] == "" || len(id[0]) > 128 || !printable(id[0]) {
		return nil
	}
	return http.Header{"X-Request-Id": id[:1:1]}
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
