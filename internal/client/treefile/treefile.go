// Package treefile brings a tree of resources from a file into a server: in batches, what contains others first, so that an import
// that broke off goes on where it was when it is started again.
package treefile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Bounds of one batch, below those of servers.
const (
	batchNodes = 500
	batchBytes = 768 << 10
)

// Server takes batches; *client.Client is one.
type Server interface {
	Import(ctx context.Context, nodes []json.RawMessage) (int, error)
}

// Node is a node of a file: its id, its parent where it names one, and all of it.
type Node struct {
	ID, Parent string
	Raw        json.RawMessage
}

// Read reads a file: a list of nodes, or an object that has one under nodes, value or data, as answers of Azure Resource Manager
// and of Resource Graph have. A node is written as these answer with it (see the import of package arm).
func Read(r io.Reader) ([]Node, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	var raw []json.RawMessage
	if text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))); bytes.HasPrefix(text, []byte("{")) {
		var object struct{ Nodes, Value, Data []json.RawMessage }
		err = json.Unmarshal(text, &object)
		raw = slices.Concat(object.Nodes, object.Value, object.Data)
	} else {
		err = json.Unmarshal(text, &raw)
	}
	if err != nil {
		return nil, fmt.Errorf("the file is neither a list of nodes nor an object with one under nodes: %w", err)
	}
	if len(raw) == 0 {
		return nil, errors.New("the file holds no nodes")
	}
	nodes := make([]Node, len(raw))
	for i, r := range raw {
		if nodes[i], err = read(r); err != nil {
			return nil, fmt.Errorf("node %d: %w", i+1, err)
		}
	}
	return containersFirst(nodes)
}

func read(raw json.RawMessage) (Node, error) {
	var in struct {
		ID         string
		Parent     json.RawMessage
		Properties json.RawMessage
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return Node{}, fmt.Errorf("it is no object: %w", err)
	}
	if in.ID == "" {
		return Node{}, errors.New("it has no id")
	}
	n := Node{ID: "/" + strings.Trim(in.ID, "/"), Raw: raw}
	var p struct {
		Parent  json.RawMessage
		Details struct{ Parent json.RawMessage }
	}
	if kind(n.ID) == managementGroup {
		_ = json.Unmarshal(in.Properties, &p) // properties of another form tell no parent
	}
	for _, v := range []json.RawMessage{in.Parent, p.Parent, p.Details.Parent} {
		if n.Parent == "" {
			n.Parent = name(v)
		}
	}
	return n, nil
}

// name is the name of the management group that an id, a name or an object with an id means.
func name(v json.RawMessage) string {
	var id string
	var object struct{ ID string }
	if json.Unmarshal(v, &id) != nil {
		_ = json.Unmarshal(v, &object) // neither: none
		id = object.ID
	}
	return strings.ToLower(id[strings.LastIndexByte(id, '/')+1:])
}

const (
	managementGroup = iota
	subscription
	other
)

func kind(id string) int {
	parts := strings.Split(strings.ToLower(strings.Trim(id, "/")), "/")
	switch {
	case len(parts) == 4 && parts[1] == "microsoft.management" && parts[2] == "managementgroups":
		return managementGroup
	case len(parts) == 2 && parts[0] == "subscriptions":
		return subscription
	}
	return other
}

// containersFirst orders nodes so that what contains others comes before them.
func containersFirst(nodes []Node) ([]Node, error) {
	parents := map[string]string{}
	for _, n := range nodes {
		if kind(n.ID) == managementGroup {
			parents[strings.ToLower(n.ID[strings.LastIndexByte(n.ID, '/')+1:])] = n.Parent
		}
	}
	depth := func(n Node) int {
		steps := 0
		for at, ok := n.Parent, kind(n.ID) == managementGroup; ok && at != "" && steps <= len(parents); at, ok = parents[at] {
			steps++
		}
		return steps
	}
	depths := map[string]int{}
	for _, n := range nodes {
		d := depth(n)
		if d > len(parents) {
			return nil, fmt.Errorf("the management group %s lies within itself", n.ID)
		}
		depths[n.ID] = d
	}
	slices.SortStableFunc(nodes, func(a, b Node) int {
		if k := kind(a.ID) - kind(b.ID); k != 0 {
			return k
		}
		if d := depths[a.ID] - depths[b.ID]; d != 0 {
			return d
		}
		return strings.Compare(strings.ToLower(a.ID), strings.ToLower(b.ID))
	})
	return nodes, nil
}

// Import brings nodes into a server, telling after each batch how many are done, and says how many were new or changed.
func Import(ctx context.Context, s Server, nodes []Node, done func(int)) (written int, err error) {
	for at := 0; at < len(nodes); {
		var batch []json.RawMessage
		size := 0
		for at < len(nodes) && len(batch) < batchNodes && (size == 0 || size+len(nodes[at].Raw) <= batchBytes) {
			batch, size = append(batch, nodes[at].Raw), size+len(nodes[at].Raw)
			at++
		}
		n, err := s.Import(ctx, batch)
		if written += n; err != nil {
			return written, err
		}
		done(at)
	}
	return written, nil
}
