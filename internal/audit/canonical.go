// Package audit gives audit events the form in which they are kept for ever: bytes that are the same on every machine,
// and the hash of a leaf of a Merkle tree made of them (RFC 6962 §2.1).
//
// The canonical form is one version byte, 0x01, followed by the members of the event in this order, without names,
// separators or padding:
//
//	ID, Tenant                                    text
//	At                                            time
//	Activity                                      int
//	Success                                       bool
//	Reason                                        text
//	By.Principal                                  text
//	By.Kind                                       int
//	By.Name, By.Account, By.Address               text
//	By.Clock                                      bool
//	Request                                       text
//	Action, Kind                                  int
//	Key.Tenant, Key.Provider, Key.Scope, Key.Role, Key.Principal
//	                                              text
//	Schedule                                      text
//	Principal.ID                                  text
//	Principal.Kind                                int
//	Principal.Name, Principal.Account             text
//	Principal.Enabled                             bool
//	Principal.Manager, Principal.Person           text
//	Principal.RoleAssignable                      bool
//	RoleName                                      text
//	Start, End                                    time
//	Ticket.Number, Ticket.System, Ticket.Submitter, Ticket.Approver
//	                                              text
//	Details                                       count, then that many texts
//
// A count is an unsigned integer in base 128, the least significant seven bits first, with the high bit set in all
// bytes but the last and no needless last byte of zero (unsigned LEB128). A text is the count of its bytes and then its
// bytes as they are. An int n is the count 2n, or -2n-1 where n is negative. A bool is 0x00 or 0x01. A time is 0x00 for
// none, else 0x01 and, as an int, the microseconds since 1970-01-01T00:00:00Z. Nothing follows the last member.
//
// The form is injective: two events that differ have different bytes, for every member is there, in its place, and tells
// its own length. Events are the same that differ in nothing but what no store keeps: parts of a microsecond, the time
// zone in which an instant is written, and details that are none or empty.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"portcullis/internal/pim"
)

// version is the first byte of the form. Stored: a change of the form takes the next number, and Decode keeps reading
// the old ones.
const version = 0x01

// Canonical returns the bytes of an event.
func Canonical(e pim.Event) []byte {
	w := writer{buf: append(make([]byte, 0, 512), version)}
	visit(&w, &e)
	return w.buf
}

// Leaf returns the hash of a leaf with these bytes: SHA-256 over 0x00 and the bytes (RFC 6962 §2.1).
func Leaf(canonical []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte{0x00})
	h.Write(canonical)
	var leaf [32]byte
	h.Sum(leaf[:0])
	return leaf
}

// members is what walks over an event in the canonical order: once to write it, once to read it.
type members interface {
	text(*string)
	int(*int)
	bool(*bool)
	time(*time.Time)
	texts(*[]string)
}

// visit names every member of an event in the canonical order. It is the only place that knows it.
func visit(m members, e *pim.Event) {
	text(m, &e.ID)
	text(m, &e.Tenant)
	m.time(&e.At)
	number(m, &e.Activity)
	m.bool(&e.Success)
	m.text(&e.Reason)
	visitActor(m, &e.By)
	text(m, &e.Request)
	number(m, &e.Action)
	number(m, &e.Kind)
	visitKey(m, &e.Key)
	text(m, &e.Schedule)
	visitPrincipal(m, &e.Principal)
	m.text(&e.RoleName)
	m.time(&e.Start)
	m.time(&e.End)
	m.text(&e.Ticket.Number)
	m.text(&e.Ticket.System)
	m.text(&e.Ticket.Submitter)
	m.text(&e.Ticket.Approver)
	m.texts(&e.Details)
}

func visitActor(m members, a *pim.Actor) {
	text(m, &a.Principal)
	number(m, &a.Kind)
	m.text(&a.Name)
	m.text(&a.Account)
	m.text(&a.Address)
	m.bool(&a.Clock)
}

func visitKey(m members, k *pim.Key) {
	text(m, &k.Tenant)
	text(m, &k.Provider)
	text(m, &k.Scope)
	text(m, &k.Role)
	text(m, &k.Principal)
}

func visitPrincipal(m members, p *pim.Principal) {
	text(m, &p.ID)
	number(m, &p.Kind)
	m.text(&p.Name)
	m.text(&p.Account)
	m.bool(&p.Enabled)
	text(m, &p.Manager)
	m.text(&p.Person)
	m.bool(&p.RoleAssignable)
}

func text[T ~string](m members, v *T) {
	s := string(*v)
	m.text(&s)
	*v = T(s)
}

func number[T ~int](m members, v *T) {
	n := int(*v)
	m.int(&n)
	*v = T(n)
}

// writer appends members.
type writer struct{ buf []byte }

func (w *writer) text(s *string) {
	w.buf = binary.AppendUvarint(w.buf, uint64(len(*s)))
	w.buf = append(w.buf, *s...)
}

func (w *writer) int(n *int) { w.buf = binary.AppendVarint(w.buf, int64(*n)) }

func (w *writer) bool(b *bool) {
	if *b {
		w.buf = append(w.buf, 1)
	} else {
		w.buf = append(w.buf, 0)
	}
}

func (w *writer) time(t *time.Time) {
	micros := t.UnixMicro()
	if micros == (time.Time{}).UnixMicro() {
		w.buf = append(w.buf, 0)
		return
	}
	w.buf = append(w.buf, 1)
	w.buf = binary.AppendVarint(w.buf, micros)
}

func (w *writer) texts(list *[]string) {
	w.buf = binary.AppendUvarint(w.buf, uint64(len(*list)))
	for i := range *list {
		w.text(&(*list)[i])
	}
}
