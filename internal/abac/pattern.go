package abac

import "strings"

// Pattern is the name of an action as roles and conditions write it: compared whole, without regard to the letter case of ASCII,
// and * stands for any run of characters, none and "/" among them. The zero value matches nothing but the empty name.
type Pattern struct {
	// text is in lower case. first and last are where its wildcards begin and end, if there are any.
	text        string
	wild        bool
	first, last int
}

// NewPattern reads a pattern. Blanks around it do not count: published roles have some.
func NewPattern(text string) Pattern {
	p := Pattern{text: lower(strings.TrimSpace(text))}
	p.first, p.last = strings.IndexByte(p.text, '*'), strings.LastIndexByte(p.text, '*')
	p.wild = p.first >= 0
	return p
}

// String is the pattern in lower case.
func (p Pattern) String() string { return p.text }

// Wild says whether the pattern has a wildcard.
func (p Pattern) Wild() bool { return p.wild }

// Matches says whether the pattern stands for a name.
func (p Pattern) Matches(name string) bool {
	if !p.wild {
		return p.Compare(name) == 0
	}
	before, after := p.text[:p.first], p.text[p.last+1:]
	if len(name) < len(before)+len(after) || !startsWith(name, before) || !startsWith(name[len(name)-len(after):], after) {
		return false
	}
	return p.first == p.last || contains(name[len(before):len(name)-len(after)], p.text[p.first+1:p.last])
}

// Compare orders a pattern without wildcard and a name, letter case apart, so that sorted patterns can be searched.
func (p Pattern) Compare(name string) int {
	for i := range min(len(p.text), len(name)) {
		if a, b := p.text[i], lowerByte(name[i]); a != b {
			return int(a) - int(b)
		}
	}
	return len(p.text) - len(name)
}

// contains says whether the parts between wildcards occur in the name one after the other. To take each part where it occurs
// first leaves the most for those that follow, so nothing has to be tried twice.
func contains(name, parts string) bool {
	for more := true; more; {
		var part string
		part, parts, more = strings.Cut(parts, "*")
		for !startsWith(name, part) {
			if name == "" {
				return false
			}
			name = name[1:]
		}
		name = name[len(part):]
	}
	return true
}

// startsWith says whether the name begins with what is in lower case already.
func startsWith(name, with string) bool {
	if len(name) < len(with) {
		return false
	}
	for i := range len(with) {
		if lowerByte(name[i]) != with[i] {
			return false
		}
	}
	return true
}

func lowerByte(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// lower puts ASCII letters in lower case and leaves all else alone: names of actions and attributes are ASCII, and no other
// letter may pass for one of them.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
