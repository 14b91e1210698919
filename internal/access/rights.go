package access

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"portcullis/internal/abac"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
)

// Above lists the scopes that contain a scope of resources, the nearest first and "/" last. It does not say whether anything
// is there.
func (ix *Index) Above(t pim.TenantID, s pim.Scope) []pim.Scope {
	tree := &tree{}
	if snapshot := ix.snapshot(t); snapshot != nil {
		tree = snapshot.tree
	}
	return slices.Collect(tree.upwards(s))[1:]
}

// ContainersBelow lists the management groups and subscriptions at or below a management group, a subscription or "/", ordered
// by scope.
func (ix *Index) ContainersBelow(t pim.TenantID, s pim.Scope) []pim.Scope {
	if snapshot := ix.snapshot(t); snapshot != nil {
		return snapshot.tree.below(s)
	}
	return nil
}

// ResourceRole finds a role of resources, built-in or custom. It is shared, and not to be changed.
func (ix *Index) ResourceRole(t pim.TenantID, id pim.RoleID) (*rbac.Role, bool) {
	if s := ix.snapshot(t); s != nil {
		return s.tree.role(id)
	}
	return catalog.AzureRole(string(id))
}

// ResourceRoles lists the custom roles of resources, ordered by id. They are shared, and not to be changed.
func (ix *Index) ResourceRoles(t pim.TenantID) []*rbac.Role {
	s := ix.snapshot(t)
	if s == nil {
		return nil
	}
	return slices.SortedFunc(maps.Values(s.tree.roles), func(a, b *rbac.Role) int { return strings.Compare(a.ID, b.ID) })
}

func (t *tree) role(id pim.RoleID) (*rbac.Role, bool) {
	if r := t.roles[id]; r != nil {
		return r, true
	}
	return catalog.AzureRole(string(id))
}

// ResourceQuestion asks whether a principal may do an operation to a resource.
type ResourceQuestion struct {
	Tenant    pim.TenantID
	Principal pim.PrincipalID
	Operation rbac.Operation
	// Scope names the resource. Nobody says that it is there: what lies above it decides.
	Scope pim.Scope
	// About are the facts that conditions may ask for, beside the time, which the index adds.
	About abac.Attributes
}

// ResourceAnswer says whether, and by what.
type ResourceAnswer struct {
	Verdict rbac.Verdict
	// Until is the instant up to which the operation certainly is allowed if nothing is committed meanwhile and the facts, of
	// which the time of day may be one, stay as they are. Zero: no end, or not allowed.
	Until time.Time
	// Next is the instant before which a no stays one if nothing is committed meanwhile and the facts stay as they are. Zero: for
	// ever, or allowed.
	Next time.Time
	// Scope, Via and Ground are as in Answer, where the operation is allowed.
	Scope pim.Scope
	Via   []pim.PrincipalID
	Ground
}

// Allowed answers as of now whether somebody may do something to a resource: by the roles held at it or above, less what deny
// assignments forbid there (reference arm-pim §10).
func (ix *Index) Allowed(now time.Time, q ResourceQuestion) ResourceAnswer {
	s := ix.snapshot(q.Tenant)
	if s == nil {
		return ResourceAnswer{}
	}
	return s.allowed(now, q)
}

// Rights are what a principal may do to resources at an instant: by roles that it holds then, itself or by groups, at the scope
// in question or above, less what deny assignments forbid. They see the index as of now, and are for one call.
func (ix *Index) Rights(now time.Time, t pim.TenantID, p pim.PrincipalID) pim.Rights {
	r := &rights{principal: p}
	s := ix.snapshot(t)
	if s == nil {
		return r
	}
	root, known := s.findPrincipal(p)
	r.asking, r.known = s.asking(now, root), known
	return r
}

// Permissions lists the permissions of the roles that a principal holds at a scope or above, one entry for each, not merged,
// by role. They are shared, and not to be changed.
func (ix *Index) Permissions(now time.Time, t pim.TenantID, p pim.PrincipalID, at pim.Scope) []rbac.Permission {
	s := ix.snapshot(t)
	if s == nil {
		return nil
	}
	root, known := s.findPrincipal(p)
	if !known {
		return nil
	}
	a := s.asking(now, root)
	defer a.done()
	roles := map[string]*rbac.Role{}
	a.grantsAt(at, func(h held) { roles[h.role.ID] = h.role })
	var all []rbac.Permission
	for _, id := range slices.Sorted(maps.Keys(roles)) {
		all = append(all, roles[id].Permissions...)
	}
	return all
}

// rights is a principal whose groups are walked to once for many questions.
type rights struct {
	asking
	principal pim.PrincipalID
	known     bool
	walk      sync.Once
}

// May implements pim.Rights.
func (r *rights) May(op rbac.Operation, at pim.Scope, about abac.Attributes) rbac.Verdict {
	if !r.known {
		return rbac.NotAllowed
	}
	r.walk.Do(r.keepWalk)
	a := r.asking
	return a.may(r.principal, op, at, about)
}

// keepWalk walks to the groups and keeps where the walk came: what it needed on the way, which is as long as the tenant has
// groups, goes back.
func (r *rights) keepWalk() {
	kept := new(walk)
	if len(r.node(r.root).above) > 0 {
		a := r.snapshot.asking(r.now, r.root)
		kept.reached = slices.Clone(a.above().reached)
		a.done()
	}
	r.groups = kept
}

// held is a role of resources that is held at a scope or above it.
type held struct {
	found
	role *rbac.Role
}

func (h held) grant() rbac.Grant {
	g := rbac.Grant{Role: h.role}
	g.Condition = h.node.more(h.place).condition
	return g
}

// grantsAt visits the roles of resources that the root holds at a scope or above: its own, then those of its groups.
func (a *asking) grantsAt(at pim.Scope, visit func(held)) {
	var room [depth]uint32
	places := a.places(room[:0], pim.Resource, at)
	n := a.node(a.root)
	a.grantsOf(n, places, never, own, visit)
	if len(n.above) == 0 {
		return
	}
	for i, r := range a.above().reached {
		a.grantsOf(r.node, places, r.end, i, visit)
	}
}

// grantsOf visits those of one node. It goes from role to role: a node may have the same one at many scopes.
func (a *asking) grantsOf(n *node, places []uint32, until int64, at int, visit func(held)) {
	for i := 0; i < len(n.grants); {
		right := n.grants[i].right.plain()
		run := n.runOf(right, i)
		if !right.eligibility() {
			a.grantsOfRole(n, run, places, until, at, visit)
		}
		i = run.to
	}
}

func (a *asking) grantsOfRole(n *node, run run, places []uint32, until int64, at int, visit func(held)) {
	name := a.roles.keys[n.grants[run.from].right.role()]
	if name.provider != pim.Resource {
		return
	}
	var def *rbac.Role
	for _, scope := range places {
		for i, to := n.within(run, scope); i < to; i++ {
			f := a.measure(n, i, until, at)
			if !f.held {
				continue
			}
			if def == nil {
				var known bool
				if def, known = a.tree.role(name.id); !known {
					return // a role that is no more gives nothing
				}
			}
			visit(held{f, def})
		}
	}
}

// may decides by all grants and denials at once.
func (a *asking) may(p pim.PrincipalID, op rbac.Operation, at pim.Scope, about abac.Attributes) rbac.Verdict {
	var room [16]rbac.Grant
	grants := room[:0]
	a.grantsAt(at, func(h held) { grants = append(grants, h.grant()) })
	if len(grants) == 0 {
		return rbac.NotAllowed
	}
	var more [8]*rbac.Denial
	denials := a.denialsAt(more[:0], p, at)
	if conditional(grants, denials) {
		about = a.facts(about)
	}
	return rbac.Decide(denials, grants, op, about)
}

// denialsAt are the deny assignments that name a principal and reach a scope.
func (a *asking) denialsAt(room []*rbac.Denial, p pim.PrincipalID, at pim.Scope) []*rbac.Denial {
	if len(a.tree.denials) == 0 {
		return nil
	}
	for scope := range a.tree.upwards(at) {
		for _, d := range a.tree.denials[scope] {
			if d.HoldsAt(string(at)) && d.Names(string(p), a.inGroup) {
				room = append(room, d)
			}
		}
	}
	return room
}

// inGroup says whether the root is in a group now.
func (a *asking) inGroup(group string) bool {
	n, known := a.findPrincipal(pim.PrincipalID(group))
	if !known || len(a.node(a.root).above) == 0 {
		return false
	}
	return a.above().find(n) >= 0
}

func conditional(grants []rbac.Grant, denials []*rbac.Denial) bool {
	narrow := func(p rbac.Permission) bool { return p.Condition != "" }
	for i := range grants {
		if grants[i].Condition != nil || slices.ContainsFunc(grants[i].Role.Permissions, narrow) {
			return true
		}
	}
	for _, d := range denials {
		if d.Condition != "" || slices.ContainsFunc(d.Permissions, narrow) {
			return true
		}
	}
	return false
}

// facts are those that a caller knows, and the time.
func (a *asking) facts(about abac.Attributes) abac.Attributes {
	all := make(abac.Attributes, len(about)+1)
	maps.Copy(all, about)
	all[utcNow] = []string{a.now.UTC().Format(time.RFC3339Nano)}
	return all
}

var utcNow = abac.Name(abac.Environment, "UtcNow")

func (s *snapshot) allowed(now time.Time, q ResourceQuestion) ResourceAnswer {
	root, known := s.findPrincipal(q.Principal)
	if !known {
		return ResourceAnswer{}
	}
	a := s.asking(now, root)
	defer a.done()
	verdict := a.may(q.Principal, q.Operation, q.Scope, q.About)
	if verdict != rbac.Allowed {
		if verdict == rbac.Denied {
			a.soonest = min(a.soonest, a.regrouped())
		}
		return ResourceAnswer{Verdict: verdict, Next: instant(a.soonest)}
	}
	best := a.allowing(q)
	if len(s.tree.denials) > 0 {
		best.end = min(best.end, a.regrouped())
	}
	by := a.answer(best)
	return ResourceAnswer{Verdict: rbac.Allowed, Until: by.Until, Scope: by.Scope, Via: by.Via, Ground: by.Ground}
}

// regrouped is the instant before which the root stays in the groups in which it is, and in no other: deny assignments name groups,
// and except them.
func (a *asking) regrouped() int64 {
	if len(a.node(a.root).above) == 0 {
		return never
	}
	w := a.above()
	return min(w.soonest, w.firstEnd)
}

// allowing finds the best of the grants that allow an operation: the principal's own rather than a group's, and of those the
// one that holds longest.
func (a *asking) allowing(q ResourceQuestion) (best found) {
	a.grantsAt(q.Scope, func(h held) {
		if best.held && (best.at == own && h.at != own || h.end <= best.end) {
			return
		}
		grants, about := []rbac.Grant{h.grant()}, q.About
		if conditional(grants, nil) {
			about = a.facts(about)
		}
		if rbac.Decide(nil, grants, q.Operation, about) == rbac.Allowed {
			best.take(h.found)
		}
	})
	return best
}
