package storetest

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis/internal/store"
)

// What store.Match says of a row in memory is what every list says of it in a store.
func TestMatchSaysWhatListsSay(t *testing.T) {
	m := &machine{world: newWorld("t"), model: &Model{}}
	rapid.Check(t, func(rt *rapid.T) {
		for _, row := range []fields{scheduleFields(m.schedule(rt, m.key(rt, "t-a"))), objectFields(m.object(rt, "t-a")), nodeFields(m.node(rt, "t-a"))} {
			f := plainValues(m.filter(rt, row, 2))
			want, err := row.holds(f)
			if err != nil {
				rt.Fatal(err)
			}
			if got := store.Match(f, row.column); got != want {
				rt.Fatalf("%#v of %v: got %v, want %v", f, row, got, want)
			}
		}
	})
}

// column gives a field's value as store.Match takes it.
func (f fields) column(name store.Field) any {
	v := f[name]
	switch {
	case v.none() || v.kind == endValue && v.number == math.MaxInt64:
		return nil
	case v.kind == textValue || v.kind == foldedValue:
		return v.text
	case v.kind == intValue:
		return int(v.number)
	case v.kind == boolValue:
		return v.number == 1
	}
	return time.UnixMicro(v.number).UTC()
}

// plainValues replaces what a list takes and Match does not: an empty text and a zero time for none, and instants finer
// than a store keeps.
func plainValues(f store.Filter) store.Filter {
	switch f := f.(type) {
	case store.And:
		for i := range f {
			f[i] = plainValues(f[i])
		}
	case store.Or:
		for i := range f {
			f[i] = plainValues(f[i])
		}
	case store.Not:
		return store.Not{Filter: plainValues(f.Filter)}
	case store.Compare:
		if t, ok := f.Value.(time.Time); f.Value == nil || f.Value == "" || ok && t.IsZero() {
			f.Value = nil
			if f.Op > store.Ge {
				f.Op = store.Eq
			}
		} else if ok {
			f.Value = t.Truncate(time.Microsecond)
		}
		return f
	}
	return f
}
