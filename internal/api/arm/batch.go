package arm

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
)

// Batches of calls (reference arm-pim §13), which are not published.

// Bounds of a batch: how many calls, and how many of them with bodies.
const (
	mostParts  = 500
	mostBodies = 20
	// namedAbove is how many calls a batch may have before each has to have a name.
	namedAbove = 20
)

func batchRoutes() []route { return []route{{post, "/batch", batch}} }

type partIn struct {
	Method      string          `json:"httpMethod"`
	Name        string          `json:"name"`
	URL         string          `json:"url"`
	RelativeURL string          `json:"relativeUrl"`
	Headers     map[string]any  `json:"requestHeaderDetails"`
	Content     json.RawMessage `json:"content"`
}

func batch(c *call) (api.Answer, error) {
	var in struct {
		Requests []partIn `json:"requests"`
	}
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	if err := bounded(in.Requests); err != nil {
		return api.Answer{}, err
	}
	o := wire.New(nil, nil)
	o.Name("responses")
	o.B = wire.AppendEach(o.B, in.Requests, func(b []byte, p partIn) []byte { return appendPart(b, p.Name, c.part(p)) })
	return c.json(http.StatusOK, o.End()), nil
}

func bounded(parts []partIn) error {
	if len(parts) == 0 || len(parts) > mostParts {
		return invalidContent("a batch has 1 to 500 requests.")
	}
	bodies := 0
	for _, p := range parts {
		if p.body() != nil {
			bodies++
		}
		if p.Name == "" && len(parts) > namedAbove {
			return invalidContent("each request of a batch of more than 20 has a name.")
		}
	}
	if bodies > mostBodies {
		return invalidContent("at most 20 requests of a batch have content.")
	}
	return nil
}

func (p partIn) body() []byte {
	if string(p.Content) == "null" || len(p.Content) == 0 {
		return nil
	}
	return p.Content
}

// part runs one call of a batch through all the steps that a call by itself takes.
func (c *call) part(p partIn) *api.Recorder {
	rec := &api.Recorder{}
	r, err := c.subrequest(p)
	if err != nil {
		a := c.Problem(c.Request, err)
		rec.Header().Set("Content-Type", a.Type)
		rec.Status, rec.Body = a.Status, a.Body
		return rec
	}
	c.Again.ServeHTTP(rec, r)
	return rec
}

// subrequest makes the call that a part describes. Its address is on this host.
func (c *call) subrequest(p partIn) (*http.Request, error) {
	text := cmp.Or(p.URL, p.RelativeURL)
	u, err := url.Parse(text)
	if err != nil || text == "" || u.Opaque != "" || u.Host != "" && !strings.EqualFold(u.Scheme+"://"+u.Host, c.Origin) {
		return nil, invalidContent("the url of a request of a batch is relative, or on this host.")
	}
	u.Path = "/" + strings.TrimLeft(u.Path, "/")
	surface, rest, _ := strings.Cut(u.Path[1:], "/")
	if wire.IndexFold(c.Prefixes(), surface) < 0 || strings.EqualFold(surface, "batch") && strings.Trim(rest, "/") == "" {
		return nil, invalidContent("a batch holds no batch, and nothing but calls of Azure Resource Manager.")
	}
	headers := map[string]string{}
	for k, v := range p.Headers {
		if text, ok := v.(string); ok {
			headers[k] = text
		}
	}
	r, err := c.Part(p.Method, u, headers, p.body())
	if err != nil {
		return nil, invalidContent("the method or url of a request of a batch cannot be so.")
	}
	return r, nil
}

func appendPart(b []byte, name string, rec *api.Recorder) []byte {
	o := wire.New(b, nil)
	o.Str("name", name)
	o.Int("httpStatusCode", max(rec.Status, http.StatusOK))
	o.Raw("headers", wire.MustJSON(rec.Headers()))
	switch {
	case len(rec.Body) == 0:
	case rec.IsJSON():
		o.Raw("content", rec.Body)
	default:
		o.Str("content", string(rec.Body))
	}
	o.Int("contentLength", len(rec.Body))
	return o.End()
}
