package authzen

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/app"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
)

// search begins a search: what is asked, without the id of what is searched for, and which page is wanted. A node that cannot know,
// or does not see yet what is wanted, finds nothing and says so by its error: an empty list would be believed.
func (s *Surface) search(r *api.Request, name string, wanted, searched part) (*results, *asked, error) {
	body, err := r.Body()
	if err != nil {
		return nil, nil, err
	}
	var w wireSearch
	if err := object(body, &w); err != nil {
		return nil, nil, err
	}
	// An id there is to be ignored.
	if searched == partSubject && w.Subject != nil {
		w.Subject.ID = ""
	}
	if searched == partResource && w.Resource != nil {
		w.Resource.ID = ""
	}
	if searched == partAction {
		w.Action = nil
	}
	q := w.asked()
	if err := q.complete("", wanted, searched); err != nil {
		return nil, nil, err
	}
	p, err := readPage(r.Tenant, name, &w)
	if err != nil {
		return nil, nil, err
	}
	switch there, err := s.await(r.Context(), q.token); {
	case err != nil:
		return nil, nil, err
	case !there:
		return nil, nil, app.ErrBehind
	}
	found := &results{asking: s.begin(r), page: p}
	if found.stale {
		return nil, nil, app.ErrStale
	}
	return found, &q, nil
}

// searchSubject lists who may do an action to a resource now, by object id ("Subject Search API").
func (s *Surface) searchSubject(r *api.Request) (api.Answer, error) {
	f, q, err := s.search(r, "subject", partSubject|partAction|partResource, partSubject)
	if err != nil {
		return api.Answer{}, err
	}
	to, reason, err := f.target(q)
	if err != nil {
		return api.Answer{}, err
	}
	if err := f.mayAsk("", to); err != nil {
		return api.Answer{}, err
	}
	if reason != "" {
		return f.answer(), nil
	}
	after := pim.PrincipalID(f.page.after)
	for most := f.page.limit + 1; ; most = mostPage + 1 { // where few fit, not many short looks
		if err := r.Context().Err(); err != nil {
			return api.Answer{}, err
		}
		holders := f.holders(to, after, most)
		for _, h := range holders {
			after = h.Principal
			if !fits(q.subject.kind, h.Kind) {
				continue
			}
			add := func(b []byte) []byte { return appendEntity(b, typeOf(h.Kind), string(h.Principal)) }
			if !f.add(string(h.Principal), add) {
				return f.answer(), nil
			}
		}
		if len(holders) < most {
			return f.answer(), nil
		}
	}
}

// holders lists some of those who hold what is asked for, by id.
func (f *results) holders(to target, after pim.PrincipalID, limit int) []access.Holder {
	var all []access.Holder
	switch {
	case to.operation != "":
		all = f.index.ResourceHolders(f.now, to.allowed(f.call.Tenant, ""), after, limit)
	case to.provider == pim.Group && to.role == pim.Member:
		all = f.members(to, after, limit)
	default:
		all = f.index.Holders(f.now, to.question(f.call.Tenant, ""), after, limit)
	}
	for i := range all {
		if all[i].Kind == 0 {
			_, all[i].Kind, _ = f.index.Find(f.call.Tenant, string(all[i].Principal))
		}
	}
	return all
}

// members are those of a group, by PIM or without it.
func (f *results) members(to target, after pim.PrincipalID, limit int) []access.Holder {
	all := f.index.Members(f.now, f.call.Tenant, pim.PrincipalID(to.scope))
	from, known := slices.BinarySearch(all, after)
	if known {
		from++
	}
	var out []access.Holder
	for _, p := range all[from:min(len(all), from+limit)] {
		out = append(out, access.Holder{Principal: p})
	}
	return out
}

// searchResource lists at which scopes a subject may do an action now ("Resource Search API"): those at which a role that gives it is
// held. What lies below them is not listed one by one.
func (s *Surface) searchResource(r *api.Request) (api.Answer, error) {
	f, q, err := s.search(r, "resource", partSubject|partAction|partResource, partResource)
	if err != nil {
		return api.Answer{}, err
	}
	provider, ok := providerOf(q.resource.kind)
	who, reason, err := f.subject(q.subject, target{provider: provider, scope: pim.Everywhere})
	if err != nil {
		return api.Answer{}, err
	}
	if !ok || reason != "" {
		return f.answer(), nil
	}
	scopes, err := f.scopes(who, provider, q)
	if err != nil {
		return api.Answer{}, err
	}
	for _, at := range scopes {
		if string(at) <= f.page.after {
			continue
		}
		if !f.add(string(at), func(b []byte) []byte { return appendEntity(b, q.resource.kind, string(at)) }) {
			break
		}
	}
	return f.answer(), nil
}

func providerOf(typ string) (pim.Provider, bool) {
	switch typ {
	case typeDirectory:
		return pim.Directory, true
	case typeGroup:
		return pim.Group, true
	case typeAzure, typeResource:
		return pim.Resource, true
	}
	return pim.Directory, false
}

// scopes are where a subject holds what allows an action, ordered.
func (f *results) scopes(who pim.PrincipalID, provider pim.Provider, q *asked) ([]pim.Scope, error) {
	operation := strings.Contains(q.action, "/")
	role := pim.RoleID("")
	if !operation {
		var err error
		if role, err = f.role(provider, q.action); err != nil || role == "" {
			return nil, err
		}
	} else if provider != pim.Resource {
		return nil, nil
	}
	found := map[pim.Scope]bool{}
	for _, h := range f.index.Held(f.now, f.call.Tenant, who) {
		if h.Provider != provider || !operation && h.Role != role || found[h.Scope] {
			continue
		}
		found[h.Scope] = !operation || f.allows(who, h.Scope, q)
	}
	if provider == pim.Group && role == pim.Member {
		for _, g := range f.index.GroupsAbove(f.now, f.call.Tenant, who) {
			found[pim.Scope(g)] = true
		}
	}
	maps.DeleteFunc(found, func(_ pim.Scope, there bool) bool { return !there })
	return slices.Sorted(maps.Keys(found)), nil
}

func (f *results) allows(who pim.PrincipalID, at pim.Scope, q *asked) bool {
	to := target{provider: pim.Resource, scope: at, operation: q.action, data: q.data}
	return f.index.Allowed(f.now, to.allowed(f.call.Tenant, who)).Verdict == rbac.Allowed
}

// searchAction lists what a subject may do to a resource now ("Action Search API"): the names of the roles that are held there, and of
// resources those operations, of all that the catalogue names for their type, that are allowed.
func (s *Surface) searchAction(r *api.Request) (api.Answer, error) {
	f, q, err := s.search(r, "action", partSubject|partResource, partAction)
	if err != nil {
		return api.Answer{}, err
	}
	provider, at, ok := place(r.Tenant, q.resource, q.scope)
	who, reason, err := f.subject(q.subject, target{provider: provider, scope: at})
	if err != nil {
		return api.Answer{}, err
	}
	if !ok || reason != "" {
		return f.answer(), nil
	}
	names, err := f.roleNames(who, provider, at)
	if err != nil {
		return api.Answer{}, err
	}
	if provider == pim.Resource {
		f.operations(who, at, names)
	}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		if key <= f.page.after {
			continue
		}
		name, data := strings.CutSuffix(key, dataMark)
		if !f.add(key, func(b []byte) []byte { return appendAction(b, name, data) }) {
			break
		}
	}
	return f.answer(), nil
}

// dataMark tells operations of the data plane from others of the same name.
const dataMark = "\x00data"

func appendAction(b []byte, name string, data bool) []byte {
	b = api.AppendText(append(b, `{"name":`...), name)
	if data {
		b = append(b, `,"properties":{"dataAction":true}`...)
	}
	return append(b, '}')
}

// roleNames are those of the roles that a subject holds at a scope.
func (f *results) roleNames(who pim.PrincipalID, provider pim.Provider, at pim.Scope) (map[string]bool, error) {
	names := map[string]bool{}
	asked := map[pim.RoleID]bool{}
	for _, h := range f.index.Held(f.now, f.call.Tenant, who) {
		if h.Provider != provider || asked[h.Role] {
			continue
		}
		asked[h.Role] = true
		to := target{provider: provider, scope: at, role: h.Role}
		if !f.index.Check(f.now, to.question(f.call.Tenant, who)).Held {
			continue
		}
		name, err := f.nameOf(provider, h.Role)
		if err != nil {
			return nil, err
		}
		names[name] = true
	}
	if provider == pim.Group && slices.Contains(f.index.GroupsAbove(f.now, f.call.Tenant, who), pim.PrincipalID(at)) {
		names[string(pim.Member)] = true
	}
	return names, nil
}

func (f *results) nameOf(p pim.Provider, id pim.RoleID) (string, error) {
	switch p {
	case pim.Directory:
		name, err := f.roles.nameOf(f.call.Context(), f.call.Tenant, id)
		if err != nil {
			return "", fmt.Errorf("name the role %s: %w", id, err)
		}
		return name, nil
	case pim.Resource:
		if r, ok := f.index.ResourceRole(f.call.Tenant, id); ok {
			return r.Name, nil
		}
	case pim.Group:
	}
	return string(id), nil
}

// operations adds those of a resource's type that are allowed.
func (f *results) operations(who pim.PrincipalID, at pim.Scope, names map[string]bool) {
	for _, o := range operationsOf(at) {
		to := target{provider: pim.Resource, scope: at, operation: o.Name, data: o.Data}
		if f.index.Allowed(f.now, to.allowed(f.call.Tenant, who)).Verdict != rbac.Allowed {
			continue
		}
		key := o.Name
		if o.Data {
			key += dataMark
		}
		names[key] = true
	}
}

// operationsOf are those that the catalogue names for the type of what a scope names.
func operationsOf(at pim.Scope) []catalog.AzureOperation {
	_, typed, ok := cutLast(string(at), "/providers/")
	if !ok {
		return nil
	}
	namespace, rest, _ := strings.Cut(typed, "/")
	var kinds []string
	for i, s := range strings.Split(rest, "/") {
		if i%2 == 0 {
			kinds = append(kinds, s)
		}
	}
	kind := strings.Join(kinds, "/")
	for _, p := range catalog.AzureOperations() {
		if !strings.EqualFold(p.Namespace, namespace) {
			continue
		}
		for _, t := range p.Types {
			if strings.EqualFold(t.Name, kind) {
				return t.Operations
			}
		}
	}
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
