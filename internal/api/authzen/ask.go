package authzen

import (
	"encoding/json"
	"fmt"
	"strings"

	"portcullis/internal/api"
)

// asked is what one evaluation asks, as far as it counts here (Authorization API 1.0, "Access Evaluation Request").
type asked struct {
	there    part
	subject  entity
	action   string
	data     bool // the action is one of the data plane
	resource entity
	// scope is what names the resource, where its type is none of ours.
	scope string
	// token is what has to be seen before it is answered.
	token string
}

// entity is what a subject or a resource is called by.
type entity struct{ kind, id string }

// part is one of the four parts of an evaluation.
type part uint8

const (
	partSubject part = 1 << iota
	partAction
	partResource
	partContext
)

// inherit takes from the defaults of several evaluations the parts that are not there, each as a whole.
func (a *asked) inherit(from *asked) {
	missing := from.there &^ a.there
	if missing&partSubject != 0 {
		a.subject = from.subject
	}
	if missing&partAction != 0 {
		a.action, a.data = from.action, from.data
	}
	if missing&partResource != 0 {
		a.resource, a.scope = from.resource, from.scope
	}
	if missing&partContext != 0 {
		a.token = from.token
	}
	a.there |= missing
}

// longest bounds each text of a question in bytes: the longest scope of resources fits.
const longest = 4096

// complete refuses an evaluation of which something is missing. wanted are the parts that it needs, without the id of what is
// searched for.
func (a *asked) complete(where string, wanted part, searched part) error {
	for _, m := range [...]struct {
		part part
		name string
		text string
		id   bool
	}{
		{partSubject, "subject.type", a.subject.kind, false}, {partSubject, "subject.id", a.subject.id, true},
		{partAction, "action.name", a.action, false},
		{partResource, "resource.type", a.resource.kind, false}, {partResource, "resource.id", a.resource.id, true},
	} {
		if wanted&m.part == 0 || m.id && searched&m.part != 0 {
			continue
		}
		if m.text == "" {
			return malformed("%s%s is missing.", where, m.name)
		}
		if len(m.text) > longest {
			return malformed("%s%s is longer than %d bytes.", where, m.name, longest)
		}
	}
	if len(a.scope) > longest || len(a.token) > longest {
		return malformed("%sresource.properties.scope or context.consistencyToken is longer than %d bytes.", where, longest)
	}
	return nil
}

func malformed(format string, args ...any) *api.Fault {
	return &api.Fault{Problem: api.BadBody, Detail: fmt.Sprintf(format, args...)}
}

// The bodies as the full decoder reads them. Members that do not count here are not named: subjects may have any properties.
type (
	wireEvaluation struct {
		Subject  *wireSubject  `json:"subject"`
		Action   *wireAction   `json:"action"`
		Resource *wireResource `json:"resource"`
		Context  *wireContext  `json:"context"`
	}
	wireSubject struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	wireAction struct {
		Name       string `json:"name"`
		Properties struct {
			Data bool `json:"dataAction"`
		} `json:"properties"`
	}
	wireResource struct {
		Type       string `json:"type"`
		ID         string `json:"id"`
		Properties struct {
			Scope string `json:"scope"`
		} `json:"properties"`
	}
	wireContext struct {
		Token string `json:"consistencyToken"`
	}
	wireEvaluations struct {
		wireEvaluation
		Evaluations []wireEvaluation `json:"evaluations"`
		Options     struct {
			Semantic string `json:"evaluations_semantic"`
		} `json:"options"`
	}
)

func (w *wireEvaluation) asked() (a asked) {
	if w.Subject != nil {
		a.there |= partSubject
		a.subject = entity{w.Subject.Type, w.Subject.ID}
	}
	if w.Action != nil {
		a.there |= partAction
		a.action, a.data = w.Action.Name, w.Action.Properties.Data
	}
	if w.Resource != nil {
		a.there |= partResource
		a.resource, a.scope = entity{w.Resource.Type, w.Resource.ID}, w.Resource.Properties.Scope
	}
	if w.Context != nil {
		a.there |= partContext
		a.token = w.Context.Token
	}
	return a
}

// readEvaluation reads the body of one evaluation.
func readEvaluation(body []byte, into *asked) error {
	if scanEvaluation(string(body), into) {
		return nil
	}
	var w wireEvaluation
	if err := object(body, &w); err != nil {
		return err
	}
	*into = w.asked()
	return nil
}

// object reads a body that has to be an object.
func object(body []byte, into any) error {
	if err := api.DecodeBytes(body, into); err != nil {
		return err
	}
	if text := strings.TrimSpace(strings.TrimPrefix(string(body), "\ufeff")); text[0] != '{' { // null decodes into anything
		return malformed("The body is not a JSON object.")
	}
	return nil
}

// batch is what several evaluations ask.
type batch struct {
	defaults asked
	list     []asked
	semantic string
	listed   bool
	// room is what list begins with.
	room []asked
}

// most is how many evaluations one call may have.
const most = 1000

// readEvaluations reads the body of several evaluations.
func readEvaluations(body []byte, into *batch) error {
	if !scanEvaluations(string(body), into) {
		// Counted before they are read: a body of nothing but empty ones would take a hundred times its length.
		var count struct {
			Evaluations []json.RawMessage `json:"evaluations"`
		}
		if json.Unmarshal(body, &count) == nil && len(count.Evaluations) > most {
			return malformed("There are more than %d evaluations.", most)
		}
		var w wireEvaluations
		if err := object(body, &w); err != nil {
			return err
		}
		*into = batch{defaults: w.asked(), semantic: w.Options.Semantic, room: into.room}
		for i := range w.Evaluations {
			into.list = append(into.list, w.Evaluations[i].asked())
		}
	}
	return nil
}

// wireSearch is the body of a search, with the page that is wanted ("Pagination").
type wireSearch struct {
	wireEvaluation
	Page struct {
		Token string      `json:"token"`
		Limit json.Number `json:"limit"`
		// Next is where drafts of the specification had the token.
		Next string `json:"next_token"`
	} `json:"page"`
}
