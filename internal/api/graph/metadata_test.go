package graph

import (
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"portcullis/internal/api"
	"portcullis/internal/api/edm"
	"portcullis/internal/app"
)

// everything is the surface with all its routes.
func everything() *Surface { return New(nil, nil, (*app.App)(nil)) }

func descriptions(t *testing.T) map[string]*description {
	t.Helper()
	out := map[string]*description{}
	for version, beta := range map[string]bool{edm.V1: false, edm.Beta: true} {
		d, err := everything().describe(beta)
		if err != nil {
			t.Fatal(err)
		}
		out[version] = d
	}
	return out
}

// TestMetadataIsWhole: the document reads back, everything that it refers to is in it, keys are there where entities are
// kept in sets, and names, types and nullability are the published ones.
func TestMetadataIsWhole(t *testing.T) {
	for version, d := range descriptions(t) {
		model, err := edm.Load(version)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			XMLName xml.Name  `xml:"http://docs.oasis-open.org/odata/ns/edmx Edmx"`
			Version string    `xml:"Version,attr"`
			Schema  xmlSchema `xml:"DataServices>Schema"`
		}
		if err := xml.Unmarshal(d.document, &doc); err != nil {
			t.Fatal(err)
		}
		s := doc.Schema
		if doc.Version != "4.0" || s.Namespace != "microsoft.graph" || len(s.Entities) < 40 || len(s.Enums) < 10 {
			t.Fatalf("%s: got version %q, namespace %q, %d entities, %d enumerations", version, doc.Version, s.Namespace, len(s.Entities), len(s.Enums))
		}
		have := map[string]bool{}
		for _, e := range s.Enums {
			have[e.Name] = true
			if want := model.Types[e.Name]; want == nil || want.Kind != "enum" || len(want.Members) != len(e.Members) {
				t.Errorf("%s: enumeration %s is not the published one", version, e.Name)
			}
		}
		for _, x := range slices.Concat(s.Complex, s.Entities) {
			if have[x.Name] {
				t.Errorf("%s: %s is described twice", version, x.Name)
			}
			have[x.Name] = true
		}
		known := func(where, typ string) {
			t.Helper()
			typ = strings.TrimSuffix(strings.TrimPrefix(typ, "Collection("), ")")
			for _, prefix := range []string{"graph.", "microsoft.graph."} {
				if name, ok := strings.CutPrefix(typ, prefix); ok {
					if !have[name] {
						t.Errorf("%s: %s refers to %s, which is not described", version, where, typ)
					}
					return
				}
			}
			if !strings.HasPrefix(typ, "Edm.") {
				t.Errorf("%s: %s is of type %q", version, where, typ)
			}
		}
		for _, x := range slices.Concat(s.Complex, s.Entities) {
			if x.BaseType != "" {
				known(x.Name, x.BaseType)
			}
			published := model.Types[x.Name]
			if published == nil {
				if x.Name != "domain" { // which the published extract leaves out
					t.Errorf("%s: the type %s is not published", version, x.Name)
				}
				continue
			}
			properties := map[string]edm.Ref{}
			for _, p := range x.Properties {
				known(x.Name+"/"+p.Name, p.Type)
				properties[p.Name] = refOf(p)
			}
			if !maps.Equal(properties, published.Properties) && len(properties)+len(published.Properties) > 0 {
				t.Errorf("%s: %s has the properties %v, want %v", version, x.Name, properties, published.Properties)
			}
			for _, n := range x.Navigation {
				known(x.Name+"/"+n.Name, n.Type)
				want, ok := published.Navigation[n.Name]
				got := refOf(n)
				if want.Collection {
					got.Nullable = want.Nullable
				}
				if !ok || got != want || (n.ContainsTarget == "true") != slices.Contains(published.Contained, n.Name) {
					t.Errorf("%s: %s/%s is %v, want %v", version, x.Name, n.Name, got, want)
				}
			}
		}
		for _, o := range slices.Concat(s.Actions, s.Functions) {
			for _, p := range o.Parameters {
				known(o.Name+"("+p.Name+")", p.Type)
			}
			if o.Returns != nil {
				known(o.Name, o.Returns.Type)
			}
		}
		sets := map[string]bool{}
		for _, set := range s.Container.Sets {
			sets[set.Name] = true
			known(set.Name, set.EntityType)
			typ := strings.TrimPrefix(set.EntityType, "microsoft.graph.")
			if !slices.ContainsFunc(d.model.Line(typ), func(t string) bool { return len(d.model.Types[t].Key) > 0 }) {
				t.Errorf("%s: the entities of the set %s have no key", version, set.Name)
			}
		}
		for _, one := range slices.Concat(s.Container.Sets, s.Container.Singletons) {
			known(one.Name, one.EntityType+one.Type)
			for _, b := range one.Bindings {
				if !sets[b.Target] {
					t.Errorf("%s: %s/%s is bound to %s, which is no set", version, one.Name, b.Path, b.Target)
				}
			}
		}
	}
}

func refOf(p xmlProperty) edm.Ref {
	r := edm.Ref{Type: p.Type, Nullable: p.Nullable != "false"}
	if inner, ok := strings.CutPrefix(r.Type, "Collection("); ok {
		r.Type, r.Collection = strings.TrimSuffix(inner, ")"), true
	}
	r.Type = strings.TrimPrefix(r.Type, "graph.")
	return r
}

// TestMetadataDiffersByVersion: each version is described as it is.
func TestMetadataDiffersByVersion(t *testing.T) {
	v1, beta := string(descriptions(t)[edm.V1].document), string(descriptions(t)[edm.Beta].document)
	for _, text := range []string{"roleAssignmentApprovals", "isPrivileged", "approvalStep", `Function Name="roleSchedules"`} {
		if strings.Contains(v1, text) || !strings.Contains(beta, text) {
			t.Errorf("%s: got %v in v1.0 and %v in beta, want it in beta alone", text, strings.Contains(v1, text), strings.Contains(beta, text))
		}
	}
	for _, text := range []string{`Action Name="cancel"`, `Function Name="filterByCurrentUser"`, `EntitySet Name="users"`, `Singleton Name="roleManagement"`, `Name="directoryAudits"`} {
		if !strings.Contains(v1, text) || !strings.Contains(beta, text) {
			t.Errorf("%s is not in both versions", text)
		}
	}
}

// TestServiceDocuments list what the container has, with and without a slash at the end, for everybody.
func TestServiceDocuments(t *testing.T) {
	s := everything()
	s.app = &app.App{}
	frame := api.New(api.Options{}, s)
	for _, address := range []string{"/v1.0", "/v1.0/", "/BETA", "/beta/"} {
		w := httptest.NewRecorder()
		frame.ServeHTTP(w, httptest.NewRequest("GET", "https://pim.example.com"+address, nil))
		var got struct {
			Context string                             `json:"@odata.context"`
			Value   []struct{ Name, Kind, URL string } `json:"value"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
			t.Fatalf("%s: got %d %s, %v", address, w.Code, w.Body, err)
		}
		version := strings.ToLower(strings.Trim(address, "/"))
		if want := "https://pim.example.com/" + version + "/$metadata"; got.Context != want {
			t.Errorf("%s: got context %s, want %s", address, got.Context, want)
		}
		kinds := map[string]string{}
		for _, v := range got.Value {
			kinds[v.Name] = v.Kind
		}
		if kinds["users"] != "EntitySet" || kinds["me"] != "Singleton" || kinds["roleManagement"] != "Singleton" {
			t.Errorf("%s: got %v", address, kinds)
		}
	}
	w := httptest.NewRecorder()
	frame.ServeHTTP(w, httptest.NewRequest("GET", "https://pim.example.com/v1.0/$metadata", nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/xml" || !strings.HasPrefix(w.Body.String(), "<?xml") {
		t.Errorf("$metadata: got %d %q %.100s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
}

// operations are all that a version's published model offers.
func (d *description) published() []string {
	var out []string
	for name := range d.model.Sets {
		out = append(out, "set "+name)
	}
	for name := range d.model.Singletons {
		out = append(out, "singleton "+name)
	}
	for typ, t := range d.model.Types {
		for n := range t.Navigation {
			out = append(out, "navigation "+typ+"/"+n)
		}
	}
	for _, o := range d.model.Actions {
		out = append(out, "action "+o.On.String()+"/"+o.Name)
	}
	for _, o := range d.model.Functions {
		out = append(out, "function "+o.On.String()+"/"+o.Name)
	}
	slices.Sort(out)
	return out
}

// serves says whether a route leads to an operation.
func (d *description) serves(operation string) bool {
	kind, name, _ := strings.Cut(operation, " ")
	on, last, _ := strings.Cut(name, "/")
	switch kind {
	case "set":
		return d.sets[name] != ""
	case "singleton":
		return d.singletons[name] != ""
	case "navigation":
		return d.navigation[on][last]
	}
	for o, served := range d.operations {
		if served && o.Name == last && o.On.String() == on {
			return true
		}
	}
	return false
}

// notServed is a row of the table in docs/graph-not-served.md.
type notServed struct {
	version, operation, reason string
	met                        bool
}

func (n *notServed) covers(version, operation string) bool {
	if n.version != "both" && n.version != version {
		return false
	}
	// Slashes and brackets are letters like others here.
	letters := strings.NewReplacer("/", ".", "[", "<", "]", ">")
	ok, err := path.Match(letters.Replace(n.operation), letters.Replace(operation))
	return ok && err == nil
}

func notServedTable(t *testing.T) []*notServed {
	t.Helper()
	text, err := os.ReadFile("../../../docs/graph-not-served.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []*notServed
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 3 || strings.Contains(cells[0], "--") || strings.TrimSpace(cells[0]) == "Version" {
			continue
		}
		out = append(out, &notServed{strings.TrimSpace(cells[0]), strings.Trim(strings.TrimSpace(cells[1]), "`"), strings.TrimSpace(cells[2]), false})
	}
	return out
}

// TestEveryPublishedOperation is served, or listed as not served with the reason; and nothing is listed that is served.
func TestEveryPublishedOperation(t *testing.T) {
	table := notServedTable(t)
	for version, d := range descriptions(t) {
		for _, operation := range d.published() {
			served, reason := d.serves(operation), ""
			for _, row := range table {
				if !row.covers(version, operation) {
					continue
				}
				row.met, reason = true, row.reason
				if served {
					t.Errorf("%s: %s is served; docs/graph-not-served.md says it is not (%s)", version, operation, row.operation)
				}
			}
			if !served && reason == "" {
				t.Errorf("%s: %s is neither served nor in docs/graph-not-served.md with a reason", version, operation)
			}
		}
	}
	for _, row := range table {
		if !row.met {
			t.Errorf("docs/graph-not-served.md: no published operation is meant by %s %s", row.version, row.operation)
		}
	}
}

// TestStrangeAddresses: what is served beyond the published extract is known by name.
func TestStrangeAddresses(t *testing.T) {
	known := []string{
		"administrativeUnits*", "*/assignedPrincipals()", "*estimateAccess", "roleManagement/directory/deletedItems*", "*/federatedIdentityCredentials*",
		// Approvals have stages in v1.0 and steps in beta; both words are taken in both.
		"*Approvals/{id}/steps*", "*Approvals/{id}/stages*",
	}
	for version, d := range descriptions(t) {
		for _, address := range d.strange {
			if !slices.ContainsFunc(known, func(k string) bool {
				ok, err := path.Match(strings.ReplaceAll(k, "/", "."), strings.ReplaceAll(address, "/", "."))
				return ok && err == nil
			}) {
				t.Errorf("%s: the published model does not know %s; name it here if it is served on purpose", version, address)
			}
		}
	}
}
