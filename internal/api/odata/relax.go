package odata

// Relax is a filter that is true of every row of which e is true, and that mentions only paths which keep accepts; nil
// when nothing can be said of them, which is every row. A store runs it to leave rows out early, Eval then decides.
// The function of a dialect is never kept, because it means what only the dialect knows. keep sees paths within any and
// all with the collection's path in place of the variable.
//
// It is sound under Not: within a negation it widens by narrowing what is negated. A compiler for SQL must for this
// give `not` Eval's meaning: `not (a gt 5)` is true where a is null.
func Relax(e Expr, keep func(Path) bool) Expr {
	if e == nil {
		return nil
	}
	r := relaxer{keep: keep}
	x, ok := r.bound(e, true)
	if !ok {
		return nil
	}
	return x
}

// relaxer remembers what the variables of the lambdas around stand for.
type relaxer struct {
	keep func(Path) bool
	vars map[string][]string
}

// bound is a filter that is at least as true as e when wide, at most when not. false stands for the filter that is
// always true when wide, and always false when not.
func (r *relaxer) bound(e Expr, wide bool) (Expr, bool) {
	switch e := e.(type) {
	case And:
		terms, all := r.bounds(e, wide)
		// A conjunction with a term that is always true drops it; with one that is always false it is false.
		if len(terms) == 0 || !wide && !all {
			return nil, false
		}
		return Join(terms...), true
	case Or:
		terms, all := r.bounds(e, wide)
		if len(terms) == 0 || wide && !all {
			return nil, false
		}
		return either(terms), true
	case Not:
		x, ok := r.bound(e.X, !wide)
		return Not{x}, ok
	default:
		return e, r.keeps(e)
	}
}

// bounds are the bounds of the terms that have one, and whether all have.
func (r *relaxer) bounds(terms []Expr, wide bool) (list []Expr, all bool) {
	for _, t := range terms {
		if x, ok := r.bound(t, wide); ok {
			list = append(list, x)
		}
	}
	return list, len(list) == len(terms)
}

// keeps says whether every path that e mentions is accepted.
func (r *relaxer) keeps(e Expr) bool {
	switch e := e.(type) {
	case nil:
		return true
	case And:
		return r.keepsAll(e)
	case Or:
		return r.keepsAll(e)
	case Not:
		return r.keeps(e.X)
	case Compare:
		return r.keepsPath(e.Path)
	case In:
		return r.keepsPath(e.Path)
	case Call:
		return r.keepsCall(e)
	case Any:
		return r.keepsLambda(e.Path, e.Var, e.X)
	case All:
		return r.keepsLambda(e.Path, e.Var, e.X)
	}
	return false
}

func (r *relaxer) keepsAll(terms []Expr) bool {
	for _, t := range terms {
		if !r.keeps(t) {
			return false
		}
	}
	return true
}

func (r *relaxer) keepsCall(e Call) bool {
	if textFunction(e.Name) == nil && e.Name != "isof" {
		return false
	}
	for _, a := range e.Args {
		if p, ok := a.(Path); ok && !r.keepsPath(p) {
			return false
		}
	}
	return true
}

func (r *relaxer) keepsPath(p Path) bool {
	p.Segments = r.outside(p.Segments)
	return r.keep(p)
}

// outside is the path with what its variable stands for in the variable's place.
func (r *relaxer) outside(path []string) []string {
	if len(path) == 0 || r.vars[path[0]] == nil {
		return path
	}
	of := r.vars[path[0]]
	return append(of[:len(of):len(of)], path[1:]...)
}

func (r *relaxer) keepsLambda(path Path, name string, x Expr) bool {
	if !r.keepsPath(path) {
		return false
	}
	if x == nil {
		return true
	}
	inner := relaxer{keep: r.keep, vars: map[string][]string{name: r.outside(path.Segments)}}
	for k, v := range r.vars {
		if k != name {
			inner.vars[k] = v
		}
	}
	return inner.keeps(x)
}
