// Package edm knows the published model of the API that Portcullis speaks: names, types and nullability of what Microsoft Graph
// declares as far as privileged identity management touches it, its entity sets and singletons, and its actions and functions.
//
// It is data of the product. Dialects describe themselves by it, and tests hold answers against it; what of it is served, and
// what values mean, is for others.
//
// The files in published give each property a line of its own. A type reference is a name, in brackets for a collection, with
// a question mark where null is allowed: "Edm.String?", "[unifiedRolePermission]". The files of beta hold only what beta has in
// another form or alone; all else has its v1.0 form. So has host to older. On the wire both versions use the one namespace microsoft.graph.
package edm

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The versions of the API.
const (
	V1   = "v1.0"
	Beta = "beta"
	// Older is what beta had of PIM's first and second iteration, and Host the second as the service's own host had it.
	Older = "older"
	Host  = "host"
)

//go:embed published/*.json
var published embed.FS

// Model is one version of the API.
type Model struct {
	Version string
	// Types are enumerations, complex types and entity types by name.
	Types map[string]*Type
	// Sets and Singletons of the container, with the names of their types.
	Sets, Singletons map[string]string
	// Values are those of the members of enumerations that are not numbered from zero.
	Values map[string][]int

	Actions, Functions []Operation
}

// Type is one type as it is declared, without what it inherits.
type Type struct {
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

// Operation is an action or a function that is bound to a type, or to a collection of it.
type Operation struct {
	Name       string      `json:"name"`
	On         Ref         `json:"on"`
	Parameters []Parameter `json:"parameters"`
	// Returns has an empty Type where nothing is returned.
	Returns Ref `json:"returns"`
	// Path is the parameter from whose set the result comes, or empty.
	Path string `json:"path"`
}

// Parameter is one of an operation's, beside what it is bound to.
type Parameter struct {
	Name string
	Ref  Ref
}

// UnmarshalText reads "name: type".
func (p *Parameter) UnmarshalText(text []byte) error {
	name, ref, ok := strings.Cut(string(text), ": ")
	if !ok {
		return fmt.Errorf("parameter %q: no type", text)
	}
	p.Name = name
	return p.Ref.UnmarshalText([]byte(ref))
}

// Ref says what a property holds: a primitive ("Edm.String") or a type of the model ("requestSchedule").
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

// Load reads the model of one of the versions. The error says what is wrong with the files, or that there is no such version.
func Load(version string) (*Model, error) {
	files := map[string][]string{V1: {V1}, Beta: {V1, Beta}, Older: {Older}, Host: {Older, Host}}[version]
	if files == nil {
		return nil, fmt.Errorf("no model of version %q", version)
	}
	m := &Model{Version: version, Types: map[string]*Type{}, Sets: map[string]string{}, Singletons: map[string]string{}, Values: map[string][]int{}}
	for _, name := range files {
		if err := m.add(name); err != nil {
			return nil, err
		}
	}
	for name, t := range m.Types {
		if t.Base != "" && m.Types[t.Base] == nil {
			return nil, fmt.Errorf("base type %s of %s is missing", t.Base, name)
		}
	}
	return m, nil
}

// add reads the two files of a version over what is there.
func (m *Model) add(name string) error {
	// Fresh maps each time: decoding into filled ones would mix the v1.0 form of a type into its beta form.
	types := map[string]*Type{}
	var more struct {
		Sets, Singletons   map[string]string
		Values             map[string][]int
		Actions, Functions []Operation
	}
	for file, into := range map[string]any{name + ".json": &types, name + ".operations.json": &more} {
		text, err := published.ReadFile("published/" + file)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	maps.Copy(m.Types, types)
	maps.Copy(m.Sets, more.Sets)
	maps.Copy(m.Singletons, more.Singletons)
	maps.Copy(m.Values, more.Values)
	m.Actions, m.Functions = overlaid(m.Actions, more.Actions), overlaid(m.Functions, more.Functions)
	return nil
}

// overlaid puts operations in the place of those of the same name on the same type.
func overlaid(have, more []Operation) []Operation {
	for _, o := range more {
		i := slices.IndexFunc(have, func(h Operation) bool { return h.Name == o.Name && h.On == o.On })
		if i < 0 {
			have = append(have, o)
			continue
		}
		have[i] = o
	}
	return have
}

// Line is a type followed by its ancestors, nearest first; empty for an unknown type.
func (m *Model) Line(name string) []string {
	var line []string
	for t := m.Types[name]; t != nil && len(line) < len(m.Types); name, t = t.Base, m.Types[t.Base] {
		line = append(line, name)
	}
	return line
}

// IsA says whether a type is another one or descends from it.
func (m *Model) IsA(name, ancestor string) bool {
	return name == ancestor || slices.Contains(m.Line(name), ancestor)
}

// Navigation finds a navigation property of a type, and which type of its line declares it.
func (m *Model) Navigation(typ, name string) (declaredBy string, to Ref, ok bool) {
	for _, t := range m.Line(typ) {
		for have, to := range m.Types[t].Navigation {
			if strings.EqualFold(have, name) {
				return t, to, true
			}
		}
	}
	return "", Ref{}, false
}

// Bound finds the operation of a name among actions or functions that fits a type or, with collection, a collection of it:
// the one bound to the nearest ancestor.
func (m *Model) Bound(among []Operation, name, typ string, collection bool) (*Operation, bool) {
	for _, t := range m.Line(typ) {
		for i := range among {
			if o := &among[i]; o.Name == name && o.On.Type == t && o.On.Collection == collection {
				return o, true
			}
		}
	}
	return nil, false
}
