package store

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// FieldMember is how a principal comes by a row (pim.MemberType as int). It is derived, so no store lists by it; it is
// for Match alone.
const FieldMember Field = "member"

// Match says whether a row with these columns satisfies a filter. It is the meaning that a store's own lists must have:
// column returns a string, int, bool or time.Time, or nil for none.
func Match(f Filter, column func(Field) any) bool {
	switch f := f.(type) {
	case nil:
		return true
	case And:
		for _, g := range f {
			if !Match(g, column) {
				return false
			}
		}
		return true
	case Or:
		for _, g := range f {
			if Match(g, column) {
				return true
			}
		}
		return false
	case Not:
		return !Match(f.Filter, column)
	case In:
		have, ok := column(f.Field).(string)
		if !ok {
			return false
		}
		for _, v := range f.Values {
			if fold(f.Field, have) == fold(f.Field, v) {
				return true
			}
		}
		return false
	case Under:
		have, ok := column(f.Field).(string)
		return ok && slices.ContainsFunc(f.Scopes, func(s pim.Scope) bool { return s != "" && resource.Within(pim.Scope(have), s) })
	case Compare:
		return matchCompare(f, column(f.Field))
	default:
		return false
	}
}

func matchCompare(f Compare, have any) bool {
	if have == nil || f.Value == nil {
		return matchNone(f, have)
	}
	order := 0
	switch have := have.(type) {
	case string:
		want, ok := f.Value.(string)
		if !ok {
			return false
		}
		switch f.Op {
		case Prefix:
			return strings.HasPrefix(strings.ToLower(have), strings.ToLower(want))
		case Contains:
			return strings.Contains(strings.ToLower(have), strings.ToLower(want))
		case Eq, Ne, Lt, Le, Gt, Ge:
		}
		order = strings.Compare(fold(f.Field, have), fold(f.Field, want))
	case time.Time:
		want, ok := f.Value.(time.Time)
		if !ok {
			return false
		}
		order = have.Compare(want)
	case int:
		want, ok := f.Value.(int)
		if !ok {
			return false
		}
		order = cmp.Compare(have, want)
	case bool:
		want, ok := f.Value.(bool)
		if !ok {
			return false
		}
		switch {
		case have == want:
		case want: // false comes before true, as the databases have it
			order = -1
		default:
			order = 1
		}
	}
	return f.Op.holds(order)
}

// matchNone compares where the column or the value is none.
func matchNone(f Compare, have any) bool {
	switch {
	case have == nil && f.Value == nil:
		return f.Op == Eq
	case f.Op == Ne:
		return true
	case f.Field == FieldEnd && have == nil:
		return f.Op == Gt || f.Op == Ge // no end is later than any
	default:
		return false
	}
}

func (o Op) holds(order int) bool {
	switch o {
	case Eq:
		return order == 0
	case Ne:
		return order != 0
	case Lt:
		return order < 0
	case Le:
		return order <= 0
	case Gt:
		return order > 0
	case Ge:
		return order >= 0
	case Prefix, Contains:
		return false
	default:
		return false
	}
}

// fold lower-cases texts of the columns that compare without letter case.
func fold(f Field, s string) string {
	switch f { //nolint:exhaustive // the others compare exactly
	case FieldDisplayName, FieldPrincipalName, FieldMail, FieldMailNickname,
		FieldActorName, FieldActorAccount, FieldSubject, FieldRoleName:
		return strings.ToLower(s)
	default:
		return s
	}
}
