package migrate

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"portcullis/internal/api/governance"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// exportColumns are the columns of an export (reference pim-v2 §7), which has no ids: people are known by their mail address, and
// roles by their names.
func exportColumns() []string {
	return []string{"Assignment Level", "User Group Name", "Role Name", "Email", "Assignment Type", "Assignment Start Time (UTC)", "Assignment End Time (UTC)"}
}

// export reads an export. Which resource it is of, the file's name tells.
func (f *fileReading) export(folder fs.FS, name string) error {
	text, err := readFile(folder, name)
	if err != nil {
		return err
	}
	at, err := f.exported(strings.TrimSuffix(path.Base(name), path.Ext(name)))
	if err != nil || !f.wants(at.provider) {
		return err
	}
	rows := csv.NewReader(bytes.NewReader(text))
	head, err := rows.Read()
	if err != nil {
		return fmt.Errorf("it has no line with the names of columns: %w", err)
	}
	column, err := columnsOf(head)
	if err != nil {
		return err
	}
	for {
		line, err := rows.Read()
		if err == io.EOF { //nolint:errorlint // as the package documents it
			return nil
		}
		if err == nil {
			err = f.exportRow(at, column, line)
		}
		if err != nil {
			return err
		}
	}
}

// columnsOf is where each column stands.
func columnsOf(head []string) (map[string]int, error) {
	column := map[string]int{}
	for i, name := range head {
		column[strings.TrimSpace(name)] = i
	}
	for _, name := range exportColumns() {
		if _, ok := column[name]; !ok {
			return nil, fmt.Errorf("it has no column %q", name)
		}
	}
	return column, nil
}

// exported is the resource that a file's name names: by id, or by the display name where one alone has it.
func (f *fileReading) exported(name string) (v2At, error) {
	if p, ok := governance.ParseProvider(name); ok && p == pim.Directory {
		return v2At{provider: p, scope: pim.Everywhere}, nil
	}
	if at, ok := f.at[strings.ToLower(name)]; ok {
		return at, nil
	}
	var found []v2At
	for _, res := range f.resources {
		if at, ok := f.at[strings.ToLower(res.ID)]; ok && strings.EqualFold(res.DisplayName, name) {
			found = append(found, at)
		}
	}
	if len(found) != 1 {
		return v2At{}, errors.New("no resource, or more than one, is called as the file is: save the list of resources beside it, and call the file by the resource's id, or aadRoles")
	}
	return found[0], nil
}

func (f *fileReading) exportRow(at v2At, column map[string]int, line []string) error {
	cell := func(name string) string { return strings.TrimSpace(line[column[name]]) }
	if derived(cell("Assignment Type")) {
		return nil
	}
	kind, ok := governance.ParseState(cell("Assignment Level"))
	if !ok {
		return fmt.Errorf("its level %.100q is not known", cell("Assignment Level"))
	}
	start, err := exportTime(cell("Assignment Start Time (UTC)"))
	if err != nil {
		return err
	}
	end, err := exportTime(cell("Assignment End Time (UTC)"))
	if err != nil {
		return err
	}
	who := f.exportedPrincipal(cell("Email"), cell("User Group Name"))
	role := f.exportedRole(at, cell("Role Name"))
	if who == "" || role == "" {
		return errors.New("a row does not tell who has which role")
	}
	g := Grant{Place: Place{at.provider, at.scope, role}, Principal: who, Kind: kind, Start: start, End: end,
		Outside: kind == pim.Assignment && start.IsZero() && end.IsZero()}
	f.grant(g)
	f.groupPlace(g.Place)
	if kind == pim.Assignment && !end.IsZero() {
		f.note(Changed, "export of "+string(at.scope), "ActivationNotTold", "an export does not tell what was activated: %s counts as assigned until its end", who)
	}
	return nil
}

// exportedPrincipal is who a row is about, under an id of its own: the address, or the name.
func (f *fileReading) exportedPrincipal(mail, name string) string {
	p := Principal{ID: strings.ToLower(mail), Kind: pim.UserPrincipal, Name: name, Account: mail}
	if mail == "" {
		p = Principal{ID: strings.ToLower(name), Kind: pim.GroupPrincipal, Name: name}
	}
	f.principal(p)
	return p.ID
}

// exportedRole is a role by its name: one that the files define, or one to be looked for by its name.
func (f *fileReading) exportedRole(at v2At, name string) pim.RoleID {
	if at.provider == pim.Group {
		return pim.RoleID(strings.ToLower(name))
	}
	for _, d := range at.definitions {
		if strings.EqualFold(d.DisplayName, name) {
			if id, ok := d.role(at.provider); ok {
				f.role(Role{RoleRef: RoleRef{at.provider, id}, Name: d.DisplayName})
				return id
			}
		}
	}
	id := pim.RoleID(strings.ToLower(name))
	if !wire.IsGUID(name) {
		f.role(Role{RoleRef: RoleRef{at.provider, id}, Name: name})
	}
	return id
}

// exportTime reads a time in UTC; nothing, and the words for it, are none.
func exportTime(text string) (time.Time, error) {
	switch strings.ToLower(text) {
	case "", "-", "permanent", "null":
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.9999999", "2006-01-02 15:04:05Z", "2006-01-02 15:04:05", "1/2/2006 3:04:05 PM", "1/2/2006 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			if t.Year() <= 1 {
				return time.Time{}, nil
			}
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.100q is no time that is read", text)
}
