package sqlstore

import (
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
)

func policiesTable() table {
	return table{name: "policies", key: 4, columns: append(texts("tenant", "provider", "scope", "role"),
		column{"version", number}, column{"doc", text})}
}

// policyEdit writes a policy whose stored version is one less.
func policyEdit() statement {
	s := policiesTable().insert()
	s.exact, s.key = true, 4
	s.text += `
		WHERE v.version = 1 OR EXISTS (SELECT 1 FROM policies p
			WHERE p.tenant = v.tenant AND p.provider = v.provider AND p.scope = v.scope AND p.role = v.role)
		ON CONFLICT (tenant, provider, scope, role) DO UPDATE SET version = excluded.version, doc = excluded.doc
		WHERE policies.version = excluded.version - 1`
	return s
}

type storedPolicy struct {
	ID             string         `json:"id,omitempty"`
	Modified       *int64         `json:"at,omitempty"`
	ModifiedBy     string         `json:"by,omitempty"`
	ModifiedByName string         `json:"byName,omitempty"`
	AdminEligible  storedSet      `json:"ae"`
	AdminAssign    storedSet      `json:"aa"`
	EndUserAssign  storedSet      `json:"ea"`
	Approval       storedDemand   `json:"approval"`
	Context        *storedContext `json:"context,omitempty"`
	PIMOnly        *storedPIMOnly `json:"only,omitempty"`

	Kept map[string]string `json:"kept,omitempty"`
}

type storedPIMOnly struct {
	Mode           int              `json:"mode,omitempty"`
	Excluded       []storedExcluded `json:"not,omitempty"`
	ToApplications bool             `json:"toApps,omitempty"`
	ByApplications bool             `json:"byApps,omitempty"`
}

type storedExcluded struct {
	Kind int    `json:"k,omitempty"`
	ID   string `json:"id,omitempty"`
	Name string `json:"n,omitempty"`
}

type storedSet struct {
	Required      bool         `json:"req,omitempty"`
	Maximum       string       `json:"max,omitempty"`
	MFA           bool         `json:"mfa,omitempty"`
	Justification bool         `json:"why,omitempty"`
	Ticketing     bool         `json:"ticket,omitempty"`
	Admins        storedNotice `json:"n1"`
	Requestor     storedNotice `json:"n2"`
	Approvers     storedNotice `json:"n3"`

	Exceptions []storedApprover `json:"not,omitempty"`
}

type storedNotice struct {
	Level      int      `json:"l,omitempty"`
	NoDefaults bool     `json:"x,omitempty"`
	Recipients []string `json:"r,omitempty"`
}

type storedContext struct {
	Enabled bool   `json:"on,omitempty"`
	Value   string `json:"v,omitempty"`
}

type storedDemand struct {
	Required                 bool                 `json:"req,omitempty"`
	RequiredForExtension     bool                 `json:"ext,omitempty"`
	NoRequestorJustification bool                 `json:"nowhy,omitempty"`
	Mode                     int                  `json:"mode,omitempty"`
	Stages                   []storedStageSetting `json:"stages,omitempty"`
}

type storedStageSetting struct {
	TimeoutDays             int              `json:"days,omitempty"`
	NoApproverJustification bool             `json:"nowhy,omitempty"`
	Escalation              bool             `json:"esc,omitempty"`
	EscalationMinutes       int              `json:"min,omitempty"`
	Approvers               []storedApprover `json:"who,omitempty"`
	Escalated               []storedApprover `json:"then,omitempty"`
	Minimum                 int              `json:"of,omitempty"`
}

type storedApprover struct {
	Kind        int    `json:"k,omitempty"`
	ID          string `json:"id,omitempty"`
	Description string `json:"d,omitempty"`
	Backup      bool   `json:"b,omitempty"`
}

func policyRow(e store.PolicyEdit) ([]any, error) {
	p := e.Policy
	f := storedPolicy{
		ID: p.ID, Modified: optionalStamp(p.Modified), ModifiedBy: p.ModifiedBy, ModifiedByName: p.ModifiedByName,
		AdminEligible: fromSet(p.Rules.AdminEligibility), AdminAssign: fromSet(p.Rules.AdminAssignment),
		EndUserAssign: fromSet(p.Rules.EndUserAssignment), Approval: fromDemand(p.Rules.Approval),
	}
	if c := p.Rules.Context; c != (policy.Context{}) {
		f.Context = &storedContext{c.Enabled, c.Value}
	}
	f.PIMOnly, f.Kept = fromPIMOnly(p.Rules.PIMOnly), p.Rules.Kept
	d, err := doc(f)
	return append(roleKeyValues(e.Key), p.Version, d), err
}

func roleKeyValues(k pim.RoleKey) []any {
	return []any{string(k.Tenant), string(k.Provider), plain(string(k.Scope)), plain(string(k.Role))}
}

func scanPolicy(s scan) (pim.RoleKey, policy.Policy, error) {
	var tenant, provider, scope, role, d string
	var version int64
	if err := s(&tenant, &provider, &scope, &role, &version, &d); err != nil {
		return pim.RoleKey{}, policy.Policy{}, err
	}
	k := pim.RoleKey{Tenant: pim.TenantID(tenant), Provider: pim.Provider(provider), Scope: pim.Scope(scope), Role: pim.RoleID(role)}
	p, err := readPolicy(d)
	p.Version = version
	return k, p, err
}

func readPolicy(d string) (p policy.Policy, err error) {
	var f storedPolicy
	if err := undoc(d, &f); err != nil {
		return p, err
	}
	p = policy.Policy{
		ID: f.ID, Modified: optionalInstant(f.Modified), ModifiedBy: f.ModifiedBy, ModifiedByName: f.ModifiedByName,
	}
	p.Rules.Approval = f.Approval.approval()
	if f.Context != nil {
		p.Rules.Context = policy.Context{Enabled: f.Context.Enabled, Value: f.Context.Value}
	}
	p.Rules.PIMOnly, p.Rules.Kept = f.PIMOnly.pimOnly(), f.Kept
	if p.Rules.AdminEligibility, err = f.AdminEligible.set(); err != nil {
		return p, err
	}
	if p.Rules.AdminAssignment, err = f.AdminAssign.set(); err != nil {
		return p, err
	}
	p.Rules.EndUserAssignment, err = f.EndUserAssign.set()
	return p, err
}

func fromSet(s policy.Set) storedSet {
	return storedSet{
		Required: s.Expiration.Required, Maximum: s.Expiration.Maximum.String(), MFA: s.Enablement.MFA,
		Justification: s.Enablement.Justification, Ticketing: s.Enablement.Ticketing,
		Admins: fromNotice(s.Notifications.Admins), Requestor: fromNotice(s.Notifications.Requestor),
		Approvers: fromNotice(s.Notifications.Approvers), Exceptions: fromApprovers(s.Expiration.Exceptions),
	}
}

func (f storedSet) set() (policy.Set, error) {
	most, err := duration(f.Maximum)
	return policy.Set{
		Expiration: policy.Expiration{Required: f.Required, Maximum: most, Exceptions: approvers(f.Exceptions)},
		Enablement: policy.Enablement{MFA: f.MFA, Justification: f.Justification, Ticketing: f.Ticketing},
		Notifications: policy.Notifications{
			Admins: f.Admins.notice(), Requestor: f.Requestor.notice(), Approvers: f.Approvers.notice(),
		},
	}, err
}

func fromNotice(n policy.Notification) storedNotice {
	return storedNotice{int(n.Level), n.NoDefaults, n.Recipients}
}

func (f storedNotice) notice() policy.Notification {
	return policy.Notification{Level: policy.NotificationLevel(f.Level), NoDefaults: f.NoDefaults, Recipients: f.Recipients}
}

func fromPIMOnly(p policy.PIMOnly) *storedPIMOnly {
	if p.Mode == policy.PIMOnlyDisabled && len(p.Excluded) == 0 && !p.ToApplications && !p.ByApplications {
		return nil
	}
	f := &storedPIMOnly{Mode: int(p.Mode), ToApplications: p.ToApplications, ByApplications: p.ByApplications}
	for _, e := range p.Excluded {
		f.Excluded = append(f.Excluded, storedExcluded{int(e.Kind), e.ID, e.Name})
	}
	return f
}

func (f *storedPIMOnly) pimOnly() policy.PIMOnly {
	if f == nil {
		return policy.PIMOnly{}
	}
	p := policy.PIMOnly{Mode: policy.PIMOnlyMode(f.Mode), ToApplications: f.ToApplications, ByApplications: f.ByApplications}
	for _, e := range f.Excluded {
		p.Excluded = append(p.Excluded, policy.Excluded{Kind: policy.ExcludedKind(e.Kind), ID: e.ID, Name: e.Name})
	}
	return p
}

func fromDemand(a policy.Approval) storedDemand {
	f := storedDemand{
		Required: a.Required, RequiredForExtension: a.RequiredForExtension,
		NoRequestorJustification: a.NoRequestorJustification, Mode: int(a.Mode),
	}
	for _, s := range a.Stages {
		f.Stages = append(f.Stages, fromStageSetting(s))
	}
	return f
}

func (f storedDemand) approval() policy.Approval {
	a := policy.Approval{
		Required: f.Required, RequiredForExtension: f.RequiredForExtension,
		NoRequestorJustification: f.NoRequestorJustification, Mode: policy.Mode(f.Mode),
	}
	for _, s := range f.Stages {
		a.Stages = append(a.Stages, s.setting())
	}
	return a
}

func fromStageSetting(s policy.Stage) storedStageSetting {
	return storedStageSetting{
		TimeoutDays: s.TimeoutDays, NoApproverJustification: s.NoApproverJustification, Escalation: s.Escalation,
		EscalationMinutes: s.EscalationMinutes, Approvers: fromApprovers(s.Approvers), Escalated: fromApprovers(s.Escalated),
		Minimum: s.Minimum,
	}
}

func (f storedStageSetting) setting() policy.Stage {
	return policy.Stage{
		TimeoutDays: f.TimeoutDays, NoApproverJustification: f.NoApproverJustification, Escalation: f.Escalation,
		EscalationMinutes: f.EscalationMinutes, Approvers: approvers(f.Approvers), Escalated: approvers(f.Escalated),
		Minimum: f.Minimum,
	}
}

func fromApprovers(as []policy.Approver) (fs []storedApprover) {
	for _, a := range as {
		fs = append(fs, storedApprover{int(a.Kind), a.ID, a.Description, a.Backup})
	}
	return fs
}

func approvers(fs []storedApprover) (as []policy.Approver) {
	for _, f := range fs {
		as = append(as, policy.Approver{Kind: policy.ApproverKind(f.Kind), ID: f.ID, Description: f.Description, Backup: f.Backup})
	}
	return as
}
