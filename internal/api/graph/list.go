package graph

import (
	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
)

// kind is one entity type of this dialect, and related what is expanded of one.
type (
	kind[T any] = listing.Kind[*call, T]
	related     = listing.Related
	// object is the writer of one JSON object.
	object = wire.Object
)

// listAll answers with a page of a set that is small enough to be at hand whole, and of which $search can be asked.
func listAll[T any](c *call, k *kind[T], rows []T) (api.Answer, error) {
	q, err := c.Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	p, err := k.PageOf(c, q, searched(c, k, q, rows))
	if err != nil {
		return api.Answer{}, err
	}
	return listing.Finish(c, k, q, p)
}

// searched is the rows that $search lets pass.
func searched[T any](c *call, k *kind[T], q odata.Query, rows []T) []T {
	if q.Search == "" {
		return rows
	}
	var out []T
	for _, row := range rows {
		if matchesSearch(q.Search, func(path []string) any { return k.Value(c, row, path) }) {
			out = append(out, row)
		}
	}
	return out
}
