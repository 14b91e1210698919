package authzen

import "strings"

// scanner reads the bodies that doors usually send: objects with the members that are known here, each once and spelt exactly, whose
// texts are plain ASCII without escapes, and others that are skipped. It takes nothing that the full decoder would read differently:
// at anything unusual it is odd, and what it has read so far is to be thrown away. Texts that it returns are parts of the body.
type scanner struct {
	text string
	at   int
	odd  bool
	// entered says that an object was entered just now: no comma stands before its first member.
	entered bool
}

// scanEvaluation reads the body of one evaluation. False: let the full decoder read it.
func scanEvaluation(text string, into *asked) bool {
	s := scanner{text: text}
	s.evaluation(into, nil)
	return s.done()
}

// scanEvaluations reads the body of several evaluations. False: let the full decoder read it.
func scanEvaluations(text string, into *batch) bool {
	s := scanner{text: text}
	s.evaluation(&into.defaults, into)
	return s.done()
}

// done says whether everything was read and was as usual.
func (s *scanner) done() bool {
	s.space()
	return !s.odd && s.at == len(s.text)
}

// The names that are known at each level. Others that differ from them in letter case alone are odd: the full decoder takes them.
var (
	evaluationNames = []string{"subject", "action", "resource", "context", "evaluations", "options"}
	entityNames     = []string{"type", "id", "properties"}
	actionNames     = []string{"name", "properties"}
	propertyNames   = []string{"scope"}
	dataNames       = []string{"dataAction"}
	contextNames    = []string{"consistencyToken"}
	optionNames     = []string{"evaluations_semantic"}
)

// evaluation reads an evaluation, and the evaluations within it where there may be some.
func (s *scanner) evaluation(into *asked, within *batch) {
	for s.enter(); s.more(); {
		switch name := s.name(); name {
		case "subject":
			s.once(into, partSubject)
			s.entity(&into.subject, nil)
		case "action":
			s.once(into, partAction)
			s.action(into)
		case "resource":
			s.once(into, partResource)
			s.entity(&into.resource, &into.scope)
		case "context":
			s.once(into, partContext)
			s.only(&into.token, "consistencyToken", contextNames)
		case "evaluations", "options":
			s.odd = s.odd || within == nil
			if s.odd {
				return
			}
			s.within(name, within)
		default:
			s.skip(name, evaluationNames)
		}
	}
}

// within reads what stands beside the defaults of several evaluations.
func (s *scanner) within(name string, b *batch) {
	if name == "options" {
		s.odd = s.odd || b.semantic != ""
		s.only(&b.semantic, "evaluations_semantic", optionNames)
		return
	}
	s.first(&b.listed)
	b.list = b.room[:0]
	if !s.take('[') {
		s.odd = true
		return
	}
	if s.take(']') {
		return
	}
	for !s.odd {
		if len(b.list) == most {
			s.odd = true // the full decoder tells how many there are
			return
		}
		b.list = append(b.list, asked{})
		s.evaluation(&b.list[len(b.list)-1], nil)
		if s.take(']') {
			return
		}
		s.want(',')
	}
}

// once says that a part is there, which it may be once.
func (s *scanner) once(into *asked, p part) {
	s.odd = s.odd || into.there&p != 0
	into.there |= p
}

// entity reads a subject or a resource; of the properties of a resource the scope counts.
func (s *scanner) entity(into *entity, scope *string) {
	var seen [3]bool
	for s.enter(); s.more(); {
		switch name := s.name(); name {
		case "type":
			s.first(&seen[0])
			into.kind = s.plain()
		case "id":
			s.first(&seen[1])
			into.id = s.plain()
		case "properties":
			s.first(&seen[2])
			if scope == nil {
				s.value(0)
				continue
			}
			s.only(scope, "scope", propertyNames)
		default:
			s.skip(name, entityNames)
		}
	}
}

func (s *scanner) action(into *asked) {
	var seen [2]bool
	for s.enter(); s.more(); {
		switch name := s.name(); name {
		case "name":
			s.first(&seen[0])
			into.action = s.plain()
		case "properties":
			s.first(&seen[1])
			s.data(into)
		default:
			s.skip(name, actionNames)
		}
	}
}

func (s *scanner) data(into *asked) {
	seen := false
	for s.enter(); s.more(); {
		name := s.name()
		if name != "dataAction" {
			s.skip(name, dataNames)
			continue
		}
		s.first(&seen)
		switch {
		case s.word("true"):
			into.data = true
		case !s.word("false"):
			s.odd = true
		}
	}
}

// only reads an object of which one text counts.
func (s *scanner) only(into *string, wanted string, known []string) {
	seen := false
	for s.enter(); s.more(); {
		name := s.name()
		if name != wanted {
			s.skip(name, known)
			continue
		}
		s.first(&seen)
		*into = s.plain()
	}
}

// first says that a member is there, which it may be once.
func (s *scanner) first(seen *bool) {
	s.odd = s.odd || *seen
	*seen = true
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\n', '\r', '\t':
			s.at++
		default:
			return
		}
	}
}

// take passes over a character behind blanks, if it is there.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) want(c byte) { s.odd = !s.take(c) || s.odd }

// word passes over a word without blanks before it.
func (s *scanner) word(w string) bool {
	s.space()
	if strings.HasPrefix(s.text[s.at:], w) {
		s.at += len(w)
		return true
	}
	return false
}

// enter passes over the beginning of an object.
func (s *scanner) enter() {
	s.want('{')
	s.entered = true
}

// more says whether a member of the object follows, and passes over the comma before it.
func (s *scanner) more() bool {
	first := s.entered
	s.entered = false
	if s.odd {
		return false
	}
	if s.take('}') {
		return false
	}
	if !first {
		s.want(',')
	}
	s.space()
	s.odd = s.odd || s.at == len(s.text) || s.text[s.at] != '"'
	return !s.odd
}

// name reads the name of a member, and its colon.
func (s *scanner) name() string {
	n := s.plain()
	s.want(':')
	return n
}

// plain reads a text of plain ASCII without escapes.
func (s *scanner) plain() string {
	s.want('"')
	from := s.at
	for i := from; i < len(s.text) && !s.odd; i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.at = i + 1
			return s.text[from:i]
		case c == '\\' || c < ' ' || c > '~':
			s.odd = true
		}
	}
	s.odd = true
	return ""
}

// skip passes over the value of a member that is not known.
func (s *scanner) skip(name string, known []string) {
	for _, k := range known {
		if len(k) == len(name) && strings.EqualFold(k, name) {
			s.odd = true
		}
	}
	s.value(0)
}

// deepest is how many objects within one another are skipped.
const deepest = 8

// value passes over a plain text, true, false, a short whole number, or an object of such.
func (s *scanner) value(depth int) {
	s.space()
	if s.odd || s.at == len(s.text) || depth > deepest {
		s.odd = true
		return
	}
	switch c := s.text[s.at]; {
	case c == '"':
		s.plain()
	case c == '{':
		for s.enter(); s.more(); {
			s.name()
			s.value(depth + 1)
		}
	case c >= '1' && c <= '9':
		for from := s.at; s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9'; s.at++ {
			s.odd = s.odd || s.at-from > 15
		}
	case !s.word("true") && !s.word("false"):
		s.odd = true
	}
}
