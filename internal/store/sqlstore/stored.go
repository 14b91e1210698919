package sqlstore

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"portcullis/internal/pim"
)

// The stored numbers of instants that are none: before all others, or, for ends, after them.
const (
	noTime int64 = math.MinInt64
	noEnd  int64 = math.MaxInt64
)

func stamp(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.UnixMicro()
}

func endStamp(t time.Time) int64 {
	if t.IsZero() {
		return noEnd
	}
	return t.UnixMicro()
}

func optionalStamp(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.UnixMicro()
	return &n
}

// instant reads what stamp and endStamp wrote.
func instant(n int64) time.Time {
	if n == noTime || n == noEnd {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func optionalInstant(n *int64) time.Time {
	if n == nil {
		return time.Time{}
	}
	return time.UnixMicro(*n).UTC()
}

// doc writes a stored form. A form with nothing in it is the empty text.
func doc(form any) (string, error) {
	b, err := json.Marshal(form)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", form, err)
	}
	if string(b) == "{}" {
		return "", nil
	}
	return string(b), nil
}

// undoc reads what doc wrote.
func undoc(text string, form any) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), form); err != nil {
		return fmt.Errorf("a stored row cannot be read: %T: %w", form, err)
	}
	return nil
}

// plain makes a text one that both engines take in a column: PostgreSQL knows neither NUL nor broken UTF-8.
func plain(s string) string {
	for i := range len(s) {
		if s[i] == 0 || s[i] >= 0x80 {
			return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
		}
	}
	return s
}

// fold is the form in which texts are kept that are compared without letter case.
func fold(s string) string { return plain(strings.ToLower(s)) }

// keyColumns are the columns of a case's key beside the tenant, in the order of keyValues.
func keyValues(k pim.Key) []any {
	return []any{string(k.Provider), plain(string(k.Scope)), plain(string(k.Role)), plain(string(k.Principal))}
}

// keyCells reads the columns of a key.
type keyCells struct{ tenant, provider, scope, role, principal string }

func (k *keyCells) key() pim.Key {
	return pim.Key{
		Tenant: pim.TenantID(k.tenant), Provider: pim.Provider(k.provider), Scope: pim.Scope(k.scope),
		Role: pim.RoleID(k.role), Principal: pim.PrincipalID(k.principal),
	}
}

// storedActor is an actor as requests and events keep it.
type storedActor struct {
	Principal string `json:"p,omitempty"`
	Kind      int    `json:"k,omitempty"`
	Name      string `json:"n,omitempty"`
	Account   string `json:"a,omitempty"`
	Address   string `json:"d,omitempty"`
	Clock     bool   `json:"c,omitempty"`
}

func fromActor(a pim.Actor) storedActor {
	return storedActor{string(a.Principal), int(a.Kind), a.Name, a.Account, a.Address, a.Clock}
}

func (s storedActor) actor() pim.Actor {
	return pim.Actor{
		Principal: pim.PrincipalID(s.Principal), Kind: pim.PrincipalKind(s.Kind), Name: s.Name, Account: s.Account,
		Address: s.Address, Clock: s.Clock,
	}
}

// storedTicket is a ticket as requests and events keep it.
type storedTicket struct {
	Number    string `json:"n,omitempty"`
	System    string `json:"s,omitempty"`
	Submitter string `json:"b,omitempty"`
	Approver  string `json:"a,omitempty"`
}

func fromTicket(t pim.Ticket) *storedTicket {
	if t == (pim.Ticket{}) {
		return nil
	}
	return &storedTicket{t.Number, t.System, t.Submitter, t.Approver}
}

func (s *storedTicket) ticket() pim.Ticket {
	if s == nil {
		return pim.Ticket{}
	}
	return pim.Ticket{Number: s.Number, System: s.System, Submitter: s.Submitter, Approver: s.Approver}
}
