package graph

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/wire"
)

// Batches of calls (learn.microsoft.com/graph/json-batching; reference graph-pim §15).

// maxParts is how many calls one batch may hold.
const maxParts = 20

// batchIn is the body of a batch.
type batchIn struct {
	Requests []partIn `json:"requests"`
}

type partIn struct {
	ID        partID            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []partID          `json:"dependsOn"`
}

// partID is a text; some clients write a number.
type partID string

// UnmarshalJSON reads a text or a number.
func (p *partID) UnmarshalJSON(b []byte) error {
	var n json.Number
	if err := json.Unmarshal(b, &n); err == nil && len(b) > 0 && b[0] != '"' {
		*p = partID(n.String())
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return wire.BadBody("The id of a request of the batch is neither a text nor a number.")
	}
	*p = partID(s)
	return nil
}

// order checks the batch and says in which order its parts run: each after those that it depends on.
func (in batchIn) order() ([]int, error) {
	if len(in.Requests) == 0 || len(in.Requests) > maxParts {
		return nil, badRequest("A batch has 1 to %d requests.", maxParts)
	}
	place := map[partID]int{}
	for i, p := range in.Requests {
		if _, twice := place[p.ID]; twice || p.ID == "" {
			return nil, badRequest("The ids of the requests of a batch must be there and differ.")
		}
		if p.Method == "" || p.URL == "" {
			return nil, badRequest("Each request of a batch has a method and a url.")
		}
		place[p.ID] = i
	}
	var order []int
	done := make([]bool, len(in.Requests))
	for len(order) < len(in.Requests) {
		before := len(order)
		for i, p := range in.Requests {
			if done[i] {
				continue
			}
			ready, err := p.ready(place, done)
			if err != nil {
				return nil, err
			}
			if ready {
				order, done[i] = append(order, i), true
			}
		}
		if len(order) == before {
			return nil, badRequest("The requests of the batch depend on each other in a circle.")
		}
	}
	return order, nil
}

func (p partIn) ready(place map[partID]int, done []bool) (bool, error) {
	for _, id := range p.DependsOn {
		i, ok := place[id]
		if !ok {
			return false, badRequest("A request of the batch depends on one that is not in it.")
		}
		if !done[i] {
			return false, nil
		}
	}
	return true, nil
}

func batch(c *call) (api.Answer, error) {
	var in batchIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	order, err := in.order()
	if err != nil {
		return api.Answer{}, err
	}
	status := map[partID]int{}
	o := wire.New(nil, nil)
	o.Name("responses")
	o.B = append(o.B, '[')
	for n, i := range order {
		p := in.Requests[i]
		rec := c.part(p, status)
		status[p.ID] = rec.Status
		if n > 0 {
			o.B = append(o.B, ',')
		}
		o.B = appendPart(o.B, string(p.ID), rec)
	}
	o.B = append(o.B, ']')
	return c.JSON(http.StatusOK, o.End()), nil
}

// part runs one call of a batch through all the steps that a call by itself takes.
func (c *call) part(p partIn, status map[partID]int) *api.Recorder {
	rec := &api.Recorder{}
	for _, id := range p.DependsOn {
		if status[id] >= http.StatusBadRequest {
			c.refusePart(rec, &problem{Status: http.StatusFailedDependency, Code: "FailedDependency", Message: "A request that this one depends on failed."})
			return rec
		}
	}
	r, bad := c.subrequest(p)
	if bad != nil {
		c.refusePart(rec, bad)
		return rec
	}
	c.Again.ServeHTTP(rec, r)
	return rec
}

// subrequest makes the call that a part describes. Its address is relative to the version, or begins with one.
func (c *call) subrequest(p partIn) (*http.Request, *problem) {
	u, err := url.Parse(p.URL)
	if err != nil || u.IsAbs() || u.Host != "" || u.Opaque != "" {
		return nil, badRequest("The url of a request of a batch is relative.")
	}
	path := "/" + strings.TrimLeft(u.EscapedPath(), "/")
	if version, _, _ := strings.Cut(strings.ToLower(path[1:]), "/"); version != "v1.0" && version != "beta" {
		path = "/" + versionName(c.beta) + path
	}
	if strings.Contains(strings.ToLower(path), "$batch") {
		return nil, badRequest("A batch cannot hold a batch.")
	}
	if u.Path, err = url.PathUnescape(path); err != nil {
		return nil, badRequest("The url of a request of a batch is not escaped rightly.")
	}
	u.RawPath = path
	body := []byte(p.Body)
	if string(body) == "null" {
		body = nil
	}
	r, err := c.Part(p.Method, u, p.Headers, body)
	if err != nil {
		return nil, badRequest("The method of a request of a batch is not known.")
	}
	return r, nil
}

func (c *call) refusePart(rec *api.Recorder, p *problem) {
	rec.Header().Set("Content-Type", listing.ContentType(listing.Minimal))
	a := p.Answer(c.Request, listing.ContentType(listing.Minimal))
	rec.Status, rec.Body = a.Status, a.Body
}

// appendPart writes the answer of a part as a member of the batch's.
func appendPart(b []byte, id string, rec *api.Recorder) []byte {
	o := wire.New(b, nil)
	o.Str("id", id)
	o.Int("status", max(rec.Status, http.StatusOK))
	o.Raw("headers", wire.MustJSON(rec.Headers()))
	switch {
	case len(rec.Body) == 0:
		o.Null("body")
	case rec.IsJSON():
		o.Raw("body", rec.Body)
	default:
		o.Raw("body", wire.MustJSON(rec.Body)) // []byte goes out as base64
	}
	return o.End()
}
