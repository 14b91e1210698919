package migrate

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api/governance"
	"portcullis/internal/pim"
)

// ReadV2 reads what a server tells in the words of PIM's second iteration: in the form of the service's own host where the server
// speaks that, for it tells more, else in that of Microsoft Graph. Resources are read one by one, some at once: their rows, open
// requests and settings. Of the settings of resources it reads those of the roles that somebody holds there or asks for, and those
// that somebody has changed.
func ReadV2(ctx context.Context, s Server, o ReadOptions) (*Estate, error) {
	r := newReading(s, s.Origin(), o)
	for _, p := range []pim.Provider{pim.Directory, pim.Group, pim.Resource} {
		if !r.wants(p) {
			continue
		}
		if err := r.v2Provider(ctx, p); err != nil {
			return nil, fmt.Errorf("read %s: %w", governance.Provider(p), err)
		}
	}
	return r.finish(), nil
}

// The two forms of the second iteration.
const (
	v2Host  = "/api/v2/privilegedAccess/"
	v2Graph = "/beta/privilegedAccess/"
)

// v2Root finds the form that a server speaks for a provider. The error is that of the last one.
func v2Root(ctx context.Context, s Server, p pim.Provider) (string, error) {
	var err error
	for _, root := range []string{v2Host, v2Graph} {
		root += governance.Provider(p)
		var list struct{ Value *[]struct{} }
		if err = s.Call(ctx, http.MethodGet, asked(root+"/resources", "$top", "1"), nil, &list); err == nil && list.Value != nil {
			return root, nil
		}
		if err == nil {
			err = fmt.Errorf("the answer to %s is no list", root)
		}
		if unanswered(err) != nil {
			return "", err
		}
	}
	return "", err
}

// v2Reading is the reading of one provider.
type v2Reading struct {
	*reading
	provider pim.Provider
	root     string
	expand   string
}

func (r *reading) v2Provider(ctx context.Context, p pim.Provider) error {
	root, err := v2Root(ctx, r, p)
	if err != nil {
		return err
	}
	v := v2Reading{r, p, root, "roleDefinition,subject"}
	if p == pim.Directory {
		if strings.HasPrefix(root, v2Host) {
			v.expand += ",scopedResource"
		} else {
			r.note(Changed, "directory roles", "ScopeNotTold", "the server does not tell whether a role holds in an administrative unit alone: all count as if they held everywhere")
		}
	}
	resources, err := v.resources(ctx)
	if err != nil {
		return err
	}
	places := make([]v2At, len(resources))
	for i, res := range resources {
		if places[i], err = r.v2Place(p, res); err != nil {
			return err
		}
	}
	return r.each(ctx, governance.Provider(p), len(resources), func(ctx context.Context, i int) error {
		if err := v.resource(ctx, resources[i], places[i]); err != nil {
			return fmt.Errorf("%s: %w", firstText(resources[i].ExternalID, resources[i].ID), err)
		}
		return nil
	})
}

func firstText(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// resources lists the resources, with what contains them where the server tells.
func (v v2Reading) resources(ctx context.Context) ([]v2Resource, error) {
	pairs := []string{"$expand", "parent"}
	if v.provider != pim.Resource {
		pairs = nil
	}
	var list []v2Resource
	take := func(res v2Resource) { list = append(list, res) }
	err := pages(ctx, v, asked(v.root+"/resources", pairs...), take)
	if statusOf(err) == http.StatusBadRequest && pairs != nil {
		list = nil
		err = pages(ctx, v, v.root+"/resources", take)
	}
	if err != nil {
		return nil, err
	}
	v.e.Tenant = firstText(v.e.Tenant, tenantOf(v.provider, list))
	for _, res := range list {
		if v.provider == pim.Group {
			v.principal(Principal{ID: res.ID, Kind: pim.GroupPrincipal, Name: res.DisplayName})
		}
	}
	return list, nil
}

// tenantOf is the tenant that resources are of: the one of directory roles, or the name of the group that contains all others.
func tenantOf(p pim.Provider, list []v2Resource) string {
	for _, res := range list {
		if p == pim.Directory {
			return strings.ToLower(res.ID)
		}
		group, ok := strings.CutPrefix(strings.ToLower(res.ExternalID), managementGroups)
		if p == pim.Resource && ok && res.Parent == nil && len(group) == 36 {
			return group
		}
	}
	return ""
}

// resource reads one resource.
func (v v2Reading) resource(ctx context.Context, res v2Resource, at v2At) error {
	root := v.root + "/resources/" + escaped(res.ID)
	used := map[string]bool{}
	var keys []v2Key
	var rows []v2Assignment
	err := pages(ctx, v, asked(root+"/roleAssignments", "$expand", v.expand), func(row v2Assignment) { rows = append(rows, row) })
	if err != nil {
		return err
	}
	requests, err := v.requests(ctx, root)
	if err != nil {
		return err
	}
	for _, row := range rows {
		keys = append(keys, row.v2Key)
	}
	for _, q := range requests {
		keys = append(keys, q.v2Key)
	}
	if err := v.definitions(ctx, root, at, keys); err != nil {
		return err
	}
	for _, row := range rows {
		if !derived(row.MemberType) {
			used[row.RoleDefinitionID] = true
		}
		if err := v.v2Row(at, row); err != nil {
			return err
		}
	}
	for _, q := range requests {
		used[q.RoleDefinitionID] = true
		if err := v.v2OpenRequest(at, q); err != nil {
			return err
		}
	}
	return v.settings(ctx, root, at, used)
}

// definitions reads the role definitions of a resource where a row does not bring its own.
func (v v2Reading) definitions(ctx context.Context, root string, at v2At, keys []v2Key) error {
	for _, k := range keys {
		if k.RoleDefinition == nil && at.definitions[strings.ToLower(k.RoleDefinitionID)].ID == "" {
			return pages(ctx, v, root+"/roleDefinitions", func(d v2Definition) { at.definitions[strings.ToLower(d.ID)] = d })
		}
	}
	return nil
}

// requests reads the open requests of a resource.
func (v v2Reading) requests(ctx context.Context, root string) ([]v2Request, error) {
	var list []v2Request
	var terms []string
	for _, word := range []string{"Granted", "PendingApproval", "PendingAdminDecision"} {
		terms = append(terms, "status/subStatus eq "+quoted(word))
	}
	path := asked(root+"/roleAssignmentRequests", "$filter", strings.Join(terms, " or "), "$expand", v.expand)
	if err := pages(ctx, v, path, func(q v2Request) { list = append(list, q) }); err != nil {
		return nil, err
	}
	return list, nil
}

// settings reads the settings of a resource: all of them, or where there are many those that count.
func (v v2Reading) settings(ctx context.Context, root string, at v2At, used map[string]bool) error {
	var list []v2Setting
	take := func(s v2Setting) { list = append(list, s) }
	read := func(filter string) error {
		pairs := []string{"$expand", "roleDefinition"}
		if filter != "" {
			pairs = append(pairs, "$filter", filter)
		}
		return pages(ctx, v, asked(root+"/roleSettings", pairs...), take)
	}
	if err := v.readSettings(used, read); err != nil {
		return err
	}
	var keys []v2Key
	for _, s := range list {
		keys = append(keys, s.v2Key)
	}
	if err := v.definitions(ctx, root, at, keys); err != nil {
		return err
	}
	for _, s := range list {
		if v.provider != pim.Resource || !s.IsDefault || used[s.RoleDefinitionID] {
			v.v2Rules(at, s)
		}
	}
	return nil
}

func (v v2Reading) readSettings(used map[string]bool, read func(filter string) error) error {
	if v.provider != pim.Resource {
		return read("")
	}
	terms := []string{"isDefault eq false"}
	for id := range used {
		terms = append(terms, "roleDefinitionId eq "+quoted(id))
	}
	for some := range slices.Chunk(terms, roleIDsAtOnce) {
		err := read(strings.Join(some, " or "))
		if statusOf(err) == http.StatusBadRequest && some[0] == terms[0] {
			return read("") // the server does not tell which have been changed
		}
		if err != nil {
			return err
		}
	}
	return nil
}
