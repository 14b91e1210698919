package pimv1

import (
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// Settings: privilegedRoleSettings (reference pim-v2 §11 and §13.8): what the role's policy says of activations, as far as this
// dialect has words for it. maxElavationDuration is spelled as the service spelled it.

// settingRow is the settings of one role.
type settingRow struct {
	role  pim.RoleID
	rules policy.Rules
}

func settingProperties() []odata.Property {
	return []odata.Property{
		listing.IDProperty("id"), listing.PlainProperty("approverIds"), listing.PlainProperty("minElevationDuration"), listing.PlainProperty("maxElavationDuration"),
		listing.PlainProperty("elevationDuration"), listing.BoolProperty("notificationToUserOnElevation"), listing.BoolProperty("ticketingInfoOnElevation"),
		listing.BoolProperty("mfaOnElevation"), listing.BoolProperty("lastGlobalAdmin"), listing.BoolProperty("isMfaOnElevationConfigurable"),
		listing.BoolProperty("approvalOnElevation"),
	}
}

func settingKind() kind[settingRow] {
	return kind[settingRow]{
		Set: roleSet, Type: "privilegedRoleSettings", Schema: &odata.Schema{Properties: settingProperties()},
		Key: func(r settingRow) string { return string(r.role) }, Write: writeSetting,
	}
}

func writeSetting(_ *call, o *object, r settingRow) {
	end := r.rules.EndUserAssignment
	o.Str("id", string(r.role))
	o.Texts("approverIds", approverIDs(r.rules.Approval))
	o.Str("minElevationDuration", schedule.FromTime(minElevation).String())
	o.Str("maxElavationDuration", policy.LongestActivation().String())
	o.Str("elevationDuration", longestElevation(r.rules).String())
	o.Bool("notificationToUserOnElevation", tellsUser(end.Notifications.Requestor))
	o.Bool("ticketingInfoOnElevation", end.Enablement.Ticketing)
	o.Bool("mfaOnElevation", end.Enablement.MFA)
	o.Bool("lastGlobalAdmin", false)
	o.Bool("isMfaOnElevationConfigurable", true)
	o.Bool("approvalOnElevation", r.rules.Approval.Required)
}

// tellsUser says whether whoever activates is told of it.
func tellsUser(n policy.Notification) bool { return n.Level != policy.NotifyNone && !n.NoDefaults }

// approverIDs are the people and groups that the first stage asks.
func approverIDs(a policy.Approval) []string {
	var ids []string
	if len(a.Stages) > 0 {
		for _, approver := range a.Stages[0].Approvers {
			if approver.ID != "" {
				ids = append(ids, approver.ID)
			}
		}
	}
	return ids
}

// policyKey is the key of a role's policy.
func (c *call) policyKey(role pim.RoleID) pim.RoleKey {
	return pim.RoleKey{Tenant: c.Tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: role}
}

func (c *call) policiesOf(roles []pim.RoleID) (map[pim.RoleKey]policy.Policy, error) {
	keys := make([]pim.RoleKey, len(roles))
	for i, r := range roles {
		keys[i] = c.policyKey(r)
	}
	return c.app.Policies(c.Context(), c.Caller, keys)
}

func (c *call) policyOf(role pim.RoleID) (policy.Policy, error) {
	found, err := c.policiesOf([]pim.RoleID{role})
	return found[c.policyKey(role)], err
}

// relateSettings loads the settings of roles.
func (c *call) relateSettings(q odata.Query, roles []pim.RoleID) (func(int) []byte, error) {
	found, err := c.policiesOf(roles)
	if err != nil {
		return nil, err
	}
	rows := make([]settingRow, len(roles))
	for i, r := range roles {
		rows[i] = settingRow{r, found[c.policyKey(r)].Rules}
	}
	encoded, err := listing.Encode(c, &c.kinds.setting, q, false, rows)
	return func(i int) []byte { return encoded[i] }, err
}

func getSettings(c *call) (api.Answer, error) {
	role, err := c.findRole()
	if err != nil {
		return api.Answer{}, err
	}
	return listing.Navigate(c, &c.kinds.role, role, "settings")
}

// settingIn is the body of PUT. All but approverIds and lastGlobalAdmin must be there: what is left out of a replacement would
// otherwise be switched off. The shortest and the longest duration, and whether the second factor can be set, are not the
// caller's to say: they are read and not looked at.
type settingIn struct {
	ApproverIDs       *[]string `json:"approverIds"`
	Min               *string   `json:"minElevationDuration"`
	Max               *string   `json:"maxElavationDuration"`
	Duration          *string   `json:"elevationDuration"`
	Notify            *bool     `json:"notificationToUserOnElevation"`
	Ticketing         *bool     `json:"ticketingInfoOnElevation"`
	MFA               *bool     `json:"mfaOnElevation"`
	IsMFAConfigurable *bool     `json:"isMfaOnElevationConfigurable"`
	Approval          *bool     `json:"approvalOnElevation"`
}

// missing is the first member that must be there and is not; empty: all are.
func (in settingIn) missing() string {
	for _, m := range []struct {
		name  string
		there bool
	}{
		{"minElevationDuration", in.Min != nil}, {"maxElavationDuration", in.Max != nil}, {"elevationDuration", in.Duration != nil},
		{"notificationToUserOnElevation", in.Notify != nil}, {"ticketingInfoOnElevation", in.Ticketing != nil},
		{"mfaOnElevation", in.MFA != nil}, {"isMfaOnElevationConfigurable", in.IsMFAConfigurable != nil}, {"approvalOnElevation", in.Approval != nil},
	} {
		if !m.there {
			return m.name
		}
	}
	return ""
}

// apply changes the rules of a role. approvers are those named; nil: those that are there stay.
func (in settingIn) apply(length schedule.Duration, approvers []policy.Approver, r *policy.Rules) {
	end := &r.EndUserAssignment
	end.Expiration.Required, end.Expiration.Maximum = true, length
	end.Enablement.MFA, end.Enablement.Ticketing = *in.MFA, *in.Ticketing
	tell := &end.Notifications.Requestor
	if *in.Notify != tellsUser(*tell) {
		tell.NoDefaults = !*in.Notify
		if *in.Notify && tell.Level == policy.NotifyNone {
			tell.Level = policy.NotifyAll
		}
	}
	r.Approval.Required = *in.Approval
	if approvers == nil {
		return
	}
	if len(r.Approval.Stages) == 0 {
		r.Approval.Stages = []policy.Stage{{TimeoutDays: 1}}
	}
	r.Approval.Stages[0].Approvers = approvers
}

// putSettings leaves it to the application to say who may edit a policy, and looks at the rest once that has been said: who named
// no role of theirs is told nothing of it.
func putSettings(c *call) (api.Answer, error) {
	var in settingIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	_, err := c.app.EditPolicy(c.Context(), c.Caller, c.policyKey(pim.RoleID(c.id("id"))), func(r *policy.Rules) error { return in.edit(c, r) })
	if wire.Refused(err, pim.UnknownRole) { // the address names it, not the body
		err = listing.NotFound(c.PathValue("id"))
	}
	if err != nil {
		return api.Answer{}, err
	}
	return noContent()
}

// edit changes the rules of a role as the body says.
func (in settingIn) edit(c *call, r *policy.Rules) error {
	if name := in.missing(); name != "" {
		return badRequest("Property '" + name + "' is required.")
	}
	length, err := schedule.ParseDuration(*in.Duration)
	if err != nil || length.IsZero() {
		return badRequest("Property 'elevationDuration' is not a duration.")
	}
	approvers, err := c.approvers(in.ApproverIDs)
	if err == nil {
		in.apply(length, approvers, r)
	}
	return err
}

// mostApprovers bounds the approvers of a role that one call names.
const mostApprovers = 100

// approvers finds the people and groups that ids name; nil where the body names none.
func (c *call) approvers(ids *[]string) ([]policy.Approver, error) {
	if ids == nil {
		return nil, nil
	}
	if len(*ids) > mostApprovers {
		return nil, badRequest("Property 'approverIds' names too many.")
	}
	wanted := make([]pim.PrincipalID, len(*ids))
	for i, id := range *ids {
		wanted[i] = pim.PrincipalID(strings.ToLower(id))
	}
	objects, err := c.directory.ObjectsByID(c.Context(), c.Tenant, wanted)
	if err != nil {
		return nil, err
	}
	out := []policy.Approver{}
	for _, id := range wanted {
		i := slices.IndexFunc(objects, func(o directory.Object) bool { return o.ID == id })
		if i < 0 || objects[i].Kind != directory.KindUser && objects[i].Kind != directory.KindGroup {
			return nil, badRequest("Property 'approverIds' names somebody who is not there.")
		}
		kind := policy.User
		if objects[i].Kind == directory.KindGroup {
			kind = policy.Group
		}
		out = append(out, policy.Approver{Kind: kind, ID: string(id), Description: objects[i].DisplayName})
	}
	return out, nil
}
