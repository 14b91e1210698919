package provision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTablesAreRead(t *testing.T) {
	got, err := ReadCSV(strings.NewReader("\ufefftype,USERNAME,displayName,givenName,familyName,email,title,department,employeeNumber,manager,externalId,active,memberOf\n" +
		"user,ada@x.example,Ada,A,B,ada@mail.example,Boss,Sales,7,,u1,TRUE,Team; all\n" +
		",bo@x.example,,,,,,,,ada@x.example,,false,team\n" +
		"group,,Team,,,,,,,,g1,,All\n" +
		"group,,All,,,,,,,,,,\n"))
	want := File{
		Users: []Resource{
			{"userName": "ada@x.example", "displayName": "Ada", "externalId": "u1", "title": "Boss", "active": true, "name": map[string]any{"givenName": "A", "familyName": "B"},
				"emails":   []any{map[string]any{"value": "ada@mail.example", "type": "work", "primary": true}},
				enterprise: map[string]any{"department": "Sales", "employeeNumber": "7"}},
			{"userName": "bo@x.example", "active": false, enterprise: map[string]any{"manager": map[string]any{"value": "ada@x.example"}}},
		},
		Groups: []Resource{
			{"displayName": "Team", "externalId": "g1", "members": []any{map[string]any{"value": "u1"}, map[string]any{"value": "bo@x.example"}}},
			{"displayName": "All", "members": []any{map[string]any{"value": "u1"}, map[string]any{"value": "g1"}}},
		},
	}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got an error %v and\n%s", err, cmp.Diff(want, got))
	}
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(want); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadJSON(&text); err != nil || !cmp.Equal(got, want) {
		t.Errorf("as JSON: got an error %v and\n%s", err, cmp.Diff(want, got))
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "no line with the names",
		"shoeSize\n":                         `column "shoeSize" is unknown`,
		"userName\n\"a":                      "the table",
		"userName,active\na,perhaps\n":       "line 2 of the table: active",
		"type,userName\nrobot,a\n":           "neither user nor group",
		"userName,memberOf\na,Nobody\n":      `the group "nobody"`,
		"userName\na\nA\n":                   "twice",
		"userName,displayName\n,Somebody\n":  "user 1 has no userName",
		"type,displayName\ngroup,\n":         "group 1 has no displayName",
		"userName,userName,memberOf\na,b,\n": "",
	} {
		_, err := ReadCSV(strings.NewReader(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{"", "[]", `{"people": []}`, `{"users": [{}]}`, `{"users": [{"userName": "a"}, {"userName": "A"}]}`} {
		if _, err := ReadJSON(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func TestSampleIsAnOrganisation(t *testing.T) {
	f := Sample(1000, 50, "x.example")
	if err := f.check(); err != nil || len(f.Users) != 1000 || len(f.Groups) != 50 {
		t.Errorf("got %d users, %d groups and %v", len(f.Users), len(f.Groups), err)
	}
	nested := 0
	for _, g := range f.Groups {
		list, _ := g["members"].([]any)
		for _, m := range list {
			if strings.HasPrefix(reference(m), "g") {
				nested++
			}
		}
	}
	if nested != 49 {
		t.Errorf("got %d groups within others, want 49", nested)
	}
	if !cmp.Equal(f, Sample(1000, 50, "x.example")) {
		t.Error("the same numbers give another file")
	}
}

// server answers bulk requests by a rule, and lists nothing.
type server struct {
	mu     sync.Mutex
	seen   int
	answer func(n int, op map[string]any) map[string]any
	err    error
}

func (s *server) Call(_ context.Context, method, path string, in, out any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path != "/Bulk" {
		return json.Unmarshal([]byte(`{"totalResults": 0, "Resources": []}`), out)
	}
	if s.err != nil {
		return s.err
	}
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	var sent struct{ Operations []map[string]any }
	if err := json.Unmarshal(text, &sent); err != nil {
		return err
	}
	var answers []map[string]any
	for _, op := range sent.Operations {
		s.seen++
		if a := s.answer(s.seen, op); a != nil {
			answers = append(answers, a)
		}
	}
	text, err = json.Marshal(map[string]any{"Operations": answers})
	if err != nil {
		return err
	}
	return json.Unmarshal(text, out)
}

func made(n int, _ map[string]any) map[string]any {
	return map[string]any{"status": "201", "location": fmt.Sprintf("https://x/%d", n)}
}

// TestWhatIsRefusedIsReported: it hinders nothing else, and names what it was.
func TestWhatIsRefusedIsReported(t *testing.T) {
	f := File{
		Users: []Resource{{"userName": "a"}, {"userName": "b", enterprise: map[string]any{"manager": "nobody"}}, {"userName": "c"}},
		Groups: []Resource{{"displayName": "g", "members": []any{map[string]any{"value": "a"}, map[string]any{"value": "b"}, map[string]any{"value": "c"}}},
			{"displayName": "empty"}},
	}
	late := 0 // the first change comes fifth, and is taken at its third time
	s := &server{answer: func(n int, op map[string]any) map[string]any {
		if op["bulkId"] == "user1" {
			return map[string]any{"status": "409", "response": map[string]any{"detail": "taken"}}
		}
		if late++; op["method"] == "PATCH" && late < 7 {
			return map[string]any{"status": "503", "response": map[string]any{"detail": "later"}}
		}
		return made(n, op)
	}}
	var stages []string
	got, err := Loader{Server: s, Progress: func(p Progress) {
		if p.Done == p.Total {
			stages = append(stages, fmt.Sprintf("%s %d", p.Stage, p.Total))
		}
	}}.Load(t.Context(), f)
	want := Report{UsersMade: 2, GroupsMade: 2, Members: 2, Failures: []Failure{
		{"user b", "409 taken"}, {"group g", "the member b is neither in the file nor on the server"},
	}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got an error %v and\n%s", err, cmp.Diff(want, got))
	}
	if want := []string{"users 3", "groups 2", "members 1"}; !cmp.Equal(stages, want) {
		t.Errorf("stages: got %v, want %v", stages, want)
	}
}

func TestLoadingEndsWithTheServer(t *testing.T) {
	f := Sample(2000, 3, "x.example")
	gone := errors.New("gone")
	if _, err := (Loader{Server: &server{err: gone}}).Load(t.Context(), f); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
	if _, err := (Loader{Server: &server{answer: func(int, map[string]any) map[string]any { return nil }}}).Load(t.Context(), f); !errors.Is(err, errAnswer) {
		t.Errorf("got %v, want %v", err, errAnswer)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := (Loader{Server: &server{answer: made}}).Load(ctx, f); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was stopped", err)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	var ops []operation
	for i := range 1000 {
		ops = append(ops, operation{wire: operationWire{Path: strings.Repeat("x", i*10)}})
	}
	batches, err := batchesOf(ops)
	n := 0
	for _, b := range batches {
		size := 0
		for _, op := range b {
			size += len(op.wire.Path)
		}
		if n += len(b); len(b) > batchOps || size > batchBytes {
			t.Errorf("a batch has %d operations of %d bytes", len(b), size)
		}
	}
	if err != nil || n != len(ops) {
		t.Errorf("got %d operations and %v, want %d", n, err, len(ops))
	}
}
