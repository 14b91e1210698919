package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func bodyRequest(t *testing.T, body []byte, encoding string) *Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Encoding", encoding)
	return &Request{Request: r, writer: httptest.NewRecorder()}
}

func zipped(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func problemIn(err error) Problem {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Problem
	}
	return -1
}

func TestBodiesAreBounded(t *testing.T) {
	big := bytes.Repeat([]byte(" "), MaxBody+1)
	for _, c := range []struct {
		name, encoding string
		body           []byte
		want           Problem
	}{
		{"too long", "", big, TooLarge},
		{"a bomb", "gzip", zipped(t, bytes.Repeat([]byte("a"), 4*MaxBody)), TooLarge},
		{"no gzip", "gzip", []byte("{}"), BadBody},
		{"cut gzip", "gzip", zipped(t, big[:1000])[:20], BadBody},
		{"unknown", "br", []byte("{}"), BadEncoding},
	} {
		if _, err := bodyRequest(t, c.body, c.encoding).Body(); problemIn(err) != c.want {
			t.Errorf("%s: got %v, want problem %d", c.name, err, c.want)
		}
	}
	for _, encoding := range []string{"", "identity", "GZIP", "x-gzip"} {
		body := []byte(`{"a":1}`)
		if strings.Contains(strings.ToLower(encoding), "gzip") {
			body = zipped(t, body)
		}
		if got, err := bodyRequest(t, body, encoding).Body(); err != nil || string(got) != `{"a":1}` {
			t.Errorf("%q: got %q, %v", encoding, got, err)
		}
	}
}

func TestDecodingIsTolerantAndClear(t *testing.T) {
	type wire struct {
		Name  string `json:"name"`
		Count int    `json:"count"`
		In    *struct {
			Flag bool `json:"flag"`
		} `json:"in"`
	}
	for _, good := range []string{`{"NAME":"a","x":[{}]}`, `{"name":null,"count":null,"in":null}`, "\xef\xbb\xbf{}", ` {"In":{"FLAG":true}} `} {
		var w wire
		if err := DecodeBytes([]byte(good), &w); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		``:                          "missing",
		`{"name":1}`:                "'name'",
		`{"in":{"flag":"true"}}`:    "'in.flag'",
		`{} {}`:                     "not valid JSON",
		`[]`:                        "wrong type",
		`{"name":"` + "\xff" + `"}`: "UTF-8",
		strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1): "levels",
	} {
		var w wire
		err := DecodeBytes([]byte(bad), &w)
		if problemIn(err) != BadBody || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %v, want a bad body that says %q", bad, err, want)
		}
	}
}

func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "a\"b\\", "\x00\x1f\u2028<&>", "\xff\xfe", "ä€😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		if got, want := string(AppendText(nil, s)), strings.TrimSuffix(b.String(), "\n"); got != want {
			t.Fatalf("%q: got %s, want %s", s, got, want)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":"c"}]}`))
	f.Add([]byte(`"\ud800"`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var v map[string]any
		if err := DecodeBytes(body, &v); err != nil && problemIn(err) != BadBody {
			t.Fatalf("got %v, want a bad body", err)
		}
	})
}
