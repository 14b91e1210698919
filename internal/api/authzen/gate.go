package authzen

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"portcullis/internal/api"
)

// subjectHeader names the subject where the address does not.
const subjectHeader = "Portcullis-Subject"

// gate answers a question by the status alone.
func (s *Surface) gate(r *api.Request) (api.Answer, error) {
	values, err := parameters(r, "")
	if err != nil {
		return api.Answer{}, err
	}
	header := r.Header[subjectHeader]
	switch subject := values.Get("subject"); {
	case len(header) > 1 || len(header) == 1 && values.Has("subject"):
		return api.Answer{}, malformed("The subject is named twice.")
	case len(header) == 1:
		values.Set("subject", header[0])
	case subject == "":
		return api.Answer{}, malformed("subject is missing.")
	}
	q, err := questionOf(values)
	if err != nil {
		return api.Answer{}, err
	}
	a := s.begin(r)
	d, err := a.decide(&q)
	if err != nil {
		return api.Answer{}, err
	}
	a.looked()
	s.checked(d.reason)
	told := http.Header{"Portcullis-Reason": {d.reason}}
	if a.token != "" {
		told.Set(api.ConsistencyHeader, a.token)
	}
	if !d.yes {
		return api.Answer{Status: http.StatusForbidden, Header: told}, nil
	}
	if !d.until.IsZero() {
		told.Set("Portcullis-Until", d.until.UTC().Format(time.RFC3339Nano))
	}
	return api.Answer{Status: http.StatusOK, Header: told}, nil
}

// parameters reads the address's: known ones, each once, but for the one that may come again.
func parameters(r *api.Request, repeated string) (url.Values, error) {
	if len(r.Sent.RawQuery) > api.MaxBody/16 {
		return nil, malformed("The address is too long.")
	}
	values, err := url.ParseQuery(r.Sent.RawQuery)
	if err != nil {
		return nil, malformed("The parameters of the address cannot be read.")
	}
	known := []string{"subject", "subjectType", "action", "resourceType", "resource", "dataAction"}
	for name, list := range values {
		if !slices.Contains(known, name) {
			return nil, malformed("There is no parameter %.40q.", name)
		}
		if len(list) > 1 && name != repeated {
			return nil, malformed("The parameter '%s' comes twice.", name)
		}
	}
	return values, nil
}

// questionOf reads the question of an address. Without a type of the resource, its form tells what it is.
func questionOf(values url.Values) (asked, error) {
	q := asked{
		subject: entity{kind: values.Get("subjectType"), id: values.Get("subject")}, action: values.Get("action"),
		resource: entity{kind: values.Get("resourceType"), id: values.Get("resource")}, scope: values.Get("resource"),
	}
	switch values.Get("dataAction") {
	case "", "false":
	case "true":
		q.data = true
	default:
		return q, malformed("The parameter 'dataAction' is true or false.")
	}
	if q.action == "" || q.resource.id == "" {
		return q, malformed("action or resource is missing.")
	}
	for _, text := range []string{q.subject.kind, q.subject.id, q.action, q.resource.kind, q.resource.id} {
		if len(text) > longest {
			return q, malformed("A parameter is longer than %d bytes.", longest)
		}
	}
	return q, nil
}
