package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxRows bounds a list that is read whole.
const maxRows = 10_000

// all reads a list with all its pages.
func all[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	rows, err := some[T](ctx, c, path, maxRows+1)
	if err == nil && len(rows) > maxRows {
		return nil, fmt.Errorf("the list has more than %d rows; ask for less", maxRows)
	}
	return rows, err
}

// some reads a list page by page until there are as many rows as wanted. Links must lead to the same server.
func some[T any](ctx context.Context, c *Client, path string, wanted int) ([]T, error) {
	rows := []T{}
	for {
		var page struct {
			Value []T    `json:"value"`
			Graph string `json:"@odata.nextLink"`
			Own   string `json:"nextLink"`
		}
		if err := c.call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		if rows = append(rows, page.Value...); len(rows) >= wanted {
			return rows[:wanted], nil
		}
		next := page.Graph
		if next == "" {
			next = page.Own
		}
		if next == "" {
			return rows, nil
		}
		rest, ok := strings.CutPrefix(next, c.Server+"/")
		if !ok {
			return nil, fmt.Errorf("the server links to the next page at another host than %s", c.Server)
		}
		path = "/" + rest
	}
}

// with adds query options to a path. Each pair is a name and a value; empty values are left out.
func with(path string, pairs ...string) string {
	var query []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query = append(query, pairs[i]+"="+strings.ReplaceAll(url.QueryEscape(pairs[i+1]), "+", "%20"))
		}
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + strings.Join(query, "&")
}

// text is an OData text.
func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
