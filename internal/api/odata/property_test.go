package odata

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Any tree in normal form prints to text that reads back to it.
func TestPrintedFilterReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyExpr(t, anyLeaf, 4)
		text := e.String()
		if len(text) > MaxFilter {
			return
		}
		got, err := ParseFilter(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", text, diff)
		}
	})
}

// A relaxed filter is true of every row of which the filter is, and mentions nothing that was not accepted. What a
// dialect's function says of a row is drawn too; Relax must not depend on it.
func TestRelaxIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyExpr(t, rowLeaf(true), 4)
		accepted := rapid.SliceOfDistinct(rapid.SampledFrom(rowPaths), rapid.ID).Draw(t, "accepted")
		keep := func(p Path) bool { return slices.Contains(accepted, p.Name()) }
		relaxed := Relax(e, keep)
		for _, name := range mentioned(relaxed, nil) {
			if !slices.Contains(accepted, name) {
				t.Fatalf("relaxed %v to %v, which mentions %s", e, relaxed, name)
			}
		}
		get := anyRow(t, true)
		full, err := Eval(decided(e), get)
		if err != nil {
			t.Fatal(err)
		}
		wide, err := Eval(relaxed, get)
		if err != nil {
			t.Fatal(err)
		}
		if full && !wide {
			t.Fatalf("%v is true, %v is not", e, relaxed)
		}
	})
}

// When everything is accepted nothing is lost.
func TestRelaxKeepsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyExpr(t, rowLeaf(false), 4)
		if got := Relax(e, func(Path) bool { return true }); !cmp.Equal(got, e) {
			t.Fatalf("got %v, want %v", got, e)
		}
		if got := Relax(e, func(Path) bool { return false }); got != nil {
			t.Fatalf("got %v, want nothing left of %v", got, e)
		}
	})
}

// Twice not is nothing, always; once not is the opposite where no text is absent.
func TestNotIsAnInvolution(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyExpr(t, rowLeaf(false), 4)
		nulls := rapid.Bool().Draw(t, "nulls")
		get := anyRow(t, nulls)
		eval := func(e Expr) bool {
			v, err := Eval(e, get)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if once, twice := eval(e), eval(Not{Not{e}}); once != twice {
			t.Fatalf("%v: got %v, twice not %v", e, once, twice)
		}
		if !nulls && eval(e) == eval(Not{e}) {
			t.Fatalf("%v and its negation are both %v", e, eval(e))
		}
	})
}

// A checked query is its own check, and checking changes no filter's meaning but for letter case.
func TestCheckIsIdempotent(t *testing.T) {
	schema := Schema{
		Properties: []Property{
			{Name: "name", Kind: KindString, Filterable: true}, {Name: "count", Kind: KindNumber, Filterable: true},
			{Name: "flag", Kind: KindBool, Filterable: true}, {Name: "at", Kind: KindTime, Filterable: true},
			{Name: "tags", Kind: KindCollection, Filterable: true, Element: KindString},
			{Name: "rows", Kind: KindCollection, Filterable: true, Properties: []Property{
				{Name: "name", Kind: KindString, Filterable: true}, {Name: "count", Kind: KindNumber, Filterable: true}}},
		},
	}
	rapid.Check(t, func(t *rapid.T) {
		e := anyExpr(t, rowLeaf(false), 4)
		once, err := schema.Check(Query{Filter: e})
		if err != nil {
			t.Fatal(err)
		}
		twice, err := schema.Check(once)
		if err != nil || !cmp.Equal(once, twice) {
			t.Fatalf("checked %v again: %v, %v", once.Filter, twice.Filter, err)
		}
		if once.Filter.String() != e.String() {
			t.Fatalf("checked %v: %v", e, once.Filter)
		}
		get := anyRow(t, true)
		before, _ := Eval(e, get)
		after, err := Eval(once.Filter, get)
		if before != after || err != nil {
			t.Fatalf("%v: %v before the check, %v, %v after", e, before, after, err)
		}
	})
}

func TestTokensReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringN(0, 20, 40), 0, maxTokenParts).Draw(t, "parts")
		got, err := DecodeToken(EncodeToken(parts...))
		if err != nil || !slices.Equal(got, parts) {
			t.Fatalf("got %q, %v, want %q", got, err, parts)
		}
	})
}

// anyExpr draws a tree in normal form, at most depth levels of logic above leaves.
func anyExpr(t *rapid.T, leaf func(*rapid.T) Expr, depth int) Expr {
	if depth == 0 {
		return leaf(t)
	}
	terms := func() []Expr {
		list := make([]Expr, rapid.IntRange(2, 3).Draw(t, "terms"))
		for i := range list {
			list[i] = anyExpr(t, leaf, depth-1)
		}
		return list
	}
	switch rapid.SampledFrom([]string{"leaf", "and", "or", "not"}).Draw(t, "logic") {
	case "and":
		return Join(terms()...)
	case "or":
		return either(terms())
	case "not":
		return Not{anyExpr(t, leaf, depth-1)}
	default:
		return leaf(t)
	}
}

func anyPath(t *rapid.T) Path {
	name := rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_.]{0,8}`)
	p := Path{Segments: rapid.SliceOfN(name, 1, 3).Draw(t, "path")}
	if _, reserved := keyword(p.Segments[0]); reserved && len(p.Segments) == 1 {
		p.Segments[0] = "x" + p.Segments[0]
	}
	p.Wrap = rapid.SampledFrom([]Wrap{Plain, ToLower, ToUpper}).Draw(t, "wrap")
	return p
}

func anyText(t *rapid.T) String {
	s := rapid.OneOf(rapid.SampledFrom([]string{"", "'", "''", "a (b", "and", "+", "\t", "ä"}), rapid.String()).Draw(t, "text")
	return String(strings.Map(func(r rune) rune {
		if isControl(r) {
			return -1
		}
		return r
	}, s))
}

func anyLiteral(t *rapid.T) Literal {
	switch rapid.IntRange(0, 7).Draw(t, "literal") {
	case 0:
		return anyText(t)
	case 1:
		f := rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }).Draw(t, "number")
		return Number(f + 0) // a negative zero becomes zero, as in text
	case 2:
		return Number(rapid.IntRange(-1000, 1000).Draw(t, "integer"))
	case 3:
		return Bool(rapid.Bool().Draw(t, "bool"))
	case 4:
		// From the year 0 to the end of 9999.
		return Time{time.UnixMicro(rapid.Int64Range(-62167219200e6, 253402300799999999).Draw(t, "time")).UTC()}
	case 5:
		return Duration(rapid.Int64Range(-math.MaxInt64, math.MaxInt64).Draw(t, "duration"))
	case 6:
		return Guid(rapid.StringMatching(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).Draw(t, "guid"))
	default:
		return Null{}
	}
}

func anyLeaf(t *rapid.T) Expr {
	switch rapid.IntRange(0, 7).Draw(t, "leaf") {
	case 0:
		values := make([]Literal, rapid.IntRange(1, 3).Draw(t, "values"))
		for i := range values {
			values[i] = anyLiteral(t)
		}
		return In{anyPath(t), values}
	case 1:
		name := rapid.SampledFrom([]string{"startswith", "endswith", "contains"}).Draw(t, "function")
		return Call{name, []Operand{anyPath(t), anyText(t)}}
	case 2:
		p := anyPath(t)
		p.Wrap = Plain
		return Call{"isof", []Operand{p, anyText(t)}}
	case 3:
		var args []Operand
		for range rapid.IntRange(0, 2).Draw(t, "arguments") {
			args = append(args, anyLiteral(t))
		}
		return Call{rapid.SampledFrom([]string{"asTarget", "AssignedTo", "any"}).Draw(t, "function"), args}
	case 4:
		return anyLambda(t)
	default:
		return Compare{anyPath(t), rapid.SampledFrom([]Op{Eq, Ne, Gt, Ge, Lt, Le}).Draw(t, "op"), anyLiteral(t)}
	}
}

func anyLambda(t *rapid.T) Expr {
	p := anyPath(t)
	p.Wrap = Plain
	if rapid.Bool().Draw(t, "empty") {
		return Any{Path: p}
	}
	x := Compare{Path{Segments: []string{"v", "x"}}, Eq, anyLiteral(t)}
	if rapid.Bool().Draw(t, "all") {
		return All{p, "v", x}
	}
	return Any{p, "v", And{x, Not{Any{Path{Segments: []string{"v", "list"}}, "w", Compare{Path{Segments: []string{"w"}}, Ne, Null{}}}}}}
}

// rowPaths are the paths that rows have, as keep sees them.
var rowPaths = []string{"name", "count", "flag", "at", "tags", "rows", "rows/name", "rows/count"}

func rowCompare(t *rapid.T, prefix []string, names ...string) Expr {
	name := rapid.SampledFrom(names).Draw(t, "property")
	path := Path{Segments: append(slices.Clone(prefix), name)}
	if name == "" {
		path.Segments = prefix
	}
	op := rapid.SampledFrom([]Op{Eq, Ne, Gt, Ge, Lt, Le}).Draw(t, "op")
	equality := []Op{Eq, Ne}[op%2]
	if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
		return Compare{path, equality, Null{}}
	}
	switch name {
	case "count":
		return Compare{path, op, Number(rapid.IntRange(0, 2).Draw(t, "number"))}
	case "flag":
		return Compare{path, equality, Bool(rapid.Bool().Draw(t, "bool"))}
	case "at":
		return Compare{path, op, Time{time.Unix(rapid.Int64Range(0, 2).Draw(t, "time"), 0).UTC()}}
	}
	value := String(rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "text"))
	switch rapid.IntRange(0, 2).Draw(t, "form") {
	case 0:
		return Call{rapid.SampledFrom([]string{"startswith", "endswith", "contains"}).Draw(t, "function"), []Operand{path, value}}
	case 1:
		return In{path, []Literal{value, Null{}}}
	}
	return Compare{path, op, value}
}

// rowLeaf draws conditions on such rows; with functions also a dialect's.
func rowLeaf(functions bool) func(*rapid.T) Expr {
	return func(t *rapid.T) Expr {
		n := rapid.IntRange(0, 9).Draw(t, "leaf")
		switch {
		case n == 0 && functions:
			return Call{"asTarget", nil}
		case n == 1:
			return Any{Path: Path{Segments: []string{rapid.SampledFrom([]string{"tags", "rows"}).Draw(t, "list")}}}
		case n == 2:
			return Any{Path{Segments: []string{"tags"}}, "v", rowCompare(t, []string{"v"}, "")}
		case n == 3:
			return All{Path{Segments: []string{"rows"}}, "v", Join(rowCompare(t, []string{"v"}, "name", "count"), Not{rowCompare(t, nil, "flag", "at")})}
		case n == 4:
			return Any{Path{Segments: []string{"rows"}}, "v", rowCompare(t, []string{"v"}, "name", "count")}
		}
		return rowCompare(t, nil, "name", "count", "flag", "at")
	}
}

func anyRow(t *rapid.T, nulls bool) func([]string) any {
	draw := func(name string, value any) any {
		if nulls && rapid.IntRange(0, 2).Draw(t, name+" is null") == 0 {
			return nil
		}
		return value
	}
	text := func() any {
		return draw("text", rapid.SampledFrom([]string{"a", "b", "ab", "ba"}).Draw(t, "text"))
	}
	number := func() any { return draw("number", rapid.IntRange(0, 2).Draw(t, "number")) }
	var tags []any
	for range rapid.IntRange(0, 2).Draw(t, "tags") {
		tags = append(tags, text())
	}
	var rows []map[string]any
	for range rapid.IntRange(0, 2).Draw(t, "rows") {
		rows = append(rows, map[string]any{"name": text(), "count": number()})
	}
	return row(map[string]any{
		"name": text(), "count": number(), "flag": draw("flag", rapid.Bool().Draw(t, "flag")),
		"at":   draw("at", time.Unix(rapid.Int64Range(0, 2).Draw(t, "at"), 0).UTC()),
		"tags": tags, "rows": rows, "decided": rapid.Bool().Draw(t, "decided"),
	})
}

// decided puts a property of the row in place of a dialect's functions.
func decided(e Expr) Expr {
	list := func(terms []Expr) []Expr {
		out := make([]Expr, len(terms))
		for i, x := range terms {
			out[i] = decided(x)
		}
		return out
	}
	switch e := e.(type) {
	case And:
		return And(list(e))
	case Or:
		return Or(list(e))
	case Not:
		return Not{decided(e.X)}
	case Call:
		if e.Name == "asTarget" {
			return Compare{Path{Segments: []string{"decided"}}, Eq, Bool(true)}
		}
	}
	return e
}

// mentioned lists the paths of a filter, written without its variable v, and the names of a dialect's functions.
func mentioned(e Expr, of []string) []string {
	name := func(p Path) string {
		if len(of) > 0 && p.Segments[0] == "v" {
			return strings.Join(append(slices.Clone(of), p.Segments[1:]...), "/")
		}
		return p.Name()
	}
	var out []string
	switch e := e.(type) {
	case nil:
	case And:
		for _, x := range e {
			out = append(out, mentioned(x, of)...)
		}
	case Or:
		for _, x := range e {
			out = append(out, mentioned(x, of)...)
		}
	case Not:
		out = mentioned(e.X, of)
	case Compare:
		out = []string{name(e.Path)}
	case In:
		out = []string{name(e.Path)}
	case Call:
		if len(e.Args) == 0 {
			return []string{e.Name}
		}
		out = []string{name(e.Args[0].(Path))}
	case Any:
		out = append(mentioned(e.X, e.Path.Segments), name(e.Path))
	case All:
		out = append(mentioned(e.X, e.Path.Segments), name(e.Path))
	default:
		panic(fmt.Sprintf("%T", e))
	}
	return out
}
