// Package provision brings people and groups from a file into a server, as a directory source does: by SCIM's bulk
// requests, several at once.
//
// It makes what is not there, by user name and by the external id or name of a group, and puts members into groups. It
// changes no user and takes nobody out: loading the same file again makes nothing twice.
package provision

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// File is what is to be loaded. Users and groups are SCIM resources (RFC 7643 §4); managers and members are named by the
// external id or the name of a user or group of the file.
type File struct {
	Users  []Resource `json:"users"`
	Groups []Resource `json:"groups"`
}

// Resource is a SCIM resource.
type Resource map[string]any

func (r Resource) text(name string) string {
	text, _ := r[name].(string)
	return text
}

const (
	userSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterprise  = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// ReadJSON reads a file of the form {"users": […], "groups": […]}.
func ReadJSON(r io.Reader) (File, error) {
	var f File
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("the file is not of the form {\"users\": […], \"groups\": […]}: %w", err)
	}
	return f, f.check()
}

// check refuses resources without a name, and names that are there twice.
func (f File) check() error {
	seen := map[string]bool{}
	for _, list := range []struct {
		what, name string
		of         []Resource
	}{{"user", "userName", f.Users}, {"group", "displayName", f.Groups}} {
		for i, r := range list.of {
			name := r.text(list.name)
			if name == "" {
				return fmt.Errorf("%s %d has no %s", list.what, i+1, list.name)
			}
			key := list.what + " " + strings.ToLower(name)
			if seen[key] {
				return fmt.Errorf("%s %q is there twice", list.what, name)
			}
			seen[key] = true
		}
	}
	return nil
}

// Columns are those that a table may have, in any order. type is user or group, and memberOf lists groups, by name or
// external id, with semicolons between.
func Columns() []string {
	return []string{"type", "userName", "displayName", "givenName", "familyName", "email", "title", "department", "employeeNumber", "manager",
		"externalId", "active", "memberOf"}
}

// ReadCSV reads a table whose first line names its columns.
func ReadCSV(r io.Reader) (File, error) {
	in := csv.NewReader(r)
	head, err := in.Read()
	if err != nil {
		return File{}, fmt.Errorf("the table has no line with the names of its columns: %w", err)
	}
	known := map[string]string{}
	for _, c := range Columns() {
		known[strings.ToLower(c)] = c
	}
	for i, name := range head {
		c, ok := known[strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))]
		if !ok {
			return File{}, fmt.Errorf("column %q is unknown; there are %s", name, strings.Join(Columns(), ", "))
		}
		head[i] = c
	}
	var f File
	members := map[string][]any{}
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return File{}, fmt.Errorf("the table: %w", err)
		}
		row := map[string]string{}
		for i, c := range cells {
			row[head[i]] = strings.TrimSpace(c)
		}
		if err := f.add(row, members); err != nil {
			line, _ := in.FieldPos(0)
			return File{}, fmt.Errorf("line %d of the table: %w", line, err)
		}
	}
	return f, f.join(members)
}

// put sets a member of an object unless the text is empty.
func put(to map[string]any, name, text string) {
	if text != "" {
		to[name] = text
	}
}

// add takes one row of a table.
func (f *File) add(row map[string]string, members map[string][]any) error {
	self := first(row["externalId"], row["userName"], row["displayName"])
	for group := range strings.SplitSeq(row["memberOf"], ";") {
		if group = strings.ToLower(strings.TrimSpace(group)); group != "" {
			members[group] = append(members[group], map[string]any{"value": self})
		}
	}
	r := Resource{}
	for _, name := range []string{"displayName", "externalId"} {
		put(r, name, row[name])
	}
	switch strings.ToLower(row["type"]) {
	case "group":
		f.Groups = append(f.Groups, r)
		return nil
	case "user", "":
		f.Users = append(f.Users, r)
		return r.user(row)
	}
	return fmt.Errorf("type %q is neither user nor group", row["type"])
}

// user takes what a row says of a user.
func (r Resource) user(row map[string]string) error {
	name, more := map[string]any{}, map[string]any{}
	put(r, "userName", row["userName"])
	put(r, "title", row["title"])
	put(name, "givenName", row["givenName"])
	put(name, "familyName", row["familyName"])
	put(more, "department", row["department"])
	put(more, "employeeNumber", row["employeeNumber"])
	if boss := row["manager"]; boss != "" {
		more["manager"] = map[string]any{"value": boss}
	}
	if len(name) > 0 {
		r["name"] = name
	}
	if len(more) > 0 {
		r[enterprise] = more
	}
	if mail := row["email"]; mail != "" {
		r["emails"] = []any{map[string]any{"value": mail, "type": "work", "primary": true}}
	}
	if active := row["active"]; active != "" {
		b, err := strconv.ParseBool(strings.ToLower(active))
		if err != nil {
			return fmt.Errorf("active %q is neither true nor false", active)
		}
		r["active"] = b
	}
	return nil
}

// join gives groups the members that rows of others told.
func (f *File) join(members map[string][]any) error {
	for _, g := range f.Groups {
		var list []any
		for _, name := range []string{g.text("externalId"), g.text("displayName")} {
			if name = strings.ToLower(name); name != "" {
				list = append(list, members[name]...)
				delete(members, name)
			}
		}
		if len(list) > 0 {
			g["members"] = list
		}
	}
	for name := range members {
		return fmt.Errorf("the group %q, which somebody is a member of, is not in the table", name)
	}
	return f.check()
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
