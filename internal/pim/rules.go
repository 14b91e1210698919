package pim

import (
	"slices"
	"strings"

	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// expirationRule is an expiration rule as far as it fills in and bounds an end.
type expirationRule struct {
	required bool
	maximum  schedule.Duration
}

func bindingRule(e policy.Expiration) expirationRule {
	return expirationRule{required: e.Required, maximum: e.Maximum}
}

// activationRule is the expiration rule of activations, as it binds for this principal.
func (d *decision) activationRule() expirationRule {
	e := d.c.Policy.Rules.EndUserAssignment.Expiration
	if d.excepted(e) {
		e.Maximum = policy.LongestActivation()
	}
	return expirationRule{required: true, maximum: e.Maximum}
}

// excepted says whether an expiration rule does not bind for the principal, itself or by a group that it is in now.
func (d *decision) excepted(e policy.Expiration) bool {
	if len(e.Exceptions) == 0 {
		return false
	}
	ways := waysUp(d.c.Memberships, d.c.Key.Principal, d.now)
	return slices.ContainsFunc(e.Exceptions, func(x policy.UserSet) bool {
		_, above := ways[PrincipalID(x.ID)]
		return above
	})
}

// adminRules tests an administrator's assignment against the policy; all failures are collected.
func (d *decision) adminRules(w schedule.Window) error {
	if d.a.Kind == Assignment {
		if err := tooShort(w); err != nil {
			return err
		}
	}
	set := d.set()
	var failed []Failure
	if set.Expiration.Required && exceeds(w, set.Expiration.Maximum) {
		failed = append(failed, tooLong)
	}
	failed = append(failed, d.enablement(set.Enablement, false)...)
	return failures(failed)
}

// activationRules tests an activation against the policy; all failures are collected. The authentication context comes
// last: it is answered by a challenge, which is no use while something else is wrong.
func (d *decision) activationRules(w schedule.Window, eligible bool) error {
	if err := tooShort(w); err != nil {
		return err
	}
	rules := d.c.Policy.Rules
	var failed []Failure
	if !eligible {
		failed = append(failed, Failure{EligibilityRule, "No valid eligibility was found"})
	}
	if exceeds(w, d.activationRule().maximum) {
		failed = append(failed, tooLong)
	}
	reason := rules.Approval.Required && !rules.Approval.NoRequestorJustification
	failed = append(failed, d.enablement(rules.EndUserAssignment.Enablement, reason)...)
	if err := failures(failed); err != nil {
		return err
	}
	if rules.Context.Enabled && !d.a.Carried && !contains(d.a.By.Contexts, rules.Context.Value) {
		return &Refusal{Code: ContextMissing, Context: rules.Context.Value,
			Detail: "the role demands an authentication context that the token does not prove"}
	}
	return nil
}

// ownRules tests a request to extend or renew one's own grant: such a request always needs a second factor (reference
// graph-pim §4.2), and a reason unless the approval rule frees from it.
func (d *decision) ownRules() error {
	return failures(d.enablement(policy.Enablement{
		MFA:           true,
		Justification: !d.c.Policy.Rules.Approval.NoRequestorJustification,
	}, false))
}

func (d *decision) enablement(e policy.Enablement, reason bool) []Failure {
	var failed []Failure
	if (e.Justification || reason) && strings.TrimSpace(d.a.Justification) == "" {
		failed = append(failed, Failure{JustificationRule, "Justification is required"})
	}
	if e.MFA && !d.a.Carried && (!d.a.By.MFA || d.a.By.App()) {
		failed = append(failed, Failure{MFARule, "Multi-factor authentication is required"})
	}
	if e.Ticketing && strings.TrimSpace(d.a.Ticket.Number) == "" {
		failed = append(failed, Failure{TicketingRule, "Ticket information is required"})
	}
	return failed
}

var tooLong = Failure{ExpirationRule, "The duration in the request is greater than maximum allowed duration"}

// exceeds says whether a window is longer than a maximum, on the calendar from its start.
func exceeds(w schedule.Window, maximum schedule.Duration) bool {
	return !maximum.IsZero() && (w.End.IsZero() || w.End.After(maximum.AddTo(w.Start)))
}

func failures(failed []Failure) error {
	if len(failed) == 0 {
		return nil
	}
	names := make([]string, len(failed))
	for i, f := range failed {
		names[i] = string(f.Rule)
	}
	return &Refusal{Code: PolicyFailed, Detail: strings.Join(names, ", "), Failures: failed}
}
