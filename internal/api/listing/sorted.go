package listing

import (
	"net/http"
	"slices"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/store"
)

// MostSorted is how many rows are sorted at once outside a store.
const MostSorted = 50_000

// ReadSorted is Read for any order: where the store does not have it, all rows that the filter lets pass are read, up to
// MostSorted, and sorted here.
func ReadSorted[C Caller, T any](c C, k *Kind[C, T], q odata.Query, fetch Fetcher[T]) (Page[T], error) {
	if !slices.ContainsFunc(q.OrderBy, func(o odata.Order) bool { return k.Columns[o.Path.Name()].Order == "" }) {
		return Read(c, k, q, fetch)
	}
	rows, err := readAll(c, k, q.Filter, fetch)
	if err == nil {
		rows, err = k.Ordered(c, q.OrderBy, rows)
	}
	if err != nil {
		return Page[T]{}, err
	}
	q.Filter, q.OrderBy = nil, nil
	return k.PageOf(c, q, rows)
}

func readAll[C Caller, T any](c C, k *Kind[C, T], filter odata.Expr, fetch Fetcher[T]) ([]T, error) {
	q := store.Query{Tenant: c.OData().Tenant, Limit: ScanSize}
	q.Where, _ = k.Columns.Compile(filter)
	var out []T
	for {
		page, err := fetch(q)
		if err != nil {
			return nil, err
		}
		rows, err := k.Sifted(c, odata.Query{Filter: filter}, page.Rows)
		if err != nil {
			return nil, err
		}
		if out = append(out, rows...); len(out) > MostSorted {
			return nil, &api.ODataError{Status: http.StatusBadRequest, Code: "Request_UnsupportedQuery",
				Message: "There are too many rows to be sorted; ask for fewer by $filter, or without $orderby."}
		}
		if q.After = page.Next; len(page.Next) == 0 {
			return out, nil
		}
	}
}
