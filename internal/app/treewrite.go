package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// deepestGroups is how many management groups may be above one another below the root (as in Azure).
const deepestGroups = 6

// planting is a change of the tree under way: what was read, what is to be written, and what that rests on.
type planting struct {
	*App
	by  pim.Caller
	t   pim.TenantID
	now time.Time

	// nodes are those that were read or written so far, and versions those of everything that the change may rest on.
	nodes    map[pim.Scope]resource.Node
	versions map[pim.Key]int64
	looked   map[pim.Scope]bool
	touched  map[pim.Key]bool
	relied   map[pim.Key]bool
	// fresh are nodes that were not there before.
	fresh map[pim.Scope]bool
	// moved are management groups and subscriptions that get another parent.
	moved []pim.Scope
	w     writing
}

// planted is what became of one node.
type planted struct {
	after            resource.Node
	created, changed bool
}

// writeTree prepares a change of the tree and commits it, again if what it rests on has changed meanwhile. Whatever rests on a
// place in the tree that is no more falls with it.
func (a *App) writeTree(ctx context.Context, by pim.Caller, t pim.TenantID, prepare func(*planting) error) error {
	var p *planting
	err := a.write(ctx, func(now time.Time) (writing, error) {
		p = &planting{App: a, by: by, t: t, now: now, nodes: map[pim.Scope]resource.Node{pim.Everywhere: treeRoot(t)}, versions: map[pim.Key]int64{},
			looked: map[pim.Scope]bool{pim.Everywhere: true}, touched: map[pim.Key]bool{}, relied: map[pim.Key]bool{}, fresh: map[pim.Scope]bool{}}
		if err := a.counts(ctx, by, t); err != nil {
			return writing{}, err
		}
		if err := prepare(p); err != nil {
			return writing{}, err
		}
		if err := p.uproot(ctx); err != nil {
			return writing{}, err
		}
		return p.w, nil
	})
	if err != nil || len(p.moved) == 0 {
		return err
	}
	return a.rerooted(ctx, by, t, p.moved)
}

// putNodes writes nodes of which those come first that contain others, all or none.
func (a *App) putNodes(ctx context.Context, by pim.Caller, t pim.TenantID, nodes []resource.Node) ([]planted, error) {
	var out []planted
	err := a.writeTree(ctx, by, t, func(p *planting) error {
		out = out[:0]
		if err := p.read(ctx, nodes); err != nil {
			return err
		}
		for _, n := range nodes {
			if n.Tenant != t {
				return fmt.Errorf("tree of tenant %s: %s belongs to another", t, n.Scope)
			}
			change, err := p.put(n)
			if err != nil {
				return of(n, err)
			}
			out = append(out, change)
		}
		return nil
	})
	return out, err
}

// of names the node that a refusal of one among many is about.
func of(n resource.Node, err error) error {
	refusal, ok := asRefusal(err)
	if !ok {
		return err
	}
	named := *refusal
	named.Detail = n.ID + ": " + named.Detail
	return &named
}

// read looks up nodes, what contains them, and the versions of all: these first, so that what is read is at least as new.
func (p *planting) read(ctx context.Context, nodes []resource.Node) error {
	want := map[pim.Scope]bool{}
	for _, n := range nodes {
		for s, ok := n.Scope, true; ok && !p.looked[s]; s, ok = resource.Above(s) {
			want[s] = true
		}
		if n.Parent != "" && !p.looked[n.Parent] {
			want[n.Parent] = true
		}
	}
	keys := []pim.Key{treeKey(p.t)}
	for s := range want {
		keys = append(keys, nodeKey(p.t, s))
	}
	if err := p.readVersions(ctx, keys); err != nil {
		return err
	}
	for len(want) > 0 {
		found, err := p.NodesByScope(ctx, p.t, slices.Sorted(maps.Keys(want)))
		if err != nil {
			return err
		}
		for s := range want {
			p.looked[s] = true
		}
		maps.Copy(p.nodes, found)
		// The shape above containers is covered by one version, so that it may be read step by step.
		want = map[pim.Scope]bool{}
		for _, n := range found {
			if n.Kind != resource.Group && n.Kind != resource.Resource && !p.looked[n.Parent] {
				want[n.Parent] = true
			}
		}
	}
	return nil
}

func (p *planting) readVersions(ctx context.Context, keys []pim.Key) error {
	slices.SortFunc(keys, func(a, b pim.Key) int {
		return cmp.Or(strings.Compare(string(a.Scope), string(b.Scope)), strings.Compare(string(a.Role), string(b.Role)))
	})
	for some := range slices.Chunk(keys, most) {
		needs := make([]pim.Need, len(some))
		for i, k := range some {
			needs[i] = pim.Need{Key: k, Clock: true}
		}
		cases, err := p.Store.Cases(ctx, needs)
		if err != nil {
			return err
		}
		for i, k := range some {
			if _, known := p.versions[k]; !known {
				p.versions[k] = cases[i].Version
			}
		}
	}
	return nil
}

// touch notes that a key changes, and rely that the change rests on one.
func (p *planting) touch(k pim.Key) {
	if !p.touched[k] {
		p.touched[k] = true
		p.w.with.Touches = append(p.w.with.Touches, pim.Touch{Key: k, Version: p.versions[k]})
	}
}

func (p *planting) rely(k pim.Key) {
	if !p.touched[k] && !p.relied[k] {
		p.relied[k] = true
		p.w.with.Relies = append(p.w.with.Relies, pim.Touch{Key: k, Version: p.versions[k]})
	}
}

// put notes that a node is written, if that changes anything.
func (p *planting) put(n resource.Node) (planted, error) {
	before, there := p.nodes[n.Scope]
	n, err := placed(p.t, n, before)
	if err != nil {
		return planted{}, err
	}
	if err := p.mayPut(n, before); err != nil {
		return planted{}, err
	}
	if err := validNode(n); err != nil {
		return planted{}, err
	}
	if err := p.mayLie(n); err != nil {
		return planted{}, err
	}
	changes := nodeChanges(before, n)
	if there && len(changes) == 0 {
		return planted{after: before}, nil
	}
	n.Created, n.Modified, n.Registered = before.Created, later(p.now, before.Modified), before.Registered
	what := "changed"
	if !there {
		n.Created, n.Modified, what = p.now, p.now, "created"
	}
	p.note(n, before, what, changes)
	return planted{after: n, created: !there, changed: there}, nil
}

// note puts a node into the commit with all that it touches and rests on.
func (p *planting) note(n, before resource.Node, what string, changes []pim.Change) {
	p.nodes[n.Scope] = n
	p.w.with.Resources = append(p.w.with.Resources, n)
	p.w.with.Events = append(p.w.with.Events, p.nodeEvent(p.by, p.now, n, what, changes))
	p.touch(nodeKey(p.t, n.Scope))
	p.fresh[n.Scope] = p.fresh[n.Scope] || before.Kind == 0
	if before.Kind != 0 && before.Parent == n.Parent {
		return
	}
	if n.Kind == resource.ManagementGroup || n.Kind == resource.Subscription {
		p.touch(treeKey(p.t))
		if before.Kind != 0 {
			p.moved = append(p.moved, n.Scope)
		}
		return
	}
	// Of resources, which may move, nobody shall lose one that is made meanwhile below.
	if resource.KindOf(n.Parent) == resource.Resource {
		p.touch(nodeKey(p.t, n.Parent))
	}
	for s, ok := resource.Above(n.Scope); ok && s != pim.Everywhere; s, ok = resource.Above(s) {
		p.rely(nodeKey(p.t, s))
	}
}

// placed brings a node into its one form: what its path tells is told by that, and a place that is not named is the one it has.
func placed(t pim.TenantID, n, before resource.Node) (resource.Node, error) {
	id := cmp.Or(before.ID, n.ID, string(n.Scope))
	path, err := resource.Parse(id)
	switch {
	case err != nil:
		return n, &pim.Refusal{Code: pim.InvalidScope, Field: "scope", Detail: err.Error()}
	case path.Scope != n.Scope:
		return n, &pim.Refusal{Code: pim.InvalidScope, Field: "scope", Detail: "the scope is not the path of " + path.ID}
	case path.Kind == resource.Root || path.Scope == resource.ManagementGroupScope(string(t)):
		return n, &pim.Refusal{Code: pim.InvalidScope, Field: "scope", Detail: "the root of the tree cannot be changed"}
	}
	n.Tenant, n.ID, n.Kind, n.Name, n.Type = t, path.ID, path.Kind, path.Name, path.Type
	if path.Kind == resource.ManagementGroup || path.Kind == resource.Subscription {
		n.Parent = cmp.Or(n.Parent, before.Parent, pim.Everywhere)
		if n.Parent == resource.ManagementGroupScope(string(t)) {
			n.Parent = pim.Everywhere
		}
	} else {
		n.Parent, n.DisplayName = path.Parent, ""
	}
	if path.Kind == resource.Group || path.Kind == resource.Resource {
		n.Location = cmp.Or(n.Location, before.Location)
	}
	return n, nil
}

// mayPut says whether the caller may write the node: where it is, or, if it is new, where it shall be. To move a management group
// or a subscription takes a right at both ends, and the right to give roles at what is moved.
func (p *planting) mayPut(n, before resource.Node) error {
	ask := [][2]string{{n.Type + writeNode, string(n.Scope)}}
	container := n.Kind == resource.ManagementGroup || n.Kind == resource.Subscription
	switch {
	case before.Kind == 0 && container:
		ask = [][2]string{{n.Type + writeNode, string(n.Parent)}}
	case container && n.Parent != before.Parent:
		ask = append(ask, [2]string{pim.WriteRoleAssignments, string(n.Scope)}, [2]string{resource.ManagementGroupType + writeNode, string(before.Parent)},
			[2]string{resource.ManagementGroupType + writeNode, string(n.Parent)})
	}
	for _, x := range ask {
		if err := pim.MayDo(p.by, x[0], p.standing(pim.Scope(x[1]))); err != nil {
			return err
		}
	}
	return nil
}

// standing is a scope, or, if that is in something new, the nearest above it that was there before: roles are held there, and hold
// for what is new below.
func (p *planting) standing(s pim.Scope) pim.Scope {
	known, at := s, s
	for range deepest {
		up, ok := resource.Above(at)
		if n, there := p.nodes[at]; !ok && there && n.Parent != "" {
			up, ok = n.Parent, true
		}
		if !ok {
			break
		}
		if p.fresh[at] {
			known = up
		}
		at = up
	}
	return known
}

// mayLie says whether a node can be where it shall be.
func (p *planting) mayLie(n resource.Node) error {
	parent, there := p.nodes[n.Parent]
	if !there {
		return &pim.Refusal{Code: pim.UnknownScope, Field: "parent", Detail: "what shall contain it is not there: " + string(n.Parent)}
	}
	if n.Kind != resource.ManagementGroup && n.Kind != resource.Subscription {
		return nil
	}
	if parent.Kind != resource.ManagementGroup && parent.Kind != resource.Root {
		return badProperty("parent", "management groups and subscriptions lie in management groups")
	}
	if n.Kind == resource.Subscription {
		return nil
	}
	levels := 1
	for at := parent; at.Kind == resource.ManagementGroup; at = p.nodes[at.Parent] {
		if levels++; at.Scope == n.Scope || levels > deepest {
			return badProperty("parent", "a management group cannot lie within itself")
		}
	}
	if levels+p.height(n.Scope)-1 > deepestGroups {
		return badProperty("parent", fmt.Sprintf("at most %d management groups are above one another", deepestGroups))
	}
	return nil
}

// deepest bounds every walk upwards.
const deepest = 64

// height is how many management groups are above one another at and below one.
func (p *planting) height(s pim.Scope) int {
	most := 1
	for _, below := range p.Index.ContainersBelow(p.t, s) {
		if resource.KindOf(below) == resource.ManagementGroup {
			most = max(most, 1+slices.Index(p.Index.Above(p.t, below), s)+1)
		}
	}
	return most
}

// Bounds of what nodes are made of.
const (
	longestGroupName = 90
	longestTitle     = 256
	mostTags         = 50
	longestTag       = 512
	mostFurther      = 64 << 10
)

func validNode(n resource.Node) error {
	switch {
	case !validName(n):
		return &pim.Refusal{Code: pim.InvalidScope, Field: "scope", Detail: "nothing of this kind can be called so"}
	case !fits(n.DisplayName, longestTitle):
		return badProperty("displayName", "a display name has at most 256 characters, none of them a control character")
	case !fits(n.Location, longestTitle):
		return badProperty("location", "a location has at most 256 characters, none of them a control character")
	case len(n.Further) > mostFurther:
		return badProperty("properties", "what a resource carries has at most 65536 bytes")
	case len(n.Further) > 0 && (!json.Valid(n.Further) || bytes.TrimSpace(n.Further)[0] != '{'):
		return badProperty("properties", "what a resource carries is a JSON object")
	case len(n.Tags) > mostTags:
		return badProperty("tags", "there are at most 50 tags")
	}
	for k, v := range n.Tags {
		if k == "" || !fits(k, longestTag) || !fits(v, longestTag) {
			return badProperty("tags", "a tag's name has 1 to 512 characters, and its value up to 512, none of them a control character")
		}
	}
	return nil
}

// validName says whether a node can be called so. What the calls of Azure Resource Manager are about is no resource that anybody
// could make.
func validName(n resource.Node) bool {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.()", r)
	}
	not := func(r rune) bool { return !plain(r) }
	switch n.Kind {
	case resource.ManagementGroup, resource.Group:
		return utf8.RuneCountInString(n.Name) <= longestGroupName && !strings.ContainsFunc(n.Name, not) && !strings.HasSuffix(n.Name, ".")
	case resource.Subscription:
		return true
	case resource.Resource:
		if strings.TrimSpace(n.Name) != n.Name || strings.ContainsAny(n.Name, "<>%&?#\\") {
			return false
		}
		namespace, _, _ := strings.Cut(strings.ToLower(n.Type), "/")
		switch namespace {
		case "microsoft.authorization", "microsoft.management", "microsoft.subscription", "microsoft.resources", "microsoft.resourcegraph":
			return false
		}
		return !strings.ContainsFunc(strings.ReplaceAll(n.Type, "/", ""), not)
	case resource.Root:
	}
	return false
}

// containersFirst orders nodes so that what contains others comes before them, and refuses what comes twice.
func containersFirst(nodes []resource.Node) ([]resource.Node, error) {
	parents := map[pim.Scope]pim.Scope{}
	for _, n := range nodes {
		if _, twice := parents[n.Scope]; twice {
			return nil, badProperty("scope", n.ID+" comes twice")
		}
		parents[n.Scope] = n.Parent
	}
	level := func(n resource.Node) int {
		steps := 0
		for at, ok := n.Parent, n.Kind == resource.ManagementGroup; ok && steps < deepest; at, ok = parents[at] {
			steps++
		}
		return steps
	}
	levels := make(map[pim.Scope]int, len(nodes))
	for _, n := range nodes {
		levels[n.Scope] = level(n)
	}
	sorted := slices.Clone(nodes)
	slices.SortFunc(sorted, func(a, b resource.Node) int {
		return cmp.Or(cmp.Compare(turn(a.Kind), turn(b.Kind)), cmp.Compare(levels[a.Scope], levels[b.Scope]), strings.Compare(string(a.Scope), string(b.Scope)))
	})
	return sorted, nil
}

// turn is when a kind comes: resource groups and resources are in order by their paths.
func turn(k resource.Kind) int { return min(int(k), int(resource.Group)) }

// nodeChanges lists what differs between two states of a node.
func nodeChanges(before, after resource.Node) []pim.Change {
	var out []pim.Change
	add := func(name, old, now string) {
		if old != now {
			out = append(out, pim.Change{Name: name, Old: old, New: now})
		}
	}
	add("parent", string(before.Parent), string(after.Parent))
	add("displayName", before.DisplayName, after.DisplayName)
	add("location", before.Location, after.Location)
	for _, name := range slices.Sorted(maps.Keys(merged(before.Tags, after.Tags))) {
		add("tags."+name, before.Tags[name], after.Tags[name])
	}
	if !bytes.Equal(compact(before.Further), compact(after.Further)) {
		// What a resource carries may be long, and may be secret: that it changed is told, not how.
		out = append(out, pim.Change{Name: "properties"})
	}
	return out
}

func merged(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return all
}

// compact is JSON without blanks; what is none stays.
func compact(b []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, b) != nil {
		return b
	}
	return out.Bytes()
}

// nodeEvent tells what became of a node.
func (a *App) nodeEvent(by pim.Caller, now time.Time, n resource.Node, what string, changes []pim.Change) pim.Event {
	words := map[resource.Kind]string{resource.ManagementGroup: "management group", resource.Subscription: "subscription",
		resource.Group: "resource group", resource.Resource: "resource"}
	return pim.Event{
		ID: pim.EventID(a.newID()), Tenant: n.Tenant, At: now, Activity: pim.DirectoryChanged, Success: true, By: by.Actor,
		Key: pim.Key{Tenant: n.Tenant, Provider: pim.Resource, Scope: n.Scope}, Principal: pim.Principal{Name: n.Title()},
		Details: pim.ChangeDetails(words[n.Kind], what, changes),
	}
}
