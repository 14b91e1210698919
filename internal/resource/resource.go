// Package resource is the tree at which roles of the resource provider are held: management groups, subscriptions, resource
// groups, and resources at any depth (reference arm-pim §2).
//
// A scope is the path of a node in lower case. What lies above a resource group or a resource is told by its path; what lies
// above a subscription or a management group is data, which only the store and the access index know.
package resource

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"portcullis/internal/pim"
)

// Kind says what a node is. The zero value is nothing.
type Kind int

// The kinds of nodes. Stored: they may only be added to.
const (
	_ Kind = iota
	// Root is the scope "/": the whole tenant.
	Root
	ManagementGroup
	Subscription
	Group
	Resource
)

// Node is one place in the tree.
type Node struct {
	Tenant pim.TenantID
	// Scope is the path in lower case: the key. ID is the same path as callers spell it.
	Scope pim.Scope
	ID    string
	Kind  Kind
	// Parent is what contains it directly: for management groups and subscriptions data, for all else as Above says.
	Parent pim.Scope
	// Name is the last part of ID. DisplayName is that of management groups and subscriptions; empty: the name.
	Name, DisplayName string
	// Type is the full type of a resource, such as "Microsoft.Sql/servers/databases", as callers spell it, or that of the
	// containers, such as "Microsoft.Resources/subscriptions/resourceGroups".
	Type     string
	Location string
	Tags     map[string]string
	// Further is what callers sent beside and read back as it came: a JSON object of members such as properties, kind, sku.
	Further           json.RawMessage
	Created, Modified time.Time
	// Registered is since when somebody has put it under PIM by name (reference pim-v2 §7); zero: nobody has. It binds nothing.
	Registered time.Time
}

// Title is what people are shown: the display name, or the name.
func (n Node) Title() string {
	if n.DisplayName != "" {
		return n.DisplayName
	}
	return n.Name
}

// The types of containers, as the wire spells them.
const (
	ManagementGroupType = "Microsoft.Management/managementGroups"
	SubscriptionType    = "Microsoft.Resources/subscriptions"
	GroupType           = "Microsoft.Resources/subscriptions/resourceGroups"
)

// Bounds of a path. What is asked about a scope, such as the stages of an approval there, stands behind it in an address, and
// addresses are bounded too.
const (
	mostBytes    = 2048
	mostSegments = 26
	longestName  = 260
)

const (
	groupsPrefix = "/providers/microsoft.management/managementgroups/"
	providers    = "providers"
)

// ManagementGroupScope returns the scope of a management group.
func ManagementGroupScope(name string) pim.Scope {
	return pim.Scope(groupsPrefix + strings.ToLower(name))
}

// SubscriptionScope returns the scope of a subscription.
func SubscriptionScope(id string) pim.Scope {
	return pim.Scope("/subscriptions/" + strings.ToLower(id))
}

// Parse reads a path as callers write it, without regard to letter case and doubled slashes; the long form of a subscription
// is brought to the short one. It returns the node with Scope, ID, Kind, Name, Type, and Parent where the path tells it.
// An empty path is the root. The error says what is wrong with the path, in words that callers may see.
func Parse(path string) (Node, error) {
	s, err := split(path)
	if err != nil {
		return Node{}, err
	}
	return parse(s)
}

// ParseFor is Parse for a path of a tenant, of whose tree the root is also called by the management group that has the tenant's
// id for its name (reference arm-pim §2).
func ParseFor(t pim.TenantID, path string) (Node, error) {
	s, err := split(path)
	if err != nil {
		return Node{}, err
	}
	if len(s) >= 4 && ofManagementGroup(s) && strings.EqualFold(s[3], string(t)) {
		s = s[4:]
	}
	n, err := parse(s)
	n.Tenant = t
	return n, err
}

// split takes a path apart and tests its segments. The long form of a subscription is left as the short one.
func split(path string) ([]string, error) {
	if len(path) > mostBytes {
		return nil, fmt.Errorf("a scope has at most %d bytes", mostBytes)
	}
	var segments []string
	for s := range strings.SplitSeq(path, "/") {
		switch {
		case s == "":
			continue
		case s == "." || s == ".." || len(s) > longestName || strings.ContainsFunc(s, unprintable):
			return nil, fmt.Errorf("a scope has no such segment as %.40q", s)
		}
		segments = append(segments, s)
	}
	if len(segments) > mostSegments {
		return nil, fmt.Errorf("a scope has at most %d segments", mostSegments)
	}
	if len(segments) > 3 && strings.EqualFold(strings.Join(segments[:3], "/"), "providers/Microsoft.Subscription/subscriptions") {
		segments = segments[2:]
	}
	return segments, nil
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }

func ofManagementGroup(s []string) bool {
	return strings.EqualFold(strings.Join(s[:3], "/"), "providers/"+ManagementGroupType)
}

func parse(s []string) (Node, error) {
	switch {
	case len(s) == 0:
		return Node{Scope: pim.Everywhere, ID: "/", Kind: Root}, nil
	case len(s) >= 4 && ofManagementGroup(s):
		path := "/providers/" + ManagementGroupType + "/" + s[3]
		if len(s) == 4 {
			return node(path, s[3], ManagementGroup, ManagementGroupType), nil
		}
		return parseResource(path, s[4:])
	case strings.EqualFold(s[0], "subscriptions") && len(s) >= 2:
		return parseSubscription(s)
	}
	return parseResource("", s)
}

func parseSubscription(s []string) (Node, error) {
	id := strings.ToLower(s[1])
	if !pim.IsUUID(id) {
		return Node{}, fmt.Errorf("a subscription is named by a UUID, not by %.40q", s[1])
	}
	path := "/subscriptions/" + id
	switch {
	case len(s) == 2:
		return node(path, id, Subscription, SubscriptionType), nil
	case len(s) >= 4 && strings.EqualFold(s[2], "resourceGroups"):
		path += "/resourceGroups/" + s[3]
		if len(s) == 4 {
			return node(path, s[3], Group, GroupType), nil
		}
		return parseResource(path, s[4:])
	}
	return parseResource(path, s[2:])
}

// parseResource reads …/providers/{namespace}/{type}/{name}[/{type}/{name}…] behind a path, which may come again behind itself.
func parseResource(path string, s []string) (Node, error) {
	typ, name := "", ""
	for len(s) > 0 {
		if strings.EqualFold(s[0], providers) && len(s) >= 4 {
			path, typ = path+"/"+providers+"/"+s[1], s[1]
			s = s[2:]
		}
		switch {
		case typ == "" || strings.EqualFold(s[0], providers):
			return Node{}, fmt.Errorf("%.200q is no scope", path+"/"+strings.Join(s, "/"))
		case len(s) < 2:
			return Node{}, fmt.Errorf("%.200q is no scope: a type is followed by a name", path+"/"+strings.Join(s, "/"))
		}
		path, typ, name = path+"/"+s[0]+"/"+s[1], typ+"/"+s[0], s[1]
		s = s[2:]
	}
	return node(path, name, Resource, typ), nil
}

func node(path, name string, kind Kind, typ string) Node {
	n := Node{Scope: pim.Scope(strings.ToLower(path)), ID: path, Kind: kind, Name: name, Type: typ}
	if above, ok := Above(n.Scope); ok {
		n.Parent = above
	}
	return n
}

// Above is the scope that directly contains one, where the path tells it: for resource groups and resources. False for the
// root, and for management groups and subscriptions, whose place in the tree is data.
func Above(s pim.Scope) (pim.Scope, bool) {
	path := string(s)
	switch KindOf(s) {
	case Group:
		return pim.Scope(path[:strings.Index(path, "/resourcegroups/")]), true
	case Resource:
		cut := cutSegments(path, 2)
		// …/providers/ns/type/name: what is left ends in providers/ns.
		if rest := cutSegments(cut, 1); strings.HasSuffix(rest, "/providers") {
			cut = strings.TrimSuffix(rest, "/providers")
		}
		if cut == "" {
			return pim.Everywhere, true
		}
		return pim.Scope(cut), true
	case Root, ManagementGroup, Subscription:
	}
	return "", false
}

func cutSegments(path string, n int) string {
	for range n {
		at := strings.LastIndexByte(path, '/')
		if at < 0 {
			return ""
		}
		path = path[:at]
	}
	return path
}

// KindOf says what a scope names, by its path.
func KindOf(s pim.Scope) Kind {
	path := string(s)
	if s == pim.Everywhere {
		return Root
	}
	if name, ok := strings.CutPrefix(path, groupsPrefix); ok && name != "" && !strings.Contains(name, "/") {
		return ManagementGroup
	}
	rest, ok := strings.CutPrefix(path, "/subscriptions/")
	switch parts := strings.Count(rest, "/"); {
	case !ok:
		return Resource
	case parts == 0:
		return Subscription
	case parts == 2 && strings.Contains(rest, "/resourcegroups/"):
		return Group
	}
	return Resource
}

// Within says whether a scope lies at or below another, as far as paths tell: segment by segment, so that rg-1 is not above
// rg-10. What is above a subscription or a management group is not told by paths.
func Within(narrow, wide pim.Scope) bool {
	return wide == pim.Everywhere || narrow == wide || strings.HasPrefix(string(narrow), string(wide)+"/")
}
