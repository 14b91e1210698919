package sqlstore

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// TestFedJSON: what is put together by hand is what package json makes of it, and is read back.
func TestFedJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seven := int64(7)
		cell := rapid.OneOf(
			rapid.Map(rapid.String(), func(s string) any { return plain(s) }), rapid.Map(rapid.Int64(), func(n int64) any { return n }),
			rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.SampledFrom([]any{&seven, (*int64)(nil)}))
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, 1, 5), 1, 4).Draw(t, "rows")
		text := string(append(appendRows([]byte{'{'}, "rows", rows), '}'))
		var got, want any
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		b, err := json.Marshal(map[string]any{"rows": rows})
		if err == nil {
			err = json.Unmarshal(b, &want)
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %s, want %s (%v)", text, b, err)
		}
		for _, row := range rows {
			f := &fedText{text: string(appendRows([]byte{'{'}, "x", [][]any{row})[len(`{"x":[`):])}
			into := make([]any, len(row))
			for i, c := range row {
				into[i] = reflect.New(reflect.TypeOf(c)).Interface()
			}
			if err := f.scan(into...); err != nil {
				t.Fatalf("%s: %v", f.text, err)
			}
			for i, c := range row {
				if got := reflect.ValueOf(into[i]).Elem().Interface(); !reflect.DeepEqual(got, c) {
					t.Fatalf("%s: cell %d: got %v, want %v", f.text, i, got, c)
				}
			}
		}
	})
}

// TestChangesOfOtherVersions: names and cells that nobody knows are passed over, cells that are missing are none.
func TestChangesOfOtherVersions(t *testing.T) {
	const text = ` [ {"l":[["t",1,"g","p","by",5,6,"",{"a":["]\"",null]},7]], "new":{"x":[1,"}"]}, "t":[["T\u00e4"]], "e":[["t","directory"]], "due":9,"told":true,"other":-1.5e3} , {} ]`
	got, err := changesIn(3, text)
	want := []store.Change{{
		Number: 3, Due: time.UnixMicro(9).UTC(), Told: true, Tenants: []pim.TenantID{"Tä"}, Doors: []pim.Key{{Tenant: "t", Provider: pim.Directory}},
		Links: []directory.Link{{Tenant: "t", Relation: 1, From: "g", To: "p", Schedule: "by"}},
	}, {Number: 3}}
	want[0].Links[0].Window.Start, want[0].Links[0].Window.End = instant(5), instant(6)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	for _, bad := range []string{"", "[", "{}", `[{"t":[["x"]]}`, `[{"t":[["x"]]}]x`, `[{"t":[[1]]}]`, `[{"t" [["x"]]}]`, `[{"t":[["x\`, `[{"l":[["t","x"]]}]`, `[{"q":]}]`, `[{"q":,}]`} {
		if got, err := changesIn(1, bad); err == nil {
			t.Errorf("%s: got %+v, want an error", bad, got)
		}
	}
}

// FuzzChange: whatever stands there, nothing breaks, and nothing comes of nothing.
func FuzzChange(f *testing.F) {
	for _, text := range []string{`[{"s":[["t","i","directory","/","r","p",1,1,0,true,1,2,3,4,"","",5,6,true,null,""]]}]`, `[{"e":[["t","a","b","c","d"]],"x":true}]`, `[{"q":{"a":[1,2,{"b":"\\\""}]}}]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		changes, err := changesIn(1, text)
		if err == nil && len(changes) > strings.Count(text, "{") {
			t.Errorf("%q gives %d changes", text, len(changes))
		}
	})
}
