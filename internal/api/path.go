package api

import (
	"net/url"
	"slices"
	"strings"
)

// Bounds of an address. Longer ones are not there.
const (
	maxPath     = 8 << 10
	maxSegments = 32
)

// A names is the spelling of every literal segment of the routes, by its lower-case form.
type names map[string]string

// learn takes the literal segments of a route's pattern.
func (n names) learn(pattern string) {
	for segment := range strings.SplitSeq(pattern, "/") {
		if segment != "" && !strings.Contains(segment, "{") {
			n[strings.ToLower(segment)] = segment
			if short, ok := aliased(segment); ok {
				n[strings.ToLower(short)] = segment
			}
		}
	}
}

// qualify takes the last segment of a route's pattern, which may be an action or a function, under its names with the namespace
// before it too (OData URL Conventions 4.01 §4.5): generated SDKs write these.
func (n names) qualify(pattern string) {
	last := pattern[strings.LastIndexByte(pattern, '/')+1:]
	if last == "" || strings.ContainsAny(last, "{.$") {
		return
	}
	for _, namespace := range [...]string{"microsoft.graph.", "graph."} {
		n[namespace+strings.ToLower(last)] = last
	}
}

// aliased is the name of a type by its namespace's alias, which is the namespace's last part: generated SDKs write
// graph.user where people write microsoft.graph.user.
func aliased(segment string) (string, bool) {
	at := strings.LastIndexByte(segment, '.')
	if at < 0 {
		return "", false
	}
	dot := strings.LastIndexByte(segment[:at], '.')
	return segment[dot+1:], dot >= 0
}

// address is a path in the form of the routes.
type address struct {
	segments []string
	// arguments are those of the last function segment.
	arguments string
	// off is what a Cutter took from the front.
	off []string
}

// normal brings an escaped path to the form of the routes: doubled and trailing slashes are gone, names have their own
// letter case, ('key') and (key) are segments of their own, and a function is left with empty brackets. It redirects
// nobody, for clients lose their bodies on a redirect. False for a path that no route can have.
func (n names) normal(escaped string) (address, bool) {
	var a address
	if len(escaped) > maxPath {
		return a, false
	}
	for _, raw := range cutPath(escaped) {
		segment, err := url.PathUnescape(raw)
		if err != nil || segment == "." || segment == ".." || len(a.segments) > maxSegments {
			return a, false
		}
		if segment == "" {
			continue
		}
		if !a.function(n, segment) {
			a.segments = append(a.segments, n.spelled(segment))
		}
	}
	return a, true
}

// cutPath splits at slashes outside of quotes within brackets: an argument may be '/'.
func cutPath(escaped string) []string {
	var segments []string
	from, depth, quoted := 0, 0, false
	for i := 0; i < len(escaped); i++ {
		c, width := escaped[i], 1
		if c == '%' && i+2 < len(escaped) {
			if b, err := url.PathUnescape(escaped[i : i+3]); err == nil {
				c, width = b[0], 3
			}
		}
		switch {
		case depth > 0 && c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '/' && width == 1 && depth == 0:
			segments = append(segments, escaped[from:i])
			from = i + 1
		}
		i += width - 1
	}
	return append(segments, escaped[from:])
}

// function takes a segment with brackets at its end apart. False for one that is an ordinary segment.
func (a *address) function(n names, segment string) bool {
	name, rest, ok := strings.Cut(segment, "(")
	inner, closed := strings.CutSuffix(rest, ")")
	name = strings.TrimSpace(name)
	if !ok || !closed || name == "" && len(a.segments) == 0 {
		return false
	}
	if _, known := n[strings.ToLower(name)]; name != "" && !known {
		if _, known = n[strings.ToLower(name)+"()"]; !known {
			return false
		}
	}
	if key, ok := lone(inner); ok {
		if name != "" {
			a.segments = append(a.segments, n.spelled(name))
		}
		a.segments = append(a.segments, key)
		return true
	}
	a.segments = append(a.segments, n.spelled(name+"()"))
	a.arguments = inner
	return true
}

// lone is the key in 'key' or key; false for an empty text and for named arguments.
func lone(inner string) (string, bool) {
	inner = strings.TrimSpace(inner)
	if len(inner) >= 2 && inner[0] == '\'' && inner[len(inner)-1] == '\'' {
		body := inner[1 : len(inner)-1]
		if !strings.Contains(strings.ReplaceAll(body, "''", ""), "'") && body != "" {
			return strings.ReplaceAll(body, "''", "'"), true
		}
		return "", false
	}
	return inner, inner != "" && !strings.ContainsAny(inner, "='(),")
}

// spelled is a segment in its own letter case. Blanks behind a name are cut off: a client sends one, and the services do so.
func (n names) spelled(segment string) string {
	if name, ok := n[strings.ToLower(strings.TrimRight(segment, " "))]; ok {
		return name
	}
	return segment
}

// apply gives a URL the address. The query stays.
func (a address) apply(u *url.URL) *url.URL {
	out := *u
	escaped := make([]string, len(a.segments))
	for i, s := range a.segments {
		escaped[i] = url.PathEscape(s)
	}
	out.Path = "/" + strings.Join(a.segments, "/")
	out.RawPath = "/" + strings.Join(escaped, "/")
	return &out
}

// firstSegments are the first segments of an escaped path in lower case, as many as wanted at most, without the keys in
// brackets behind them.
func firstSegments(escaped string, wanted int) []string {
	var out []string
	for raw := range strings.SplitSeq(escaped, "/") {
		if raw == "" {
			continue
		}
		if len(out) == wanted {
			break
		}
		segment := raw
		if plain, err := url.PathUnescape(raw); err == nil {
			segment = plain
		}
		segment, _, _ = strings.Cut(segment, "(")
		out = append(out, strings.ToLower(strings.TrimSpace(segment)))
	}
	return out
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }
