// Package openapi knows the published description of Azure Resource Manager as far as privileged identity management touches it:
// its operations with the answers that they give, and its schemas. Tests hold the dialect against it.
//
// The file published.json was reduced from the Swagger 2.0 documents of Microsoft's specification to facts: of each operation
// the schema of its body ("in") and those of its good answers by status; of each schema what it extends (base), the member that
// tells which of those that extend it is meant (discriminator) and its own value there, the members that are required, and
// the type of each member. Descriptions, parameters, examples and schemas that no operation reaches are left out; a schema that
// only repeats another one with "read only" is that other one.
//
// A type is "string", "date-time", "iso8601-duration", "boolean", "int32", "int64", "any", words with bars between them (and
// one behind a lone word), or the name of a schema; in brackets for a list, in braces for an object whose members all
// have it. Behind it may stand "since" and the first version that has the member.
package openapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

//go:embed published.json
var published []byte

// Description is what is published.
type Description struct {
	// Operations by method and path: "GET /{scope}/providers/…/roleAssignments".
	Operations map[string]Operation `json:"operations"`
	Schemas    map[string]Schema    `json:"schemas"`
}

// Operation tells the schemas of its body, under "in", and of its answers, by status; empty: there is no body.
type Operation map[string]string

// Schema is one type of objects.
type Schema struct {
	Base          string            `json:"base"`
	Discriminator string            `json:"discriminator"`
	Value         string            `json:"value"`
	Required      []string          `json:"required"`
	Properties    map[string]string `json:"properties"`
}

// Load reads the description. The error says what is wrong with the file.
func Load() (Description, error) {
	var d Description
	if err := json.Unmarshal(published, &d); err != nil {
		return d, fmt.Errorf("published.json: %w", err)
	}
	return d, nil
}

// Check says what of a value differs from a type at a version, such as "2020-10-01"; nothing if it conforms.
//
// Members that the type does not have, or has from a later version on only, must not be there. The description hardly says
// which members may be null, and the published examples are full of nulls: all may that are not required. Words are
// compared letter by letter. The value is what encoding/json makes of it.
func (d Description) Check(typ, version string, value any) []error {
	c := checker{d: d, version: version[:min(len(version), len(time.DateOnly))]}
	c.value("", typ, value)
	return c.errs
}

// checker collects what it finds on its way down.
type checker struct {
	d       Description
	version string
	errs    []error
}

func (c *checker) errorf(path, format string, args ...any) {
	if path == "" {
		path = "value"
	}
	c.errs = append(c.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func (c *checker) value(path, typ string, v any) {
	inner := func() string { return typ[1 : len(typ)-1] }
	switch {
	case typ == "any":
	case typ[0] == '[':
		list, ok := v.([]any)
		if !ok {
			c.errorf(path, "got %v, want a list", v)
		}
		for i, e := range list {
			c.value(fmt.Sprintf("%s[%d]", path, i), inner(), e)
		}
	case typ[0] == '{':
		object, ok := v.(map[string]any)
		if !ok {
			c.errorf(path, "got %v, want an object", v)
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			c.value(path+"/"+name, inner(), object[name])
		}
	case strings.Contains(typ, "|"):
		if word, _ := v.(string); word == "" || !slices.Contains(strings.Split(typ, "|"), word) {
			c.errorf(path, "got %v, want one of %s", v, typ)
		}
	default:
		if !c.plain(path, typ, v) {
			c.object(path, typ, v)
		}
	}
}

// plain checks a value of a type that is not a schema's.
func (c *checker) plain(path, typ string, v any) bool {
	text, isText := v.(string)
	number, isNumber := v.(float64)
	good := false
	switch typ {
	case "string":
		good = isText
	case "date-time":
		_, err := time.Parse(time.RFC3339Nano, text)
		good = err == nil && strings.HasSuffix(text, "Z")
	case "iso8601-duration":
		good = strings.HasPrefix(text, "P")
	case "boolean":
		_, good = v.(bool)
	case "int32", "int64":
		good = isNumber && number == float64(int64(number))
	default:
		return false
	}
	if !good {
		c.errorf(path, "got %v, want %s", v, typ)
	}
	return true
}

func (c *checker) object(path, typ string, v any) {
	if _, known := c.d.Schemas[typ]; !known {
		c.errorf(path, "there is no schema %s", typ)
		return
	}
	object, ok := v.(map[string]any)
	if !ok {
		c.errorf(path, "got %v, want an object of %s", v, typ)
		return
	}
	name := c.actual(path, typ, object)
	all, required := c.members(name)
	for _, member := range slices.Sorted(maps.Keys(object)) {
		declared, known := all[member]
		kind, since, later := strings.Cut(declared, " since ")
		switch value := object[member]; {
		case !known:
			c.errorf(path+"/"+member, "%s has no such member", name)
		case later && c.version < since:
			c.errorf(path+"/"+member, "%s has it since %s only", name, since)
		case value != nil:
			c.value(path+"/"+member, kind, value)
		case required[member]:
			c.errorf(path+"/"+member, "got null, and it is required")
		}
	}
	for _, member := range slices.Sorted(maps.Keys(required)) {
		if _, there := object[member]; !there {
			c.errorf(path+"/"+member, "missing, and it is required")
		}
	}
}

// actual is the schema that an object says it has.
func (c *checker) actual(path, typ string, object map[string]any) string {
	by := c.d.Schemas[typ].Discriminator
	if by == "" {
		return typ
	}
	for name, s := range c.d.Schemas {
		if s.Base == typ && s.Value == object[by] {
			return name
		}
	}
	c.errorf(path+"/"+by, "got %v, which is no kind of %s", object[by], typ)
	return typ
}

// members are those of a schema with those that it inherits, and which are required.
func (c *checker) members(name string) (all map[string]string, required map[string]bool) {
	all, required = map[string]string{}, map[string]bool{}
	for name != "" {
		s := c.d.Schemas[name]
		for member, typ := range s.Properties {
			if _, redefined := all[member]; !redefined {
				all[member] = typ
			}
		}
		for _, member := range s.Required {
			required[member] = true
		}
		name = s.Base
	}
	return all, required
}
