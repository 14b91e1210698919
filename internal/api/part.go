package api

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
)

// Part makes a call within this one, such as a part of a batch, for Again to serve: by the same caller, from the same place, with
// headers of its own, but for those by which callers are known. The error says that the address or the method cannot be so.
func (r *Request) Part(method string, address *url.URL, headers map[string]string, body []byte) (*http.Request, error) {
	u := *address
	u.Scheme, u.Host, u.User, u.RawPath = "", "", nil, address.EscapedPath()
	var err error
	if u.Path, err = url.PathUnescape(u.RawPath); err != nil {
		return nil, err
	}
	part, err := http.NewRequestWithContext(r.Context(), strings.ToUpper(method), "/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	part.URL, part.Host, part.RemoteAddr, part.TLS = &u, r.Host, r.RemoteAddr, r.TLS
	for k, v := range headers {
		part.Header.Set(k, v)
	}
	part.Header.Del("Content-Encoding")
	for _, own := range []string{"Authorization", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"} {
		part.Header.Del(own)
		for _, v := range r.Header.Values(own) {
			part.Header.Add(own, v)
		}
	}
	return part, nil
}

// Recorder is the answer of one part.
type Recorder struct {
	Status int
	Body   []byte
	header http.Header
}

// Header is the header of the answer.
func (r *Recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

// WriteHeader keeps the first status.
func (r *Recorder) WriteHeader(status int) {
	if r.Status == 0 {
		r.Status = status
	}
}

// Write keeps the body.
func (r *Recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.Body = append(r.Body, b...)
	return len(b), nil
}

// Headers are the headers as texts, without the length, for bodies that stand within another.
func (r *Recorder) Headers() map[string]string {
	headers := map[string]string{}
	for k := range r.Header() {
		headers[k] = r.header.Get(k)
	}
	delete(headers, "Content-Length")
	return headers
}

// IsJSON says whether the body is JSON.
func (r *Recorder) IsJSON() bool {
	return strings.HasPrefix(r.Header().Get("Content-Type"), "application/json")
}
