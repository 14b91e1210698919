package graph

import (
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/store"
)

// scopeColumn compares scopes.
func scopeColumn(f store.Field) listing.Column {
	return listing.Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		text, ok := v.(odata.String)
		if !ok {
			return nil, false
		}
		scope, _ := parseScope(string(text))
		return store.Compare{Field: f, Op: listing.OpOf(op), Value: string(scope)}, true
	}}
}
