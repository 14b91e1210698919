package access

import (
	"strings"
	"unicode/utf8"

	"portcullis/internal/pim"
)

// Account is a principal of a tenant.
type Account struct {
	Tenant pim.TenantID
	ID     pim.PrincipalID
}

// Name is what a principal is called by those who do not know its object id.
type Name struct {
	Account
	Kind pim.PrincipalKind
	// Each may be empty.
	UserPrincipalName, ExternalID, ClientID string
}

// Find returns the principal of a tenant that has a name: its object id, user principal name, client id or external id, in whatever
// case. Where several have it, an object id goes before a user principal name, that before a client id, and that before an external
// id; of two that have it alike none is found.
func (ix *Index) Find(t pim.TenantID, name string) (pim.PrincipalID, pim.PrincipalKind, bool) {
	s := ix.snapshot(t)
	if s == nil || name == "" {
		return "", 0, false
	}
	return s.find(name)
}

// handles find principals by what they are called.
type handles struct {
	// called hold what principals are called, by their numbers, so that a change copies few of them.
	called []*callings
	// sought finds numbers of principals, from one, by the hashes of what they are called. Like the slots of a table it is shared:
	// what a principal was called before, or will be, is met, too, and passed by.
	sought  slots
	entries int
}

type callings struct {
	edit uint64
	of   [chunkSize]*calling
}

// calling is what one principal is called.
type calling struct {
	// text is its id, user principal name, client id and external id, one behind the other, all but the id folded. Those that are
	// longer than anybody looks for are left out.
	text string
	ends [3]uint16 // of the first three
	kind uint8     // a pim.PrincipalKind
}

// The parts of a calling, in the order in which they go before one another.
const (
	objectID = iota
	principalName
	clientID
	externalID
	partsOfCalling
)

func (c *calling) part(i int) string {
	from, to := uint16(0), uint16(len(c.text))
	if i > 0 {
		from = c.ends[i-1]
	}
	if i < len(c.ends) {
		to = c.ends[i]
	}
	return c.text[from:to]
}

func (c *calling) id() pim.PrincipalID { return pim.PrincipalID(c.part(objectID)) }

// longestPart keeps a calling short enough for its ends. A letter may be longer when folded.
const longestPart = 1 << 12

func callingOf(n *Name) *calling {
	var all []byte
	c := &calling{kind: uint8(n.Kind)}
	for i, part := range [...]string{string(n.ID), n.UserPrincipalName, n.ClientID, n.ExternalID} {
		switch {
		case len(part) > longestPart:
		case i == objectID:
			all = append(all, part...)
		default:
			all = fold(all, part)
		}
		if i < len(c.ends) {
			c.ends[i] = uint16(len(all))
		}
	}
	c.text = string(all)
	return c
}

// fold appends a name in lower case.
func fold(to []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		if c >= utf8.RuneSelf {
			return append(to, strings.ToLower(name[i:])...)
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		to = append(to, c)
	}
	return to
}

// longestName is how long a name may be to be looked for without room of its own.
const longestName = 128

func (s *snapshot) find(name string) (pim.PrincipalID, pim.PrincipalKind, bool) {
	var room [longestName]byte
	folded := fold(room[:0], name)
	if u, ok := uidOf(folded); ok {
		if i, known := s.principals.find(s.hashUID(u), u); known {
			if c := s.calling(i); c != nil {
				return c.id(), pim.PrincipalKind(c.kind), true
			}
		}
	}
	c := s.seek(folded, name)
	if c == nil {
		return "", 0, false
	}
	return c.id(), pim.PrincipalKind(c.kind), true
}

// seek finds who is called so, alone or before others.
func (s *snapshot) seek(folded []byte, name string) (best *calling) {
	hash := s.hashFolded(folded)
	rank, alike := partsOfCalling, false
	for i := s.sought.first(hash); ; {
		var number uint32
		if number, i = s.sought.next(hash, i); number == 0 {
			break
		}
		c := s.calling(number - 1)
		if c == nil || c == best {
			continue
		}
		switch r := c.rank(folded, name); {
		case r < rank:
			best, rank, alike = c, r, false
		case r == rank && best != nil:
			alike = true
		}
	}
	if alike {
		return nil
	}
	return best
}

// rank says by which part somebody is called so; partsOfCalling: by none.
func (c *calling) rank(folded []byte, name string) int {
	if strings.EqualFold(c.part(objectID), name) {
		return objectID
	}
	for i := principalName; i < partsOfCalling; i++ {
		if p := c.part(i); p != "" && p == string(folded) {
			return i
		}
	}
	return partsOfCalling
}

// calling returns what a principal is called; nil: nobody has said.
func (h *handles) calling(i uint32) *calling {
	if int(i/chunkSize) >= len(h.called) {
		return nil
	}
	return h.called[i/chunkSize].of[i%chunkSize]
}

// name puts a name in the place of what the principal was called.
func (e *edit) name(n *Name) {
	if len(n.ID) > longestPart {
		return
	}
	i := e.principal(e.uid(string(n.ID)))
	c := callingOf(n)
	if was := e.calling(i); was != nil && *was == *c {
		return
	}
	e.ownCallings(i).of[i%chunkSize] = c
	e.sayAll(c, i)
}

// unname forgets what a principal is called.
func (e *edit) unname(id pim.PrincipalID) {
	if i, known := e.findPrincipal(id); known && e.calling(i) != nil {
		e.ownCallings(i).of[i%chunkSize] = nil
	}
}

func (e *edit) ownCallings(i uint32) *callings {
	if !e.mine.called {
		e.called, e.mine.called = append(make([]*callings, 0, len(e.called)+1), e.called...), true
	}
	for int(i/chunkSize) >= len(e.called) {
		e.called = append(e.called, &callings{edit: e.edit})
	}
	c := e.called[i/chunkSize]
	if c.edit != e.edit {
		c = &callings{edit: e.edit, of: c.of}
		e.called[i/chunkSize] = c
	}
	return c
}

// sayAll makes a principal found by all that it is called, but by a UUID, which is found as it is.
func (e *edit) sayAll(c *calling, i uint32) {
	var room [longestName]byte
	for part := range partsOfCalling {
		text := c.part(part)
		if _, ok := uidOf(text); text == "" || ok && part == objectID {
			continue
		}
		e.say(e.hashFolded(fold(room[:0], text)), i+1)
	}
}

func (e *edit) say(hash uint64, number uint32) {
	for i := e.sought.first(hash); ; {
		var there uint32
		if there, i = e.sought.next(hash, i); there == number {
			return
		} else if there == 0 {
			break
		}
	}
	e.entries++
	if e.sought.full(e.entries) {
		e.sayAnew()
	}
	e.sought.put(hash, number)
}

// sayAnew makes slots anew, for those names alone that somebody has now.
func (e *edit) sayAnew() {
	e.sought = makeSlots(e.entries + 1)
	e.entries = 1
	for chunk, c := range e.called {
		for i, calling := range c.of {
			if calling != nil {
				e.sayAll(calling, uint32(chunk*chunkSize+i))
			}
		}
	}
}
