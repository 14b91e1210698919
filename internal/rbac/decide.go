package rbac

import "portcullis/internal/abac"

// Decide says whether an operation is allowed by the grants that a principal has at the scope in question or above, and by the
// denials that name it there: the caller has found both, by Denial.Names and Denial.HoldsAt. Attributes are what conditions may
// ask for. A denial wins over all grants; grants add up, and what one entry of a role leaves out another may give.
func Decide(denials []*Denial, grants []Grant, op Operation, about abac.Attributes) Verdict {
	q := abac.Question{Action: op.Action, SubOperation: op.SubOperation, Attributes: about}
	for _, d := range denials {
		if d.forbids(op, q) {
			return Denied
		}
	}
	verdict := NotAllowed
	for _, g := range grants {
		switch g.allows(op, q) {
		case Allowed:
			return Allowed
		case Constrained:
			verdict = Constrained
		case NotAllowed, Denied:
		}
	}
	return verdict
}

// allows gives the verdict of one grant.
func (g Grant) allows(op Operation, q abac.Question) Verdict {
	if g.Role == nil {
		return NotAllowed
	}
	entries := g.Role.compiled.entries
	if !g.Role.compiled.of(g.Role.Permissions) {
		entries = compile(g.Role.Permissions).entries
	}
	verdict := NotAllowed
	for i := range entries {
		if !entries[i].matches(op) {
			continue
		}
		if entries[i].condition.Holds(q) && g.Condition.Holds(q) {
			return Allowed
		}
		verdict = Constrained
	}
	return verdict
}
