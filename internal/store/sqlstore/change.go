package sqlstore

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

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
	// rows are those under each name.
	rows [fedTables][][]any
	due  time.Time
	told bool
	// tooLarge says that the rows were too many.
	tooLarge bool
}

// The tables of a change, and their names in it.
const (
	fedSchedules = iota
	fedLinks
	fedUnlinks
	fedObjects
	fedBin
	fedDeleted // tenant, id, kind
	fedResources
	fedCleared // tenant, scope
	fedDenials
	fedUndenied // tenant, id
	fedTenants  // tenant
	fedDoors    // tenant and key
	fedTables   // how many there are
)

var fedNames = [fedTables]string{"s", "l", "u", "o", "b", "d", "r", "c", "n", "m", "t", "e"}

const (
	fedDue      = "due"
	fedTold     = "told"
	fedTooLarge = "x"
)

// text is the change as it is kept.
func (f *fedChange) text() string {
	b := append(make([]byte, 0, 1<<10), '{')
	for i, name := range fedNames {
		b = appendRows(b, name, f.rows[i])
	}
	if !f.due.IsZero() {
		b = strconv.AppendInt(appendName(b, fedDue), f.due.UnixMicro(), 10)
	}
	if f.told {
		b = append(appendName(b, fedTold), "true"...)
	}
	if f.tooLarge {
		b = append(appendName(b, fedTooLarge), "true"...)
	}
	return string(append(b, '}'))
}

// feed notes what other nodes have to know of a commit, whose rows are made.
func (p *change) feed(c store.Commit) {
	about := store.ChangeOf(c)
	if about.Nothing() {
		return
	}
	form := fedChange{due: about.Due, told: about.Told}
	for _, same := range [...]struct {
		at   int
		from slot
	}{
		{fedLinks, link}, {fedUnlinks, unlink}, {fedObjects, putObjects}, {fedBin, putBin}, {fedResources, putResources}, {fedDenials, putDenials},
		{fedUndenied, deleteDenials},
	} {
		form.rows[same.at] = p.rows[same.from]
	}
	for _, at := range []slot{putSchedules, nameSchedules} {
		for _, row := range p.rows[at] {
			form.add(fedSchedules, fedSchedule(row)...)
		}
	}
	for _, o := range c.Deleted {
		form.add(fedDeleted, string(o.Tenant), plain(string(o.ID)), int64(o.Kind))
	}
	for _, at := range c.Cleared {
		form.add(fedCleared, string(at.Tenant), plain(string(at.Scope)))
	}
	for _, t := range about.Tenants {
		form.add(fedTenants, string(t))
	}
	for _, k := range about.Doors {
		form.add(fedDoors, append([]any{string(k.Tenant)}, keyValues(k)...)...)
	}
	if form.size() > mostFed {
		form = fedChange{tooLarge: true, due: form.due, told: form.told}
	}
	p.rows[feedChanges] = [][]any{{form.text()}}
}

func (f *fedChange) add(at int, cells ...any) { f.rows[at] = append(f.rows[at], cells) }

func (f *fedChange) size() (n int) {
	for _, rows := range f.rows {
		n += len(rows)
	}
	return n
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

// errTooLarge says that a change was too large to be fed.
var errTooLarge = errors.New("too much was changed at once")

// changesIn reads the row of a group. errTooLarge: what was changed has to be read from the tables.
func changesIn(number int64, d string) (out []store.Change, err error) {
	f := &fedText{text: d}
	err = f.list('[', ']', func() error {
		c, err := f.change(number)
		out = append(out, c)
		return err
	})
	if err == nil && f.next() != 0 {
		err = errFed
	}
	if err != nil {
		return nil, fmt.Errorf("the change %d cannot be read: %w", number, err)
	}
	return out, nil
}

// change reads the change of one commit.
func (f *fedText) change(number int64) (store.Change, error) {
	c := store.Change{Number: number}
	var bin []directory.Object
	err := f.list('{', '}', func() error {
		name, err := f.string()
		if err == nil && !f.has(':') {
			err = errFed
		}
		if err != nil {
			return err
		}
		if name == fedNames[fedBin] {
			return readRows(f, &bin, func(s scan) (directory.Object, error) { return scanBin(s) })
		}
		return f.part(name, &c)
	})
	c.Objects = append(c.Objects, bin...)
	return c, err
}

// part reads what stands under a name. What this program does not know is passed over.
func (f *fedText) part(name string, c *store.Change) error {
	switch name {
	case fedNames[fedSchedules]:
		return readRows(f, &c.Schedules, func(s scan) (pim.Schedule, error) { return scanSchedule(s) })
	case fedNames[fedLinks]:
		return readRows(f, &c.Links, func(s scan) (directory.Link, error) { return scanLink(s) })
	case fedNames[fedUnlinks]:
		return readRows(f, &c.Unlinks, func(s scan) (directory.Link, error) { return scanLink(s) })
	case fedNames[fedObjects]:
		return readRows(f, &c.Objects, func(s scan) (directory.Object, error) { return scanObject(s) })
	case fedNames[fedDeleted]:
		return readRows(f, &c.Deleted, scanGone)
	case fedNames[fedResources]:
		return readRows(f, &c.Resources, func(s scan) (resource.Node, error) { return scanNode(s) })
	case fedNames[fedCleared]:
		return readRows(f, &c.Cleared, scanPlace)
	case fedNames[fedDenials]:
		return readRows(f, &c.Denials, func(s scan) (store.Denial, error) { return scanDenial(s) })
	case fedNames[fedUndenied]:
		return readRows(f, &c.Undenied, scanUndenied)
	case fedNames[fedTenants]:
		return readRows(f, &c.Tenants, scanTenantID)
	case fedNames[fedDoors]:
		return readRows(f, &c.Doors, scanDoor)
	default:
		return f.mark(name, c)
	}
}

// mark reads what is no list of rows.
func (f *fedText) mark(name string, c *store.Change) error {
	switch name {
	case fedDue:
		var due *int64
		err := f.cell(&due)
		c.Due = optionalInstant(due)
		return err
	case fedTold:
		return f.cell(&c.Told)
	case fedTooLarge:
		return errTooLarge
	default:
		return f.skip()
	}
}

func scanUndenied(s scan) (d store.Denial, err error) {
	err = s((*string)(&d.Tenant), &d.ID)
	return d, err
}

func scanTenantID(s scan) (t pim.TenantID, err error) {
	err = s((*string)(&t))
	return t, err
}

func scanDoor(s scan) (pim.Key, error) {
	var k keyCells
	err := s(&k.tenant, &k.provider, &k.scope, &k.role, &k.principal)
	return k.key(), err
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
