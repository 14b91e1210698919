package migrate

import (
	"fmt"
	"strings"

	"portcullis/internal/api/governance"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// What the second iteration tells (governance…, reference pim-v2 §3), from a server or from files.

// v2Resource is a governanceResource.
type v2Resource struct {
	ID, ExternalID, Type, DisplayName string
	Status                            string
	RegisteredRoot                    string
	Parent                            *struct{ ID, ExternalID, DisplayName string }
}

// v2Definition is a governanceRoleDefinition.
type v2Definition struct {
	ID, ResourceID, ExternalID, TemplateID, DisplayName, Type string
	IsBuiltIn                                                 *bool
}

// v2Key is what rows, requests and settings name in common.
type v2Key struct {
	ID, ResourceID, RoleDefinitionID, SubjectID, ScopedResourceID string
	LinkedEligibleRoleAssignmentID                                string
	AssignmentState                                               string
	Condition, ConditionVersion, ConditionDescription             string
	Resource, ScopedResource                                      *v2Resource
	RoleDefinition                                                *v2Definition
	Subject                                                       *struct{ ID, Type, DisplayName, PrincipalName, Email string }
}

// v2Assignment is a governanceRoleAssignment.
type v2Assignment struct {
	v2Key
	StartDateTime, EndDateTime governance.Instant
	MemberType                 string
}

// v2Request is a governanceRoleAssignmentRequest.
type v2Request struct {
	v2Key
	Type, Reason               string
	TicketNumber, TicketSystem string
	Schedule                   *governance.Schedule
	Status                     struct{ Status, SubStatus string }
}

// v2Setting is a governanceRoleSetting, in both of its forms.
type v2Setting struct {
	v2Key
	IsDefault     bool
	AdminEligible []governance.RuleSetting `json:"adminEligibleSettings"`
	AdminMember   []governance.RuleSetting `json:"adminMemberSettings"`
	UserEligible  []governance.RuleSetting `json:"userEligibleSettings"`
	UserMember    []governance.RuleSetting `json:"userMemberSettings"`
	LifeCycle     []struct {
		Caller, Level string
		Value         []governance.RuleSetting
	} `json:"lifeCycleManagement"`
}

// collections are the four lists of rules, however they came.
func (s v2Setting) collections() map[governance.Collection][]governance.RuleSetting {
	out := map[governance.Collection][]governance.RuleSetting{
		governance.AdminEligible: s.AdminEligible, governance.AdminMember: s.AdminMember,
		governance.UserEligible: s.UserEligible, governance.UserMember: s.UserMember,
	}
	for _, l := range s.LifeCycle {
		if c, ok := governance.ParseLifeCycle(l.Caller, l.Level); ok {
			out[c] = append(out[c], l.Value...)
		}
	}
	return out
}

// v2At is a resource as the core knows it, with the role definitions that were read of it.
type v2At struct {
	provider    pim.Provider
	scope       pim.Scope
	definitions map[string]v2Definition
}

// providerOfType is which provider a resource of a type belongs to.
func providerOfType(typ string) pim.Provider {
	switch strings.ToLower(typ) {
	case "directory":
		return pim.Directory
	case "security", "group":
		return pim.Group
	}
	return pim.Resource
}

// v2Place takes a resource.
func (r *reading) v2Place(p pim.Provider, in v2Resource) (v2At, error) {
	at := v2At{provider: p, definitions: map[string]v2Definition{}}
	switch p {
	case pim.Directory:
		at.scope = pim.Everywhere
		return at, nil
	case pim.Group:
		id := strings.ToLower(in.ID)
		if wire.IsGUID(in.ExternalID) {
			id = strings.ToLower(in.ExternalID)
		}
		at.scope = pim.Scope(id)
		return at, nil
	case pim.Resource:
	}
	scope, err := r.node(in.ExternalID)
	if err != nil {
		return at, err
	}
	at.scope = scope
	s := Scope{ID: in.ExternalID, Name: in.DisplayName}
	if in.Parent != nil {
		s.Parent = in.Parent.ExternalID
	}
	r.mu.Lock()
	r.e.Scopes = append(r.e.Scopes, s)
	r.mu.Unlock()
	if strings.EqualFold(in.Status, "Locked") {
		r.note(Changed, "resource "+in.ExternalID, "Locked", "it is locked, which resources cannot be there")
	}
	return at, nil
}

// v2Role finds the role of a definition. False: it is not told, which is noted.
func (r *reading) v2Role(at v2At, in v2Key) (pim.RoleID, bool) {
	d := in.RoleDefinition
	if d == nil || d.ID == "" {
		if known, ok := at.definitions[strings.ToLower(in.RoleDefinitionID)]; ok {
			d = &known
		}
	}
	if d == nil {
		d = &v2Definition{ID: in.RoleDefinitionID}
		if at.provider != pim.Directory {
			r.note(Unresolved, "role definition "+in.RoleDefinitionID, "RoleNotTold", "the source does not tell which role it is")
			return "", false
		}
	}
	id, ok := d.role(at.provider)
	if !ok {
		r.note(Unresolved, "role definition "+in.RoleDefinitionID, "RoleNotTold", "the source does not tell which role %.100q is", d.DisplayName)
		return "", false
	}
	if at.provider != pim.Group {
		custom := strings.EqualFold(d.Type, "CustomRole") || d.IsBuiltIn != nil && !*d.IsBuiltIn
		r.role(Role{RoleRef: RoleRef{at.provider, id}, Name: d.DisplayName, Custom: custom})
	}
	return id, true
}

// role is the role that a definition is of (reference pim-v2 §13.4).
func (d v2Definition) role(p pim.Provider) (pim.RoleID, bool) {
	if p == pim.Group {
		for _, text := range []string{d.DisplayName, d.ExternalID, d.TemplateID, d.ID} {
			if side := pim.RoleID(strings.ToLower(text)); side == pim.Member || side == pim.Owner {
				return side, true
			}
		}
		return "", false
	}
	texts := []string{d.TemplateID, string(lastPart(d.ExternalID))}
	if p == pim.Directory {
		texts = append(texts, d.ID)
	}
	for _, text := range texts {
		if wire.IsGUID(text) {
			return pim.RoleID(strings.ToLower(text)), true
		}
	}
	return "", false
}

// v2Scope is where a row holds: at the resource, or within the tenant where it is narrowed.
func (r *reading) v2Scope(at v2At, in v2Key) pim.Scope {
	id := strings.ToLower(strings.Trim(in.ScopedResourceID, "/ "))
	if at.provider != pim.Directory || id == "" {
		return at.scope
	}
	var typ, external string
	if in.ScopedResource != nil {
		typ, external = strings.ToLower(in.ScopedResource.Type), strings.ToLower(in.ScopedResource.ExternalID)
	}
	switch {
	case strings.HasPrefix(external, "/"):
		return directoryScope(external)
	case strings.HasPrefix(id, "administrativeunits/"):
		return directoryScope("/" + id)
	case typ == "" || strings.Contains(typ, "administrativeunit"):
		return pim.AdministrativeUnit(id)
	}
	return pim.Scope("/" + id)
}

func (r *reading) v2Subject(in v2Key) string {
	id := strings.ToLower(in.SubjectID)
	p := Principal{ID: id}
	if in.Subject != nil {
		p.Kind, p.Name = kindNamed(in.Subject.Type), in.Subject.DisplayName
		if p.Kind == pim.UserPrincipal {
			p.Account = in.Subject.PrincipalName
		}
	}
	r.principal(p)
	return id
}

// v2Row takes an assignment.
func (r *reading) v2Row(at v2At, in v2Assignment) error {
	if derived(in.MemberType) && !strings.EqualFold(in.MemberType, "User") || !r.once("assignment", in.ID+in.SubjectID) {
		return nil
	}
	kind, ok := governance.ParseState(in.AssignmentState)
	if !ok {
		return fmt.Errorf("assignment %.100s: its state %.100q is not known", in.ID, in.AssignmentState)
	}
	role, ok := r.v2Role(at, in.v2Key)
	if !ok {
		return nil
	}
	activated := in.LinkedEligibleRoleAssignmentID != ""
	place := Place{at.provider, r.v2Scope(at, in.v2Key), role}
	r.grant(Grant{
		Place: place, Principal: r.v2Subject(in.v2Key), Kind: kind, ID: in.ID,
		Start: in.StartDateTime.Time, End: in.EndDateTime.Time, Activated: activated,
		Outside:   kind == pim.Assignment && !activated && in.StartDateTime.IsZero() && in.EndDateTime.IsZero(),
		Condition: in.Condition, ConditionVersion: in.ConditionVersion,
	})
	r.groupPlace(place)
	if in.ConditionDescription != "" {
		r.note(Lost, "assignment "+in.ID, "ConditionDescription", "the description of its condition has no counterpart")
	}
	return nil
}

// askedFor reads what a request asks for, and notes what is not known.
func (r *reading) askedFor(item, typ, state string) (pim.Action, pim.Kind, bool) {
	action, known := governance.ParseType(typ)
	kind, isKind := governance.ParseState(state)
	if !known || !isKind {
		r.note(Lost, item, "UnknownAction", "it asks for %.100q %.100q, which is not known", typ, state)
	}
	return action, kind, known && isKind
}

// v2OpenRequest takes a request, if it is still to be carried over.
func (r *reading) v2OpenRequest(at v2At, in v2Request) error {
	status, ok := v2Open(in.Status.SubStatus)
	if !ok || !r.once("request", in.ID) {
		return nil
	}
	item := "request " + in.ID
	action, kind, known := r.askedFor(item, in.Type, in.AssignmentState)
	if !known {
		return nil
	}
	info, err := in.Schedule.Info()
	if err != nil {
		return fmt.Errorf("%s: %w", item, err)
	}
	role, ok := r.v2Role(at, in.v2Key)
	if !ok {
		return nil
	}
	q := Request{
		Place: Place{at.provider, r.v2Scope(at, in.v2Key), role}, ID: strings.ToLower(in.ID), Principal: r.v2Subject(in.v2Key), Kind: kind,
		Action: action, Status: status, Asked: info, Reason: in.Reason, Ticket: pim.Ticket{Number: in.TicketNumber, System: in.TicketSystem},
	}
	if r.counts(q) {
		r.request(q)
		r.groupPlace(q.Place)
	}
	return nil
}

// v2Open reads the states in which a request is still to be carried over (reference pim-v2 §5 and §13.3).
func v2Open(subStatus string) (pim.Status, bool) {
	switch strings.ToLower(subStatus) {
	case "pendingapproval", "pendingapprovalprovisioning":
		return pim.PendingApproval, true
	case "pendingadmindecision":
		return pim.PendingAdminDecision, true
	case "granted", "pendingprovisioning", "provisioningstarted", "accepted", "pendingevaluation":
		return pim.Granted, true
	}
	return 0, false
}

// v2Rules takes the settings of a role.
func (r *reading) v2Rules(at v2At, in v2Setting) {
	role, ok := r.v2Role(at, in.v2Key)
	place := Place{at.provider, at.scope, role}
	if !ok || !r.once("settings", fmt.Sprint(place)) || at.provider == pim.Resource && at.scope == pim.Everywhere { // the root has no policies
		return
	}
	item := settingsItem(place)
	rules := (&Estate{}).policyAt(place)
	for _, c := range governance.Collections() {
		for _, s := range in.collections()[c] {
			if err := governance.Apply(c, []governance.RuleSetting{s}, &rules); err != nil {
				r.note(Lost, item+": "+string(c)+"/"+s.RuleIdentifier, "Rule", "%v", err)
			}
		}
	}
	for name, text := range rules.Kept {
		switch {
		case strings.HasSuffix(name, "/MfaRule") && rules.Context.Enabled:
			r.note(Changed, item+": "+name, "MfaAndContext", "it asks for a second factor and for an authentication context: there the context stands for both")
		case binds(text):
			r.note(Lost, item+": "+name, "NoCounterpart", "the rule has no counterpart")
		}
	}
	rules.Kept = nil
	r.policy(place, Policy{Rules: rules, Default: in.IsDefault})
	if !in.IsDefault {
		r.groupPlace(place)
	}
	r.approverNames(rules)
}

// binds says whether a rule without a counterpart asks for anything: most stand there switched off.
func binds(setting string) bool {
	setting = strings.ToLower(strings.Join(strings.Fields(setting), ""))
	return setting != "" && setting != "{}" && !strings.Contains(setting, `"enableenforcement":false`)
}

// approverNames notes what approvers are called: in this iteration the settings tell.
func (r *reading) approverNames(rules policy.Rules) {
	for _, s := range rules.Approval.Stages {
		for _, a := range s.Approvers {
			kind := map[policy.ApproverKind]pim.PrincipalKind{policy.User: pim.UserPrincipal, policy.Group: pim.GroupPrincipal}[a.Kind]
			if kind != 0 {
				r.principal(Principal{ID: a.ID, Kind: kind, Name: a.Description})
			}
		}
	}
}
