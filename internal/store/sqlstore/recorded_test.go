package sqlstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// What a program once said to PostgreSQL is kept as text, to be said again beside programs that came later. A line that begins with
// "#" is a comment, "=" names a step, and "-" begins what is sent together, in one transaction, whose statements are apart by an
// empty line. Behind the text of a statement are its arguments, ":" with the type and JSON, and the rows that it returned, ">" with
// JSON.

// recordedStep is what was said in one step.
type recordedStep struct {
	name    string
	batches [][]recordedStatement
}

type recordedStatement struct {
	text string
	args []any
	rows []string
}

// readRecorded reads a file of steps.
func readRecorded(t *testing.T, file string) []recordedStep {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var steps []recordedStep
	var s recordedStatement
	statement := func() {
		if s.text == "" {
			return
		}
		step := &steps[len(steps)-1]
		last := len(step.batches) - 1
		step.batches[last] = append(step.batches[last], s)
		s = recordedStatement{}
	}
	for i, line := range strings.Split(string(b), "\n") {
		mark, rest := "", ""
		if line != "" {
			mark, rest = line[:1], strings.TrimSpace(line[1:])
		}
		switch mark {
		case "#":
		case "=":
			statement()
			steps = append(steps, recordedStep{name: rest})
		case "-":
			statement()
			step := &steps[len(steps)-1]
			step.batches = append(step.batches, nil)
		case "":
			statement()
		case ":":
			arg, err := readArgument(rest)
			if err != nil {
				t.Fatalf("%s:%d: %v", file, i+1, err)
			}
			s.args = append(s.args, arg)
		case ">":
			s.rows = append(s.rows, rest)
		default:
			s.text += line + "\n"
		}
	}
	statement()
	return steps
}

// readArgument reads a type and a value.
func readArgument(text string) (any, error) {
	name, value, _ := strings.Cut(text, " ")
	kinds := map[string]any{
		"text": "", "bigint": int64(0), "bigint?": (*int64)(nil), "boolean": false, "bytea": []byte(nil), "integer": 0,
		"text[]": []string(nil), "bigint[]": []int64(nil), "bigint?[]": []*int64(nil), "boolean[]": []bool(nil), "bytea[]": [][]byte(nil),
	}
	kind, known := kinds[name]
	if !known {
		return nil, fmt.Errorf("%q is no type of an argument", name)
	}
	into := reflect.New(reflect.TypeOf(kind))
	if err := json.Unmarshal([]byte(value), into.Interface()); err != nil {
		return nil, err
	}
	return into.Elem().Interface(), nil
}

// say sends a batch and returns the rows of each statement, sorted, for not all say in which order they want them.
func say(ctx context.Context, c *pgx.Conn, batch []recordedStatement) ([][]string, error) {
	b := &pgx.Batch{}
	for _, s := range batch {
		b.Queue(s.text, s.args...)
	}
	results := c.SendBatch(ctx, b)
	all := make([][]string, len(batch))
	var err error
	for i := range batch {
		var rows pgx.Rows
		if rows, err = results.Query(); err == nil {
			all[i], err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
				values, err := row.Values()
				if err != nil {
					return "", err
				}
				var b bytes.Buffer
				encoder := json.NewEncoder(&b)
				encoder.SetEscapeHTML(false)
				err = encoder.Encode(values)
				return strings.TrimSpace(b.String()), err
			})
		}
		if err != nil {
			err = fmt.Errorf("%w in %s", err, batch[i].text)
			break
		}
		slices.Sort(all[i])
	}
	return all, errors.Join(err, results.Close())
}

// replay says all steps again and compares the answers.
func replay(t *testing.T, c *pgx.Conn, steps []recordedStep) {
	t.Helper()
	for _, step := range steps {
		for i, batch := range step.batches {
			got, err := say(t.Context(), c, batch)
			if err != nil {
				t.Fatalf("%s, %d: %v", step.name, i, err)
			}
			for j, s := range batch {
				if !sameRows(got[j], s.rows) {
					t.Errorf("%s: %s\n got %s\nwant %s", step.name, s.text, strings.Join(got[j], "\n     "), strings.Join(s.rows, "\n     "))
				}
			}
		}
	}
}

// sameRows says whether rows are those that are wanted. In what is kept as JSON there may be more fields than were known once.
func sameRows(got, want []string) bool {
	return slices.EqualFunc(got, want, func(got, want string) bool { return got == want || covers(fromJSON(got), fromJSON(want)) })
}

// fromJSON reads a value, with numbers as they are written; nil: it is none.
func fromJSON(text string) (v any) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil
	}
	return v
}

// covers says whether a value has all that another has.
func covers(got, want any) bool {
	switch w := want.(type) {
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(g, w, covers)
	case map[string]any:
		g, ok := got.(map[string]any)
		for k, v := range w {
			ok = ok && covers(g[k], v)
		}
		return ok
	case string:
		g, ok := got.(string)
		if inner, is := fromJSON(w).(map[string]any); ok && is {
			return covers(fromJSON(g), inner)
		}
		return ok && g == w
	}
	return got == want
}
