package odata

import "slices"

// Mentions says whether a filter asks for a property of the entity that is one of some. What any and all ask of the elements of a
// collection is not looked at.
func Mentions(e Expr, is func(Path) bool) bool {
	in := func(e Expr) bool { return Mentions(e, is) }
	switch e := e.(type) {
	case And:
		return slices.ContainsFunc(e, in)
	case Or:
		return slices.ContainsFunc(e, in)
	case Not:
		return in(e.X)
	case Compare:
		return is(e.Path)
	case In:
		return is(e.Path)
	case Call:
		return slices.ContainsFunc(e.Args, func(a Operand) bool {
			p, ok := a.(Path)
			return ok && is(p)
		})
	case Any, All:
	}
	return false
}
