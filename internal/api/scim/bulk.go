package scim

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"portcullis/internal/api"
)

// Bulk requests (RFC 7644 §3.7): many operations in one call, each whole or not at all. Operations may refer to those
// that make a resource by "bulkId:" and the name that the caller gave them, also to later ones and in a circle.

const (
	bulkPrefix = "bulkid:"
	// maxOperations is the most operations of one bulk request; how long it may be is bounded for all calls.
	maxOperations = 1000
	// atOnce is how many resources are made at the same time, so that the store writes them together.
	atOnce = 16
)

// bulkIn is the body of a bulk request.
type bulkIn struct {
	Schemas      []string `json:"schemas"`
	FailOnErrors int      `json:"failOnErrors"`
	Operations   []bulkOp `json:"Operations"`
}

type bulkOp struct {
	Method  string          `json:"method"`
	BulkID  string          `json:"bulkId"`
	Path    string          `json:"path"`
	Version string          `json:"version"`
	Data    json.RawMessage `json:"data"`
}

// bulkOut is what became of an operation.
type bulkOut struct {
	Method   string     `json:"method"`
	BulkID   string     `json:"bulkId,omitempty"`
	Version  string     `json:"version,omitempty"`
	Location string     `json:"location,omitempty"`
	Status   string     `json:"status"`
	Response *errorBody `json:"response,omitempty"`
}

// bulk is a bulk request under way.
type bulk struct {
	*api.Request
	s   *Surface
	in  bulkIn
	ops []*part
	// byName are the operations that make something, by their bulkId in lower case.
	byName map[string]*part
	errors int
}

// part is one operation of a bulk request.
type part struct {
	bulkOp
	kind *kind
	id   string
	data any
	// waits are the names that the operation refers to.
	waits []string
	// made is the id of what the operation made.
	made string
	// later are the references, left out of what was made, that stood in a circle.
	later []any
	out   *bulkOut
}

func (s *Surface) bulk(r *api.Request) (api.Answer, error) {
	body, err := bodyOf(r)
	if err != nil {
		return api.Answer{}, err
	}
	b := &bulk{Request: r, s: s, byName: map[string]*part{}}
	if err := api.DecodeBytes(body, &b.in); err != nil {
		return api.Answer{}, err
	}
	switch {
	case len(b.in.Schemas) != 1 || b.in.Schemas[0] != bulkRequest:
		return api.Answer{}, bad(kindSyntax, "The schemas of a bulk request are "+bulkRequest+" alone.")
	case len(b.in.Operations) > maxOperations:
		return api.Answer{}, &problem{status: http.StatusRequestEntityTooLarge,
			detail: fmt.Sprintf("The bulk request has more than %d operations (maxOperations).", maxOperations)}
	case b.in.FailOnErrors < 0:
		return api.Answer{}, invalidValue("failOnErrors is a number of errors.")
	}
	for _, op := range b.in.Operations {
		b.prepare(op)
	}
	b.run()
	out := []bulkOut{}
	for _, p := range b.ops {
		if p.out != nil {
			out = append(out, *p.out)
		}
	}
	return answer(http.StatusOK, nil, resource{"schemas": []string{bulkResponse}, "Operations": out})
}

// prepare reads an operation as far as it can be read without running it.
func (b *bulk) prepare(op bulkOp) {
	op.Method = strings.ToUpper(op.Method)
	p := &part{bulkOp: op}
	b.ops = append(b.ops, p)
	if err := b.read(p); err != nil {
		b.fail(p, err)
		return
	}
	if op.Method == http.MethodPost {
		b.byName[strings.ToLower(op.BulkID)] = p
	}
	references(p.data, &p.waits)
	if strings.HasPrefix(strings.ToLower(p.id), bulkPrefix) {
		p.waits = append(p.waits, strings.ToLower(p.id[len(bulkPrefix):]))
	}
}

func (b *bulk) read(p *part) error {
	for _, k := range []*kind{b.s.users, b.s.groups} {
		rest, ok := strings.CutPrefix(p.Path, k.endpoint)
		id, isID := strings.CutPrefix(rest, "/")
		if ok && (rest == "" || isID && id != "" && !strings.ContainsAny(id, "/?")) {
			p.kind, p.id = k, id
		}
	}
	making := p.Method == http.MethodPost
	switch {
	case !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, p.Method):
		return bad(kindSyntax, "The method of an operation is POST, PUT, PATCH or DELETE.")
	case p.kind == nil || making != (p.id == ""):
		return bad(kindPath, "The path of an operation is that of users or groups, or of one of them.")
	case making && p.BulkID == "":
		return bad(kindSyntax, "An operation that makes a resource has a bulkId.")
	case making && b.byName[strings.ToLower(p.BulkID)] != nil:
		return invalidValue("The bulkId " + shortened(p.BulkID) + " is there twice.")
	case p.Method == http.MethodDelete:
		return nil
	}
	data, err := object(p.Data)
	p.data = data
	return err
}

// references collects the names that values within the data refer to.
func references(v any, into *[]string) {
	switch v := v.(type) {
	case []any:
		for _, each := range v {
			references(each, into)
		}
	case resource:
		for name, each := range v {
			if ref, ok := referred(name, each); ok {
				*into = append(*into, ref)
			} else {
				references(each, into)
			}
		}
	}
}

// referred is the name that a member of an object refers to, in lower case.
func referred(name string, v any) (string, bool) {
	text, ok := v.(string)
	if !ok || !strings.EqualFold(name, "value") {
		return "", false
	}
	return strings.CutPrefix(strings.ToLower(text), bulkPrefix)
}

// run runs all operations: each after those that it refers to, and else in their order.
func (b *bulk) run() {
	for {
		progress := false
		for i := 0; i < len(b.ops); i++ {
			if b.over() {
				return
			}
			if run := b.ready(i); len(run) > 0 {
				b.together(run)
				progress = true
			}
		}
		if !progress && !b.breakCircle() {
			break
		}
	}
	for _, p := range b.ops {
		if len(p.later) > 0 && p.made != "" {
			b.refer(p)
		}
	}
}

// over says whether there were as many errors as the caller bears.
func (b *bulk) over() bool { return b.in.FailOnErrors > 0 && b.errors >= b.in.FailOnErrors }

// ready are the operations that can run now, from the i-th on: one, or several in a row that only make something.
func (b *bulk) ready(i int) []*part {
	var run []*part
	for _, p := range b.ops[i:] {
		if p.out != nil || !b.resolved(p) {
			break
		}
		run = append(run, p)
		if b.in.FailOnErrors > 0 || p.Method != http.MethodPost {
			break
		}
	}
	if len(run) > 1 {
		n := slices.IndexFunc(run, func(p *part) bool { return p.Method != http.MethodPost })
		if n > 0 {
			run = run[:n]
		}
	}
	return run
}

// resolved says whether all that an operation refers to is there, or never will be.
func (b *bulk) resolved(p *part) bool {
	for _, name := range p.waits {
		if to := b.byName[name]; to != nil && to.out == nil {
			return false
		}
	}
	return true
}

// together runs operations at once.
func (b *bulk) together(run []*part) {
	if len(run) == 1 {
		b.finish(run[0], b.one(run[0]))
		return
	}
	errs := make([]error, len(run))
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, p := range run {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			errs[i] = b.one(p)
		})
	}
	wait.Wait()
	for i, p := range run {
		b.finish(p, errs[i])
	}
}

func (b *bulk) finish(p *part, err error) {
	if err != nil {
		b.fail(p, err)
	}
}

func (b *bulk) fail(p *part, err error) {
	b.errors++
	told := problemOf(err)
	if told.status >= http.StatusInternalServerError {
		b.s.log().ErrorContext(b.Context(), "an operation of a bulk request failed", slog.String("request", b.ID), slog.Any("error", err))
	}
	body := told.body()
	p.out = &bulkOut{Method: p.Method, BulkID: p.BulkID, Status: body.Status, Response: &body}
	if id := subject(p); p.kind != nil && id != "" {
		p.out.Location = b.Origin + base + p.kind.endpoint + "/" + id
	}
}

// subject is the id of what an operation made or is about; empty: nothing yet.
func subject(p *part) string {
	if p.made != "" {
		return p.made
	}
	return p.id
}

// one runs an operation.
func (b *bulk) one(p *part) error {
	names := map[string]string{}
	for _, name := range p.waits {
		to := b.byName[name]
		switch {
		case to == nil:
			return invalidValue("There is no operation with the bulkId " + shortened(name) + ".")
		case to.made == "" && to.out != nil:
			return &problem{status: http.StatusConflict, kind: kindValue, detail: "The operation with the bulkId " + shortened(name) + " has failed."}
		}
		names[name] = to.made
	}
	if ref, ok := strings.CutPrefix(strings.ToLower(p.id), bulkPrefix); ok {
		p.id = names[ref]
	}
	body, err := json.Marshal(replaced(p.data, names))
	if err != nil {
		return fmt.Errorf("write the data of an operation: %w", err)
	}
	path := p.kind.endpoint
	if p.id != "" {
		path += "/" + p.id
	}
	c, err := b.call(p, p.Method, path, body)
	if err != nil {
		return err
	}
	p.out = &bulkOut{Method: p.Method, BulkID: p.BulkID, Status: strconv.Itoa(http.StatusNoContent)}
	if c.made == nil { // deleted
		p.out.Location = b.Origin + base + path
		return nil
	}
	p.out.Status = strconv.Itoa(c.made.status)
	if meta, ok := c.made.body["meta"].(resource); ok {
		p.out.Version, _ = meta["version"].(string)
		p.out.Location, _ = meta["location"].(string)
	}
	if p.Method == http.MethodPost {
		p.made, _ = c.made.body["id"].(string)
	}
	return nil
}

// call runs one operation as if it had come by itself. Members of groups are not told, as nobody would see them.
func (b *bulk) call(p *part, method, path string, body []byte) (*call, error) {
	inner := *b.Request.Request
	inner.Method, inner.URL = method, &url.URL{Path: base + path, RawQuery: "excludedAttributes=members"}
	r := *b.Request
	r.Request = &inner
	c := &call{Request: &r, s: b.s, k: p.kind, version: p.Version}
	return c, c.run(method, path, body)
}

// replaced is data with ids in the place of names.
func replaced(v any, names map[string]string) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, each := range v {
			out[i] = replaced(each, names)
		}
		return out
	case resource:
		out := make(resource, len(v))
		for name, each := range v {
			ref, ok := referred(name, each)
			if id := names[ref]; ok && id != "" {
				out[name] = id
			} else {
				out[name] = replaced(each, names)
			}
		}
		return out
	}
	return v
}

// breakCircle takes, out of the first operation that waits in a circle and can do without, the references to what is not
// there yet; they are made up for once it is. False: there is none.
func (b *bulk) breakCircle() bool {
	for _, p := range b.ops {
		data, ok := p.data.(resource)
		if p.out != nil || p.Method != http.MethodPost || !ok {
			continue
		}
		open := func(v any) bool {
			m, ok := v.(resource)
			if !ok {
				return false
			}
			_, value := member(m, "value")
			ref, ok := referred("value", value)
			return ok && b.byName[ref] != nil && b.byName[ref].out == nil
		}
		name, list := member(data, "members")
		if members, ok := list.([]any); ok && slices.ContainsFunc(members, open) {
			for _, m := range members {
				if open(m) {
					p.later = append(p.later, m)
				}
			}
			data[name] = slices.DeleteFunc(slices.Clone(members), open)
			p.waits = nil
			references(p.data, &p.waits)
			return true
		}
		extension, _ := data[enterprise].(resource)
		if name, boss := member(extension, "manager"); open(boss) {
			p.later = append(p.later, boss)
			delete(extension, name)
			p.waits = nil
			references(p.data, &p.waits)
			return true
		}
	}
	for _, p := range b.ops { // what is left refers to itself
		if p.out == nil {
			b.fail(p, &problem{status: http.StatusConflict, detail: "The references of the operation form a circle that cannot be resolved."})
			return true
		}
	}
	return false
}

// refer makes up for the references that were left out when the resource was made.
func (b *bulk) refer(p *part) {
	names := map[string]string{}
	var waits []string
	references(p.later, &waits)
	for _, name := range waits {
		if to := b.byName[name]; to != nil {
			names[name] = to.made
		}
	}
	op := resource{"op": "add", "path": "members", "value": replaced(p.later, names)}
	if p.kind == b.s.users {
		op["path"], op["value"] = enterprise+":manager", replaced(p.later[0], names)
	}
	body, err := json.Marshal(resource{"schemas": []string{patchOp}, "Operations": []any{op}})
	if err == nil {
		var c *call
		patched := *p
		patched.Version = ""
		if c, err = b.call(&patched, http.MethodPatch, p.kind.endpoint+"/"+p.made, body); err == nil {
			if meta, ok := c.made.body["meta"].(resource); ok {
				p.out.Version, _ = meta["version"].(string)
			}
		}
	}
	b.finish(p, err)
}
