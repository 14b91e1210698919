package portcullis_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What each package may import of this module, besides the standard library and modules of others. A package that is not
// here may not exist. Paths under internal/ stand without it. Words in capitals are the groups below; ALL is
// every package that is not there for tests only. Test files are free to import what they like.
//
// Read it from top to bottom: a package knows only those above it, which is checked.
const allowedImports = `
	# The core: pure, told the time.
	schedule:
	policy:             schedule
	abac:
	rbac:               abac
	pim:                schedule policy abac rbac
	resource:           pim
	alert:              schedule policy pim

	# What knows nothing of the core.
	config:
	telemetry:
	telemetry/tracing:
	client:
	client/provision:
	client/treefile:
	localpg:
	catalog:            rbac

	# What stands beside the core and knows its nouns.
	directory:          pim schedule rbac
	access:             CORE resource catalog
	audit:              pim
	notify:             pim directory
	store:              CORE directory resource
	store/sqlstore:     CORE directory resource store
	connector:
	connector/postgres: connector

	# What does things: app is the only writer.
	app:                CORE directory resource catalog access audit store connector
	worker:             CORE directory audit store connector app notify telemetry
	sample:             CORE directory resource catalog store app

	# Who is calling, and the dialects.
	auth:               pim directory
	idp:                pim directory store auth
	api/odata:
	api/edm:
	api:                CORE directory access store auth app api/odata
	api/wire:           CORE api
	api/listing:        CORE store api api/wire api/odata
	api/governance:     CORE resource api api/wire
	api/graph:          CORE directory catalog store app auth api api/wire api/listing api/odata api/edm
	api/arm:            CORE directory resource catalog store app auth api api/wire api/odata
	api/pimv2:          CORE directory resource store app auth api api/wire api/listing api/odata api/governance
	api/pimv1:          CORE directory catalog store app auth api api/wire api/listing api/odata api/governance
	api/native:         CORE access directory resource store app auth api api/wire api/odata
	api/scim:           CORE directory store app auth api
	api/authzen:        CORE access resource catalog app auth api

	# What speaks with servers from outside, in the words of the dialects.
	migrate:            CORE resource client api/wire api/odata api/governance

	# The wiring.
	server:             ALL
	demo:               config localpg sample server telemetry
	cmd/pim:            ALL

	# For programs of others, outside internal: they know nothing of the server but its wire.
	door/httpdoor:
	examples/page:      door/httpdoor

	# For tests only: helpers and suites that other packages' tests import.
	pim/pimtest:           CORE
	store/storetest:       CORE directory resource store
	connector/connectortest: connector
	localpg/localpgtest:   localpg
	notify/mailpittest:
	client/clienttest:
	api/schematest:        api/edm
	api/openapi:
	test/cable:
	test/issuer:           config
	test/bench:            ALL TESTS
	test/nodes:            ALL TESTS
	test/clients/terraform: sample
`

// CORE may look at no clock and import only coreImports; TESTS are those that no product code imports.
var (
	core  = []string{"schedule", "policy", "abac", "rbac", "pim", "alert"}
	tests = []string{"pim/pimtest", "store/storetest", "connector/connectortest", "localpg/localpgtest", "notify/mailpittest", "api/schematest", "api/openapi", "client/clienttest", "test/cable", "test/issuer"}
)

// coreImports are the packages of the standard library that keep what they are told: no I/O, no clock of their own, no randomness,
// no goroutines, no logs. crypto/sha256 and the encodings are plain functions of their input.
var coreImports = []string{
	"cmp", "crypto/sha256", "encoding/base64", "encoding/binary", "encoding/hex", "errors", "fmt", "iter", "maps", "math", "math/bits",
	"regexp", "slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf8",
}

// A recurrence is kept in the time of a place, and must find that place, the same one, on every machine:
// schedule reads the time zones that it carries in a zip file of its own.
var scheduleImports = []string{"archive/zip", "bytes", "embed", "io", "sync"}

// clockNames are what of package time asks the machine, or waits for it.
var clockNames = []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"}

// machineNames depend on how the machine is set up; the names of places are schedule's business alone.
var machineNames = []string{"Local", "LoadLocation"}

// sharedByDialects are the packages under internal/api that are no dialect.
var sharedByDialects = []string{"odata", "edm", "listing", "governance", "wire", "schematest", "openapi"}

const module = "portcullis/"

// source is one file of the module, read no further than asked.
type source struct {
	pkg    string // the package's name in the table
	test   bool
	file   *ast.File
	fset   *token.FileSet
	labels map[string]string // local name of each import
}

func TestImports(t *testing.T) {
	table := importTable(t)
	for _, s := range sources(t) {
		permitted, known := table[s.pkg]
		if !known {
			t.Errorf("%s: package %s is not in the table of allowed imports; say there what it may know", s.at(s.file), s.pkg)
		}
		if !known || s.test {
			continue
		}
		for _, spec := range s.file.Imports {
			imported := importPath(spec)
			own, ours := strings.CutPrefix(imported, module)
			own = strings.TrimPrefix(own, "internal/")
			switch {
			case ours && dialect(s.pkg) != "" && dialect(own) != "" && dialect(own) != dialect(s.pkg):
				t.Errorf("%s: dialect %s imports dialect %s; what both need belongs to the core or to internal/api", s.at(spec), s.pkg, own)
			case ours && !slices.Contains(permitted, own):
				t.Errorf("%s: %s may not import %s; it may import %v", s.at(spec), s.pkg, own, permitted)
			case !ours && slices.Contains(core, s.pkg) && !coreMayImport(s.pkg, imported):
				t.Errorf("%s: %s is part of the core and may not import %s; it may import %v", s.at(spec), s.pkg, imported, coreImports)
			}
		}
	}
}

func TestTheCoreLooksAtNoClock(t *testing.T) {
	for _, s := range sources(t) {
		if root, _, _ := strings.Cut(s.pkg, "/"); !slices.Contains(core, root) {
			continue
		}
		forbidden := clockNames
		if !s.test && slices.Contains(core, s.pkg) && s.pkg != "schedule" {
			forbidden = slices.Concat(clockNames, machineNames)
		}
		for _, n := range clockUses(s, forbidden) {
			t.Errorf("%s: the core asks the clock; it is told the time", s.at(n))
		}
	}
}

// TestTheRulesFind gives the rules sources that break them, for a rule that finds nothing looks like one that is kept.
func TestTheRulesFind(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       int
	}{
		{"asking the clock", `import "time"; func f() time.Time { return time.Now() }`, 1},
		{"handing the clock on", `import "time"; var now = time.Now`, 1},
		{"by another name", `import clock "time"; func f() { clock.Sleep(clock.Second) }`, 1},
		{"without a name", `import . "time"; func f() { Sleep(Second) }`, 1},
		{"being told", `import "time"; func f(now time.Time) time.Time { return now.Add(time.Hour) }`, 0},
		{"another package's Now", `import "example/watch"; func f() { watch.Now() }`, 0},
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, c.name+".go", "package p; "+c.body, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		s := source{file: file, fset: fset, labels: importLabels(file)}
		if got := len(clockUses(s, clockNames)); got != c.want {
			t.Errorf("%s: found %d uses of the clock, want %d", c.name, got, c.want)
		}
	}
	if coreMayImport("pim", "archive/zip") || !coreMayImport("schedule", "archive/zip") || coreMayImport("policy", "math/rand") {
		t.Error("the core may import what it should not, or the other way round")
	}
	if a, b, c := dialect("api/graph"), dialect("api/graph/wire"), dialect("api/odata"); a != "graph" || b != "graph" || c != "" {
		t.Errorf("dialects: got %q, %q and %q, want graph, graph and none", a, b, c)
	}
}

// importTable reads allowedImports with its groups written out.
func importTable(t *testing.T) map[string][]string {
	t.Helper()
	table := map[string][]string{}
	for line := range strings.SplitSeq(allowedImports, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pkg, list, ok := strings.Cut(line, ":")
		if _, twice := table[pkg]; !ok || twice {
			t.Fatalf("table of allowed imports: line %q is no package with a colon, or is there twice", line)
		}
		table[pkg] = strings.Fields(list)
		for _, word := range table[pkg] {
			if _, above := table[word]; !above && strings.ToUpper(word) != word {
				t.Fatalf("table of allowed imports: %s may import %s, which does not stand above it", pkg, word)
			}
		}
	}
	var all []string
	for pkg := range table {
		if !slices.Contains(tests, pkg) && !strings.HasPrefix(pkg, "cmd/") && !strings.HasPrefix(pkg, "test/") && !strings.HasPrefix(pkg, "examples/") {
			all = append(all, pkg)
		}
	}
	for pkg, list := range table {
		table[pkg] = nil
		for _, word := range list {
			switch word {
			case "CORE":
				table[pkg] = append(table[pkg], core...)
			case "TESTS":
				table[pkg] = append(table[pkg], tests...)
			case "ALL":
				table[pkg] = append(table[pkg], all...)
			default:
				table[pkg] = append(table[pkg], word)
			}
		}
	}
	return table
}

// sources parses every Go file of this module, whatever it is built for, except the module's own root, where only tests are.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return enter(name, d)
		case !strings.HasSuffix(name, ".go") || path.Dir(filepath.ToSlash(name)) == ".":
			return nil
		}
		s, err := parse(filepath.ToSlash(name))
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("found no source: the test does not run at the root of the module")
	}
	return all
}

// enter skips what the go command skips, and the folders that building and running make.
func enter(name string, d fs.DirEntry) error {
	base := d.Name()
	if name == "." {
		return nil
	}
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || name == "bin" || name == "data" {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func parse(name string) (source, error) {
	pkg := strings.TrimPrefix(path.Dir(name), "internal/")
	mode := parser.ImportsOnly
	if root, _, _ := strings.Cut(pkg, "/"); slices.Contains(core, root) {
		mode = parser.SkipObjectResolution
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, nil, mode)
	if err != nil {
		return source{}, err
	}
	return source{pkg: pkg, test: strings.HasSuffix(name, "_test.go"), file: file, fset: fset, labels: importLabels(file)}, nil
}

func importLabels(file *ast.File) map[string]string {
	labels := map[string]string{}
	for _, spec := range file.Imports {
		imported := importPath(spec)
		label := path.Base(imported)
		if spec.Name != nil {
			label = spec.Name.Name
		}
		labels[label] = imported
	}
	return labels
}

func importPath(spec *ast.ImportSpec) string {
	imported, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		// The parser lets only string literals through.
		return spec.Path.Value
	}
	return imported
}

// clockUses finds the places that name one of package time's forbidden names, and an import that would hide them.
func clockUses(s source, forbidden []string) []ast.Node {
	var found []ast.Node
	for _, spec := range s.file.Imports {
		if importPath(spec) == "time" && spec.Name != nil && spec.Name.Name == "." {
			found = append(found, spec)
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains(forbidden, sel.Sel.Name) {
			if x, ok := sel.X.(*ast.Ident); ok && s.labels[x.Name] == "time" {
				found = append(found, sel)
			}
		}
		return true
	})
	return found
}

func coreMayImport(pkg, imported string) bool {
	return slices.Contains(coreImports, imported) || pkg == "schedule" && slices.Contains(scheduleImports, imported)
}

// dialect gives the dialect that a package belongs to, none if it belongs to no dialect.
func dialect(pkg string) string {
	rest, ok := strings.CutPrefix(pkg, "api/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	if slices.Contains(sharedByDialects, name) {
		return ""
	}
	return name
}

func (s source) at(n ast.Node) string { return s.fset.Position(n.Pos()).String() }
