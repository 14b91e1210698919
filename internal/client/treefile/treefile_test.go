package treefile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const sub = "11111111-2222-4333-8444-555555555555"

func TestFilesAreReadContainersFirst(t *testing.T) {
	rows := `[{"id":"/subscriptions/` + sub + `/resourceGroups/a/providers/N/t/x"}, {"ID":"subscriptions/` + sub + `/resourceGroups/a/"},
		{"id":"/providers/Microsoft.Management/managementGroups/leaf","parent":"branch"},
		{"id":"/subscriptions/` + sub + `","parent":"leaf"},
		{"id":"/providers/Microsoft.Management/managementGroups/trunk","properties":{"details":{"parent":{"id":"/providers/Microsoft.Management/managementGroups/root"}}}},
		{"id":"/providers/Microsoft.Management/managementGroups/Branch","parent":{"id":"/providers/Microsoft.Management/managementGroups/TRUNK"}}]`
	want := []string{"trunk", "Branch", "leaf", sub, "a", "x"}
	for _, text := range []string{rows, "\ufeff " + rows, `{"nodes":` + rows + `}`, `{"value":` + rows + `,"nextLink":null}`, `{"data":` + rows + `}`} {
		nodes, err := Read(strings.NewReader(text))
		var got []string
		for _, n := range nodes {
			got = append(got, n.ID[strings.LastIndexByte(n.ID, '/')+1:])
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%.20s: got %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"": "neither a list", "[]": "no nodes", "{}": "no nodes", `[1]`: "node 1", `[{"id":"/subscriptions/x"},{}]`: "node 2: it has no id",
		`[{"id":"/providers/Microsoft.Management/managementGroups/a","parent":"b"},{"id":"/providers/Microsoft.Management/managementGroups/b","parent":"a"}]`: "within itself",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// taker notes what it is given, and refuses one batch.
type taker struct {
	sizes  []int
	refuse int
}

func (s *taker) Import(_ context.Context, nodes []json.RawMessage) (int, error) {
	if s.sizes = append(s.sizes, len(nodes)); len(s.sizes) == s.refuse {
		return 0, errors.New("no")
	}
	return len(nodes), nil
}

func TestImportsGoInBatches(t *testing.T) {
	var nodes []Node
	for i := range 1201 {
		nodes = append(nodes, Node{Raw: json.RawMessage(fmt.Sprintf(`{"id":"/subscriptions/%s/resourceGroups/g%d"}`, sub, i))})
	}
	nodes[1200].Raw = json.RawMessage(`"` + strings.Repeat("x", batchBytes) + `"`)
	var told []int
	var s taker
	written, err := Import(t.Context(), &s, nodes, func(n int) { told = append(told, n) })
	if err != nil || written != 1201 || !slices.Equal(s.sizes, []int{500, 500, 200, 1}) || !slices.Equal(told, []int{500, 1000, 1200, 1201}) {
		t.Errorf("got %d, %v in %v, told %v", written, err, s.sizes, told)
	}
	s = taker{refuse: 2}
	if written, err = Import(t.Context(), &s, nodes, func(int) {}); err == nil || written != 500 || len(s.sizes) != 2 {
		t.Errorf("a refused batch: got %d, %v after %d batches", written, err, len(s.sizes))
	}
}
