package pimv2

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// Settings: governanceRoleSetting (learn.microsoft.com/graph/api/resources/governancerolesetting): the policy of a role, as one
// resource has it.

func settingRoutes() []route {
	var out []route
	for _, set := range settingSets() {
		routes := inBoth(set.name, func(path string) []route {
			one := path + "/{id}"
			out := append(counted(path, set.list), get(one, set.get), patch(one, set.patch))
			return append(out, led(one, settingNavigations(), navigateSetting)...)
		})
		for _, r := range routes {
			if set.hostOnly {
				r = onHost(r)
			}
			out = append(out, r)
		}
	}
	return out
}

// settingNavigations are what settings lead to.
func settingNavigations() []string { return []string{"resource", "roleDefinition"} }

// settingSet is one of the two forms in which settings are shown: with a list of rules for each collection, or with one list of all
// life cycles.
type settingSet struct {
	name     string
	hostOnly bool
	kind     func(*kinds) *kind[setting]
}

func settingSets() []settingSet {
	return []settingSet{
		{name: "roleSettings", kind: func(k *kinds) *kind[setting] { return &k.setting }},
		{name: "roleSettingsV2", hostOnly: true, kind: func(k *kinds) *kind[setting] { return &k.lifeCycle }},
	}
}

// setting is the settings of one role.
type setting struct {
	key    pim.RoleKey
	policy policy.Policy
	// people tells who approvers are.
	people map[pim.PrincipalID]subject
}

func (k *kinds) setSettings() {
	k.setting = kind[setting]{
		Set: "governanceRoleSettings", Type: "governanceRoleSetting", Write: writeSetting,
		Schema: k.settingSchema(string(governance.AdminEligible), string(governance.AdminMember), string(governance.UserEligible), string(governance.UserMember)),
		Key:    func(r setting) string { return governance.SettingID(r.key) },
		Value:  settingValue, Relate: relating(setting.reference),
		Deep: deep(setting.reference, settingValue),
	}
	k.lifeCycle = k.setting
	k.lifeCycle.Set, k.lifeCycle.Type = "governanceRoleSettingsV2", "governanceRoleSettingV2"
	k.lifeCycle.Schema, k.lifeCycle.Write = k.settingSchema(lifeCycles), writeLifeCycles
	k.roleDefinition.Schema.Navigations = append(k.roleDefinition.Schema.Navigations, odata.Navigation{Name: "roleSetting", Schema: k.setting.Schema})
}

// settingsByKey are the settings of roles, for what leads to them.
func (c *call) settingsByKey(keys map[pim.RoleKey]bool) (map[pim.RoleKey]setting, error) {
	rows, err := c.settingsOf(keysOf(keys))
	if err == nil {
		err = c.introduce(rows)
	}
	out := make(map[pim.RoleKey]setting, len(rows))
	for _, r := range rows {
		out[r.key] = r
	}
	return out, err
}

func (k *kinds) settingSchema(rules ...string) *odata.Schema {
	properties := append([]odata.Property{
		listing.IDProperty("id"), listing.IDProperty("resourceId"), listing.IDProperty("roleDefinitionId"), listing.BoolProperty("isDefault"),
		listing.TimeProperty("lastUpdatedDateTime"), listing.TextProperty("lastUpdatedBy"),
	}, listing.PlainProperties(rules...)...)
	return &odata.Schema{Properties: append(properties, referenceProperties()...), Navigations: k.navigations(settingNavigations()...)}
}

func (r setting) reference() reference { return reference{key: r.key} }

func writeSetting(_ *call, o *object, r setting) {
	writeSettingKey(o, r)
	for _, collection := range governance.Collections() {
		if o.Member(string(collection)) {
			o.B = appendRules(o.B, governance.Settings(collection, r.policy, r.person))
		}
	}
}

func writeSettingKey(o *object, r setting) {
	o.Str("id", governance.SettingID(r.key))
	o.Str("resourceId", governance.ResourceID(r.key))
	o.Str("roleDefinitionId", governance.RoleDefinitionID(r.key))
	o.Bool("isDefault", r.policy.Version == 0)
	o.Time("lastUpdatedDateTime", r.policy.Modified)
	o.Text("lastUpdatedBy", r.policy.ModifiedByName)
}

func appendRules(b []byte, rules []governance.RuleSetting) []byte {
	return wire.AppendEach(b, rules, func(b []byte, r governance.RuleSetting) []byte {
		o := wire.New(b, nil)
		o.Str("ruleIdentifier", r.RuleIdentifier)
		o.Str("setting", r.Setting)
		return o.End()
	})
}

func settingValue(_ *call, r setting, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return governance.SettingID(r.key)
	case "resourceId", "resource/id", "roleDefinition/resource/id":
		return governance.ResourceID(r.key)
	case "roleDefinitionId", "roleDefinition/id":
		return governance.RoleDefinitionID(r.key)
	case "isDefault":
		return r.policy.Version == 0
	case "lastUpdatedDateTime":
		return listing.TimeValue(r.policy.Modified)
	case "lastUpdatedBy":
		return listing.TextValue(r.policy.ModifiedByName)
	}
	return nil
}

// person tells who an approver is.
func (r setting) person(id string) governance.Person {
	s, ok := r.people[pim.PrincipalID(id)]
	if !ok {
		return governance.Person{}
	}
	account, mail := accountOf(s)
	return governance.Person{DisplayName: s.DisplayName, PrincipalName: account, Email: mail}
}

// introduce reads who the approvers in settings are.
func (c *call) introduce(rows []setting) error {
	ids := map[pim.PrincipalID]bool{}
	for _, r := range rows {
		for _, s := range r.policy.Rules.Approval.Stages {
			for _, a := range s.Approvers {
				ids[pim.PrincipalID(a.ID)] = true
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	people, err := c.subjects(ids)
	for i := range rows {
		rows[i].people = people
	}
	return err
}

// list lists the settings of the roles of the resource that path or filter name; of the directory there is one alone.
func (s settingSet) list(c *call) (api.Answer, error) {
	k := s.kind(c.kinds)
	q, err := c.Query(k.Schema)
	if err != nil {
		return api.Answer{}, err
	}
	t, err := c.narrow(q.Filter)
	if err != nil {
		return api.Answer{}, err
	}
	rows, err := c.settings(t)
	if err != nil {
		return api.Answer{}, err
	}
	orders := q.OrderBy
	q.Filter, q.OrderBy = t.rest, nil
	if rows, err = k.Sifted(c, odata.Query{Filter: q.Filter}, rows); err == nil && len(orders) > 0 {
		rows, err = k.Ordered(c, orders, rows)
	}
	if err != nil {
		return api.Answer{}, err
	}
	q.Filter = nil
	page, err := k.PageOf(c, q, rows)
	if err == nil {
		err = c.introduce(page.Rows)
	}
	if err != nil {
		return api.Answer{}, err
	}
	return listing.Finish(c, k, q, page)
}

// settings are those that a filter asks for by its keys.
func (c *call) settings(t target) ([]setting, error) {
	if t.nothing || t.subject != "" || t.state != 0 {
		return nil, nil
	}
	if t.place == nil {
		if c.provider != pim.Directory {
			return nil, api.BadRequest("A $filter on resourceId is required, such as resourceId eq '{id}'.")
		}
		p, err := c.tenantPlace()
		if err != nil {
			return nil, err
		}
		t.place = &p
	}
	if t.role != "" {
		key := t.place.key
		key.Role = t.role
		return c.settingsOf([]pim.RoleKey{key})
	}
	// A group has two roles, and its member may read the settings of one alone.
	if some := candidatesOf(t.rest); !some.all && c.provider != pim.Group {
		return c.candidates(*t.place, some)
	}
	keys, err := c.keysAt(*t.place)
	if err != nil {
		return nil, err
	}
	return c.settingsOf(keys)
}

// keysAt are the roles that can be held at a place.
func (c *call) keysAt(p place) ([]pim.RoleKey, error) {
	roles, err := c.rolesAt(p)
	keys := make([]pim.RoleKey, len(roles))
	for i, r := range roles {
		keys[i] = r.key
	}
	return keys, err
}

// settingsOf reads the settings of roles, for who may read them.
func (c *call) settingsOf(keys []pim.RoleKey) ([]setting, error) {
	policies, err := c.app.Policies(c.Context(), c.Caller, keys)
	if err != nil {
		return nil, err
	}
	rows := make([]setting, len(keys))
	for i, k := range keys {
		rows[i] = setting{key: k, policy: policies[k]}
	}
	return rows, nil
}

// settingKey is the role whose settings have an id: that of the settings themselves or, which some callers send, the two ids that
// it is made of, or that of the role alone for roles of the directory.
func (c *call) settingKey() (pim.RoleKey, error) {
	id := c.id("id")
	resource, role, ok := strings.Cut(id, "_")
	if at := c.id("resource"); at != "" && ok && at != resource {
		return pim.RoleKey{}, settingNotFound()
	}
	if !ok && c.provider != pim.Directory {
		return pim.RoleKey{}, settingNotFound()
	}
	if !ok {
		resource, role = string(c.Tenant), id
	}
	p, err := c.anyPlace(resource)
	if isNotThere(err) {
		if err = c.hiding(pim.AdminUpdate, err); isNotThere(err) {
			err = settingNotFound()
		}
	}
	if err != nil {
		return pim.RoleKey{}, err
	}
	if c.provider == pim.Directory && !ok {
		return c.directorySetting(p.key, id)
	}
	key, err := c.roleAt(p.key, role)
	if wire.Refused(err, pim.UnknownRole) {
		err = settingNotFound()
	}
	return key, err
}

// directorySetting finds the role of the directory whose settings have an id.
func (c *call) directorySetting(at pim.RoleKey, id string) (pim.RoleKey, error) {
	roles, err := c.app.Roles(c.Context(), c.Tenant)
	if err != nil {
		return at, err
	}
	for _, r := range roles {
		if at.Role = r.ID; id == governance.SettingID(at) || id == string(r.ID) {
			return at, nil
		}
	}
	return at, settingNotFound()
}

func settingNotFound() error {
	return &problem{Status: http.StatusBadRequest, Code: "RoleSettingNotFound", Message: "The role setting is not found."}
}

// setting is the settings that the path names.
func (c *call) setting() (setting, error) {
	key, err := c.settingKey()
	if err != nil {
		return setting{}, err
	}
	found, err := c.settingsByKey(map[pim.RoleKey]bool{key: true})
	return found[key], err
}

func (s settingSet) get(c *call) (api.Answer, error) {
	row, err := c.setting()
	if err != nil {
		return api.Answer{}, err
	}
	return oneThatMatches(c, s.kind(c.kinds), row)
}

// navigateSetting answers with what settings lead to.
func navigateSetting(name string) handler {
	return func(c *call) (api.Answer, error) {
		row, err := c.setting()
		if err != nil {
			return api.Answer{}, err
		}
		return c.navigated(name, row.reference())
	}
}

// settingIn is the body of a change. Collections that are absent or null stay as they are.
type settingIn struct {
	AdminEligible *[]governance.RuleSetting `json:"adminEligibleSettings"`
	AdminMember   *[]governance.RuleSetting `json:"adminMemberSettings"`
	UserEligible  *[]governance.RuleSetting `json:"userEligibleSettings"`
	UserMember    *[]governance.RuleSetting `json:"userMemberSettings"`
	LifeCycles    []lifeCycle               `json:"lifeCycleManagement"`
}

// change is what one collection is sent.
type change struct {
	collection governance.Collection
	rules      []governance.RuleSetting
}

// changes are what the body changes, in both forms.
func (in settingIn) changes() ([]change, error) {
	var out []change
	for i, rules := range []*[]governance.RuleSetting{in.AdminEligible, in.AdminMember, in.UserEligible, in.UserMember} {
		if rules != nil {
			out = append(out, change{governance.Collections()[i], *rules})
		}
	}
	for _, l := range in.LifeCycles {
		collection, ok := governance.ParseLifeCycle(l.Caller, l.Level)
		if !ok {
			return nil, &pim.Refusal{Code: pim.InvalidPolicy, Field: lifeCycles, Detail: "has an entry whose caller or level is not known"}
		}
		out = append(out, change{collection, l.Value})
	}
	return out, nil
}

// patch changes the rules that the body has, and leaves all others (reference pim-v2 §6).
func (s settingSet) patch(c *call) (api.Answer, error) {
	var in settingIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	changes, err := in.changes()
	if err != nil {
		return api.Answer{}, err
	}
	key, err := c.settingKey()
	if err != nil {
		return api.Answer{}, err
	}
	_, err = c.app.EditPolicy(c.Context(), c.Caller, key, func(r *policy.Rules) error {
		for _, change := range changes {
			if err := governance.Apply(change.collection, change.rules, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return api.Answer{}, err
	}
	return noContent()
}
