package pimtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"portcullis/internal/pim"
)

// Codes reads the codes of refusals from the core's source, so that no dialect's table can forget a new one.
func Codes(t testing.TB) []pim.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(t), "internal/pim/refusal.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []pim.Code
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if typ, ok := v.Type.(*ast.Ident); ok && typ.Name == "Code" {
				text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				codes = append(codes, pim.Code(text))
			}
		}
	}
	if len(codes) < 20 {
		t.Fatalf("found only %d codes in the core", len(codes))
	}
	return codes
}

// root is the folder of the module, above that of the package whose tests run.
func root(t testing.TB) string {
	t.Helper()
	at, err := os.Getwd()
	for err == nil {
		if _, gone := os.Stat(filepath.Join(at, "go.mod")); gone == nil {
			return at
		}
		if above := filepath.Dir(at); above != at {
			at = above
			continue
		}
		t.Fatal("no folder above has a go.mod")
	}
	t.Fatal(err)
	return ""
}
