// Package schematest holds answers against the published schema of the API they claim to speak.
// It reads names, types and nullability from testdata/schema at the root of the module and says
// what in a JSON object differs. It knows the schema only: which values are right is for the tests that use it.
//
// The files give each property a line of its own. A type reference is a name, in brackets for a
// collection, with a question mark where null is allowed: "Edm.String?", "[unifiedRolePermission]".
// beta.json holds only the types that beta has in another form or alone; all others have their v1.0 form.
// On the wire both versions use the one namespace microsoft.graph.
package schematest

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// Schema is the set of types of one version of the API. It is safe for concurrent use.
type Schema struct {
	version string
	types   map[string]*typ
}

// typ is one type as the files spell it, without what it inherits.
type typ struct {
	Kind       string         `json:"kind"` // enum, complex or entity
	Base       string         `json:"base"`
	Abstract   bool           `json:"abstract"`
	Open       bool           `json:"open"`
	Flags      bool           `json:"flags"`
	Key        []string       `json:"key"`
	Members    []string       `json:"members"`
	Contained  []string       `json:"contained"`
	Properties map[string]Ref `json:"properties"`
	Navigation map[string]Ref `json:"navigation"`
}

// Ref says what a property holds: a primitive ("Edm.String") or a type of the schema ("requestSchedule").
type Ref struct {
	Type       string
	Collection bool
	Nullable   bool
}

// UnmarshalText reads the spelling of the files.
func (r *Ref) UnmarshalText(text []byte) error {
	s, nullable := strings.CutSuffix(string(text), "?")
	name, collection := strings.CutPrefix(s, "[")
	if collection {
		var closed bool
		if name, closed = strings.CutSuffix(name, "]"); !closed {
			return fmt.Errorf("type reference %q: bracket not closed", text)
		}
	}
	if name == "" {
		return fmt.Errorf("type reference %q: no name", text)
	}
	*r = Ref{Type: name, Collection: collection, Nullable: nullable}
	return nil
}

// String gives the spelling of the files.
func (r Ref) String() string {
	s := r.Type
	if r.Collection {
		s = "[" + s + "]"
	}
	if r.Nullable {
		s += "?"
	}
	return s
}

// Load reads the schema of a version, "v1.0" or "beta".
// It panics on any other version and when the files are missing or broken: then the checkout is wrong, not the server.
func Load(version string) Schema {
	s, err := load(version)
	if err != nil {
		panic("schematest: " + err.Error())
	}
	return s
}

func load(version string) (Schema, error) {
	files := map[string][]string{"v1.0": {"v1.0.json"}, "beta": {"v1.0.json", "beta.json"}}[version]
	if files == nil {
		return Schema{}, fmt.Errorf("no schema for version %q", version)
	}
	dir, err := folder()
	if err != nil {
		return Schema{}, err
	}
	s := Schema{version: version, types: map[string]*typ{}}
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return Schema{}, err
		}
		// A fresh map each time: decoding into a filled one would mix the v1.0 form of a type into its beta form.
		types := map[string]*typ{}
		if err := json.Unmarshal(text, &types); err != nil {
			return Schema{}, fmt.Errorf("%s: %w", name, err)
		}
		maps.Copy(s.types, types)
	}
	for name, t := range s.types {
		if t.Base != "" && s.types[t.Base] == nil {
			return Schema{}, fmt.Errorf("base type %s of %s is missing", t.Base, name)
		}
	}
	return s, nil
}

// folder finds testdata/schema at the root of the module that the test runs in.
func folder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		schemas := filepath.Join(dir, "testdata", "schema")
		if _, err := os.Stat(filepath.Join(schemas, "v1.0.json")); err == nil {
			return schemas, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no testdata/schema in any folder above the test")
		}
		dir = parent
	}
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
