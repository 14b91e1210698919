package graph

import "portcullis/internal/pim"

// appendGrant writes the id of an instance, which needs no escapes.
func appendGrant(o *object, name string, i pim.Instance) {
	if o.Member(name) {
		o.B = append(appendGrantID(append(o.B, '"'), i), '"')
	}
}
