package authzen

import (
	"context"
	"fmt"
	"net/http"

	"portcullis/internal/api"
)

// The semantics of several evaluations ("Evaluations semantics").
const (
	executeAll          = "execute_all"
	denyOnFirstDeny     = "deny_on_first_deny"
	permitOnFirstPermit = "permit_on_first_permit"
)

// evaluations answers several questions as of one instant ("Access Evaluations API"). Without a list it is one evaluation.
func (s *Surface) evaluations(r *api.Request) (api.Answer, error) {
	room := s.rooms.get()
	out, err := s.evaluateAll(r, room)
	if err != nil {
		room.release()
		return api.Answer{}, err
	}
	room.out = out
	return api.Answer{Status: http.StatusOK, Type: typeJSON, Header: requestID(r), Body: out, Done: room.release}, nil
}

func (s *Surface) evaluateAll(r *api.Request, room *scratch) ([]byte, error) {
	var err error
	if room.in, err = r.AppendBody(room.in[:0]); err != nil {
		return nil, err
	}
	b := &room.batch
	if err := readEvaluations(room.in, b); err != nil {
		return nil, err
	}
	stopAt, stops := false, true
	switch b.semantic {
	case "", executeAll:
		stops = false
	case denyOnFirstDeny:
	case permitOnFirstPermit:
		stopAt = true
	default:
		return nil, malformed("options.evaluations_semantic is %s, %s or %s.", executeAll, denyOnFirstDeny, permitOnFirstPermit)
	}
	if len(b.list) == 0 {
		return s.one(r, &b.defaults, room.out[:0])
	}
	behind, err := s.awaitAll(r, b)
	if err != nil {
		return nil, err
	}
	a := s.begin(r)
	out := append(room.out[:0], `{"evaluations":[`...)
	for i := range b.list {
		if i > 0 {
			out = append(out, ',')
		}
		var yes bool
		if out, yes, err = a.appendOne(out, &b.list[i], behind); err != nil {
			return nil, err
		}
		if stops && yes == stopAt {
			break
		}
	}
	return append(out, ']', '}'), nil
}

// awaitAll completes the questions from the defaults, and waits for what they want to be seen. behind are the tokens that are not
// seen in time.
func (s *Surface) awaitAll(r *api.Request, b *batch) (behind map[string]bool, err error) {
	last, ctx := "", r.Context()
	for i := range b.list {
		q := &b.list[i]
		q.inherit(&b.defaults)
		if err := q.complete("", partSubject|partAction|partResource, 0); err != nil {
			return nil, malformed("evaluations[%d]: %s", i, err)
		}
		if q.token == last || behind[q.token] {
			continue
		}
		there, err := s.await(ctx, q.token)
		if err != nil {
			return nil, fmt.Errorf("evaluation %d: %w", i, err)
		}
		if !there {
			if behind == nil {
				behind = map[string]bool{}
			}
			behind[q.token] = true
			// What was waited for once is enough: the others have to be seen already.
			over, cancel := context.WithCancel(ctx)
			cancel()
			ctx = over
			continue
		}
		last = q.token
	}
	return behind, nil
}

// appendOne answers one of several questions.
func (a *asking) appendOne(out []byte, q *asked, behind map[string]bool) (_ []byte, yes bool, err error) {
	d, err := a.decide(q)
	if err != nil {
		if !forbidden(err) {
			return nil, false, err
		}
		a.checked(reasonForbidden)
		return appendForbidden(out), false, nil
	}
	if behind[q.token] {
		d = no(reasonBehind)
	}
	a.checked(d.reason)
	return a.appendDecision(out, &d), d.yes, nil
}
