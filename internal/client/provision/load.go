package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Server is the SCIM surface of a server; *client.Source is one. It is safe for concurrent use.
type Server interface {
	Call(ctx context.Context, method, path string, in, out any) error
}

// Bounds of one bulk request, below those of servers, so that none takes long.
const (
	batchOps   = 200
	batchBytes = 512 << 10
	// someMembers is the most members that one operation puts into a group.
	someMembers = 500
	pageSize    = 1000
)

// Loader loads files.
type Loader struct {
	Server Server
	// Parallel is how many bulk requests run at once: 4 when zero.
	Parallel int
	// Progress is told of each step, one call at a time; nil: nobody is.
	Progress func(Progress)
}

// Progress says how far a stage has come.
type Progress struct {
	// Stage is what is being done: users, managers, groups, members.
	Stage       string
	Done, Total int
}

// Report is what became of a file.
type Report struct {
	UsersMade, UsersThere   int
	GroupsMade, GroupsThere int
	// Members are those who were named, whether they were members before or not.
	Members  int
	Failures []Failure
}

// Failure is something that the server refused.
type Failure struct {
	What   string
	Detail string
}

// Load brings a file into the server. What the server refuses of it is in the report and hinders nothing else; the error
// is what ended all.
func (l Loader) Load(ctx context.Context, f File) (Report, error) {
	run := &loading{Loader: l, file: f, ids: map[string]string{}}
	for _, step := range []func(context.Context) error{run.find, run.makeUsers, run.setManagers, run.makeGroups, run.addMembers} {
		if err := step(ctx); err != nil {
			return run.report, err
		}
	}
	return run.report, nil
}

// loading is one file under way.
type loading struct {
	Loader
	file File

	mu sync.Mutex
	// ids are those of the server by the names in the file: "user " or "group " with an external id or a name.
	ids    map[string]string
	report Report
}

// names are those by which others in the file may name a resource.
func names(kind string, r Resource) []string {
	var out []string
	for _, name := range []string{r.text("externalId"), r.text("userName"), r.text("displayName")} {
		if name != "" {
			out = append(out, kind+" "+strings.ToLower(name))
		}
		if kind == "user" && name != "" && name == r.text("userName") {
			break // what people are called is no name of theirs
		}
	}
	return out
}

func (l *loading) idOf(kind string, r Resource) string {
	for _, name := range names(kind, r) {
		if id := l.ids[name]; id != "" {
			return id
		}
	}
	return ""
}

// find lists what is there already.
func (l *loading) find(ctx context.Context) error {
	for _, kind := range []struct{ name, endpoint, attributes string }{
		{"user", "/Users", "userName,externalId"}, {"group", "/Groups", "displayName,externalId"},
	} {
		for start := 1; ; {
			var page struct {
				TotalResults int
				Resources    []Resource
			}
			q := url.Values{"attributes": {kind.attributes}, "count": {strconv.Itoa(pageSize)}, "startIndex": {strconv.Itoa(start)}}
			if err := l.Server.Call(ctx, http.MethodGet, kind.endpoint+"?"+q.Encode(), nil, &page); err != nil {
				return err
			}
			for _, r := range page.Resources {
				l.know(kind.name, r, r.text("id"))
			}
			if start += len(page.Resources); len(page.Resources) == 0 || start > page.TotalResults {
				break
			}
		}
	}
	return nil
}

func (l *loading) know(kind string, r Resource, id string) {
	for _, name := range names(kind, r) {
		if l.ids[name] == "" {
			l.ids[name] = id
		}
	}
}

// operation is one of a bulk request, and what to do with its answer.
type operation struct {
	wire operationWire
	what string
	done func(location string)
}

type operationWire struct {
	Method string `json:"method"`
	BulkID string `json:"bulkId,omitempty"`
	Path   string `json:"path"`
	Data   any    `json:"data"`
}

// makeUsers makes those who are not there, as yet without their managers.
func (l *loading) makeUsers(ctx context.Context) error {
	var ops []operation
	for i, u := range l.file.Users {
		if l.idOf("user", u) != "" {
			l.report.UsersThere++
			continue
		}
		ops = append(ops, operation{
			wire: operationWire{http.MethodPost, "user" + strconv.Itoa(i), "/Users", withSchemas(u, userSchema, enterprise)},
			what: "user " + u.text("userName"),
			done: func(location string) {
				l.report.UsersMade++
				l.know("user", u, path.Base(location))
			},
		})
	}
	return l.run(ctx, "users", ops)
}

// withSchemas is a resource as it is made first: without what it refers to.
func withSchemas(r Resource, schemas ...string) Resource {
	out := Resource{"schemas": schemas}
	for name, v := range r {
		inner, ok := v.(map[string]any)
		switch {
		case name == "members" || name == "id" || name == "meta" || name == "schemas":
		case name == enterprise && ok:
			more := Resource{}
			for part, v := range inner {
				if part != "manager" {
					more[part] = v
				}
			}
			out[name] = more
		default:
			out[name] = v
		}
	}
	return out
}

// setManagers names the managers of the users that have one.
func (l *loading) setManagers(ctx context.Context) error {
	var ops []operation
	for _, u := range l.file.Users {
		more, _ := u[enterprise].(map[string]any)
		boss := reference(more["manager"])
		id := l.idOf("user", u)
		if boss == "" || id == "" {
			continue
		}
		manager := l.ids["user "+strings.ToLower(boss)]
		if manager == "" {
			l.fail("user "+u.text("userName"), "the manager "+boss+" is neither in the file nor on the server")
			continue
		}
		ops = append(ops, operation{
			wire: patch("/Users/"+id, enterprise+":manager", map[string]any{"value": manager}), what: "manager of " + u.text("userName"),
		})
	}
	return l.run(ctx, "managers", ops)
}

// reference is the name in {"value": name}, or a bare name.
func reference(v any) string {
	if m, ok := v.(map[string]any); ok {
		v = m["value"]
	}
	text, _ := v.(string)
	return text
}

func patch(path, attribute string, value any) operationWire {
	return operationWire{Method: http.MethodPatch, Path: path, Data: map[string]any{
		"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		"Operations": []any{map[string]any{"op": "add", "path": attribute, "value": value}},
	}}
}

// makeGroups makes those that are not there, as yet empty.
func (l *loading) makeGroups(ctx context.Context) error {
	var ops []operation
	for i, g := range l.file.Groups {
		if l.idOf("group", g) != "" {
			l.report.GroupsThere++
			continue
		}
		ops = append(ops, operation{
			wire: operationWire{http.MethodPost, "group" + strconv.Itoa(i), "/Groups", withSchemas(g, groupSchema)},
			what: "group " + g.text("displayName"),
			done: func(location string) {
				l.report.GroupsMade++
				l.know("group", g, path.Base(location))
			},
		})
	}
	return l.run(ctx, "groups", ops)
}

// addMembers puts people and groups into groups.
func (l *loading) addMembers(ctx context.Context) error {
	var ops []operation
	for _, g := range l.file.Groups {
		id := l.idOf("group", g)
		list, _ := g["members"].([]any)
		if id == "" || len(list) == 0 {
			continue
		}
		var members []any
		for _, m := range list {
			name := reference(m)
			member := first(l.ids["user "+strings.ToLower(name)], l.ids["group "+strings.ToLower(name)])
			if member == "" {
				l.fail("group "+g.text("displayName"), "the member "+name+" is neither in the file nor on the server")
				continue
			}
			members = append(members, map[string]any{"value": member})
		}
		for some := range slices.Chunk(members, someMembers) {
			ops = append(ops, operation{
				wire: patch("/Groups/"+id, "members", some), what: "members of " + g.text("displayName"),
				done: func(string) { l.report.Members += len(some) },
			})
		}
	}
	return l.run(ctx, "members", ops)
}

func (l *loading) fail(what, detail string) {
	l.report.Failures = append(l.report.Failures, Failure{what, detail})
}

// run sends operations in bulk requests, several at once.
func (l *loading) run(ctx context.Context, stage string, ops []operation) error {
	if len(ops) == 0 {
		return nil
	}
	batches, err := batchesOf(ops)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	work := make(chan []operation)
	done := 0
	l.tell(Progress{stage, done, len(ops)})
	var wait sync.WaitGroup
	parallel := l.Parallel
	if parallel <= 0 {
		parallel = 4
	}
	for range parallel {
		wait.Go(func() {
			for batch := range work {
				if err := l.send(ctx, batch); err != nil {
					stop(err)
					continue
				}
				l.mu.Lock()
				done += len(batch)
				l.tell(Progress{stage, done, len(ops)})
				l.mu.Unlock()
			}
		})
	}
	for _, batch := range batches {
		select {
		case work <- batch:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(work)
	wait.Wait()
	return context.Cause(ctx)
}

func (l *loading) tell(p Progress) {
	if l.Progress != nil {
		l.Progress(p)
	}
}

// batchesOf cuts operations into bulk requests that are not too long.
func batchesOf(ops []operation) ([][]operation, error) {
	var batches [][]operation
	size := 0
	for _, op := range ops {
		text, err := json.Marshal(op.wire)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", op.what, err)
		}
		last := len(batches) - 1
		if last < 0 || len(batches[last]) == batchOps || size+len(text) > batchBytes {
			batches, size, last = append(batches, nil), 0, last+1
		}
		batches[last] = append(batches[last], op)
		size += len(text)
	}
	return batches, nil
}

var errAnswer = errors.New("the server answered another number of operations than it was sent")

// again is how often a change is sent that the server had no time for.
const again = 3

// send sends one bulk request, and once more those of its changes that the server had no time for: to repeat a change is
// harmless, to make something twice is not.
func (l *loading) send(ctx context.Context, batch []operation) error {
	for try := 1; len(batch) > 0; try++ {
		left, err := l.sendOnce(ctx, batch, try == again)
		if err != nil {
			return err
		}
		batch = left
	}
	return nil
}

// sendOnce returns the changes that are to be sent again, none if this is the last time.
func (l *loading) sendOnce(ctx context.Context, batch []operation, last bool) (left []operation, err error) {
	wire := make([]operationWire, len(batch))
	for i, op := range batch {
		wire[i] = op.wire
	}
	var out struct {
		Operations []struct {
			Location string
			Status   string
			Response struct{ Detail string }
		}
	}
	err = l.Server.Call(ctx, http.MethodPost, "/Bulk", map[string]any{
		"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:BulkRequest"}, "Operations": wire,
	}, &out)
	if err != nil {
		return nil, err
	}
	if len(out.Operations) != len(batch) {
		return nil, errAnswer
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, answer := range out.Operations {
		switch {
		case answer.Status == strconv.Itoa(http.StatusServiceUnavailable) && batch[i].wire.Method == http.MethodPatch && !last:
			left = append(left, batch[i])
		case !strings.HasPrefix(answer.Status, "2"):
			l.fail(batch[i].what, answer.Status+" "+answer.Response.Detail)
		case batch[i].done != nil:
			batch[i].done(answer.Location)
		}
	}
	return left, nil
}
