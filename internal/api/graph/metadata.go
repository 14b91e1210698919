package graph

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/edm"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
)

// The description of the service in its own words: $metadata (OData CSDL XML 4.01, as far as 4.0 knows it) and the service
// documents (OData JSON Format 4.01 §5). Both are made of the routes: a set, navigation, action or function is described when
// there is a route to it, with the types that it leads to, by their published names and nullability.

func metadataRoutes() []route {
	open := api.Access{Open: true}
	return []route{get("", open, serviceDocument), get("$metadata", open, metadataDocument)}
}

func metadataDocument(c *call) (api.Answer, error) {
	d, err := c.described()
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{Status: http.StatusOK, Type: "application/xml", Body: d.document, Header: http.Header{"Odata-Version": {"4.0"}}}, nil
}

func serviceDocument(c *call) (api.Answer, error) {
	d, err := c.described()
	if err != nil {
		return api.Answer{}, err
	}
	o := wire.New(nil, nil)
	if c.Meta != listing.None {
		o.Name("@odata.context")
		o.B = api.AppendText(o.B, c.Base()+"/$metadata")
	}
	o.Name("value")
	o.B = append(o.B, '[')
	for i, name := range d.names() {
		if i > 0 {
			o.B = append(o.B, ',')
		}
		kind := "EntitySet"
		if d.singletons[name] != "" {
			kind = "Singleton"
		}
		row := wire.New(o.B, nil)
		row.Str("name", name)
		row.Str("kind", kind)
		row.Str("url", name)
		o.B = row.End()
	}
	o.B = append(o.B, ']')
	return c.JSON(http.StatusOK, o.End()), nil
}

// description is what a version offers.
type description struct {
	model            *edm.Model
	sets, singletons map[string]string
	// navigation are the navigation properties that a route leads along, by the type that declares them.
	navigation map[string]map[string]bool
	operations map[*edm.Operation]bool
	types      map[string]bool
	// strange are addresses that the published model does not know.
	strange  []string
	document []byte
}

// described is the description of the call's version.
func (c *call) described() (*description, error) {
	if c.beta {
		return c.descriptions[1]()
	}
	return c.descriptions[0]()
}

// describe makes the description of a version of its routes.
func (s *Surface) describe(beta bool) (*description, error) {
	version, k := edm.V1, s.kinds[0]
	if beta {
		version, k = edm.Beta, s.kinds[1]
	}
	model, err := edm.Load(version)
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", version, err)
	}
	d := &description{model: model, sets: map[string]string{}, singletons: map[string]string{},
		navigation: map[string]map[string]bool{}, operations: map[*edm.Operation]bool{}, types: map[string]bool{}}
	d.add(k.domain.Set, k.domain.Type, k.domain.Schema)
	for _, r := range s.table() {
		if r.version == inBoth || beta {
			d.walk(r.path)
		}
	}
	for _, roles := range []*roleKinds{&k.roleKinds, &k.groupRoles} {
		d.expands(roles.assignmentRequest.Type, roles.assignmentRequest.Schema)
		d.expands(roles.eligibilityRequest.Type, roles.eligibilityRequest.Schema)
		d.expands(roles.approval.Type, roles.approval.Schema)
	}
	d.document, err = d.xml()
	return d, err
}

// add describes a set whose type the published model does not have, by what may be asked of it.
func (d *description) add(set, typ string, s *odata.Schema) {
	if d.model.Types[typ] != nil {
		return
	}
	t := &edm.Type{Kind: "entity", Base: "entity", Properties: map[string]edm.Ref{}}
	for _, p := range s.Properties {
		if p.Name != "id" {
			t.Properties[p.Name] = edm.Ref{Type: primitiveOf(p), Collection: p.Kind == odata.KindCollection, Nullable: true}
		}
	}
	d.model.Types[typ], d.model.Sets[set] = t, typ
}

func primitiveOf(p odata.Property) string {
	kind := p.Kind
	if kind == odata.KindCollection {
		kind = p.Element
	}
	switch kind {
	case odata.KindBool:
		return "Edm.Boolean"
	case odata.KindNumber:
		return "Edm.Int32"
	case odata.KindTime:
		return "Edm.DateTimeOffset"
	case odata.KindDuration:
		return "Edm.Duration"
	case odata.KindUnknown, odata.KindString, odata.KindText, odata.KindID, odata.KindEnum, odata.KindComplex, odata.KindCollection:
	}
	return "Edm.String"
}

// walk follows a route through the model and notes what it comes along.
func (d *description) walk(path string) {
	segments := strings.Split(path, "/")
	at, ok := d.enter(segments[0])
	if !ok {
		d.strange = append(d.strange, path)
		return
	}
	for _, segment := range segments[1:] {
		if at, ok = d.step(at, segment); !ok {
			d.strange = append(d.strange, path)
			return
		}
	}
}

// enter is where the first segment of an address leads.
func (d *description) enter(segment string) (edm.Ref, bool) {
	name, byKey := strings.CutSuffix(segment, "()") // a set with an alternate key in brackets
	if typ := d.model.Sets[name]; typ != "" {
		d.sets[name] = typ
		d.include(typ)
		return edm.Ref{Type: typ, Collection: !byKey}, true
	}
	typ := d.model.Singletons[name]
	if typ == "" {
		return edm.Ref{}, segment == "" || strings.HasPrefix(segment, "$")
	}
	d.singletons[name] = typ
	d.include(typ)
	return edm.Ref{Type: typ}, true
}

// step is where a further segment leads.
func (d *description) step(at edm.Ref, segment string) (edm.Ref, bool) {
	switch {
	case strings.HasPrefix(segment, "{"):
		at.Collection = false
		return at, true
	case strings.HasPrefix(segment, "$"):
		return at, true
	case strings.HasPrefix(segment, castPrefix):
		at.Type = segment[len(castPrefix):]
		return at, d.model.Types[at.Type] != nil
	case strings.HasSuffix(segment, "()"):
		return d.operation(d.model.Functions, at, strings.TrimSuffix(segment, "()"))
	}
	if by, to, ok := d.model.Navigation(at.Type, segment); ok {
		d.along(by, segment, to)
		return to, true
	}
	return d.operation(d.model.Actions, at, segment)
}

func (d *description) along(declaredBy, name string, to edm.Ref) {
	if d.navigation[declaredBy] == nil {
		d.navigation[declaredBy] = map[string]bool{}
	}
	d.navigation[declaredBy][name] = true
	d.include(to.Type)
}

func (d *description) operation(among []edm.Operation, at edm.Ref, name string) (edm.Ref, bool) {
	o, ok := d.model.Bound(among, name, at.Type, at.Collection)
	if !ok {
		return at, false
	}
	d.operations[o] = true
	d.include(o.On.Type)
	d.include(o.Returns.Type)
	for _, p := range o.Parameters {
		d.include(p.Ref.Type)
	}
	return o.Returns, true
}

// expands notes what is expanded without a route of its own.
func (d *description) expands(typ string, s *odata.Schema) {
	for _, n := range s.Navigations {
		if by, to, ok := d.model.Navigation(typ, n.Name); ok {
			d.along(by, n.Name, to)
		}
	}
}

// include takes a type into the description, with all that its properties need, those it descends from and, where a value may
// be of a further type, those that descend from it.
func (d *description) include(typ string) {
	t := d.model.Types[typ]
	if t == nil || d.types[typ] {
		return
	}
	d.types[typ] = true
	d.include(t.Base)
	for _, ref := range t.Properties {
		d.include(ref.Type)
	}
	if t.Kind == "complex" || typ == "directoryObject" || t.Abstract && typ != "entity" {
		for name, other := range d.model.Types {
			if other.Base == typ {
				d.include(name)
			}
		}
	}
}

// names are the sets and singletons.
func (d *description) names() []string {
	return slices.Sorted(maps.Keys(d.both()))
}

func (d *description) both() map[string]string {
	all := maps.Clone(d.sets)
	maps.Copy(all, d.singletons)
	return all
}

// The elements of CSDL XML, in the order in which a schema has them.
type (
	xmlDocument struct {
		XMLName xml.Name  `xml:"edmx:Edmx"`
		Version string    `xml:"Version,attr"`
		NS      string    `xml:"xmlns:edmx,attr"`
		Schema  xmlSchema `xml:"edmx:DataServices>Schema"`
	}
	xmlSchema struct {
		NS        string         `xml:"xmlns,attr"`
		Namespace string         `xml:"Namespace,attr"`
		Alias     string         `xml:"Alias,attr"`
		Enums     []xmlEnum      `xml:"EnumType"`
		Complex   []xmlType      `xml:"ComplexType"`
		Entities  []xmlType      `xml:"EntityType"`
		Actions   []xmlOperation `xml:"Action"`
		Functions []xmlOperation `xml:"Function"`
		Container xmlContainer   `xml:"EntityContainer"`
	}
	xmlEnum struct {
		Name    string      `xml:"Name,attr"`
		IsFlags string      `xml:"IsFlags,attr,omitempty"`
		Members []xmlMember `xml:"Member"`
	}
	xmlMember struct {
		Name  string `xml:"Name,attr"`
		Value int    `xml:"Value,attr"`
	}
	xmlType struct {
		Name       string        `xml:"Name,attr"`
		BaseType   string        `xml:"BaseType,attr,omitempty"`
		Abstract   string        `xml:"Abstract,attr,omitempty"`
		OpenType   string        `xml:"OpenType,attr,omitempty"`
		Key        *xmlKey       `xml:"Key"`
		Properties []xmlProperty `xml:"Property"`
		Navigation []xmlProperty `xml:"NavigationProperty"`
	}
	xmlKey struct {
		Refs []xmlName `xml:"PropertyRef"`
	}
	xmlName struct {
		Name string `xml:"Name,attr"`
	}
	xmlProperty struct {
		Name           string `xml:"Name,attr,omitempty"`
		Type           string `xml:"Type,attr"`
		Nullable       string `xml:"Nullable,attr,omitempty"`
		ContainsTarget string `xml:"ContainsTarget,attr,omitempty"`
	}
	xmlOperation struct {
		Name          string        `xml:"Name,attr"`
		IsBound       string        `xml:"IsBound,attr"`
		EntitySetPath string        `xml:"EntitySetPath,attr,omitempty"`
		Parameters    []xmlProperty `xml:"Parameter"`
		Returns       *xmlProperty  `xml:"ReturnType"`
	}
	xmlContainer struct {
		Name       string   `xml:"Name,attr"`
		Sets       []xmlSet `xml:"EntitySet"`
		Singletons []xmlSet `xml:"Singleton"`
	}
	xmlSet struct {
		Name       string       `xml:"Name,attr"`
		EntityType string       `xml:"EntityType,attr,omitempty"`
		Type       string       `xml:"Type,attr,omitempty"`
		Bindings   []xmlBinding `xml:"NavigationPropertyBinding"`
	}
	xmlBinding struct {
		Path   string `xml:"Path,attr"`
		Target string `xml:"Target,attr"`
	}
)

const (
	namespace = "microsoft.graph"
	alias     = "graph"
)

// xml writes the description.
func (d *description) xml() ([]byte, error) {
	s := xmlSchema{NS: "http://docs.oasis-open.org/odata/ns/edm", Namespace: namespace, Alias: alias, Container: d.xmlContainer()}
	for _, name := range slices.Sorted(maps.Keys(d.types)) {
		t := d.model.Types[name]
		switch t.Kind {
		case "enum":
			s.Enums = append(s.Enums, d.xmlEnum(name, t))
		case "complex":
			s.Complex = append(s.Complex, d.xmlType(name, t))
		default:
			s.Entities = append(s.Entities, d.xmlType(name, t))
		}
	}
	s.Actions, s.Functions = d.xmlOperations(d.model.Actions), d.xmlOperations(d.model.Functions)
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(xmlDocument{Version: "4.0", NS: "http://docs.oasis-open.org/odata/ns/edmx", Schema: s}); err != nil {
		return nil, fmt.Errorf("describe %s: %w", d.model.Version, err)
	}
	return append(b.Bytes(), '\n'), nil
}

func (d *description) xmlEnum(name string, t *edm.Type) xmlEnum {
	out := xmlEnum{Name: name, IsFlags: yes(t.Flags)}
	values := d.model.Values[name]
	for i, m := range t.Members {
		if i < len(values) {
			out.Members = append(out.Members, xmlMember{m, values[i]})
		} else {
			out.Members = append(out.Members, xmlMember{m, i})
		}
	}
	return out
}

func (d *description) xmlType(name string, t *edm.Type) xmlType {
	out := xmlType{Name: name, Abstract: yes(t.Abstract), OpenType: yes(t.Open)}
	if t.Base != "" {
		out.BaseType = alias + "." + t.Base
	}
	if len(t.Key) > 0 {
		out.Key = &xmlKey{}
		for _, k := range t.Key {
			out.Key.Refs = append(out.Key.Refs, xmlName{k})
		}
	}
	for _, p := range slices.Sorted(maps.Keys(t.Properties)) {
		out.Properties = append(out.Properties, property(p, t.Properties[p]))
	}
	for _, n := range slices.Sorted(maps.Keys(d.navigation[name])) {
		p := property(n, t.Navigation[n])
		if t.Navigation[n].Collection {
			p.Nullable = "" // a collection of entities has none
		}
		p.ContainsTarget = yes(slices.Contains(t.Contained, n))
		out.Navigation = append(out.Navigation, p)
	}
	return out
}

func property(name string, ref edm.Ref) xmlProperty {
	p := xmlProperty{Name: name, Type: ref.Type}
	if !strings.HasPrefix(p.Type, "Edm.") {
		p.Type = alias + "." + p.Type
	}
	if ref.Collection {
		p.Type = "Collection(" + p.Type + ")"
	}
	if !ref.Nullable {
		p.Nullable = "false"
	}
	return p
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func (d *description) xmlOperations(among []edm.Operation) []xmlOperation {
	var out []xmlOperation
	for i := range among {
		o := &among[i]
		if !d.operations[o] {
			continue
		}
		x := xmlOperation{Name: o.Name, IsBound: "true", EntitySetPath: o.Path}
		on := property("bindingParameter", o.On)
		on.Nullable = ""
		x.Parameters = append(x.Parameters, on)
		for _, p := range o.Parameters {
			x.Parameters = append(x.Parameters, property(p.Name, p.Ref))
		}
		if o.Returns.Type != "" {
			r := property("", o.Returns)
			x.Returns = &r
		}
		out = append(out, x)
	}
	return out
}

func (d *description) xmlContainer() xmlContainer {
	out := xmlContainer{Name: "GraphService"}
	for _, name := range d.names() {
		if typ := d.sets[name]; typ != "" {
			out.Sets = append(out.Sets, xmlSet{Name: name, EntityType: namespace + "." + typ, Bindings: d.bindings(typ)})
			continue
		}
		typ := d.singletons[name]
		out.Singletons = append(out.Singletons, xmlSet{Name: name, Type: namespace + "." + typ, Bindings: d.bindings(typ)})
	}
	return out
}

// bindings say in which set the entities are that a navigation leads to, where that is one.
func (d *description) bindings(typ string) []xmlBinding {
	var out []xmlBinding
	for _, t := range d.model.Line(typ) {
		for _, n := range slices.Sorted(maps.Keys(d.navigation[t])) {
			if slices.Contains(d.model.Types[t].Contained, n) {
				continue
			}
			for _, set := range slices.Sorted(maps.Keys(d.sets)) {
				if d.sets[set] == d.model.Types[t].Navigation[n].Type {
					out = append(out, xmlBinding{n, set})
				}
			}
		}
	}
	return out
}
