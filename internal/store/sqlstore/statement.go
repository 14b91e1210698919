package sqlstore

import (
	"fmt"
	"strconv"
	"strings"
)

// kind is the type of a column as arguments are bound.
type kind int

const (
	text     kind = iota // string
	number               // int64
	optional             // *int64, nil for NULL
	truth                // bool
	binary               // []byte
)

// postgres is the name of the kind's array type.
func (k kind) postgres() string {
	return [...]string{"text[]", "bigint[]", "bigint[]", "boolean[]", "bytea[]"}[k]
}

// column is a column of a table, or of a table of arguments.
type column struct {
	name string
	kind kind
}

func texts(names ...string) []column {
	cs := make([]column, len(names))
	for i, n := range names {
		cs[i] = column{n, text}
	}
	return cs
}

// table names the columns of a table in the order in which rows are written and read. The first ones are its key.
type table struct {
	name    string
	columns []column
	key     int
}

// list returns the names of the columns, each after the prefix.
func (t table) list(prefix string) string { return names(t.columns, prefix) }

func names(columns []column, prefix string) string {
	ns := make([]string, len(columns))
	for i, c := range columns {
		ns[i] = prefix + c.name
	}
	return strings.Join(ns, ", ")
}

// The words in which the engines differ. Everything else in a text is the same for both.
const (
	// rowsWord is a table v of arguments. When writing, PostgreSQL gets all rows of a group at once (unnest), SQLite
	// one row for each run of the prepared statement; when reading, SQLite gets them as JSON.
	rowsWord = "{{rows}}"
	// shareWord keeps others from raising the version of case c until the end of the transaction; SQLite has one writer
	// anyway.
	shareWord = "{{share c}}"
	// skipWord passes over rows that another transaction is claiming; SQLite has one writer anyway.
	skipWord = "{{skip locked}}"
	// positionWord is the function that finds a text in another: strpos and instr take the same arguments.
	positionWord = "{{position}}"
	// nowWord is the time by the store's clock, in microseconds, as it goes on within a transaction.
	nowWord = "{{now}}"
	// snapshotWord is a table s of one row: xmin of the present snapshot, the time, and which run of the server it is; zero
	// and empty where there is one writer, which is this process.
	snapshotWord = "{{snapshot}}"
)

// statement writes rows. Its text has rowsWord.
type statement struct {
	columns []column
	text    string
	// exact says that every row must have its effect; where one has not, the plan fails with store.ErrStale. The text
	// is then a statement that can return something: it ends where RETURNING stands, or is a SELECT.
	exact bool
	// select says that the text is a SELECT.
	selects bool
	// joined says that the rows of a group become one.
	joined bool
	// key is the number of leading columns of which there may be one row only: of several the last is written. Zero:
	// all rows are written.
	key int
}

// insert writes new rows; one that is there already is a conflict.
func (t table) insert() statement {
	return statement{columns: t.columns, text: fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s",
		t.name, t.list(""), t.list("v."), rowsWord)}
}

// upsert writes rows, new or not.
func (t table) upsert() statement {
	s := t.insert()
	s.key = t.key
	set := make([]string, 0, len(t.columns))
	for _, c := range t.columns[t.key:] {
		set = append(set, c.name+" = excluded."+c.name)
	}
	// SQLite needs a WHERE between a SELECT and ON CONFLICT to tell it from a join's ON.
	s.text += fmt.Sprintf(" WHERE true ON CONFLICT (%s) DO UPDATE SET %s", names(t.columns[:t.key], ""), strings.Join(set, ", "))
	return s
}

// remove deletes rows by their key.
func (t table) remove() statement {
	key := t.columns[:t.key]
	return statement{columns: key, key: t.key, text: fmt.Sprintf("DELETE FROM %s WHERE (%s) IN (SELECT %s FROM %s)",
		t.name, names(key, ""), names(key, "v."), rowsWord)}
}

// step is a statement with its rows.
type step struct {
	*statement
	rows [][]any
}

// plan is what to write, in order.
type plan []step

// last drops all but the last row of each key.
func (s step) last() [][]any {
	if s.key == 0 || len(s.rows) < 2 {
		return s.rows
	}
	at := make(map[string]int, len(s.rows))
	kept := make([][]any, 0, len(s.rows))
	for _, r := range s.rows {
		k := keyText(r[:s.key])
		if i, ok := at[k]; ok {
			kept[i] = r
			continue
		}
		at[k] = len(kept)
		kept = append(kept, r)
	}
	return kept
}

// keyText joins a key of texts and numbers so that different keys give different texts.
func keyText(key []any) string {
	var b strings.Builder
	for _, v := range key {
		t, ok := v.(string)
		if !ok {
			t = fmt.Sprint(v)
		}
		b.WriteString(strconv.Itoa(len(t)))
		b.WriteByte(':')
		b.WriteString(t)
	}
	return b.String()
}

// replaceRows puts the table of arguments into a text.
func replaceRows(text, rows string) string { return strings.Replace(text, rowsWord, rows, 1) }
