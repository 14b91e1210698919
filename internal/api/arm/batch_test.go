package arm

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestBatchIsBounded(t *testing.T) {
	named := partIn{Method: "GET", Name: "n", URL: "/tenants"}
	nameless := partIn{Method: "GET", URL: "/tenants"}
	writing := partIn{Method: "PUT", Name: "n", URL: "/tenants", Content: json.RawMessage(`{}`)}
	empty := partIn{Method: "PUT", Name: "n", URL: "/tenants", Content: json.RawMessage(`null`)}
	for _, tt := range []struct {
		what  string
		parts []partIn
		ok    bool
	}{
		{"none", nil, false},
		{"twenty without names", slices.Repeat([]partIn{nameless}, 20), true},
		{"twenty-one without names", slices.Repeat([]partIn{nameless}, 21), false},
		{"five hundred", slices.Repeat([]partIn{named}, 500), true},
		{"five hundred and one", slices.Repeat([]partIn{named}, 501), false},
		{"twenty with content", slices.Repeat([]partIn{writing}, 20), true},
		{"twenty-one with content", slices.Repeat([]partIn{writing}, 21), false},
		{"a hundred whose content is null", slices.Repeat([]partIn{empty}, 100), true},
	} {
		if err := bounded(tt.parts); (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want good %v", tt.what, err, tt.ok)
		}
	}
}
