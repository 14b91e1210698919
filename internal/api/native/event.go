package native

import (
	"time"

	"portcullis/internal/api"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// event is an entry of the audit log as it is written.
type event struct {
	ID       string    `json:"id"`
	At       time.Time `json:"dateTime"`
	Activity string    `json:"activity"`
	Success  bool      `json:"success"`
	Reason   string    `json:"reason"`
	Actor    actor     `json:"actor"`
	Request  string    `json:"requestId"`
	Schedule string    `json:"scheduleId"`
	Action   string    `json:"action"`
	Kind     string    `json:"kind"`
	// Principal and Role are who and what it was about, by their names of that time.
	Principal named      `json:"principal"`
	Role      named      `json:"role"`
	Provider  string     `json:"provider"`
	Scope     string     `json:"scopeId"`
	Start     *time.Time `json:"startDateTime"`
	End       *time.Time `json:"endDateTime"`
	Ticket    ticket     `json:"ticket"`
	Details   []detail   `json:"details"`
}

type actor struct {
	named
	Address string `json:"address"`
	// Clock says that nobody asked: time did.
	Clock bool `json:"clock"`
}

type named struct {
	ID      string `json:"id"`
	Name    string `json:"displayName"`
	Account string `json:"account,omitempty"`
}

type ticket struct {
	Number string `json:"number"`
	System string `json:"system"`
}

type detail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func fromEvent(e pim.Event) event {
	out := event{
		ID: string(e.ID), At: e.At.UTC(), Activity: activityName(e.Activity), Success: e.Success, Reason: e.Reason,
		Actor: actor{
			named:   named{ID: string(e.By.Principal), Name: e.By.Name, Account: e.By.Account},
			Address: e.By.Address, Clock: e.By.Clock,
		},
		Request: string(e.Request), Schedule: string(e.Schedule), Action: actionName(e.Action), Kind: kindName(e.Kind),
		Principal: named{ID: string(e.Principal.ID), Name: e.Principal.Name, Account: e.Principal.Account},
		Role:      named{ID: string(e.Key.Role), Name: e.RoleName},
		Provider:  string(e.Key.Provider), Scope: string(e.Key.Scope), Start: instant(e.Start), End: instant(e.End),
		Ticket: ticket{Number: e.Ticket.Number, System: e.Ticket.System}, Details: []detail{},
	}
	for i := 0; i+1 < len(e.Details); i += 2 {
		out.Details = append(out.Details, detail{Name: e.Details[i], Value: e.Details[i+1]})
	}
	return out
}

// activityName is what an activity is called here. Others store these names: they may only be added to.
func activityName(a pim.Activity) string {
	names := map[pim.Activity]string{
		pim.Requested: "requested", pim.ApprovalRequested: "approvalRequested", pim.Approved: "approved",
		pim.DeniedByApprover: "denied", pim.CompletedRequest: "completed", pim.CanceledRequest: "canceled",
		pim.LapsedRequest: "lapsed", pim.FailedRequest: "failed", pim.Refused: "refused", pim.Started: "started",
		pim.Ended: "ended", pim.EndIsNear: "endIsNear", pim.EscalatedApproval: "escalated",
		pim.PolicyChanged: "policyChanged", pim.DoorOpened: "doorOpened", pim.DoorClosed: "doorClosed",
		pim.DoorStuck: "doorStuck", pim.AssignedOutside: "assignedOutside", pim.DirectoryChanged: "directoryChanged",
		pim.TenantCreated: "tenantCreated", pim.RemovedOutside: "removedOutside",
		pim.MailStuck: "mailStuck", pim.ChangedOutside: "changedOutside", pim.DoorsAligned: "doorsAligned",
	}
	if name, ok := names[a]; ok {
		return name
	}
	return "unknown"
}

func actionName(a pim.Action) string {
	names := map[pim.Action]string{
		pim.AdminAssign: "adminAssign", pim.AdminUpdate: "adminUpdate", pim.AdminRemove: "adminRemove",
		pim.AdminExtend: "adminExtend", pim.AdminRenew: "adminRenew", pim.SelfActivate: "selfActivate",
		pim.SelfDeactivate: "selfDeactivate", pim.SelfExtend: "selfExtend", pim.SelfRenew: "selfRenew",
		pim.Cancel: "cancel", pim.Approve: "approve", pim.Deny: "deny",
		pim.AssignOutside: "assignOutside", pim.RemoveOutside: "removeOutside", pim.Depart: "depart",
	}
	return names[a] // empty for the clock's asks and for none
}

func kindName(k pim.Kind) string {
	switch k {
	case pim.Eligibility:
		return "eligibility"
	case pim.Assignment:
		return "assignment"
	default:
		return ""
	}
}

// events lists the audit log.
func (s *Surface) events(r *api.Request) (api.Answer, error) {
	o, err := readOptions(r, "request", "schedule", "principal")
	if err != nil {
		return api.Answer{}, err
	}
	q := store.Query{Order: []store.Order{{Field: store.FieldAt}}}
	if err := o.page(&q); err != nil {
		return api.Answer{}, err
	}
	var where store.And
	for field, id := range map[store.Field]string{
		store.FieldRequest: o.id("request"), store.FieldSchedule: o.id("schedule"), store.FieldSubjectID: string(o.principal()),
	} {
		if id != "" {
			where = append(where, store.Is(field, id))
		}
	}
	q.Where = where
	page, err := s.app.Events(r.Context(), r.Caller, q)
	if err != nil {
		return api.Answer{}, err
	}
	return rows(o, page, fromEvent)
}
