package wire

import (
	"errors"
	"slices"

	"portcullis/internal/pim"
)

// Refused says whether an error is the core's refusal with one of the codes.
func Refused(err error, codes ...pim.Code) bool {
	r, ok := errors.AsType[*pim.Refusal](err)
	return ok && slices.Contains(codes, r.Code)
}

// Failed says whether a rule is among those that failed.
func Failed(list []pim.Failure, rule pim.PolicyRule) bool {
	return slices.ContainsFunc(list, func(f pim.Failure) bool { return f.Rule == rule })
}

// FailedRules are the names of the rules that failed, which clients search messages for.
func FailedRules(list []pim.Failure) []pim.PolicyRule {
	names := make([]pim.PolicyRule, len(list))
	for i, f := range list {
		names[i] = f.Rule
	}
	return names
}
