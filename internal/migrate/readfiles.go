package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"portcullis/internal/pim"
)

// Bounds of what is read from files: how long one may be in bytes, and how many there may be.
const (
	mostSaved      = 256 << 20
	mostSavedFiles = 20_000
)

// ReadFiles reads what somebody has saved of a source: answers of the first or second iteration as they came (lists with all their
// pages, single rows, or bare arrays of rows), in files that end in .json, and exports, in files that end in .csv and are named
// after their resource. Files and folders may have any other names; the pages of one list follow each other by name. What is
// missing of a list is an error.
func ReadFiles(folder fs.FS, o ReadOptions) (*Estate, error) {
	r := newReading(nil, "", o)
	f := fileReading{reading: r, at: map[string]v2At{}}
	names, err := filesOf(folder)
	if err != nil {
		return nil, err
	}
	var exports []string
	for _, name := range names {
		if strings.EqualFold(path.Ext(name), ".csv") {
			exports = append(exports, name)
			continue
		}
		if err := f.json(folder, name); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if f.follows != "" {
		return nil, fmt.Errorf("read %s: the list goes on, and there is no file with the rest", f.follows)
	}
	if err := f.take(); err != nil {
		return nil, err
	}
	for _, name := range exports {
		if err := f.export(folder, name); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if len(r.e.Grants)+len(r.e.Policies)+len(r.e.Requests)+len(r.e.Scopes)+len(r.e.Roles) == 0 {
		return nil, errors.New("the files hold nothing that PIM's first or second iteration says")
	}
	return r.finish(), nil
}

// filesOf are the files that count, those of one folder together and by name.
func filesOf(folder fs.FS) ([]string, error) {
	var names []string
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ext := strings.ToLower(path.Ext(name)); d.IsDir() || ext != ".json" && ext != ".csv" {
			return nil
		}
		if names = append(names, name); len(names) > mostSavedFiles {
			return fmt.Errorf("there are more than %d files", mostSavedFiles)
		}
		return nil
	})
	slices.SortFunc(names, func(a, b string) int { return firstOf(strings.Compare(path.Dir(a), path.Dir(b)), naturally(a, b)) })
	return names, err
}

// naturally compares names so that page 10 follows page 9.
func naturally(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x == "" || y == "" {
			if a[0] != b[0] {
				return int(a[0]) - int(b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		p, q := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if c := firstOf(len(p)-len(q), strings.Compare(p, q)); c != 0 {
			return c
		}
		a, b = a[len(x):], b[len(y):]
	}
	return len(a) - len(b)
}

func digits(s string) string {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i]
}

func readFile(folder fs.FS, name string) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, mostSaved+1))
	if err == nil && len(text) > mostSaved {
		err = fmt.Errorf("it is longer than %d bytes", mostSaved)
	}
	// Some exports begin with two byte order marks.
	return bytes.TrimLeft(text, "\uFEFF"), err
}

// fileReading is a reading of files. Rows are kept until all files are read: what they point to may stand in a later one.
type fileReading struct {
	*reading
	resources   []v2Resource
	definitions []v2Definition
	assignments []v2Assignment
	requests    []v2Request
	settings    []v2Setting
	v1Roles     []v1Role
	v1Rows      []v1Row
	v1Settings  []v1Settings
	v1Requests  []v1Request
	at          map[string]v2At
	// follows is the file whose list goes on in the next one of the set and the folder; count is how many rows it is to have.
	follows, set string
	rows, count  int
}

// saved is what a file may hold: a list, or one row.
type saved struct {
	Context   string            `json:"@odata.context"`
	Value     []json.RawMessage `json:"value"`
	Count     *int              `json:"@odata.count"`
	ODataNext string            `json:"@odata.nextLink"`
	NextLink  string            `json:"nextLink"`
}

func (f *fileReading) json(folder fs.FS, name string) error {
	text, err := readFile(folder, name)
	if err != nil {
		return err
	}
	var page saved
	if trimmed := bytes.TrimSpace(text); bytes.HasPrefix(trimmed, []byte("[")) {
		if err := json.Unmarshal(text, &page.Value); err != nil {
			return fmt.Errorf("it is no JSON: %w", err)
		}
	} else if err := json.Unmarshal(text, &page); err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	} else if page.Value == nil {
		page.Value = []json.RawMessage{text}
	}
	set := setOf(page, name)
	if set == "" {
		if len(page.Value) == 0 || isPlain(page) || page.Context != "" {
			return nil // an empty list, or something else that was saved beside
		}
		return errors.New("it does not tell of what it is a list")
	}
	if err := f.counted(name, set, page); err != nil {
		return err
	}
	for _, row := range page.Value {
		if err := f.row(set, page.Context, row); err != nil {
			return fmt.Errorf("it is no list of %s: %w", set, err)
		}
	}
	return nil
}

// isPlain says that a file holds an object that is no list and has no context: none of a server's answers.
func isPlain(page saved) bool { return len(page.Value) == 1 && page.Context == "" && page.Count == nil }

// counted refuses lists of which a part is missing.
func (f *fileReading) counted(name, set string, page saved) error {
	if f.follows != "" && (f.set != set || path.Dir(f.follows) != path.Dir(name)) {
		return fmt.Errorf("the list in %s goes on, and this is not the rest", f.follows)
	}
	if f.follows == "" {
		f.rows, f.count = 0, -1
	}
	f.rows += len(page.Value)
	if page.Count != nil && f.count < 0 {
		f.count = *page.Count
	}
	f.follows, f.set = "", set
	switch {
	case page.ODataNext != "" || page.NextLink != "":
		f.follows = name
	case f.rows < f.count:
		return fmt.Errorf("the list ends after %d of %d rows", f.rows, f.count)
	}
	return nil
}

// sets are what files may hold, of the second iteration and of the first.
func sets() []string {
	return []string{
		"roleAssignmentRequests", "roleAssignments", "roleDefinitions", "roleSettings", "resources",
		"privilegedRoleAssignmentRequests", "privilegedRoleAssignments", "privilegedRoleSettings", "privilegedRoles",
	}
}

// setOf is what a file is a list of: as the context tells, else the first row, else the file's name.
func setOf(page saved, name string) string {
	if set := setOfContext(page.Context); set != "" {
		return set
	}
	if len(page.Value) > 0 {
		if set := setOfRow(page.Value[0]); set != "" {
			return set
		}
	}
	if page.Context != "" {
		return ""
	}
	base := strings.ToLower(path.Base(name))
	for _, prefix := range []string{"privileged", ""} {
		for _, set := range sets() {
			if strings.HasPrefix(set, prefix) && strings.HasPrefix(base, strings.ToLower(set)) {
				return set
			}
		}
	}
	return ""
}

// setOfContext is the set that a context names; empty: none of those.
func setOfContext(context string) string {
	fragment := strings.ToLower(context[strings.LastIndexByte(context, '#')+1:])
	var plain strings.Builder
	deep := 0
	for _, c := range fragment { // what stands in brackets is keys and what is expanded
		switch {
		case c == '(':
			deep++
		case c == ')':
			deep--
		case deep == 0:
			plain.WriteRune(c)
		}
	}
	segments := strings.Split(plain.String(), "/")
	slices.Reverse(segments)
	if slices.Contains(segments, "privilegedroles") && slices.Contains(segments, "settings") {
		return "privilegedRoleSettings"
	}
	for _, segment := range segments {
		segment = strings.TrimSuffix(strings.TrimPrefix(segment, "governance"), "v2")
		for _, set := range sets() {
			if segment == strings.ToLower(set) {
				return set
			}
		}
	}
	return ""
}

// setOfRow is what a row is, by the members that no other one has.
func setOfRow(row json.RawMessage) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(row, &members) != nil {
		return ""
	}
	has := func(names ...string) bool {
		for _, wanted := range names {
			if !slices.ContainsFunc(keysOf(members), func(name string) bool { return strings.EqualFold(name, wanted) }) {
				return false
			}
		}
		return true
	}
	switch {
	case has("elevationDuration"):
		return "privilegedRoleSettings"
	case has("userId", "isElevated"):
		return "privilegedRoleAssignments"
	case has("userId", "status", "roleId"):
		return "privilegedRoleAssignmentRequests"
	case has("adminMemberSettings"), has("lifeCycleManagement"):
		return "roleSettings"
	case has("subjectId", "memberType"):
		return "roleAssignments"
	case has("subjectId", "type", "status"):
		return "roleAssignmentRequests"
	case has("resourceId", "templateId"), has("resourceId", "displayName"):
		return "roleDefinitions"
	case has("externalId", "type"):
		return "resources"
	}
	return ""
}

func keysOf[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

func (f *fileReading) row(set, context string, row json.RawMessage) error {
	switch set {
	case "resources":
		return addTo(&f.resources, row)
	case "roleDefinitions":
		return addTo(&f.definitions, row)
	case "roleAssignments":
		return addTo(&f.assignments, row)
	case "roleAssignmentRequests":
		return addTo(&f.requests, row)
	case "roleSettings":
		return addTo(&f.settings, row)
	case "privilegedRoles":
		return addTo(&f.v1Roles, row)
	case "privilegedRoleAssignments":
		return addTo(&f.v1Rows, row)
	case "privilegedRoleSettings":
		err := addTo(&f.v1Settings, row)
		if last := len(f.v1Settings) - 1; err == nil && f.v1Settings[last].ID == "" {
			f.v1Settings[last].ID = between(context, "('", "')")
		}
		return err
	case "privilegedRoleAssignmentRequests":
		return addTo(&f.v1Requests, row)
	}
	return nil
}

func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, ok := strings.Cut(text, after)
	if !ok {
		return ""
	}
	return text
}

func addTo[T any](list *[]T, row json.RawMessage) error {
	var v T
	if err := json.Unmarshal(row, &v); err != nil {
		return err
	}
	*list = append(*list, v)
	return nil
}

// take makes an estate of the rows.
func (f *fileReading) take() error {
	if err := f.takePlaces(); err != nil {
		return err
	}
	for _, in := range f.assignments {
		if at, ok := f.of(in.v2Key, "assignment"); ok {
			if err := f.v2Row(at, in); err != nil {
				return err
			}
		}
	}
	for _, in := range f.requests {
		if at, ok := f.of(in.v2Key, "request"); ok {
			if err := f.v2OpenRequest(at, in); err != nil {
				return err
			}
		}
	}
	for _, in := range f.settings {
		if at, ok := f.of(in.v2Key, "settings"); ok {
			f.v2Rules(at, in)
		}
	}
	return f.takeV1()
}

// takePlaces takes the resources, also those that stand within other rows, and the role definitions that are of them.
func (f *fileReading) takePlaces() error {
	known := map[string]bool{}
	for _, res := range f.resources {
		known[strings.ToLower(res.ID)] = true
	}
	within := func(res *v2Resource) {
		if res != nil && res.ID != "" && !known[strings.ToLower(res.ID)] {
			known[strings.ToLower(res.ID)] = true
			f.resources = append(f.resources, *res)
		}
	}
	for _, in := range f.assignments {
		within(in.Resource)
	}
	for _, in := range f.requests {
		within(in.Resource)
	}
	for _, in := range f.settings {
		within(in.Resource)
	}
	f.e.Tenant = f.tenant()
	for _, res := range f.resources {
		p := providerOfType(res.Type)
		if !f.wants(p) || !f.once("resource", res.ID) {
			continue
		}
		at, err := f.v2Place(p, res)
		if err != nil {
			return err
		}
		f.at[strings.ToLower(res.ID)] = at
		if p == pim.Group {
			f.principal(Principal{ID: string(at.scope), Kind: pim.GroupPrincipal, Name: res.DisplayName})
		}
	}
	for _, d := range f.definitions {
		if at, ok := f.at[strings.ToLower(d.ResourceID)]; ok {
			at.definitions[strings.ToLower(d.ID)] = d
		}
	}
	return nil
}

func (f *fileReading) tenant() string {
	for _, res := range f.resources {
		if providerOfType(res.Type) == pim.Directory {
			return strings.ToLower(res.ID)
		}
	}
	return tenantOf(pim.Resource, f.resources)
}

// of is the resource that a row is of. False: none that is told, which is noted, or none that is wanted.
func (f *fileReading) of(in v2Key, kind string) (v2At, bool) {
	at, ok := f.at[strings.ToLower(in.ResourceID)]
	if !ok && !slices.ContainsFunc(f.resources, func(res v2Resource) bool { return strings.EqualFold(res.ID, in.ResourceID) }) {
		f.note(Unresolved, kind+" "+in.ID, "ResourceNotTold", "the files do not tell what the resource %.100q is", in.ResourceID)
	}
	return at, ok
}

func (f *fileReading) takeV1() error {
	if !f.wants(pim.Directory) {
		return nil
	}
	for _, in := range f.v1Roles {
		f.v1Role(in)
	}
	for _, in := range f.v1Rows {
		f.v1Row(in)
	}
	for _, in := range f.v1Settings {
		if in.ID == "" {
			return errors.New("settings of the first iteration do not tell of which role they are")
		}
		if err := f.v1Rules(in); err != nil {
			return err
		}
	}
	for _, in := range f.v1Requests {
		if err := f.v1OpenRequest(in, ""); err != nil {
			return err
		}
	}
	return nil
}
