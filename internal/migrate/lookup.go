package migrate

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"portcullis/internal/client"
	"portcullis/internal/pim"
)

// Versions of Azure Resource Manager's interfaces by which a target is asked and written.
const (
	definitionsVersion = "2022-04-01"
	requestsVersion    = "2020-10-01"
	policiesVersion    = "2024-09-01"
	treeVersion        = "2021-04-01"
)

// Sizes of what is asked for at once: ids (the bound of directoryObjects/getByIds), and names in a filter, of which servers take
// no more than fifteen.
const (
	idsAtOnce   = 1000
	namesAtOnce = 15
)

// Lookup adds to what is known of a target who and what a source names, as far as its directory and its roles have them: by id,
// account or name. Match goes by it.
func Lookup(ctx context.Context, s Server, source, target *Estate) error {
	if target.Principals == nil {
		target.Principals = map[string]Principal{}
	}
	if target.Roles == nil {
		target.Roles = map[RoleRef]Role{}
	}
	l := lookup{patient{s, client.Sleep}, target}
	if err := l.roles(ctx, source); err != nil {
		return fmt.Errorf("read the roles of the target: %w", err)
	}
	if err := l.byID(ctx, source); err != nil {
		return fmt.Errorf("look for principals at the target: %w", err)
	}
	if err := l.byName(ctx, source); err != nil {
		return fmt.Errorf("look for principals at the target: %w", err)
	}
	return nil
}

// ReadTarget reads the server that a source is carried to, as far as the source concerns it, and finds what of the source is what
// there: its rules are read wherever the source has any.
func ReadTarget(ctx context.Context, s Server, source *Estate, by Overrides, o ReadOptions) (*Estate, Mapping, error) {
	known := &Estate{}
	if err := Lookup(ctx, s, source, known); err != nil {
		return nil, Mapping{}, err
	}
	m := Match(source, known, by)
	for p := range source.ruled() {
		if to, ok := m.place(p); ok {
			o.Places = append(o.Places, to)
		}
	}
	target, err := ReadV3(ctx, s, o)
	if err != nil {
		return nil, m, err
	}
	for id, p := range known.Principals {
		target.Principals[id] = p
	}
	for ref, r := range known.Roles {
		if _, ok := target.Roles[ref]; !ok {
			target.Roles[ref] = r
		}
	}
	return target, Match(source, target, by), nil
}

type lookup struct {
	Server
	target *Estate
}

// mostPages bounds a list that is followed.
const mostPages = 100_000

// asked is a path with a query.
func asked(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// quoted is a text of a filter.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (l lookup) roles(ctx context.Context, source *Estate) error {
	of := map[pim.Provider]bool{}
	for ref := range source.Roles {
		of[ref.Provider] = true
	}
	add := func(p pim.Provider, id, name string) {
		ref := RoleRef{p, pim.RoleID(strings.ToLower(id))}
		if have, ok := l.target.Roles[ref]; !ok || have.Name == "" {
			have.RoleRef, have.Name = ref, name
			l.target.Roles[ref] = have
		}
	}
	if of[pim.Directory] {
		type role struct{ ID, DisplayName string }
		err := pages(ctx, l, "/v1.0/roleManagement/directory/roleDefinitions", func(r role) { add(pim.Directory, r.ID, r.DisplayName) })
		if err != nil {
			return err
		}
	}
	if !of[pim.Resource] {
		return nil
	}
	type role struct {
		Name       string
		Properties struct{ RoleName string }
	}
	path := asked("/providers/Microsoft.Authorization/roleDefinitions", "api-version", definitionsVersion, "$filter", "atScopeAndBelow()")
	return pages(ctx, l, path, func(r role) { add(pim.Resource, r.Name, r.Properties.RoleName) })
}

// object is a principal of the directory.
type object struct {
	Type              string `json:"@odata.type"`
	ID                string `json:"id"`
	DisplayName       string `json:"displayName"`
	UserPrincipalName string `json:"userPrincipalName"`
	AppID             string `json:"appId"`
}

func (l lookup) add(o object, k pim.PrincipalKind) {
	account := o.UserPrincipalName
	if k == pim.ServicePrincipal {
		account = o.AppID
	}
	id := strings.ToLower(o.ID)
	l.target.Principals[id] = Principal{ID: id, Kind: k, Name: o.DisplayName, Account: account}
}

// wanted are those of the source whom the target is not known to have.
func (l lookup) wanted(source *Estate) []Principal {
	var out []Principal
	for _, id := range slices.Sorted(maps.Keys(source.Principals)) {
		if _, there := l.target.Principals[id]; !there {
			out = append(out, source.Principals[id])
		}
	}
	return out
}

func (l lookup) byID(ctx context.Context, source *Estate) error {
	for some := range slices.Chunk(l.wanted(source), idsAtOnce) {
		ids := make([]string, len(some))
		for i, p := range some {
			ids[i] = p.ID
		}
		var found struct{ Value []object }
		in := map[string]any{"ids": ids, "types": []string{"user", "group", "servicePrincipal"}}
		if err := l.Call(ctx, http.MethodPost, "/v1.0/directoryObjects/getByIds", in, &found); err != nil {
			return err
		}
		for _, o := range found.Value {
			for word, kind := range map[string]pim.PrincipalKind{"user": pim.UserPrincipal, "group": pim.GroupPrincipal, "servicePrincipal": pim.ServicePrincipal} {
				if strings.EqualFold(strings.TrimPrefix(o.Type, "#microsoft.graph."), word) {
					l.add(o, kind)
				}
			}
		}
	}
	return nil
}

// byName looks for who is left: users by account, applications by their application id and by name, groups by name.
func (l lookup) byName(ctx context.Context, source *Estate) error {
	names := map[string][]string{}
	for _, p := range l.wanted(source) {
		switch p.Kind {
		case pim.UserPrincipal:
			names["users userPrincipalName"] = append(names["users userPrincipalName"], p.Account)
		case pim.GroupPrincipal:
			names["groups displayName"] = append(names["groups displayName"], p.Name)
		case pim.ServicePrincipal:
			names["servicePrincipals appId"] = append(names["servicePrincipals appId"], p.Account)
			names["servicePrincipals displayName"] = append(names["servicePrincipals displayName"], p.Name)
		}
	}
	for _, where := range slices.Sorted(maps.Keys(names)) {
		set, member, _ := strings.Cut(where, " ")
		kind := map[string]pim.PrincipalKind{"users": pim.UserPrincipal, "groups": pim.GroupPrincipal, "servicePrincipals": pim.ServicePrincipal}[set]
		list := slices.DeleteFunc(names[where], func(s string) bool { return s == "" })
		for some := range slices.Chunk(list, namesAtOnce) {
			texts := make([]string, len(some))
			for i, s := range some {
				texts[i] = quoted(s)
			}
			path := asked("/v1.0/"+set, "$filter", member+" in ("+strings.Join(texts, ",")+")", "$select", selects(kind))
			if err := pages(ctx, l, path, func(o object) { l.add(o, kind) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func selects(k pim.PrincipalKind) string {
	switch k {
	case pim.UserPrincipal:
		return "id,displayName,userPrincipalName"
	case pim.ServicePrincipal:
		return "id,displayName,appId"
	case pim.GroupPrincipal:
	}
	return "id,displayName"
}
