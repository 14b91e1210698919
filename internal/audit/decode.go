package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"portcullis/internal/pim"
)

// ErrMalformed says that bytes are not the canonical form of any event.
var ErrMalformed = errors.New("malformed audit entry")

// Decode reads the event that Canonical wrote. The error is ErrMalformed for all bytes that Canonical never writes, so
// that no entry has a second form. It takes memory in proportion to the bytes that are there, whatever they claim.
func Decode(canonical []byte) (pim.Event, error) {
	if len(canonical) == 0 || canonical[0] != version {
		return pim.Event{}, ErrMalformed
	}
	r := reader{rest: canonical[1:]}
	var e pim.Event
	visit(&r, &e)
	// Numbers can be written at needless length, and a time can be that which stands for none.
	if r.broken || len(r.rest) > 0 || !bytes.Equal(Canonical(e), canonical) {
		return pim.Event{}, ErrMalformed
	}
	return e, nil
}

// reader takes members off. Once broken, it gives zero values.
type reader struct {
	rest   []byte
	broken bool
}

func (r *reader) text(s *string) {
	n := r.count()
	*s, r.rest = string(r.rest[:n]), r.rest[n:]
}

// count reads the length of what follows, which takes a byte or more for each.
func (r *reader) count() int {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(len(r.rest)-size) {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return int(n)
}

func (r *reader) int64() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) int(n *int) { *n = int(r.int64()) }

func (r *reader) bool(b *bool) {
	if len(r.rest) == 0 || r.rest[0] > 1 {
		r.fail()
		return
	}
	*b, r.rest = r.rest[0] == 1, r.rest[1:]
}

func (r *reader) time(t *time.Time) {
	var there bool
	r.bool(&there)
	if there {
		*t = time.UnixMicro(r.int64()).UTC()
	}
}

func (r *reader) texts(list *[]string) {
	for range r.count() {
		if r.broken {
			return
		}
		var s string
		r.text(&s)
		*list = append(*list, s)
	}
}

func (r *reader) fail() { r.broken, r.rest = true, nil }
