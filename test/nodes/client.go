package nodes

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// consistencyHeader carries a consistency token, in requests and answers.
const consistencyHeader = "Portcullis-Consistency"

// callWithin bounds one call. It is longer than any node is held up here, so that what a stopped one was asked is answered.
const callWithin = 30 * time.Second

// client calls one run of a node.
type client struct {
	url  string
	http *http.Client
}

func newClient(at where) (*client, error) {
	ca, err := os.ReadFile(at.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, MaxIdleConnsPerHost: 64}
	return &client{at.URL, &http.Client{Transport: t, Timeout: callWithin}}, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// call is a request to a node.
type call struct {
	method, path string
	// token says who calls, consistency what they know.
	token, consistency string
	body               any // nil: none
}

// answer is what came back.
type answer struct {
	status      int
	consistency string
	body        []byte
}

// maxAnswer bounds what is read.
const maxAnswer = 1 << 20

func (c *client) do(ctx context.Context, o call) (answer, error) {
	var body io.Reader
	if o.body != nil {
		text, err := json.Marshal(o.body)
		if err != nil {
			return answer{}, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, o.method, c.url+o.path, body)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+o.token)
	if o.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if o.consistency != "" {
		r.Header.Set(consistencyHeader, o.consistency)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return answer{res.StatusCode, res.Header.Get(consistencyHeader), text}, err
}

// errAnswer is an answer that is none to what was asked.
type errAnswer struct {
	answer
	asked string
}

func (e *errAnswer) Error() string {
	return fmt.Sprintf("%s: status %d: %.300s", e.asked, e.status, e.body)
}

// write grants or removes outside PIM, whose own grants run for five minutes at least, and returns the consistency token of
// the answer. What is so already is no error.
func (c *client) write(ctx context.Context, token string, w *Write) (string, error) {
	path := "/v1.0/directoryRoles(roleTemplateId='" + w.Case.Role + "')/members/"
	o := call{method: http.MethodDelete, path: path + w.Case.Principal + "/$ref", token: token}
	if w.Grants {
		o = call{method: http.MethodPost, path: path + "$ref", token: token, body: map[string]string{
			"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + w.Case.Principal,
		}}
	}
	a, err := c.do(ctx, o)
	if err != nil {
		return "", err
	}
	there := w.Grants && strings.Contains(string(a.body), "already exist")
	if a.status == http.StatusNoContent || there || !w.Grants && a.status == http.StatusNotFound {
		return a.consistency, nil
	}
	return "", &errAnswer{a, "write"}
}

// outcome is an answer to a check.
type outcome struct {
	held bool
	// reason tells unknown where the node says that it cannot know.
	reason  string
	unknown bool
	// consistency is the token of what the node saw.
	consistency string
}

func (o outcome) settled() outcome {
	o.unknown = o.reason == "stale" || o.reason == "behind" || o.reason == unavailable
	return o
}

// unavailable is the reason of a node that answers with 503.
const unavailable = "unavailable"

// evaluate asks whether somebody holds a role as doors do, with the token in the question.
func (c *client) evaluate(ctx context.Context, token, consistency string, k Case) (outcome, error) {
	body := map[string]any{
		"subject": map[string]string{"type": "user", "id": k.Principal}, "action": map[string]string{"name": k.Role},
		"resource": map[string]string{"type": "directory", "id": "/"},
	}
	if consistency != "" {
		body["context"] = map[string]string{"consistencyToken": consistency}
	}
	a, err := c.do(ctx, call{method: http.MethodPost, path: "/access/v1/evaluation", token: token, body: body})
	var out struct {
		Decision bool
		Context  struct{ Reason, ConsistencyToken string }
	}
	if err := a.decode(err, &out); err != nil {
		return outcome{reason: unavailable, unknown: true}, errUnless503(a, err)
	}
	return outcome{held: out.Decision, reason: out.Context.Reason, consistency: out.Context.ConsistencyToken}.settled(), nil
}

// check asks the same in Portcullis's own dialect, with the token in the header.
func (c *client) check(ctx context.Context, token, consistency string, k Case) (outcome, error) {
	q := url.Values{"role": {k.Role}, "principal": {k.Principal}}
	a, err := c.do(ctx, call{method: http.MethodGet, path: "/portcullis/v1/check?" + q.Encode(), token: token, consistency: consistency})
	var out struct {
		Held   bool
		Reason string
	}
	if err := a.decode(err, &out); err != nil {
		return outcome{reason: unavailable, unknown: true}, errUnless503(a, err)
	}
	return outcome{held: out.Held, reason: out.Reason, consistency: a.consistency}.settled(), nil
}

// decode reads the body of an answer that came without an error.
func (a answer) decode(err error, to any) error {
	switch {
	case err != nil:
		return err
	case a.status != http.StatusOK:
		return &errAnswer{a, "check"}
	}
	return json.Unmarshal(a.body, to)
}

// errUnless503 leaves out that the node cannot answer now.
func errUnless503(a answer, err error) error {
	if a.status == http.StatusServiceUnavailable {
		return nil
	}
	return err
}
