package schematest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Check says what of a JSON object differs from a type of the schema, nothing if it conforms.
//
// Each structural property of the type must be there, null only where the schema allows it, with the JSON form of its type;
// members of enumerations are compared letter by letter; complex values are checked the same way, to any depth.
// Besides these only annotations (with an @ in the name) and navigation properties may occur: what was expanded is checked like the object itself,
// except that an expanded user, group or other directory object may leave properties out, as the real service does.
// "@odata.type" names the derived type to check against; it must be there where the declared type is abstract.
//
// The object is what encoding/json makes of it, with float64 or json.Number for numbers.
func (s Schema) Check(typeName string, object map[string]any) []error {
	return s.check(typeName, object, nil)
}

// CheckSelected is Check for an answer to $select: of the structural properties exactly those named must be there.
// "expanded/name" selects within an expanded property or a complex one; a property with no such path is checked whole.
func (s Schema) CheckSelected(typeName string, object map[string]any, selected ...string) []error {
	tree := selection{}
	for _, path := range selected {
		at := tree
		for name := range strings.SplitSeq(path, "/") {
			if at[name] == nil {
				at[name] = selection{}
			}
			at = at[name]
		}
	}
	return s.check(typeName, object, tree)
}

// selection is what $select names, by property; nil and empty ones select everything.
type selection map[string]selection

func (s Schema) check(typeName string, object map[string]any, sel selection) []error {
	c := checker{schema: s}
	c.object("", Ref{Type: typeName}, object, sel, false)
	return c.errs
}

// checker collects what it finds on its way down.
type checker struct {
	schema Schema
	errs   []error
}

func (c *checker) errorf(path, format string, args ...any) {
	if path == "" {
		path = "object"
	}
	c.errs = append(c.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

// object checks one value of a complex or entity type. Partial ones may leave structural properties out, the id excepted.
func (c *checker) object(path string, ref Ref, object map[string]any, sel selection, partial bool) {
	name, ok := c.actualType(path, ref.Type, object)
	if !ok {
		return
	}
	properties, navigation := c.schema.Properties(name), c.schema.Navigation(name)
	for _, p := range slices.Sorted(maps.Keys(properties)) {
		value, present := object[p]
		_, chosen := sel[p]
		switch {
		case present && len(sel) > 0 && !chosen:
			c.errorf(join(path, p), "not selected, got %s", show(value))
		case present:
			c.value(join(path, p), properties[p], value, sel[p])
		case chosen || len(sel) == 0 && (!partial || p == "id"):
			c.errorf(join(path, p), "missing, want %s", properties[p])
		}
	}
	for _, p := range slices.Sorted(maps.Keys(object)) {
		if _, structural := properties[p]; structural || strings.Contains(p, "@") {
			continue
		}
		if ref, expanded := navigation[p]; expanded {
			// To be expanded onto nothing is no fault: the application scope of a directory role is null.
			ref.Nullable = !ref.Collection
			c.value(join(path, p), ref, object[p], sel[p])
			continue
		}
		if !c.schema.open(name) {
			c.errorf(join(path, p), "not a property of %s, got %s", name, show(object[p]))
		}
	}
}

// actualType gives the type that an object says it has, which must be the declared one or descend from it.
func (c *checker) actualType(path, declared string, object map[string]any) (string, bool) {
	t := c.schema.types[declared]
	if t == nil || t.Kind == "enum" {
		c.errorf(path, "the schema of %s has no object type %q", c.schema.version, declared)
		return "", false
	}
	said, present := object["@odata.type"]
	if !present {
		if t.Abstract {
			c.errorf(path, "%s is abstract, want @odata.type", declared)
		}
		return declared, !t.Abstract
	}
	text, _ := said.(string)
	name, prefixed := strings.CutPrefix(text, "#microsoft.graph.")
	actual := c.schema.types[name]
	if !prefixed || actual == nil || actual.Abstract || !c.schema.isA(name, declared) {
		c.errorf(path, "@odata.type %s, want #microsoft.graph. and %s or a type derived from it", show(said), declared)
		return "", false
	}
	return name, true
}

// value checks what a property holds.
func (c *checker) value(path string, ref Ref, value any, sel selection) {
	switch {
	case value == nil:
		if !ref.Nullable {
			c.errorf(path, "null, want %s", ref)
		}
	case ref.Collection:
		list, ok := value.([]any)
		if !ok {
			c.errorf(path, "got %s, want %s", show(value), ref)
			return
		}
		for i, element := range list {
			c.value(fmt.Sprintf("%s[%d]", path, i), Ref{Type: ref.Type}, element, sel)
		}
	case strings.HasPrefix(ref.Type, "Edm."):
		if !primitive(ref.Type, value) {
			c.errorf(path, "got %s, want %s", show(value), ref)
		}
	case c.schema.types[ref.Type] != nil && c.schema.types[ref.Type].Kind == "enum":
		c.enum(path, ref.Type, value)
	default:
		object, ok := value.(map[string]any)
		if !ok {
			c.errorf(path, "got %s, want an object of type %s", show(value), ref.Type)
			return
		}
		c.object(path, ref, object, sel, c.schema.isA(ref.Type, "directoryObject"))
	}
}

func (c *checker) enum(path, name string, value any) {
	t := c.schema.types[name]
	text, _ := value.(string)
	members := []string{text}
	if t.Flags {
		members = strings.Split(text, ",")
	}
	for _, m := range members {
		if !slices.Contains(t.Members, m) {
			c.errorf(path, "got %s, want a member of %s: %s", show(value), name, strings.Join(t.Members, ", "))
			return
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// show prints a value as JSON, cut to what fits a line.
func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	if len(text) > 80 {
		return string(text[:80]) + "…"
	}
	return string(text)
}
