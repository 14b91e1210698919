package sqlstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/store"
)

func changesTable() table {
	return table{name: "changes", columns: []column{{"doc", text}}}
}

// changeInsert writes the row of a group of commits, by the clock of the store.
func changeInsert() statement {
	return statement{columns: changesTable().columns, joined: true, text: `
		INSERT INTO changes (made, doc) SELECT ` + nowWord + `, v.doc FROM {{rows}}`}
}

// mostFed bounds the rows that a change carries: of a larger one nodes are told that they have to read everything anew.
const mostFed = 20_000

// fedChange is a change as it is kept: rows of the tables, each a list of cells in the order of the table's columns. Programs of
// other versions read it, too: columns are added at the end of a table, cells that are not there are none, and those that nobody
// knows are passed over.
type fedChange struct {
	Schedules [][]any `json:"s,omitempty"`
	Links     [][]any `json:"l,omitempty"`
	Unlinks   [][]any `json:"u,omitempty"`
	Objects   [][]any `json:"o,omitempty"`
	Bin       [][]any `json:"b,omitempty"`
	Deleted   [][]any `json:"d,omitempty"` // tenant, id, kind
	Resources [][]any `json:"r,omitempty"`
	Cleared   [][]any `json:"c,omitempty"` // tenant, scope
	Denials   [][]any `json:"n,omitempty"`
	Undenied  [][]any `json:"m,omitempty"` // tenant, id
	Tenants   [][]any `json:"t,omitempty"` // tenant
	Due       *int64  `json:"due,omitempty"`
	Told      bool    `json:"told,omitempty"`
	// TooLarge says that the rows were too many.
	TooLarge bool `json:"x,omitempty"`
}

// feed notes what other nodes have to know of a commit, whose rows are made.
func (p *change) feed(c store.Commit) error {
	about := store.ChangeOf(c)
	if about.Nothing() {
		return nil
	}
	form := fedChange{
		Links: p.rows[link], Unlinks: p.rows[unlink], Objects: p.rows[putObjects], Bin: p.rows[putBin],
		Resources: p.rows[putResources], Denials: p.rows[putDenials], Undenied: p.rows[deleteDenials],
		Due: optionalStamp(about.Due), Told: about.Told,
	}
	for _, at := range []slot{putSchedules, nameSchedules} {
		form.Schedules = append(form.Schedules, p.rows[at]...)
	}
	for i, row := range form.Schedules {
		form.Schedules[i] = fedSchedule(row)
	}
	for _, o := range c.Deleted {
		form.Deleted = append(form.Deleted, []any{string(o.Tenant), plain(string(o.ID)), int64(o.Kind)})
	}
	for _, at := range c.Cleared {
		form.Cleared = append(form.Cleared, []any{string(at.Tenant), plain(string(at.Scope))})
	}
	for _, t := range about.Tenants {
		form.Tenants = append(form.Tenants, []any{string(t)})
	}
	if form.rows() > mostFed {
		form = fedChange{TooLarge: true, Due: form.Due, Told: form.Told}
	}
	d, err := doc(form)
	p.rows[feedChanges] = [][]any{{d}}
	return err
}

func (f *fedChange) rows() int {
	return len(f.Schedules) + len(f.Links) + len(f.Unlinks) + len(f.Objects) + len(f.Bin) + len(f.Deleted) + len(f.Resources) +
		len(f.Cleared) + len(f.Denials) + len(f.Undenied)
}

// fedSchedule leaves out of an ended schedule what nobody asks for any more, for of these there may be very many at once.
func fedSchedule(row []any) []any {
	if ending, ok := row[8].(int64); !ok || ending == int64(pim.NotEnded) {
		return row
	}
	return row[:9:9]
}

// join makes one row of those of a group.
func join(rows [][]any) [][]any {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, r := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		d, _ := r[0].(string) // by changesTable
		b.WriteString(d)
	}
	b.WriteByte(']')
	return [][]any{{b.String()}}
}

// fedRow is a row as it was fed.
type fedRow []json.RawMessage

// scan reads the cells that are there; others stay as they are.
func (c fedRow) scan(into ...any) error {
	for i := range min(len(c), len(into)) {
		if err := json.Unmarshal(c[i], into[i]); err != nil {
			return err
		}
	}
	return nil
}

// readChange is a fedChange that is being read.
type readChange struct {
	Schedules []fedRow `json:"s"`
	Links     []fedRow `json:"l"`
	Unlinks   []fedRow `json:"u"`
	Objects   []fedRow `json:"o"`
	Bin       []fedRow `json:"b"`
	Deleted   []fedRow `json:"d"`
	Resources []fedRow `json:"r"`
	Cleared   []fedRow `json:"c"`
	Denials   []fedRow `json:"n"`
	Undenied  []fedRow `json:"m"`
	Tenants   []fedRow `json:"t"`
	Due       *int64   `json:"due"`
	Told      bool     `json:"told"`
	TooLarge  bool     `json:"x"`
}

// errTooLarge says that a change was too large to be fed.
var errTooLarge = errors.New("too much was changed at once")

// changesIn reads the row of a group. errTooLarge: what was changed has to be read from the tables.
func changesIn(number int64, d string) ([]store.Change, error) {
	var group []readChange
	if err := undoc(d, &group); err != nil {
		return nil, err
	}
	out := make([]store.Change, 0, len(group))
	for _, r := range group {
		if r.TooLarge {
			return nil, errTooLarge
		}
		c, err := r.change(number)
		if err != nil {
			return nil, fmt.Errorf("the change %d cannot be read: %w", number, err)
		}
		out = append(out, c)
	}
	return out, nil
}

func (r readChange) change(number int64) (store.Change, error) {
	c := store.Change{Number: number, Told: r.Told, Due: optionalInstant(r.Due)}
	var bin, gone []directory.Object
	err := errors.Join(
		readAll(r.Schedules, &c.Schedules, func(s scan) (pim.Schedule, error) { return scanSchedule(s) }),
		readAll(r.Links, &c.Links, func(s scan) (directory.Link, error) { return scanLink(s) }),
		readAll(r.Unlinks, &c.Unlinks, func(s scan) (directory.Link, error) { return scanLink(s) }),
		readAll(r.Objects, &c.Objects, func(s scan) (directory.Object, error) { return scanObject(s) }),
		readAll(r.Bin, &bin, func(s scan) (directory.Object, error) { return scanBin(s) }),
		readAll(r.Deleted, &gone, scanGone),
		readAll(r.Resources, &c.Resources, func(s scan) (resource.Node, error) { return scanNode(s) }),
		readAll(r.Cleared, &c.Cleared, scanPlace),
		readAll(r.Denials, &c.Denials, func(s scan) (store.Denial, error) { return scanDenial(s) }),
		readAll(r.Undenied, &c.Undenied, func(s scan) (d store.Denial, err error) {
			err = s((*string)(&d.Tenant), &d.ID)
			return d, err
		}),
		readAll(r.Tenants, &c.Tenants, func(s scan) (t pim.TenantID, err error) {
			err = s((*string)(&t))
			return t, err
		}),
	)
	c.Objects, c.Deleted = append(c.Objects, bin...), gone
	return c, err
}

func readAll[T any](rows []fedRow, into *[]T, read func(scan) (T, error)) error {
	for _, row := range rows {
		v, err := read(row.scan)
		if err != nil {
			return err
		}
		*into = append(*into, v)
	}
	return nil
}

func scanGone(s scan) (o directory.Object, err error) {
	var kind int64
	err = s((*string)(&o.Tenant), (*string)(&o.ID), &kind)
	o.Kind = directory.Kind(kind)
	return o, err
}

func scanPlace(s scan) (p store.Place, err error) {
	err = s((*string)(&p.Tenant), (*string)(&p.Scope))
	return p, err
}
