package listing

import (
	"net/http"
	"net/url"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
)

// Call is one call of a dialect that is OData. A dialect's own type of calls embeds it.
type Call struct {
	*api.Request
	// Root is the address of the service below the host, such as "/beta": contexts name it.
	Root string
	Meta Metadata
	// Function says that a list is the result of a function: its rows then carry their type.
	Function bool
	// CountOnly says that the call wants the number of rows alone.
	CountOnly bool
}

// NewCall is a call of the service at a root.
func NewCall(r *api.Request, root string) Call {
	return Call{Request: r, Root: root, Meta: metadataOf(r.Request)}
}

// OData is the call itself, for what takes any dialect's.
func (c *Call) OData() *Call { return c }

// Caller is any dialect's call.
type Caller interface{ OData() *Call }

// Metadata says how much of OData's own words an answer carries (OData JSON Format 4.01 §3).
type Metadata int

// The levels.
const (
	Minimal Metadata = iota
	None
	Full
)

func (m Metadata) String() string {
	switch m {
	case None:
		return "none"
	case Full:
		return "full"
	case Minimal:
	}
	return "minimal"
}

// metadataOf is the level that a request asks for.
func metadataOf(r *http.Request) Metadata {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	switch {
	case strings.Contains(accept, "odata.metadata=none"):
		return None
	case strings.Contains(accept, "odata.metadata=full"):
		return Full
	}
	return Minimal
}

// ContentType is that of JSON with as much metadata.
func ContentType(m Metadata) string {
	return "application/json;odata.metadata=" + m.String() + ";odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
}

// Base is the address of the service on the host that the caller used.
func (c *Call) Base() string { return c.Origin + c.Root }

// Query reads and checks the query options.
func (c *Call) Query(schema *odata.Schema) (odata.Query, error) {
	values, err := odata.Values(c.URL.RawQuery)
	if err != nil {
		return odata.Query{}, err
	}
	q, err := odata.Parse(values)
	if err != nil {
		return odata.Query{}, err
	}
	return schema.Check(q)
}

// Address is the absolute address of the call as it came.
func (c *Call) Address() *url.URL {
	u := *c.Sent
	if origin, err := url.Parse(c.Origin); err == nil {
		u.Scheme, u.Host = origin.Scheme, origin.Host
	}
	return &u
}

// JSON is an answer with a JSON body.
func (c *Call) JSON(status int, body []byte) api.Answer {
	return api.Answer{Status: status, Type: ContentType(c.Meta), Body: body, Header: http.Header{"Odata-Version": {"4.0"}}}
}

// Begin starts the object of an entity: with its type where that is not clear from the context, and with all of OData's words
// for callers who want them.
func (c *Call) Begin(b []byte, sel wire.Selection, typ string, typed bool, address string) wire.Object {
	o := wire.New(b, sel)
	if c.Meta == Full || typed && c.Meta != None {
		o.Name("@odata.type")
		o.B = api.AppendText(o.B, wire.GraphType+typ)
	}
	if c.Meta == Full && address != "" {
		o.Name("@odata.id")
		o.B = api.AppendText(o.B, c.Base()+"/"+address)
	}
	return o
}

// Entity is the answer with one object.
func (c *Call) Entity(status int, set string, q odata.Query, row []byte) api.Answer {
	if c.Meta == None {
		return c.JSON(status, row)
	}
	o := wire.New(make([]byte, 0, len(row)+200), nil)
	o.Name("@odata.context")
	o.B = api.AppendText(o.B, c.Base()+"/$metadata#"+set+Shape(q)+"/$entity")
	if len(row) > 2 {
		o.B = append(o.B, ',')
	}
	return c.JSON(status, append(o.B, row[1:]...))
}

// Number is the answer with a number of rows alone.
func Number(n int) api.Answer {
	return api.Answer{Status: http.StatusOK, Type: "text/plain;charset=utf-8", Body: wire.AppendInt(nil, n)}
}

// appendRelated writes an expanded object or collection.
func (c *Call) appendRelated(o *wire.Object, r Related, i int) {
	if r.Context != nil && c.Meta != None {
		o.Name(r.Name + "@odata.context")
		o.B = api.AppendText(o.B, c.Base()+"/$metadata#"+r.Context(i))
	}
	o.Name(r.Name)
	o.B = wire.AppendRaw(o.B, r.At(i))
}
