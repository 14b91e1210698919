package odata

import (
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strings"
)

// Bounds of a skip token.
const (
	maxTokenParts = 16
	maxTokenBytes = 2 << 10
	tokenVersion  = 1 // the first byte; later forms get other numbers
)

// EncodeToken packs the parts, in practice the key of a page's last row, into an opaque $skiptoken. It hides nothing
// and is not signed: what DecodeToken gives is the caller's word. More than 16 parts or 2 KiB do not decode.
func EncodeToken(parts ...string) string {
	b := []byte{tokenVersion}
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeToken is the inverse of EncodeToken. The error is an *Error: not such a token, or too large.
func DecodeToken(token string) ([]string, error) {
	bad := refuse("$skiptoken", "not a token that this server gave")
	if len(token) > base64.RawURLEncoding.EncodedLen(maxTokenBytes) {
		return nil, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) == 0 || b[0] != tokenVersion || strings.ContainsAny(token, "\r\n") {
		return nil, bad
	}
	parts := []string{}
	for b = b[1:]; len(b) > 0; {
		n, width := binary.Uvarint(b)
		if width <= 0 || n > uint64(len(b)-width) || len(parts) == maxTokenParts {
			return nil, bad
		}
		parts = append(parts, string(b[width:width+int(n)]))
		b = b[width+int(n):]
	}
	return parts, nil
}

// NextLink is the address of the next page: base, which must be the absolute address by which the request came, with
// all options of its query but $skip and $skiptoken, and with the token as $skiptoken.
func NextLink(base *url.URL, token string) string {
	next := *base
	next.Fragment, next.RawFragment, next.User = "", "", nil
	var pairs []string
	for pair := range strings.SplitSeq(base.RawQuery, "&") {
		k, v, valued := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(k)
		if err != nil || pair == "" {
			continue
		}
		value, err := url.QueryUnescape(v)
		if name := optionName(key); err != nil || name == "skip" || name == "skiptoken" {
			continue
		}
		// Written anew, because raw blanks and quotes come through HTTP/2 and are wrong in an address.
		pair = escape(key)
		if valued {
			pair += "=" + escape(value)
		}
		pairs = append(pairs, pair)
	}
	next.RawQuery = strings.Join(append(pairs, "$skiptoken="+escape(token)), "&")
	return next.String()
}

// escape leaves the dollar readable and writes blanks as %20, which every reader takes.
func escape(s string) string {
	return strings.NewReplacer("%24", "$", "+", "%20").Replace(url.QueryEscape(s))
}
