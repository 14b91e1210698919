package authzen

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"portcullis/internal/api"
	"portcullis/internal/pim"
)

// page is which part of the results of a search is wanted ("Pagination").
type page struct {
	limit int
	// after is the last result of the page before; empty: there was none.
	after string
	query [8]byte
}

const (
	defaultPage = 100
	mostPage    = 1000
)

// readPage reads which page of which search is wanted. A token is good for the same search, with the same limit, alone.
func readPage(t pim.TenantID, name string, w *wireSearch) (page, error) {
	p := page{limit: defaultPage, query: queryOf(t, name, w)}
	if w.Page.Limit != "" {
		n, err := strconv.ParseUint(w.Page.Limit.String(), 10, 31)
		if err != nil {
			return p, malformed("page.limit is not a whole number.")
		}
		if n > 0 { // none wanted is no page: the usual length, then
			p.limit = min(int(n), mostPage)
		}
	}
	token := w.Page.Token
	if token == "" {
		token = w.Page.Next
	}
	if token == "" {
		return p, nil
	}
	wrong := malformed("page.token is not one that was given for this search.")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) <= len(p.query)+2 || len(raw) > longest || !slices.Equal(raw[:len(p.query)], p.query[:]) {
		return p, wrong
	}
	limit := int(binary.BigEndian.Uint16(raw[len(p.query):]))
	if limit == 0 || limit > mostPage || w.Page.Limit != "" && limit != p.limit {
		return p, wrong
	}
	p.limit, p.after = limit, string(raw[len(p.query)+2:])
	return p, nil
}

// queryOf tells searches apart.
func queryOf(t pim.TenantID, name string, w *wireSearch) (sum [8]byte) {
	a := w.asked()
	text, err := json.Marshal([]any{t, name, a.subject.kind, a.subject.id, a.action, a.data, a.resource.kind, a.resource.id, a.scope})
	if err != nil { // texts and truths do not fail to marshal
		panic(err)
	}
	whole := sha256.Sum256(text)
	copy(sum[:], whole[:])
	return sum
}

func (p page) next(last string) string {
	raw := binary.BigEndian.AppendUint16(p.query[:len(p.query):len(p.query)], uint16(p.limit)) //nolint:gosec // at most mostPage
	return base64.RawURLEncoding.EncodeToString(append(raw, last...))
}

// results are one page of what was found.
type results struct {
	asking
	page page
	body []byte
	n    int
	// last is the last result, and more says that there are others behind it.
	last string
	more bool
}

// add appends a result where there is still room for it, and says whether there was.
func (f *results) add(key string, appendTo func([]byte) []byte) bool {
	if f.n == f.page.limit {
		f.more = true
		return false
	}
	if f.n > 0 {
		f.body = append(f.body, ',')
	}
	f.body = appendTo(f.body)
	f.n++
	f.last = key
	return true
}

// answer writes the page: "page" first, as the specification recommends, so that clients know how much comes.
func (f *results) answer() api.Answer {
	next := ""
	if f.more {
		next = f.page.next(f.last)
	}
	f.looked()
	out := fmt.Appendf(nil, `{"page":{"next_token":"%s","count":%d},"context":{"at":`, next, f.n)
	out = api.AppendTime(out, f.now)
	if f.token != "" {
		out = append(out, `,"consistencyToken":`...)
		out = api.AppendText(out, f.token)
	}
	out = append(out, `},"results":[`...)
	out = append(out, f.body...)
	return api.Answer{Type: typeJSON, Header: requestID(f.call), Body: append(out, ']', '}')}
}
