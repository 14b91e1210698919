package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Source is a server as a directory source sees it: its SCIM surface, by the source's token. It is safe for concurrent use.
type Source struct {
	client *Client
	token  string
}

// NewSource makes a source. The error says what is wrong with the options.
func NewSource(o Options, token string) (*Source, error) {
	c, err := New(o)
	if err != nil {
		return nil, err
	}
	return &Source{c, token}, nil
}

// Call sends a request and reads the JSON answer into out, which may be nil. path is below /scim/v2 and may have a query.
// The error is an *Error, with the server's words (RFC 7644 §3.12), or an *Unreachable.
func (s *Source) Call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
	}
	r, err := s.client.send(ctx, method, s.client.Server+"/scim/v2"+path, s.token, "application/scim+json", body)
	if err != nil {
		return err
	}
	if r.status/100 != http.StatusOK/100 {
		var told struct{ Detail, ScimType string }
		if json.Unmarshal(r.body, &told) != nil || told.Detail == "" {
			return errorOf(r)
		}
		return &Error{Status: r.status, Code: told.ScimType, Message: told.Detail, RequestID: r.header.Get("Request-Id")}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(r.body, out); err != nil {
		return fmt.Errorf("the answer to %s %s is not the JSON that is expected: %w", method, pathOf(path), err)
	}
	return nil
}
