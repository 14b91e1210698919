package arm

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/store"
)

// option is the value of a query parameter, whose name is found without letter case; empty: it is not there.
func option(r *api.Request, name string) string {
	for key, values := range r.URL.Query() {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

func (c *call) option(name string) string {
	if name == "$filter" {
		return spaced(option(c.Request, name))
	}
	return option(c.Request, name)
}

// skipToken is where a list goes on, as nextLink carries it. The parameter of role assignments has the same name.
const skipToken = "$skipToken"

// after reads where the list goes on. The error is a *problem.
func (c *call) after() (store.Cursor, error) {
	text := c.option(skipToken)
	if text == "" {
		return nil, nil
	}
	var cursor store.Cursor
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &cursor)
	}
	if err != nil {
		return nil, badSkipToken()
	}
	return cursor, nil
}

// perPage is how many rows a page has at most.
const perPage = 500

// limit is how many rows a page has: fewer than usual where $top asks for fewer, and whatever else $top says is not listened to.
func (c *call) limit() int {
	if top, err := strconv.Atoi(c.option("$top")); err == nil && top > 0 {
		return min(top, perPage)
	}
	return perPage
}

func badSkipToken() *problem {
	return &problem{Status: http.StatusBadRequest, Code: "InvalidSkipToken", Message: "The skip token is none that this server gave."}
}

// page is a list of rows as it is written, with the address of the next page where there is one: it is absolute, on the host that
// the caller used, and carries every parameter of the call.
func (c *call) page(rows [][]byte, next store.Cursor) api.Answer {
	o := c.openPage(rows, next)
	return c.json(http.StatusOK, o.End())
}

// openPage is page before its end, for lists that say more.
func (c *call) openPage(rows [][]byte, next store.Cursor) wire.Object {
	o := wire.New(nil, nil)
	o.Name("value")
	o.B = wire.AppendList(o.B, rows)
	if len(next) > 0 {
		o.Str("nextLink", c.nextLink(next))
	}
	return o
}

// pageOf is page for many rows that are written one behind the other into the answer itself; room is how many bytes most take.
func (c *call) pageOf(n, room int, row func(b []byte, i int) []byte, next store.Cursor) api.Answer {
	o := wire.New(make([]byte, 0, 256+n*room), nil)
	o.Name("value")
	o.B = append(o.B, '[')
	for i := range n {
		if i > 0 {
			o.B = append(o.B, ',')
		}
		o.B = row(o.B, i)
	}
	o.B = append(o.B, ']')
	if len(next) > 0 {
		o.Str("nextLink", c.nextLink(next))
	}
	return c.json(http.StatusOK, o.End())
}

func (c *call) nextLink(next store.Cursor) string {
	return c.again(skipToken, base64.RawURLEncoding.EncodeToString(wire.MustJSON(next)))
}

// again is the address of the call with another value of one parameter.
func (c *call) again(name, value string) string {
	address := *c.Sent
	if origin, err := url.Parse(c.Origin); err == nil {
		address.Scheme, address.Host = origin.Scheme, origin.Host
	}
	query := address.Query()
	for key := range query {
		if strings.EqualFold(key, name) {
			query.Del(key)
		}
	}
	query.Set(name, value)
	address.RawQuery = strings.ReplaceAll(query.Encode(), "%24", "$")
	return address.String()
}
