package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portcullis/internal/audit"
	"portcullis/internal/pim"
)

// eachMember calls f for every member of a struct, those of structs within it included, by its full name.
func eachMember(v reflect.Value, name string, f func(name string, v reflect.Value)) {
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[time.Time]() {
		f(name, v)
		return
	}
	for i := range v.NumField() {
		eachMember(v.Field(i), name+"."+v.Type().Field(i).Name, f)
	}
}

// events draws events with members that are often equal, empty or made to be mistaken for one another.
func events() *rapid.Generator[pim.Event] {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "aa", "\x00", "\x01", "\x01a", "\xff", "é"}), rapid.String())
	micros := rapid.OneOf(rapid.SampledFrom([]int64{0, 1, -1}), rapid.Int64Range(-1<<54, 1<<54))
	return rapid.Custom(func(t *rapid.T) pim.Event {
		var e pim.Event
		eachMember(reflect.ValueOf(&e).Elem(), "Event", func(name string, v reflect.Value) {
			switch v.Kind() { //nolint:exhaustive // the default case fails for all others
			case reflect.String:
				v.SetString(text.Draw(t, name))
			case reflect.Int:
				v.SetInt(rapid.Int64Range(-1, 2).Draw(t, name))
			case reflect.Bool:
				v.SetBool(rapid.Bool().Draw(t, name))
			case reflect.Struct:
				if rapid.Bool().Draw(t, name+" set") {
					v.Set(reflect.ValueOf(time.UnixMicro(micros.Draw(t, name)).UTC()))
				}
			case reflect.Slice:
				list := rapid.SliceOfN(text, 0, 4).Draw(t, name)
				if len(list) > 0 {
					v.Set(reflect.ValueOf(list))
				}
			default:
				t.Fatalf("%s: the test knows no values of kind %v", name, v.Kind())
			}
		})
		return e
	})
}

func TestDecodeReadsWhatCanonicalWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := events().Draw(t, "event")
		got, err := audit.Decode(audit.Canonical(want))
		if err != nil {
			t.Fatalf("Decode: %v", err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("event came back changed (-want +got):\n%s", d)
		}
	})
}

func TestEqualBytesMeanEqualEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := events().Draw(t, "a"), events().Draw(t, "b")
		if same := cmp.Equal(a, b); same != bytes.Equal(audit.Canonical(a), audit.Canonical(b)) {
			t.Fatalf("events are equal: %v, their bytes are not alike", same)
		}
	})
}

// An event that gains a member must gain a new version of the form: this test fails until it is written, too.
func TestEveryMemberIsWritten(t *testing.T) {
	empty := audit.Canonical(pim.Event{})
	var e pim.Event
	eachMember(reflect.ValueOf(&e).Elem(), "Event", func(name string, v reflect.Value) {
		switch v.Kind() { //nolint:exhaustive // the default case fails for all others
		case reflect.String:
			v.SetString("x")
		case reflect.Int:
			v.SetInt(1)
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Struct:
			v.Set(reflect.ValueOf(time.UnixMicro(1)))
		case reflect.Slice:
			v.Set(reflect.ValueOf([]string{"x"}))
		default:
			t.Fatalf("%s: the test knows no values of kind %v", name, v.Kind())
		}
		if bytes.Equal(audit.Canonical(e), empty) {
			t.Errorf("%s: got the same bytes with and without it", name)
		}
		v.SetZero()
	})
}

// Neighbouring texts must not flow into one another.
func TestMembersKeepApart(t *testing.T) {
	for _, pair := range [][2]pim.Event{
		{{ID: "ab"}, {ID: "a", Tenant: "b"}},
		{{Details: []string{"a", "b"}}, {Details: []string{"ab"}}},
		{{Details: []string{"a", ""}}, {Details: []string{"a"}}},
		{{Start: time.UnixMicro(5)}, {End: time.UnixMicro(5)}},
		{{Start: time.UnixMicro(0)}, {}},
	} {
		if bytes.Equal(audit.Canonical(pair[0]), audit.Canonical(pair[1])) {
			t.Errorf("%+v and %+v have the same bytes", pair[0], pair[1])
		}
	}
}

func TestWhatNoStoreKeepsIsNotWritten(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 1000, time.UTC)
	want := audit.Canonical(pim.Event{At: at})
	for name, e := range map[string]pim.Event{
		"less than a microsecond": {At: at.Add(999)},
		"another time zone":       {At: at.In(time.FixedZone("", 3600))},
		"details empty, not none": {At: at, Details: []string{}},
	} {
		if got := audit.Canonical(e); !bytes.Equal(got, want) {
			t.Errorf("%s: got other bytes", name)
		}
	}
}

// The bytes are kept for ever: they may not change while the version stays.
func TestVersionOne(t *testing.T) {
	e := pim.Event{
		ID: "e", Tenant: "t", At: time.UnixMicro(1), Activity: pim.Refused, Success: true, Reason: "r",
		By:      pim.Actor{Principal: "p", Kind: pim.UserPrincipal, Name: "n", Account: "a", Address: "i", Clock: true},
		Request: "q", Action: pim.SelfActivate, Kind: pim.Assignment,
		Key:      pim.Key{Tenant: "t", Provider: "d", Scope: "/", Role: "o", Principal: "p"},
		Schedule: "s", RoleName: "R",
		Principal: pim.Principal{ID: "p", Kind: pim.GroupPrincipal, Name: "n", Account: "a", Enabled: true, Manager: "m", Person: "h", RoleAssignable: true},
		Start:     time.UnixMicro(-1), End: time.UnixMicro(64),
		Ticket:  pim.Ticket{Number: "1", System: "2", Submitter: "3", Approver: "4"},
		Details: []string{"k", "v"},
	}
	want := "01" + "0165" + "0174" + "0102" + "12" + "01" + "0172" + // ID to Reason
		"0170" + "02" + "016e" + "0161" + "0169" + "01" + // By
		"0171" + "0c" + "04" + // Request, Action, Kind
		"0174" + "0164" + "012f" + "016f" + "0170" + // Key
		"0173" + "0170" + "04" + "016e" + "0161" + "01" + "016d" + "0168" + "01" + // Schedule, Principal
		"0152" + "0101" + "018001" + // RoleName, Start, End
		"0131" + "0132" + "0133" + "0134" + "02016b0176" // Ticket, Details
	if got := hex.EncodeToString(audit.Canonical(e)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDecodeTakesOneFormOnly(t *testing.T) {
	good := audit.Canonical(pim.Event{ID: "e", At: time.UnixMicro(1), Details: []string{"k"}})
	replace := func(at int, with ...byte) []byte {
		return append(append(bytes.Clone(good[:at]), with...), good[at+1:]...)
	}
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"another version":   replace(0, 2),
		"cut short":         good[:len(good)-1],
		"something follows": append(bytes.Clone(good), 0),
		"a needless zero":   replace(1, 0x81, 0x00),
		"a long claim":      replace(1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		"a bool of two":     replace(4, 2),
	} {
		if _, err := audit.Decode(b); err != audit.ErrMalformed { //nolint:errorlint // the sentinel itself is promised
			t.Errorf("%s: got error %v, want %v", name, err, audit.ErrMalformed)
		}
	}
}

func TestLeaf(t *testing.T) {
	// The hash of an empty leaf is well known: SHA-256 of one zero byte.
	got := audit.Leaf(nil)
	if want := "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"; hex.EncodeToString(got[:]) != want {
		t.Errorf("empty leaf: got %x, want %s", got, want)
	}
	if got, want := audit.Leaf([]byte("x")), sha256.Sum256([]byte("\x00x")); got != want {
		t.Errorf("leaf of x: got %x, want %x", got, want)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(audit.Canonical(pim.Event{}))
	f.Add(audit.Canonical(pim.Event{ID: "e", At: time.UnixMicro(1), Action: pim.Deny, Details: []string{"a", "b"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := audit.Decode(b)
		if err != nil {
			return
		}
		if got := audit.Canonical(e); !bytes.Equal(got, b) {
			t.Errorf("got %x back, want %x", got, b)
		}
	})
}
