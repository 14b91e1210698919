package governance

import (
	"strings"

	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// The states of requests (governanceRoleAssignmentRequestStatus, reference pim-v2 §5 and §13.3).

// The two values of status.
const (
	InProgress = "InProgress"
	Closed     = "Closed"
)

// SubStatuses are all words for how far a request has come, also those of states that do not occur here: clients filter by them.
func SubStatuses() []string {
	return []string{"Accepted", "PendingEvaluation", "Granted", "Denied", "PendingProvisioning", "ProvisioningStarted", "Provisioned",
		"PendingRevocation", "Revoked", "Canceled", "Failed", "FailedAsResourceIsLocked", "PendingApprovalProvisioning", "PendingApproval",
		"PendingAdminDecision", "AdminApproved", "AdminDenied", "TimedOut"}
}

// SubStatus says how far a request has come, in the two words of this iteration. What is accepted is done at once here, so that
// the states between are never shown; what starts later is Granted until then.
func SubStatus(r pim.Request) (status, subStatus string) {
	status = Closed
	if r.Status.Open() {
		status = InProgress
	}
	return status, subStatusOf(r.Action, r.Status)
}

func subStatusOf(a pim.Action, s pim.Status) string {
	switch s {
	case pim.PendingApproval:
		return "PendingApproval"
	case pim.PendingAdminDecision:
		return "PendingAdminDecision"
	case pim.Granted:
		return "Granted"
	case pim.Provisioned:
		return "Provisioned"
	case pim.Revoked:
		if !wire.Removal(a) { // what was asked for was taken back before it held
			return "Canceled"
		}
		return "Revoked"
	case pim.Denied:
		if wire.ForAdministrators(a) {
			return "AdminDenied"
		}
		return "Denied"
	case pim.Canceled:
		return "Canceled"
	case pim.TimedOut:
		return "TimedOut"
	case pim.Failed:
	}
	return "Failed"
}

// ParseSubStatus gives the states that may be shown by a word, which depends on the type too: rows of them must be looked at
// once more. The words of states that do not occur here give none.
func ParseSubStatus(word string) []pim.Status {
	var out []pim.Status
	for s := pim.PendingApproval; s <= pim.TimedOut; s++ {
		for a := pim.AdminAssign; a <= pim.SelfRenew; a++ {
			if strings.EqualFold(word, subStatusOf(a, s)) {
				out = append(out, s)
				break
			}
		}
	}
	return out
}

// ParseStatus gives the states that are shown as InProgress or as Closed.
func ParseStatus(word string) []pim.Status {
	var out []pim.Status
	for s := pim.PendingApproval; s <= pim.TimedOut; s++ {
		if strings.EqualFold(word, InProgress) && s.Open() || strings.EqualFold(word, Closed) && !s.Open() {
			out = append(out, s)
		}
	}
	return out
}

// Detail is one rule that was looked at, and what came of it: Grant, Deny or Pending.
type Detail struct{ Key, Value string }

// StatusDetails are the rules that a request had to pass, in the order of reference pim-v2 §4. Removals pass none.
func StatusDetails(r pim.Request) []Detail {
	const grant = "Grant"
	switch r.Action { //nolint:exhaustive // the others make no request, or a removal
	case pim.AdminAssign, pim.AdminUpdate, pim.AdminExtend, pim.AdminRenew:
		return []Detail{{"AdminRequestRule", grant}, {ruleExpiration, grant}, {ruleMFA, grant}}
	case pim.SelfExtend, pim.SelfRenew:
		return []Detail{{ruleExpiration, grant}, {ruleMFA, grant}}
	case pim.SelfActivate:
		return []Detail{{"EligibilityRule", grant}, {ruleExpiration, grant}, {ruleMFA, grant}, {ruleJustification, grant},
			{"ActivationDayRule", grant}, {ruleApproval, verdict(r.Approval)}}
	}
	return nil
}

// verdict is what became of an approval.
func verdict(a *pim.Approval) string {
	if a == nil {
		return "Grant"
	}
	out := "Grant"
	for _, s := range a.Stages {
		switch {
		case s.Denied() || s.Status == pim.Lapsed:
			return "Deny"
		case s.Status != pim.Completed || len(s.Decisions) == 0: // one that was withdrawn is closed without an answer
			out = "Pending"
		}
	}
	return out
}

// AppendStatus writes the status of a request.
func AppendStatus(b []byte, r pim.Request) []byte {
	status, sub := SubStatus(r)
	o := wire.New(b, nil)
	o.Str("status", status)
	o.Str("subStatus", sub)
	o.Name("statusDetails")
	o.B = wire.AppendEach(o.B, StatusDetails(r), func(b []byte, d Detail) []byte {
		e := wire.New(b, nil)
		e.Str("key", d.Key)
		e.Str("value", d.Value)
		return e.End()
	})
	return o.End()
}
