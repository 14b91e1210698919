package access

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// uid is an id in sixteen bytes: a UUID's own, or, for any other text, its number among those of the tenant. The zero value is the
// empty text.
type uid [16]byte

// otherText begins the uids of texts that are no UUID. A UUID that begins so is kept like these.
const otherText = "\xffno UUID\xff\x00\x00\x00"

// uidOf reads a UUID in lower case; false for other texts, and for those few UUIDs that are kept like them.
func uidOf[T string | []byte](s T) (u uid, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	var bad byte
	at := 0
	for i := range u {
		if at == 8 || at == 13 || at == 18 || at == 23 {
			at++
		}
		high, low := digits[s[at]], digits[s[at+1]]
		bad |= high | low
		u[i] = high<<4 | low&0x0f
		at += 2
	}
	return u, bad < 0x10 && u != uid{} && string(u[:12]) != otherText
}

// digits are the values of hexadecimal digits in lower case; 0xff: none.
var digits = func() (values [256]byte) {
	for i := range values {
		values[i] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		values[c] = byte(i)
	}
	return values
}()

// uid returns the id of a text, numbering it if need be.
func (n *names) uid(s string) uid {
	if u, ok := n.findUID(s); ok {
		return u
	}
	return otherUID(n.texts.add(strings.Clone(s), n.hashText))
}

// findUID returns the id of a text; false if nothing has it.
func (n *names) findUID(s string) (uid, bool) {
	if u, ok := uidOf(s); ok || s == "" {
		return u, true
	}
	i, known := n.texts.find(n.hashText(s), s)
	return otherUID(i), known
}

func otherUID(number uint32) (u uid) {
	copy(u[:], otherText)
	binary.BigEndian.PutUint32(u[12:], number)
	return u
}

// append appends the text of an id.
func (n *names) append(to []byte, u uid) []byte {
	switch {
	case u == uid{}:
		return to
	case u.other():
		return append(to, n.texts.keys[binary.BigEndian.Uint32(u[12:])]...)
	}
	for i, part := range [...][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			to = append(to, '-')
		}
		to = hex.AppendEncode(to, part)
	}
	return to
}

// text is the text of an id.
func (n *names) text(u uid) string {
	if u.other() {
		return n.texts.keys[binary.BigEndian.Uint32(u[12:])]
	}
	var room [36]byte
	return string(n.append(room[:0], u))
}

// other says that the id is no UUID, or kept like these.
func (u *uid) other() bool { return string(u[:12]) == otherText }
