package scim

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Which attributes of a resource go back (RFC 7644 §3.9).

// maxAttributes bounds how many attributes one call names.
const maxAttributes = 100

// projection is what of resources is shown.
type projection struct {
	// only are the attributes that are shown, nil for all that are shown by default; else those of except are not.
	only, except []attribute
}

// names are the attributes that a parameter lists.
func names(v url.Values, parameter string) []string {
	return strings.FieldsFunc(strings.Join(v[parameter], ","), func(r rune) bool { return r == ',' || r == ' ' })
}

// projectionOf reads what is asked for. Attributes that are not known here are not shown and not refused.
func projectionOf(k *kind, v url.Values) (projection, error) {
	only, except := names(v, "attributes"), names(v, "excludedAttributes")
	if len(only) > 0 && len(except) > 0 {
		return projection{}, invalidValue("attributes and excludedAttributes exclude each other.")
	}
	if len(only)+len(except) > maxAttributes {
		return projection{}, invalidValue("Too many attributes are named.")
	}
	p := projection{except: k.places(except)}
	if len(only) > 0 {
		p.only = append(k.places(only), attribute{CoreAttribute: k.common[0]})
	}
	return p, nil
}

// places are the attributes of the names that there are.
func (k *kind) places(names []string) []attribute {
	var out []attribute
	for _, name := range names {
		if k.extension.ID != "" && strings.EqualFold(name, k.extension.ID) {
			for _, a := range k.extension.Attributes {
				out = append(out, attribute{extension: k.extension.ID, CoreAttribute: a})
			}
			continue
		}
		p, err := parsePath(name)
		if err != nil || p.ValueExpression != nil {
			continue
		}
		if a, ok := k.resolve(p.AttributePath, ""); ok {
			out = append(out, a)
		}
	}
	return out
}

// apply is a resource as it is shown. The resource itself may be changed by it.
func (p projection) apply(r resource) resource {
	if p.only == nil {
		for _, a := range p.except {
			if !a.is("id") && !a.is("schemas") {
				a.hide(r)
			}
		}
		return r
	}
	out := resource{"id": r["id"]}
	for _, a := range p.only {
		a.show(r, out)
	}
	return out
}

// hide takes the attribute out of a resource.
func (a attribute) hide(r resource) {
	in := a.container(r)
	if a.sub == nil {
		delete(in, a.Name())
	} else {
		for _, m := range elements(in[a.Name()]) {
			delete(m, a.sub.Name())
		}
	}
	if a.extension != "" && len(in) == 0 {
		delete(r, a.extension)
	}
}

// show copies the attribute from a resource to another.
func (a attribute) show(from, to resource) {
	v, ok := a.container(from)[a.Name()]
	if !ok {
		return
	}
	if a.extension != "" {
		if to[a.extension] == nil {
			to[a.extension] = resource{}
		}
		to = a.container(to)
	}
	if a.sub == nil {
		to[a.Name()] = v
		return
	}
	shown := elements(to[a.Name()])
	var list []any
	for i, m := range elements(v) {
		part := resource{}
		if i < len(shown) {
			part = maps.Clone(shown[i])
		}
		if value, ok := m[a.sub.Name()]; ok {
			part[a.sub.Name()] = value
		}
		list = append(list, part)
	}
	if !a.MultiValued() && len(list) == 1 {
		to[a.Name()] = list[0]
		return
	}
	to[a.Name()] = list
}

// asksFor says whether the attributes that are asked for name one.
func asksFor(v url.Values, name string) bool { return mentioned(names(v, "attributes"), name) }

// wanted says whether an attribute that is shown by default is to be shown.
func wanted(v url.Values, name string) bool {
	if only := names(v, "attributes"); len(only) > 0 {
		return mentioned(only, name)
	}
	return !slices.ContainsFunc(names(v, "excludedAttributes"), func(n string) bool { return strings.EqualFold(lastOf(n), name) })
}

func mentioned(list []string, name string) bool {
	return slices.ContainsFunc(list, func(n string) bool {
		first, _, _ := strings.Cut(lastOf(n), ".")
		return strings.EqualFold(first, name)
	})
}

// lastOf is a name without the schema before it.
func lastOf(name string) string {
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}
