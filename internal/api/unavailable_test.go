package api_test

import (
	"errors"
	"fmt"
	"testing"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/store"
)

// TestExpected: what a caller asked wrongly, or what is not there, is no fault of the server and does not go to its log.
func TestExpected(t *testing.T) {
	_, query := odata.Parse(map[string][]string{"$filter": {"eq eq"}})
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"a filter that is wrong", query, true},
		{"the same, wrapped", fmt.Errorf("list: %w", query), true},
		{"not there", store.ErrNotFound, true},
		{"a made-up cursor", store.ErrCursor, true},
		{"an answer of a dialect", api.BadRequest("no"), true},
		{"anything else", errors.New("disk on fire"), false},
	} {
		if got := api.Expected(c.err); got != c.want {
			t.Errorf("%s (%v): got %t, want %t", c.name, c.err, got, c.want)
		}
	}
}
