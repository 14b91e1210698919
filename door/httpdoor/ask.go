package httpdoor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// The shapes of an evaluation (OpenID Authorization API 1.0, §6), as far as a door needs them.
type (
	evaluation struct {
		Subject  entity             `json:"subject"`
		Action   action             `json:"action"`
		Resource entity             `json:"resource"`
		Context  *evaluationContext `json:"context,omitempty"`
	}
	entity struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	action struct {
		Name       string            `json:"name"`
		Properties *actionProperties `json:"properties,omitempty"`
	}
	actionProperties struct {
		DataAction bool `json:"dataAction"`
	}
	evaluationContext struct {
		ConsistencyToken string `json:"consistencyToken,omitempty"`
	}
	evaluated struct {
		Decision bool        `json:"decision"`
		Context  explanation `json:"context"`
	}
	// explanation is what Portcullis says of a decision, in the context of an answer and in the events of a stream.
	explanation struct {
		Reason           string    `json:"reason"`
		Until            time.Time `json:"until"`
		NextChange       time.Time `json:"nextChange"`
		At               time.Time `json:"at"`
		ConsistencyToken string    `json:"consistencyToken"`
		Chain            []Link    `json:"chain"`
	}
)

func (x explanation) decision(allowed bool) Decision {
	return Decision{
		Allowed: allowed, Reason: x.Reason, Until: x.Until, NextChange: x.NextChange, At: x.At, Consistency: x.ConsistencyToken, Chain: x.Chain,
	}
}

func (q Question) evaluation(consistency string) evaluation {
	e := evaluation{
		Subject: entity(q.Subject), Action: action{Name: q.Action}, Resource: entity{Type: q.ResourceType, ID: q.Resource},
	}
	if q.DataAction {
		e.Action.Properties = &actionProperties{DataAction: true}
	}
	if consistency != "" {
		e.Context = &evaluationContext{ConsistencyToken: consistency}
	}
	return e
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// Ask asks once. A consistency token that is not "" names a write that the answer has to know of. The error wraps [ErrUnavailable]; the
// decision is a no then.
func (d *Door) Ask(ctx context.Context, q Question, consistency string) (Decision, error) {
	if err := q.check(); err != nil {
		return Decision{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	ctx, cancel := context.WithTimeout(ctx, d.options.Timeout)
	defer cancel()
	decision, err := d.ask(ctx, q, consistency)
	if err != nil {
		return Decision{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return decision, nil
}

func (d *Door) ask(ctx context.Context, q Question, consistency string) (Decision, error) {
	body, err := json.Marshal(q.evaluation(consistency))
	if err != nil {
		return Decision{}, err
	}
	answer, err := d.call(ctx, http.MethodPost, "/access/v1/evaluation", "", bytes.NewReader(body))
	if err != nil {
		return Decision{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return Decision{}, err
	}
	var in evaluated
	if err := json.Unmarshal(text, &in); err != nil {
		return Decision{}, fmt.Errorf("the answer is no decision: %w", err)
	}
	return in.Context.decision(in.Decision), nil
}

// consistencyHeader names a token that a call waits for.
const consistencyHeader = "Portcullis-Consistency"

// call makes a call with the door's own token. Any status but 200 is an error.
func (d *Door) call(ctx context.Context, method, pathAndQuery, consistency string, body io.Reader) (*http.Response, error) {
	token, err := d.options.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("the door's own token: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, d.origin.String()+pathAndQuery, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if consistency != "" {
		r.Header.Set(consistencyHeader, consistency)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := d.client.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the address, which names people
	}
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("the server answered %s", answer.Status)
	}
	return answer, nil
}
