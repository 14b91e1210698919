package access

import "encoding/binary"

// staged is what was added of the principals of one chunk, in words of bytes one behind the other: it is small, has no pointers, and
// goes when the chunk is made. Its blocks are never copied.
type staged struct{ blocks [][]byte }

// The first byte of a record says what it is of, and what follows; the second whose it is. Numbers are in the machine's usual order.
const (
	ofEdge       = 1 << iota // else of a grant
	hasEnd                   // else it has none
	sameRequest              // the request's id is the grant's own
	otherRequest             // the request's id follows
	isActivated              // the eligibility's id follows
	hasPlace                 // a place follows
)

const (
	leastBlock = 1 << 8
	mostBlock  = 1 << 12
	mostRecord = 2 + 4 + 4 + 8 + 8 + 3*idSize + placeSize
)

// room returns the last block, with room for a record.
func (s *staged) room() *[]byte {
	if n := len(s.blocks); n == 0 || cap(s.blocks[n-1])-len(s.blocks[n-1]) < mostRecord {
		size := mostBlock
		if n < 4 {
			size = leastBlock << n
		}
		s.blocks = append(s.blocks, make([]byte, 0, size))
	}
	return &s.blocks[len(s.blocks)-1]
}

// grant adds what a schedule gives; place is that of what few have, from one, or zero.
func (s *staged) grant(of uint8, g *rough, place uint32) {
	to := s.room()
	what := byte(0)
	switch g.request {
	case uid{}:
	case g.id:
		what |= sameRequest
	default:
		what |= otherRequest
	}
	if g.activated {
		what |= isActivated
	}
	r := append(*to, what, of)
	r = binary.LittleEndian.AppendUint32(r, uint32(g.right))
	r = binary.LittleEndian.AppendUint32(r, g.scope)
	r = append(r, g.id[:]...)
	if what&otherRequest != 0 {
		r = append(r, g.request[:]...)
	}
	if g.activated {
		r = append(r, g.eligibility[:]...)
	}
	r = addSpan(r, len(*to), g.span)
	*to = addPlace(r, len(*to), place)
}

// edge adds a membership; place is that of its window, from one, or zero.
func (s *staged) edge(of uint8, m *membership, place uint32) {
	to := s.room()
	r := append(*to, ofEdge, of)
	r = binary.LittleEndian.AppendUint32(r, m.to)
	r = append(r, m.schedule[:]...)
	r = addSpan(r, len(*to), m.span)
	*to = addPlace(r, len(*to), place)
}

func addSpan(to []byte, record int, s span) []byte {
	to = binary.LittleEndian.AppendUint64(to, uint64(s.start))
	if s.end == never {
		return to
	}
	to[record] |= hasEnd
	return binary.LittleEndian.AppendUint64(to, uint64(s.end))
}

func addPlace(to []byte, record int, place uint32) []byte {
	if place == 0 {
		return to
	}
	to[record] |= hasPlace
	return binary.LittleEndian.AppendUint32(to, place)
}

// each reads what was added, in order.
func (s *staged) each(grant func(of uint8, g rough, place uint32), edge func(of uint8, m membership, place uint32)) {
	for _, block := range s.blocks {
		for r := record(block); len(r) > 0; {
			what, of := r[0], r[1]
			r = r[2:]
			if what&ofEdge != 0 {
				m := membership{to: r.number()}
				m.schedule = r.uid()
				m.span = r.span(what)
				edge(of, m, r.place(what))
				continue
			}
			g := rough{right: right(r.number()), scope: r.number(), id: r.uid(), activated: what&isActivated != 0}
			switch {
			case what&sameRequest != 0:
				g.request = g.id
			case what&otherRequest != 0:
				g.request = r.uid()
			}
			if g.activated {
				g.eligibility = r.uid()
			}
			g.span = r.span(what)
			grant(of, g, r.place(what))
		}
	}
}

// record is what is left to be read.
type record []byte

func (r *record) number() uint32 {
	n := binary.LittleEndian.Uint32(*r)
	*r = (*r)[4:]
	return n
}

func (r *record) instant() int64 {
	n := int64(binary.LittleEndian.Uint64(*r))
	*r = (*r)[8:]
	return n
}

func (r *record) uid() (u uid) {
	*r = (*r)[copy(u[:], *r):]
	return u
}

func (r *record) span(what byte) span {
	s := span{r.instant(), never}
	if what&hasEnd != 0 {
		s.end = r.instant()
	}
	return s
}

func (r *record) place(what byte) uint32 {
	if what&hasPlace == 0 {
		return 0
	}
	return r.number()
}
