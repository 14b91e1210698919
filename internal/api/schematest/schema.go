// Package schematest holds answers against the published schema of the API they claim to speak.
// It takes names, types and nullability from package edm and says what in a JSON object differs. It knows the schema only:
// which values are right is for the tests that use it.
package schematest

import (
	"iter"
	"maps"

	"portcullis/internal/api/edm"
)

// Schema is the set of types of one version of the API. It is safe for concurrent use.
type Schema struct {
	version string
	types   map[string]*typ
}

// typ is one type as the files spell it, without what it inherits.
type typ = edm.Type

// Ref says what a property holds: a primitive ("Edm.String") or a type of the schema ("requestSchedule").
type Ref = edm.Ref

// Load reads the schema of a version of package edm: "v1.0", "beta", "older" or "host".
// It panics on any other version and when the files are broken: then the checkout is wrong, not the server.
func Load(version string) Schema {
	s, err := load(version)
	if err != nil {
		panic("schematest: " + err.Error())
	}
	return s
}

func load(version string) (Schema, error) {
	m, err := edm.Load(version)
	if err != nil {
		return Schema{}, err
	}
	return Schema{version: version, types: m.Types}, nil
}

// TypeNames gives the names of all types, in no order.
func (s Schema) TypeNames() iter.Seq[string] { return maps.Keys(s.types) }

// Properties gives the structural properties of a type with those it inherits, nil for an unknown type.
func (s Schema) Properties(typeName string) map[string]Ref {
	return s.collect(typeName, func(t *typ) map[string]Ref { return t.Properties })
}

// Navigation gives the navigation properties of a type with those it inherits, nil for an unknown type.
func (s Schema) Navigation(typeName string) map[string]Ref {
	return s.collect(typeName, func(t *typ) map[string]Ref { return t.Navigation })
}

// Members gives the members of an enumeration in the order of the schema, nil for any other type.
func (s Schema) Members(enum string) []string {
	if t := s.types[enum]; t != nil {
		return t.Members
	}
	return nil
}

func (s Schema) collect(typeName string, of func(*typ) map[string]Ref) map[string]Ref {
	if s.types[typeName] == nil {
		return nil
	}
	all := map[string]Ref{}
	for _, t := range s.line(typeName) {
		for name, ref := range of(t) {
			if _, redefined := all[name]; !redefined {
				all[name] = ref
			}
		}
	}
	return all
}

// line is a type followed by its ancestors, nearest first.
func (s Schema) line(typeName string) []*typ {
	var line []*typ
	for t := s.types[typeName]; t != nil && len(line) < len(s.types); t = s.types[t.Base] {
		line = append(line, t)
	}
	return line
}

// isA reports whether a type is another one or descends from it.
func (s Schema) isA(typeName, ancestor string) bool {
	for range s.types {
		if typeName == ancestor {
			return true
		}
		t := s.types[typeName]
		if t == nil || t.Base == "" {
			return false
		}
		typeName = t.Base
	}
	return false
}

// open reports whether a complex type, or one it descends from, takes names of its own making.
// Open entity types are held to the names of the schema all the same: a misspelt property of a user would
// otherwise pass as a dynamic one.
func (s Schema) open(typeName string) bool {
	for _, t := range s.line(typeName) {
		if t.Open && t.Kind == "complex" {
			return true
		}
	}
	return false
}
