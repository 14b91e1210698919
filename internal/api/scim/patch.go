package scim

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	lib "github.com/elimity-com/scim"
	parser "github.com/scim2/filter-parser/v2"
)

// Patches (RFC 7644 §3.5.2), applied to a resource as JSON. Their paths and values have been checked by the library
// against the schema.

// patch applies one operation.
func (k *kind) patch(r resource, op lib.PatchOperation) error {
	if op.Path != nil {
		return k.patchAt(r, op.Op, *op.Path, op.Value)
	}
	in, ok := op.Value.(resource)
	if !ok {
		return invalidValue("The value of an operation without a path is a JSON object.")
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if inner, ok := in[name].(resource); ok && name == k.extension.ID && name != "" {
			for _, part := range slices.Sorted(maps.Keys(inner)) {
				p := parser.Path{AttributePath: parser.AttributePath{URIPrefix: &k.extension.ID, AttributeName: part}}
				if err := k.patchAt(r, op.Op, p, inner[part]); err != nil {
					return err
				}
			}
			continue
		}
		p, err := parsePath(name)
		if err != nil {
			return err
		}
		if err := k.patchAt(r, op.Op, p, in[name]); err != nil {
			return err
		}
	}
	return nil
}

func (k *kind) patchAt(r resource, op string, p parser.Path, value any) error {
	a, ok := k.resolve(p.AttributePath, p.SubAttributeName())
	if !ok {
		return bad(kindPath, "There is no attribute "+shortened(p.String())+" here.")
	}
	if a.extension != "" && a.container(r) == nil {
		r[a.extension] = resource{}
	}
	in := a.container(r)
	switch {
	case p.ValueExpression != nil:
		return a.patchSome(in, op, p.ValueExpression, value)
	case op == lib.PatchOperationRemove:
		a.remove(in, value)
	case a.sub != nil:
		a.setPart(in, value)
	case a.MultiValued() && op == lib.PatchOperationAdd:
		in[a.Name()] = with(listOf(in[a.Name()]), listOf(value))
	case a.MultiValued():
		in[a.Name()] = listOf(value)
	case a.AttributeType() == "complex":
		in[a.Name()] = merged(in[a.Name()], value)
	default:
		in[a.Name()] = value
	}
	return nil
}

func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// with is a list with those of others that are not in it yet.
func with(list, more []any) []any {
	out := slices.Clone(list)
	for _, v := range more {
		if !slices.ContainsFunc(out, func(have any) bool { return reflect.DeepEqual(have, v) }) {
			out = append(out, v)
		}
	}
	return out
}

// merged is an object with the members of another in it.
func merged(v, more any) any {
	from, ok := more.(resource)
	into, isObject := v.(resource)
	if !ok || !isObject {
		return more
	}
	out := maps.Clone(into)
	maps.Copy(out, from)
	return out
}

// remove takes the attribute, a part of it, or of a list the values that are named.
func (a attribute) remove(in resource, value any) {
	switch {
	case in == nil:
	case a.sub != nil:
		for _, m := range elements(in[a.Name()]) {
			delete(m, a.sub.Name())
		}
	case a.MultiValued() && value != nil:
		gone := map[string]bool{}
		for _, m := range elements(value) {
			gone[strings.ToLower(valueOf(m))] = true
		}
		in[a.Name()] = slices.DeleteFunc(listOf(in[a.Name()]), func(v any) bool {
			m, ok := v.(resource)
			return ok && gone[strings.ToLower(valueOf(m))]
		})
	default:
		delete(in, a.Name())
	}
}

// setPart sets a part of a complex attribute: of a list of each of its values.
func (a attribute) setPart(in resource, value any) {
	if a.MultiValued() {
		for _, m := range elements(in[a.Name()]) {
			m[a.sub.Name()] = value
		}
		return
	}
	in[a.Name()] = merged(in[a.Name()], resource{a.sub.Name(): value})
	if m, ok := in[a.Name()].(resource); ok {
		m[a.sub.Name()] = value
	}
}

// patchSome changes those values of a list that pass a filter.
func (a attribute) patchSome(in resource, op string, filter parser.Expression, value any) error {
	inner := a.inner()
	terms := 0
	if err := inner.check(filter, &terms); err != nil {
		return err
	}
	if some, ok := value.([]any); ok && len(some) == 1 {
		value = some[0]
	}
	list := listOf(in[a.Name()])
	var kept []any
	found := false
	for _, v := range list {
		m, ok := v.(resource)
		if !ok || !inner.holds(filter, m) {
			kept = append(kept, v)
			continue
		}
		found = true
		switch {
		case op == lib.PatchOperationRemove && a.sub == nil:
			continue
		case op == lib.PatchOperationRemove:
			delete(m, a.sub.Name())
		case a.sub != nil:
			m[a.sub.Name()] = value
		case op == lib.PatchOperationReplace:
			m, _ = value.(resource)
		default:
			more, _ := value.(resource)
			maps.Copy(m, more)
		}
		kept = append(kept, m)
	}
	if !found && op != lib.PatchOperationRemove {
		fresh, ok := a.fresh(filter, op, value)
		if !ok {
			return bad(kindNoTarget, "No value of "+a.Name()+" passes the filter of the path.")
		}
		kept = append(kept, fresh)
	}
	in[a.Name()] = kept
	return nil
}

// fresh is the value that an operation makes where none passes the filter of its path, as Entra expects of
// emails[type eq "work"].value: the filter must name the type, one that the schema knows.
func (a attribute) fresh(filter parser.Expression, op string, value any) (resource, bool) {
	term, ok := filter.(*parser.AttributeExpression)
	if !ok || term.Operator != parser.EQ || !strings.EqualFold(term.AttributePath.String(), "type") {
		return nil, false
	}
	sub, _ := a.SubAttributes().ContainsAttribute("type")
	kind, _ := term.CompareValue.(string)
	if !slices.Contains(sub.CanonicalValues(), strings.ToLower(kind)) {
		return nil, false
	}
	out := resource{"type": strings.ToLower(kind)}
	switch v := value.(type) {
	case resource:
		maps.Copy(out, v)
		return out, op == lib.PatchOperationAdd
	default:
		if a.sub == nil {
			return nil, false
		}
		out[a.sub.Name()] = v
	}
	return out, true
}
