package migrate

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// first translates a call of the first iteration (reference pim-v2 §13.8). path begins with the set.
func (t *translation) first(path []string, query url.Values) error {
	t.provider, t.scope = pim.Directory, "/"
	t.set = segment(path, 0)
	t.q = readQuery(t, query)
	if len(path) > 1 {
		t.id = path[1]
	}
	t.action = segment(path, 2)
	switch t.set {
	case "privilegedroles":
		return t.firstRoles()
	case "privilegedroleassignments":
		return t.firstAssignments()
	case "privilegedroleassignmentrequests":
		return t.firstRequests()
	case "privilegedapproval":
		return t.firstApprovals()
	case "privilegedoperationevents":
		t.add(http.MethodGet, "/v1.0/auditLogs/directoryAudits", nil, filterOption(equals("loggedByService", "PIM")))
		t.changed("events", "Events are entries of the directory's audit log, in its own form.")
	case "privilegedsecurityalerts":
		t.alerts()
	default:
		t.lost("signup", "Nobody signs up for PIM any more.")
	}
	return nil
}

// The sets of directory roles.
const (
	eligibilityRows     = graphDirectoryRoot + "roleEligibilityScheduleInstances"
	assignmentRows      = graphDirectoryRoot + "roleAssignmentScheduleInstances"
	eligibilityRequests = graphDirectoryRoot + "roleEligibilityScheduleRequests"
	assignmentRequests  = graphDirectoryRoot + "roleAssignmentScheduleRequests"
	ofCaller            = "/filterByCurrentUser(on='principal')"
)

func (t *translation) firstRoles() error {
	switch t.action {
	case "":
		path := graphDirectoryRoot + "roleDefinitions"
		if t.id != "" {
			path += "/" + t.id
		}
		t.add(http.MethodGet, path, nil)
		t.changed("name", "A role's name is its displayName. Only those with isBuiltIn true were shown.")
		if len(t.q.Expand) > 0 {
			t.lost("summary", "Nothing counts a role's people: count the rows of the two lists of instances.")
		}
	case "assignments":
		t.bothRows("", equals("roleDefinitionId", t.id))
	case "settings":
		return t.firstSettings()
	case "summary":
		t.lost("summary", "Nothing counts a role's people: count these rows.")
		t.bothRows("", equals("roleDefinitionId", t.id))
	case "selfactivate":
		return t.selfActivate()
	case "selfdeactivate":
		t.firstAsk(assignmentRequests, graphRequest{Action: "selfDeactivate", RoleDefinitionID: t.id, PrincipalID: "{me}"})
		t.me()
	default:
		t.lost(t.action, "This has no counterpart.")
	}
	return nil
}

// bothRows lists who is eligible and who is active.
func (t *translation) bothRows(function string, conditions ...string) {
	t.add(http.MethodGet, eligibilityRows+function, nil, filterOption(conditions...))
	t.add(http.MethodGet, assignmentRows+function, nil, filterOption(conditions...))
	t.changed("isElevated", "Eligible and active rows are two lists. A row of the second with assignmentType Activated was isElevated true with an expiration, "+
		"one with Assigned and no end was permanent; who is in the first alone was isElevated false.")
}

// firstAsk adds a request for a directory role.
func (t *translation) firstAsk(set string, r graphRequest) {
	r.DirectoryScopeID = "/"
	t.add(http.MethodPost, set, r)
}

// me notes where the caller's id is found.
func (t *translation) me() {
	t.unresolved("userId", "{me} is the caller's object id: the claim oid of the token, or /v1.0/me.")
}

// firstRequest is the body of selfActivate and of a request.
type firstRequest struct {
	UserID          string `json:"userId"`
	RoleID          string `json:"roleId"`
	Type            string `json:"type"`
	AssignmentState string `json:"assignmentState"`
	Duration        string `json:"duration"`
	Reason          string `json:"reason"`
	TicketNumber    string `json:"ticketNumber"`
	TicketSystem    string `json:"ticketSystem"`
	Schedule        *struct {
		StartDateTime string `json:"startDateTime"`
		EndDateTime   string `json:"endDateTime"`
		Duration      string `json:"duration"`
	} `json:"schedule"`
}

func (t *translation) selfActivate() error {
	var in firstRequest
	if len(t.Old.Body) > 0 {
		var err error
		if in, err = readBody[firstRequest](t.Old.Body); err != nil {
			return err
		}
	}
	in.RoleID = t.id
	t.activate(in)
	return nil
}

// activate adds an activation.
func (t *translation) activate(in firstRequest) {
	t.firstAsk(assignmentRequests, graphRequest{Action: "selfActivate", RoleDefinitionID: in.RoleID, PrincipalID: t.user(in.UserID), Justification: in.Reason,
		ScheduleInfo: t.firstSchedule(in), TicketInfo: oldRequest{TicketNumber: in.TicketNumber, TicketSystem: in.TicketSystem}.ticket()})
}

// user is whom a request is for: the caller, where the first iteration writes Self or nothing.
func (t *translation) user(id string) string {
	if id == "" || strings.EqualFold(id, "Self") {
		t.me()
		return "{me}"
	}
	return id
}

// firstSchedule is the schedule of a request: hours as text, min, or default.
func (t *translation) firstSchedule(in firstRequest) []byte {
	out := map[string]any{}
	s := in.Schedule
	if s != nil && s.StartDateTime != "" && !zeroDate(s.StartDateTime) {
		out["startDateTime"] = s.StartDateTime
	}
	switch {
	case in.Duration != "":
		out["expiration"] = map[string]string{"type": "afterDuration", "duration": t.hours(in.Duration)}
	case s != nil && s.EndDateTime != "" && !zeroDate(s.EndDateTime):
		out["expiration"] = map[string]string{"type": "afterDateTime", "endDateTime": s.EndDateTime}
	case s != nil && s.Duration != "" && s.Duration != "PT0S":
		out["expiration"] = map[string]string{"type": "afterDuration", "duration": s.Duration}
	case strings.EqualFold(in.Type, "AdminAdd"):
		out["expiration"] = map[string]string{"type": "noExpiration"}
	default:
		out["expiration"] = map[string]string{"type": "afterDuration", "duration": t.hours("default")}
	}
	return writeBody(out)
}

func zeroDate(text string) bool { return strings.HasPrefix(text, "0001-01-01") }

// hours is a number of hours as a duration.
func (t *translation) hours(text string) string {
	if n, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil && n > 0 && n < 10_000 {
		return fmt.Sprintf("PT%dM", int(n*60+0.5))
	}
	if strings.EqualFold(text, "min") {
		t.changed("duration", "min has no counterpart: the half hour in its place is the least that the first iteration knew.")
		return "PT30M"
	}
	t.unresolved("duration", "{maximumDuration} is that of the rule Expiration_EndUser_Assignment: there is no default of its own.")
	return "{maximumDuration}"
}

func (t *translation) firstAssignments() error {
	user, role, _ := strings.Cut(t.id, "_")
	switch {
	case t.method == http.MethodPost && t.id == "":
		in, err := readBody[firstRequest](t.Old.Body)
		if err != nil {
			return err
		}
		t.forEver(assignmentRequests, in.UserID, in.RoleID)
	case strings.EqualFold(t.id, "my"):
		t.bothRows(ofCaller)
	case t.method == http.MethodDelete:
		for _, set := range []string{assignmentRequests, eligibilityRequests} {
			t.firstAsk(set, graphRequest{Action: "adminRemove", PrincipalID: user, RoleDefinitionID: role})
		}
		t.changed("delete", "Eligible and active are taken away by a request each; the one that is not there is refused with RoleAssignmentDoesNotExist.")
	case t.action == "makeeligible" || t.action == "maketemporary":
		t.forEver(eligibilityRequests, user, role)
		t.firstAsk(assignmentRequests, graphRequest{Action: "adminRemove", PrincipalID: user, RoleDefinitionID: role})
		t.changed("fiveMinutes", "What is active stays so for at least five minutes: an earlier removal is refused with ActiveDurationTooShort.")
	case t.action == "makepermanent":
		t.forEver(assignmentRequests, user, role)
		t.changed("eligible", "The eligible row stays beside the permanent one.")
	case t.action == "roleinfo":
		t.add(http.MethodGet, graphDirectoryRoot+"roleDefinitions/"+role, nil)
	case t.id != "":
		t.bothRows("", equals("principalId", user), equals("roleDefinitionId", role))
	default:
		t.bothRows("", t.firstKeys()...)
	}
	return nil
}

// firstKeys are the conditions on user and role of a list.
func (t *translation) firstKeys() []string {
	names := map[string]string{"userid": "principalId", "roleid": "roleDefinitionId"}
	return t.restOf(names)
}

// forEver adds an assignment without an end. Administrators had no reason to give; the rules may ask them for one now.
func (t *translation) forEver(set, user, role string) {
	t.unresolved("reason", "{reason} is why the administrator does this: the rules of the role may demand it.")
	t.firstAsk(set, graphRequest{Action: "adminAssign", PrincipalID: user, RoleDefinitionID: role, Justification: "{reason}",
		ScheduleInfo: writeBody(map[string]any{"expiration": map[string]string{"type": "noExpiration"}})})
}

func (t *translation) firstRequests() error {
	switch {
	case strings.EqualFold(t.id, "my"):
		t.add(http.MethodGet, assignmentRequests+ofCaller, nil, "$expand=roleDefinition")
	case t.method == http.MethodPost && t.action == "cancel":
		t.add(http.MethodPost, assignmentRequests+"/"+t.id+"/cancel", nil)
		t.changed("status", "The answer is 204 instead of 200 with the request.")
	case t.method == http.MethodPost:
		return t.firstMake()
	case t.id != "":
		t.add(http.MethodGet, assignmentRequests+"/"+t.id, nil)
	default:
		t.add(http.MethodGet, assignmentRequests, nil, filterOption(t.firstKeys()...))
	}
	t.changed("statuses", "Completed is Provisioned, RequestedApproval PendingApproval, Scheduled Granted, ApprovalDenied Denied, Cancelled Canceled.")
	return nil
}

func (t *translation) firstMake() error {
	in, err := readBody[firstRequest](t.Old.Body)
	if err != nil {
		return err
	}
	if strings.EqualFold(in.Type, "UserAdd") {
		t.activate(in)
		return nil
	}
	if !strings.EqualFold(in.Type, "AdminAdd") {
		return fmt.Errorf("the body's type %q is neither UserAdd nor AdminAdd", in.Type)
	}
	set := assignmentRequests
	if strings.EqualFold(in.AssignmentState, "Eligible") {
		set = eligibilityRequests
	}
	t.firstAsk(set, graphRequest{Action: "adminAssign", RoleDefinitionID: in.RoleID, PrincipalID: t.user(in.UserID), Justification: in.Reason,
		ScheduleInfo: t.firstSchedule(in), TicketInfo: oldRequest{TicketNumber: in.TicketNumber, TicketSystem: in.TicketSystem}.ticket()})
	return nil
}

func (t *translation) firstApprovals() error {
	const approvals = "/beta/roleManagement/directory/roleAssignmentApprovals"
	switch {
	case t.method == http.MethodPatch:
		in, err := readBody[struct {
			State  string `json:"approvalState"`
			Reason string `json:"approverReason"`
		}](t.Old.Body)
		if err != nil {
			return err
		}
		result := map[string]string{"approved": "Approve", "denied": "Deny"}[strings.ToLower(in.State)]
		if result == "" {
			return fmt.Errorf("the body's approvalState %q is neither approved nor denied", in.State)
		}
		t.add(http.MethodPatch, approvals+"/"+t.id+"/steps/{stepId}", map[string]string{"reviewResult": result, "justification": in.Reason})
		t.changed("steps", "{stepId} is the open step that GET "+approvals+"/{id}/steps tells; the id of an approval is that of its request.")
	case t.method == http.MethodPost:
		t.lost("approval", "An approval is made by the request that needs it.")
	case strings.EqualFold(t.id, "myRequests"):
		t.add(http.MethodGet, assignmentRequests+"/filterByCurrentUser(on='createdBy')", nil, filterOption(equals("status", "PendingApproval")))
	case t.id != "":
		t.add(http.MethodGet, approvals+"/"+t.id, nil, "$expand=steps")
	default:
		t.add(http.MethodGet, assignmentRequests+"/filterByCurrentUser(on='approver')", nil, filterOption(equals("status", "PendingApproval")))
		t.changed("approvals", "What waits for the caller is listed as requests; each has an approvalId.")
	}
	return nil
}

// firstSettingsBody is privilegedRoleSettings, spelt as the first iteration does.
type firstSettingsBody struct {
	Duration  string   `json:"elevationDuration"`
	MFA       *bool    `json:"mfaOnElevation"`
	Ticketing *bool    `json:"ticketingInfoOnElevation"`
	Approval  *bool    `json:"approvalOnElevation"`
	Approvers []string `json:"approverIds"`
	Notify    *bool    `json:"notificationToUserOnElevation"`
}

func (t *translation) firstSettings() error {
	t.q.role, t.role = t.id, t.id
	t.policyAssignments()
	if t.method != http.MethodPut && t.method != http.MethodPatch {
		return nil
	}
	in, err := readBody[firstSettingsBody](t.Old.Body)
	if err != nil {
		return err
	}
	rules, touched, err := in.rules()
	if err != nil {
		return err
	}
	t.lost("settings", "minElevationDuration, maxElavationDuration, isMfaOnElevationConfigurable and lastGlobalAdmin have no counterpart.")
	if len(touched) > 0 {
		t.policy(appendListed(nil, t.provider, rules, policy.All(), func(r policy.Rule) bool { return slices.Contains(touched, r.Name) }, false))
	}
	return nil
}

// rules are the rules that the settings are, and the names of those which they speak of.
func (in firstSettingsBody) rules() (policy.Rules, []string, error) {
	rules := policy.ForDirectoryRole()
	var touched []string
	set := &rules.EndUserAssignment
	if in.Duration != "" && in.Duration != "PT0S" {
		d, err := schedule.ParseDuration(in.Duration)
		if err != nil {
			return rules, nil, fmt.Errorf("the body's elevationDuration: %w", err)
		}
		set.Expiration.Required, set.Expiration.Maximum = true, d
		touched = append(touched, policy.RuleExpirationEndUserAssignment)
	}
	if in.MFA != nil || in.Ticketing != nil {
		set.Enablement.MFA = in.MFA != nil && *in.MFA
		set.Enablement.Ticketing = in.Ticketing != nil && *in.Ticketing
		touched = append(touched, policy.RuleEnablementEndUserAssignment)
	}
	if in.Approval != nil {
		rules.Approval.Required = *in.Approval
		stage := policy.Stage{TimeoutDays: 1}
		for _, id := range in.Approvers {
			stage.Approvers = append(stage.Approvers, policy.Approver{Kind: policy.User, ID: id})
		}
		rules.Approval.Stages = []policy.Stage{stage}
		touched = append(touched, policy.RuleApprovalEndUserAssignment)
	}
	if in.Notify != nil {
		set.Notifications.Requestor.NoDefaults = !*in.Notify
		touched = append(touched, policy.RuleNotificationRequestorEndUserAssignment)
	}
	return rules, touched, nil
}
