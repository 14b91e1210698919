package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"portcullis/internal/client"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/resource"
)

// reading reads one estate. What fills the estate may run many times at once.
type reading struct {
	Server
	o ReadOptions

	mu sync.Mutex
	e  *Estate
	// seen are the rows that were met.
	seen map[string]bool
}

func newReading(s Server, origin string, o ReadOptions) *reading {
	if len(o.Providers) == 0 {
		o.Providers = []pim.Provider{pim.Directory, pim.Group, pim.Resource}
	}
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	if o.Resources == nil {
		o.Resources = s
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return &reading{Server: s, o: o, seen: map[string]bool{}, e: &Estate{
		Origin: origin, Taken: o.Now().UTC(), Principals: map[string]Principal{}, Roles: map[RoleRef]Role{}, Policies: map[Place]Policy{},
	}}
}

// wants says whether a provider is to be read.
func (r *reading) wants(p pim.Provider) bool { return slices.Contains(r.o.Providers, p) }

// each does something for each of n, some at once. The first error ends it.
func (r *reading) each(ctx context.Context, step string, n int, do func(ctx context.Context, i int) error) error {
	if n == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan int)
	var wait sync.WaitGroup
	done := 0
	r.tell(Progress{step, 0, n})
	for range min(r.o.Parallel, n) {
		wait.Go(func() {
			for i := range work {
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
				r.mu.Lock()
				done++
				r.o.Progress(Progress{step, done, n})
				r.mu.Unlock()
			}
		})
	}
feeding:
	for i := range n {
		select {
		case work <- i:
		case <-ctx.Done():
			break feeding
		}
	}
	close(work)
	wait.Wait()
	return context.Cause(ctx)
}

func (r *reading) tell(p Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.o.Progress(p)
}

// counted reads a list, whose end is not known before, and tells how far it has come. No step: it is a part of one that tells that.
func counted[T any](ctx context.Context, r *reading, s Server, step, path string, take func(T)) error {
	n := 0
	err := pages(ctx, s, path, func(v T) {
		take(v)
		if n++; step != "" && (n == 1 || n%100 == 0) {
			r.tell(Progress{Step: step, Done: n})
		}
	})
	if err == nil && step != "" && n > 0 {
		r.tell(Progress{Step: step, Done: n})
	}
	return err
}

// once says whether a row is met for the first time: what lists of several places show in common counts once.
func (r *reading) once(kind, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := kind + "\x00" + strings.ToLower(id)
	if id == "" || !r.seen[key] {
		r.seen[key] = true
		return true
	}
	return false
}

func (r *reading) grant(g Grant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.e.Grants = append(r.e.Grants, g)
}

func (r *reading) request(q Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.e.Requests = append(r.e.Requests, q)
}

func (r *reading) policy(at Place, p Policy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.e.Policies[at] = p
	for _, s := range p.Rules.Approval.Stages {
		for _, a := range slices.Concat(s.Approvers, s.Escalated) {
			r.approver(a)
		}
	}
	for _, s := range []policy.Set{p.Rules.AdminEligibility, p.Rules.AdminAssignment, p.Rules.EndUserAssignment} {
		for _, a := range s.Expiration.Exceptions {
			r.approver(a)
		}
	}
	for _, x := range p.Rules.PIMOnly.Excluded {
		kinds := map[policy.ExcludedKind]pim.PrincipalKind{policy.ExcludedUser: pim.UserPrincipal, policy.ExcludedGroup: pim.GroupPrincipal, policy.ExcludedApplication: pim.ServicePrincipal}
		r.know(Principal{ID: x.ID, Kind: kinds[x.Kind], Name: x.Name})
	}
}

// approver notes one whom rules name. Their description is often their name, and often not: they are looked up.
func (r *reading) approver(a policy.Approver) {
	switch a.Kind {
	case policy.User:
		r.know(Principal{ID: a.ID, Kind: pim.UserPrincipal})
	case policy.Group:
		r.know(Principal{ID: a.ID, Kind: pim.GroupPrincipal})
	case policy.RequestorManager:
	}
}

func (r *reading) principal(p Principal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.know(p)
}

// know adds what is told of a principal to what is known. Whoever calls it holds the lock.
func (r *reading) know(p Principal) {
	p.ID = strings.ToLower(p.ID)
	if p.ID == "" {
		return
	}
	have, ok := r.e.Principals[p.ID]
	if ok {
		if p.Kind == 0 {
			p.Kind = have.Kind
		}
		if p.Name == "" {
			p.Name = have.Name
		}
		if p.Account == "" {
			p.Account = have.Account
		}
	}
	r.e.Principals[p.ID] = p
}

func (r *reading) role(d Role) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if have, ok := r.e.Roles[d.RoleRef]; ok && d.Name == "" {
		d.Name, d.Custom, d.Definition = have.Name, have.Custom || d.Custom, have.Definition
	}
	r.e.Roles[d.RoleRef] = d
}

func (r *reading) note(s Severity, item, code, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.e.Notes = append(r.e.Notes, Note{s, item, code, fmt.Sprintf(format, args...)})
}

// node reads a path of the tree of resources as the core writes it.
func (r *reading) node(path string) (pim.Scope, error) {
	n, err := resource.ParseFor(pim.TenantID(r.e.Tenant), path)
	if err != nil {
		return "", fmt.Errorf("the place %.300q is no path of a resource: %w", path, err)
	}
	if n.Scope == "" {
		return pim.Everywhere, nil
	}
	return n.Scope, nil
}

// used are the places at which anybody holds a role or asks for one, and the further ones whose rules are wanted, of a provider.
func (r *reading) used(p pim.Provider) []Place {
	at := map[Place]bool{}
	add := func(l Place) {
		if l.Provider == p {
			at[l.bound()] = true
		}
	}
	for _, g := range r.e.Grants {
		add(g.Place)
	}
	for _, q := range r.e.Requests {
		add(q.Place)
	}
	for _, l := range r.o.Places {
		add(l)
	}
	return slices.SortedFunc(maps.Keys(at), comparePlaces)
}

func comparePlaces(a, b Place) int {
	return strings.Compare(string(a.Provider)+"\x00"+string(a.Scope)+"\x00"+string(a.Role), string(b.Provider)+"\x00"+string(b.Scope)+"\x00"+string(b.Role))
}

// finish leaves of the roles those that count, and puts all in a fixed order: what is read twice is equal twice.
func (r *reading) finish() *Estate {
	named := map[RoleRef]bool{}
	for _, g := range r.e.Grants {
		named[RoleRef{g.Provider, g.Role}] = true
	}
	for _, q := range r.e.Requests {
		named[RoleRef{q.Provider, q.Role}] = true
	}
	for at, p := range r.e.Policies {
		if !p.Default {
			named[RoleRef{at.Provider, at.Role}] = true
		}
	}
	for ref, d := range r.e.Roles {
		if !named[ref] && !d.Custom {
			delete(r.e.Roles, ref)
		}
	}
	for ref := range named {
		if _, ok := r.e.Roles[ref]; !ok {
			r.e.Roles[ref] = Role{RoleRef: ref}
		}
	}
	slices.SortFunc(r.e.Grants, func(a, b Grant) int {
		return firstOf(comparePlaces(a.Place, b.Place), strings.Compare(a.Principal, b.Principal), int(a.Kind)-int(b.Kind), a.Start.Compare(b.Start), strings.Compare(a.ID, b.ID))
	})
	slices.SortFunc(r.e.Requests, func(a, b Request) int {
		return firstOf(comparePlaces(a.Place, b.Place), strings.Compare(a.Principal, b.Principal), strings.Compare(a.ID, b.ID))
	})
	slices.SortFunc(r.e.Notes, func(a, b Note) int {
		return firstOf(int(b.Severity)-int(a.Severity), strings.Compare(a.Code, b.Code), strings.Compare(a.Item, b.Item))
	})
	slices.SortStableFunc(r.e.Scopes, func(a, b Scope) int { return depth(a.ID) - depth(b.ID) })
	return r.e
}

// depth orders places so that what contains others comes first: management groups, of which Parent tells, stay as they were.
func depth(id string) int {
	if strings.HasPrefix(strings.ToLower(id), managementGroups) || strings.Trim(id, "/") == "" {
		return 0
	}
	return strings.Count(strings.Trim(id, "/"), "/")
}

func firstOf(list ...int) int {
	for _, n := range list {
		if n != 0 {
			return n
		}
	}
	return 0
}

// pages reads a list with all its pages, and refuses one of which a part is missing: a page without rows and without an end, links
// in a circle, links to other servers (a token is carried nowhere), and fewer rows than the server counts.
func pages[T any](ctx context.Context, s Server, path string, take func(T)) error {
	rows, counted, links := 0, -1, map[string]bool{}
	for range mostPages {
		var page struct {
			Value     *[]T   `json:"value"`
			Count     *int   `json:"@odata.count"`
			NextLink  string `json:"nextLink"`
			ODataNext string `json:"@odata.nextLink"`
		}
		if err := s.Call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return fmt.Errorf("read %s: %w", shown(path), err)
		}
		if page.Value == nil {
			return fmt.Errorf("read %s: the answer is no list", shown(path))
		}
		if page.Count != nil && counted < 0 {
			counted = *page.Count
		}
		rows += len(*page.Value)
		for _, v := range *page.Value {
			take(v)
		}
		next := page.NextLink
		if next == "" {
			next = page.ODataNext
		}
		if next == "" {
			if rows < counted {
				return fmt.Errorf("read %s: the list ends after %d of %d rows", shown(path), rows, counted)
			}
			return nil
		}
		below, err := followable(s.Origin(), next)
		if err != nil {
			return fmt.Errorf("read %s: %w", shown(path), err)
		}
		if links[below] || below == path {
			return fmt.Errorf("read %s: the list goes on in a circle", shown(path))
		}
		links[below] = true
		path = below
	}
	return fmt.Errorf("read %s: the list has no end", shown(path))
}

// followable is what follows the origin in a link to the same server.
func followable(origin, link string) (string, error) {
	if len(link) < len(origin) || !strings.EqualFold(link[:len(origin)], origin) || !strings.HasPrefix(link[len(origin):], "/") {
		return "", errors.New("the list goes on at another server, which is not followed")
	}
	return link[len(origin):], nil
}

// shown is a path for people, without its query.
func shown(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path[:min(len(path), 200)]
}

// statusOf is the status of a refusal; zero: it is none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Status
	}
	if errors.Is(err, client.ErrSignedOut) {
		return http.StatusUnauthorized
	}
	return 0
}
