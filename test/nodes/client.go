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

// check asks whether somebody holds a role. known is false where the node says that it cannot know.
func (c *client) check(ctx context.Context, token, consistency string, k Case) (held, known bool, reason, next string, err error) {
	q := url.Values{"role": {k.Role}, "principal": {k.Principal}}
	a, err := c.do(ctx, call{method: http.MethodGet, path: "/portcullis/v1/check?" + q.Encode(), token: token, consistency: consistency})
	if err != nil {
		return false, false, "", "", err
	}
	var out struct {
		Held   bool
		Reason string
	}
	if a.status == http.StatusServiceUnavailable {
		return false, false, "unavailable", "", nil
	}
	if a.status != http.StatusOK {
		return false, false, "", "", &errAnswer{a, "check"}
	}
	if err := json.Unmarshal(a.body, &out); err != nil {
		return false, false, "", "", err
	}
	known = out.Reason != "stale" && out.Reason != "behind"
	return out.Held, known, out.Reason, a.consistency, nil
}
