package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a body.
const (
	// MaxBody is the longest body in bytes, both as sent and decompressed.
	MaxBody = 1 << 20
	// MaxDepth is the deepest JSON.
	MaxDepth = 64
)

// Body reads the whole body of the call, decompressed. The error is a *Fault.
func (r *Request) Body() ([]byte, error) {
	var in io.Reader = http.MaxBytesReader(r.writer, r.Request.Body, MaxBody)
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unzip, err := gzip.NewReader(in)
		if err != nil {
			return nil, badBody(err, "The body is not gzip, as its Content-Encoding says.")
		}
		in = unzip
	default:
		return nil, &Fault{Problem: BadEncoding, Detail: "The Content-Encoding of the body is not supported; use gzip or none."}
	}
	body, err := io.ReadAll(io.LimitReader(in, MaxBody+1))
	if err != nil {
		return nil, badBody(err, "The body cannot be read.")
	}
	if len(body) > MaxBody {
		return nil, tooLarge()
	}
	return body, nil
}

// AppendBody is Body for room that is at hand: it appends to a slice.
func (r *Request) AppendBody(b []byte) ([]byte, error) {
	n := int(r.ContentLength)
	if n < 0 || n > MaxBody || len(r.Header["Content-Encoding"]) > 0 {
		body, err := r.Body()
		return append(b, body...), err
	}
	if n == 0 {
		return b, nil
	}
	at := len(b)
	b = slices.Grow(b, n)[:at+n]
	if _, err := io.ReadFull(r.Request.Body, b[at:]); err != nil {
		return b[:at], badBody(err, "The body cannot be read.")
	}
	return b, nil
}

func tooLarge() *Fault {
	return &Fault{Problem: TooLarge, Detail: fmt.Sprintf("The body is larger than %d bytes.", MaxBody)}
}

func badBody(err error, detail string) *Fault {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge()
	}
	return &Fault{Problem: BadBody, Detail: detail, Err: err}
}

// Decode reads the body of the call into a wire struct. Names match without letter case, unknown ones are ignored, and
// an explicit null leaves a member as it is. The error is a *Fault that says what is wrong.
func Decode(r *Request, into any) error {
	body, err := r.Body()
	if err != nil {
		return err
	}
	return DecodeBytes(body, into)
}

// DecodeBytes is Decode for bytes at hand.
func DecodeBytes(body []byte, into any) error {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return badBody(nil, "The body is missing; a JSON object is expected.")
	case !utf8.Valid(body):
		return badBody(nil, "The body is not valid UTF-8.")
	case tooDeep(body):
		return badBody(nil, fmt.Sprintf("The body is JSON of more than %d levels.", MaxDepth))
	}
	return jsonFault(json.Unmarshal(body, into))
}

func jsonFault(err error) error {
	if err == nil {
		return nil
	}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := "The body"
		if t.Field != "" {
			where = fmt.Sprintf("Property '%s'", t.Field)
		}
		return badBody(err, fmt.Sprintf("%s has a value of the wrong type (%s).", where, t.Value))
	}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return badBody(err, fmt.Sprintf("The body is not valid JSON: %s at byte %d.", s, s.Offset))
	}
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return badBody(err, "The body is not the JSON that is expected here: "+err.Error()+".")
}

// tooDeep counts brackets outside of texts before anything recurses over them.
func tooDeep(body []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
