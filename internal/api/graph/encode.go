package graph

import (
	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// selection is what $select asks for, by property. Nil is everything.
type selection = wire.Selection

// object is the writer of one JSON object.
type object = wire.Object

func newObject(b []byte, sel selection) object { return wire.New(b, sel) }

// appendGrant writes the id of an instance, which needs no escapes.
func appendGrant(o *object, name string, i pim.Instance) {
	if o.Member(name) {
		o.B = append(appendGrantID(append(o.B, '"'), i), '"')
	}
}

// begin starts the object of an entity: with its type where that is not clear from the context, and with all of
// OData's words for callers who want them.
func (c *call) begin(b []byte, sel selection, typ string, typed bool, address string) object {
	o := newObject(b, sel)
	if c.meta == full || typed && c.meta != none {
		o.Name("@odata.type")
		o.B = api.AppendText(o.B, "#microsoft.graph."+typ)
	}
	if c.meta == full && address != "" {
		o.Name("@odata.id")
		o.B = api.AppendText(o.B, c.base()+"/"+address)
	}
	return o
}

// entity is the answer with one object.
func (c *call) entity(status int, set string, q odata.Query, row []byte) api.Answer {
	if c.meta == none {
		return c.json(status, row)
	}
	o := newObject(make([]byte, 0, len(row)+200), nil)
	o.Name("@odata.context")
	o.B = api.AppendText(o.B, c.base()+"/$metadata#"+set+listing.Shape(q)+"/$entity")
	if len(row) > 2 {
		o.B = append(o.B, ',')
	}
	return c.json(status, append(o.B, row[1:]...))
}
