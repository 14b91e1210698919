// Package odata reads the OData query options that callers of Microsoft Graph, Azure Resource Manager and the older
// PIM interfaces send: $filter, $select, $expand, $orderby, $top, $skip, $skiptoken, $count and $search, with or
// without the dollar, in any letter case.
//
// It promises that what it accepts is bounded (4 KiB of filter, 32 levels, 4 levels of $expand), that every refusal is
// an *Error which may be shown to the caller, and that an accepted tree prints (Expr.String) to text that reads back
// to an equal tree. It knows no set and no store: Schema.Check holds a query against what a set offers, Eval decides a
// filter in memory, and Relax cuts a filter down to what a store can decide, so that the store may pre-filter and
// Eval may finish.
//
// The filter grammar runs on participle, over a scanner of our own: the scanner refuses deep nesting before any
// recursion, and knows what regular expressions make slow or wrong (a '+' that stands for a blank, bare guids, times
// with an offset, doubled quotes). $expand and $orderby are read by hand, because the options within brackets are again
// whole options of other grammars and must be cut out at ';' and ',' first; function segments are read from the
// scanner's tokens directly. A usual filter takes some tens of microseconds, most of them participle's; the longest
// that is taken some milliseconds (BenchmarkParseFilter).
//
// The parts of net/url that drop pairs with a raw ';' do not suit $expand=policy($expand=rules;$select=id): take the
// values from Values, not from (*url.URL).Query.
package odata

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds on what is read. Past them a query is refused, save MaxTop, to which larger pages are cut.
const (
	MaxFilter      = 4 << 10   // bytes of $filter
	MaxOption      = 4 << 10   // bytes of any other option
	MaxDepth       = 32        // levels of brackets and negations in $filter
	MaxExpandDepth = 4         // levels of $expand within $expand
	MaxItems       = 128       // entries of $select, $expand, $orderby, arguments
	MaxTop         = 999       // rows of a page
	MaxSkip        = 1_000_000 // rows left out
	maxName        = 128       // bytes of one name
)

// An Error is a refusal of a query. It is safe to show: it repeats names, never values.
type Error struct {
	Option string // the option refused, with its dollar: "$filter"
	Detail string // what is wrong and where; positions count bytes from 1
}

func (e *Error) Error() string { return e.Option + ": " + e.Detail }

func refuse(option, format string, args ...any) *Error {
	return &Error{Option: option, Detail: fmt.Sprintf(format, args...)}
}

// refuseAt is refuse with a position; offset counts bytes from 0, and a negative one is not known.
func refuseAt(option string, offset int, format string, args ...any) *Error {
	if offset < 0 {
		return refuse(option, format, args...)
	}
	return refuse(option, "at position %d: %s", offset+1, fmt.Sprintf(format, args...))
}

// checkText refuses text that no option may hold: too long, not UTF-8, or with control characters other than blanks.
func checkText(option, s string, limit int) error {
	if len(s) > limit {
		return refuse(option, "longer than %d bytes", limit)
	}
	if !utf8.ValidString(s) {
		return refuse(option, "not valid UTF-8")
	}
	if i := strings.IndexFunc(s, isControl); i >= 0 {
		return refuseAt(option, i, "control character")
	}
	return nil
}

func isControl(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

func isNameByte(c byte) bool { return isNameStart(c) || isDigit(c) || c == '.' }
