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
	for i := range b.list {
		d, err := a.decideOne(&b.list[i], behind)
		if err != nil {
			return nil, err
		}
		s.checked(d.reason)
		room.said = append(room.said, d)
		if stops && d.yes == stopAt {
			break
		}
	}
	a.looked()
	return a.appendAll(room.out[:0], room.said), nil
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

// decideOne answers one of several questions.
func (a *asking) decideOne(q *asked, behind map[string]bool) (decision, error) {
	d, err := a.decide(q)
	switch {
	case err != nil && forbidden(err):
		return no(reasonForbidden), nil
	case err == nil && behind[q.token]:
		return no(reasonBehind), nil
	}
	return d, err
}

// appendAll appends the answers to several evaluations ("Access Evaluations Response").
func (a *asking) appendAll(b []byte, said []decision) []byte {
	b = append(b, `{"evaluations":[`...)
	for i := range said {
		if i > 0 {
			b = append(b, ',')
		}
		if d := &said[i]; d.reason == reasonForbidden {
			b = appendForbidden(b)
		} else {
			b = a.appendDecision(b, d)
		}
	}
	return append(b, ']', '}')
}
