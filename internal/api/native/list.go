package native

import (
	"net/url"
	"strconv"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// list is a page of rows as it is written.
type list[T any] struct {
	Value []T    `json:"value"`
	Next  string `json:"nextLink,omitempty"`
}

const (
	defaultRows = 100
	mostRows    = 999
)

// options are the parameters of a call. Each may be given once; one that the operation does not have is refused, for a
// filter that is misspelt must not show everything.
type options struct {
	call   *api.Request
	values url.Values
}

func readOptions(r *api.Request, known ...string) (options, error) {
	values, err := odata.Values(r.URL.RawQuery)
	if err != nil {
		return options{}, err
	}
	o := options{call: r, values: url.Values{}}
	for key, list := range values {
		name := strings.ToLower(strings.TrimPrefix(key, "$"))
		if !oneOf(name, known) && !oneOf(name, []string{"top", "skiptoken"}) {
			return options{}, api.BadRequest("The parameter '%.60s' is not known here.", key)
		}
		if len(list) > 1 || o.values.Has(name) {
			return options{}, api.BadRequest("The parameter '%.60s' is given more than once.", key)
		}
		if len(list[0]) > odata.MaxOption {
			return options{}, api.BadRequest("The parameter '%.60s' is too long.", key)
		}
		o.values[name] = list
	}
	return o, nil
}

func oneOf(name string, list []string) bool {
	for _, s := range list {
		if s == name {
			return true
		}
	}
	return false
}

// id is the value of a parameter as ids are kept: all but those of grants made outside PIM are lower case.
func (o options) id(name string) string {
	text := o.values.Get(name)
	if lower := strings.ToLower(text); len(text) == len("00000000-0000-0000-0000-000000000000") {
		return lower
	}
	return text
}

// principal reads "me" or an id; empty: the parameter is not there.
func (o options) principal() pim.PrincipalID {
	text := o.id("principal")
	if strings.EqualFold(text, "me") {
		return o.call.Caller.Principal
	}
	return pim.PrincipalID(text)
}

// page reads how many rows are wanted, and behind which.
func (o options) page(q *store.Query) error {
	q.Tenant, q.Limit = o.call.Tenant, defaultRows
	if top := o.values.Get("top"); top != "" {
		n, err := strconv.Atoi(top)
		if err != nil || n < 1 {
			return api.BadRequest("The parameter 'top' must be a whole number from 1 to %d.", mostRows)
		}
		q.Limit = min(n, mostRows)
	}
	if token := o.values.Get("skiptoken"); token != "" {
		parts, err := odata.DecodeToken(token)
		if err != nil {
			return err
		}
		q.After = parts
	}
	return nil
}

// rows answers with a page.
func rows[From, To any](o options, page store.Page[From], write func(From) To) (api.Answer, error) {
	out := list[To]{Value: make([]To, len(page.Rows))}
	for i, r := range page.Rows {
		out.Value[i] = write(r)
	}
	if len(page.Next) > 0 {
		address := *o.call.URL
		if origin, err := url.Parse(o.call.Origin); err == nil {
			address.Scheme, address.Host = origin.Scheme, origin.Host
		}
		out.Next = odata.NextLink(&address, odata.EncodeToken(page.Next...))
	}
	return answer(out)
}
