package app

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"time"

	"portcullis/internal/pim"
)

// NewID makes a UUID of version 7 (RFC 9562 §5.7): ids made later sort later, within this process even those of one
// instant (§6.2, method 3), so that lists by id are lists by time and the events of one commit keep their order.
func NewID() string {
	var b [16]byte
	var stamp [8]byte
	tick := nextTick(time.Now())
	binary.BigEndian.PutUint64(stamp[:], tick>>12)
	copy(b[:6], stamp[2:])
	_, _ = rand.Read(b[6:]) // never fails: crypto/rand ends the program instead
	b[6], b[7] = byte(tick>>8)&0x0f, byte(tick)
	return uuid(b, 7)
}

// lastTick is the latest tick given out: milliseconds since 1970, and 4096 parts of one.
var lastTick atomic.Uint64

// nextTick returns the tick of an instant, or the next free one if that was given out.
func nextTick(now time.Time) uint64 {
	tick := uint64(now.UnixMilli())<<12 | uint64(now.Nanosecond()%1e6)*4096/1e6
	for {
		last := lastTick.Load()
		next := max(tick, last+1)
		if lastTick.CompareAndSwap(last, next) {
			return next
		}
	}
}

// derivedID makes a UUID of version 8 (RFC 9562 §5.8) out of names: the same names give the same id on every node.
func derivedID(names ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return uuid([16]byte(sum[:16]), 8)
}

func uuid(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// PolicyID is the id of a role's policy: it exists, and is the same, before anybody edits the policy.
func PolicyID(k pim.RoleKey) string {
	return derivedID("policy", string(k.Tenant), string(k.Provider), string(k.Scope), string(k.Role))
}
