package migrate

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/api/governance"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// What the first iteration tells (privilegedRole…, reference pim-v2 §11 and §13.8), from a server or from files.

// v1Role is a privilegedRole.
type v1Role struct{ ID, Name string }

// v1Row is a privilegedRoleAssignment.
type v1Row struct {
	ID, UserID, RoleID string
	IsElevated         bool
	ExpirationDateTime governance.Instant
	ResultMessage      string
}

// v1Settings are privilegedRoleSettings, of the role that the id names.
type v1Settings struct {
	ID                            string
	ApproverIDs                   []string
	ElevationDuration             string
	NotificationToUserOnElevation bool
	TicketingInfoOnElevation      bool
	MFAOnElevation                bool
	ApprovalOnElevation           bool
}

// v1Request is a privilegedRoleAssignmentRequest.
type v1Request struct {
	ID, UserID, RoleID, Type, AssignmentState, Duration, Reason string
	TicketNumber, TicketSystem, Status                          string
	Schedule                                                    *governance.Schedule
}

func v1Place(role string) Place {
	return Place{pim.Directory, pim.Everywhere, pim.RoleID(strings.ToLower(role))}
}

func (r *reading) v1Role(in v1Role) {
	r.role(Role{RoleRef: RoleRef{pim.Directory, pim.RoleID(strings.ToLower(in.ID))}, Name: in.Name})
}

// byGroup is what rows say that a person has by way of a group alone.
const byGroup = "Held by way of a group."

// v1Row takes a row, which says two things of whoever is active for a while: that they may, and that they are.
func (r *reading) v1Row(in v1Row) {
	if in.ResultMessage == byGroup {
		r.note(Lost, "assignment "+in.ID, "GroupNotTold", "it comes of a group, and this iteration does not tell of which: read the second one")
		return
	}
	if !r.once("assignment", in.ID) {
		return
	}
	who := strings.ToLower(in.UserID)
	r.principal(Principal{ID: who, Kind: pim.UserPrincipal})
	g := Grant{Place: v1Place(in.RoleID), Principal: who, ID: in.ID, Kind: pim.Eligibility}
	if in.IsElevated && in.ExpirationDateTime.IsZero() {
		g.Kind = pim.Assignment
		r.grant(g)
		return
	}
	r.grant(g)
	r.note(Changed, "assignment "+in.ID, "EndNotTold", "this iteration does not tell when an eligibility ends: it is carried over without an end")
	if in.IsElevated {
		g.Kind, g.Activated, g.End = pim.Assignment, true, in.ExpirationDateTime.Time
		r.grant(g)
		r.note(Changed, "assignment "+in.ID, "EligibilityAssumed", "whoever is active for a while counts as eligible: an assignment with an end reads alike")
	}
}

// v1Rules takes the settings of a role. What this iteration has no words for is as it is where nobody has changed anything.
func (r *reading) v1Rules(in v1Settings) error {
	at := v1Place(in.ID)
	item := settingsItem(at)
	rules := policy.ForDirectoryRole()
	set := &rules.EndUserAssignment
	if in.ElevationDuration != "" {
		longest, err := schedule.ParseDuration(in.ElevationDuration)
		if err != nil {
			return fmt.Errorf("%s: %w", item, err)
		}
		set.Expiration.Maximum = longest
	}
	set.Enablement.MFA, set.Enablement.Ticketing = in.MFAOnElevation, in.TicketingInfoOnElevation
	set.Notifications.Requestor.NoDefaults = !in.NotificationToUserOnElevation
	rules.Approval.Required = in.ApprovalOnElevation
	if len(in.ApproverIDs) > 0 {
		stage := policy.Stage{TimeoutDays: 1}
		for _, id := range in.ApproverIDs {
			id = strings.ToLower(id)
			kind := policy.User
			if r.e.Principals[id].Kind == pim.GroupPrincipal {
				kind = policy.Group
			}
			stage.Approvers = append(stage.Approvers, policy.Approver{Kind: kind, ID: id})
		}
		rules.Approval.Stages = []policy.Stage{stage}
	}
	unchanged := reflect.DeepEqual(rules, policy.ForDirectoryRole())
	r.policy(at, Policy{Rules: rules, Default: unchanged})
	if !unchanged {
		r.note(Changed, item, "RulesNotTold", "this iteration does not tell the rules for administrators, nor who else is told: they are as nobody has changed them")
	}
	return nil
}

// v1OpenRequest takes a request that waits for an approver or its start. me is the caller, of whom such lists say Self.
func (r *reading) v1OpenRequest(in v1Request, me string) error {
	statuses := map[string]pim.Status{"requestedapproval": pim.PendingApproval, "scheduled": pim.Granted}
	status, open := statuses[strings.ToLower(in.Status)]
	if !open || !r.once("request", in.ID) {
		return nil
	}
	item := "request " + in.ID
	action, kind, known := r.askedFor(item, in.Type, in.AssignmentState)
	if !known {
		return nil
	}
	who := strings.ToLower(in.UserID)
	if who == "self" {
		who = me
	}
	if who == "" {
		r.note(Unresolved, item, "PrincipalNotTold", "the source does not tell who asks")
		return nil
	}
	info, err := in.info()
	if err != nil {
		return fmt.Errorf("%s: %w", item, err)
	}
	r.principal(Principal{ID: who, Kind: pim.UserPrincipal})
	q := Request{Place: v1Place(in.RoleID), ID: strings.ToLower(in.ID), Principal: who, Kind: kind, Action: action, Status: status, Asked: info,
		Reason: in.Reason, Ticket: pim.Ticket{Number: in.TicketNumber, System: in.TicketSystem}}
	if r.counts(q) {
		r.request(q)
	}
	return nil
}

// info is when: the schedule, and where it tells no end the hours of the duration.
func (in v1Request) info() (schedule.Info, error) {
	if in.Schedule != nil {
		in.Schedule.Type = "" // what this iteration writes there is no type of schedule
	}
	info, err := in.Schedule.Info()
	hours, bad := strconv.ParseFloat(strings.TrimSpace(in.Duration), 64)
	told := info.Expiration.Kind == schedule.AfterDuration || info.Expiration.Kind == schedule.AfterDateTime
	if err != nil || bad != nil || told || hours <= 0 || hours > 24*366 {
		return info, err
	}
	info.Expiration = schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.FromTime(time.Duration(hours * float64(time.Hour)))}
	return info, nil
}
