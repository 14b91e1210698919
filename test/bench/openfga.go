package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"debug/buildinfo"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	providers "portcullis/test/issuer"
	"sync"
	"syscall"
	"time"
)

// openfgaVariable names the program to compare with: https://github.com/openfga/openfga, built with
// `go install github.com/openfga/openfga/cmd/openfga@latest`.
const openfgaVariable = "OPENFGA"

// openfga is a running OpenFGA over HTTPS, on the same PostgreSQL, with the estate in it.
type openfga struct {
	*process
	program, database string
	certificate, key  string
	store, model      string
	caching           bool
	caller            *http.Client
}

// cachedFor is how long OpenFGA with caches may go on giving an answer that was right.
const cachedFor = time.Minute

// openfgaProgram is what the environment names; empty if nothing.
func (b *bench) openfgaProgram() string {
	program := os.Getenv(openfgaVariable)
	if program == "" {
		b.say("NO OPENFGA: rows 1b and 1c are left out. Build it outside of the repository with `GOBIN=/some/folder go install" +
			" github.com/openfga/openfga/cmd/openfga@latest`, and say OPENFGA=/some/folder/openfga.")
		b.note("1b, 1c: LEFT OUT, for the environment variable %s names no program.", openfgaVariable)
	}
	return program
}

// startOpenFGA runs it on a database that has its tables.
func (b *bench) startOpenFGA(ctx context.Context, program, database string, caching bool) (_ *openfga, err error) {
	name := "openfga"
	if caching {
		name += "-cached"
	}
	o := &openfga{program: program, database: b.pg.URL(database), caching: caching, certificate: filepath.Join(b.dir, name+".pem"), key: filepath.Join(b.dir, name+".key")}
	if err := o.makeKey(); err != nil {
		return nil, err
	}
	address, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	o.process = &process{where: where{"https://" + address[0], o.certificate}, cmd: exec.CommandContext(ctx, program, o.arguments(address)...),
		log: filepath.Join(b.dir, name+".log")}
	log, err := os.Create(o.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	o.cmd.Stdout, o.cmd.Stderr = log, log
	if o.caller, err = o.process.caller(); err != nil {
		return nil, err
	}
	if err := o.cmd.Start(); err != nil {
		return nil, err
	}
	if err := o.ready(ctx); err != nil {
		return nil, errors.Join(err, o.stop())
	}
	return o, nil
}

func (o *openfga) makeKey() error {
	certificate, err := providers.SelfSigned(o.certificate)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		return err
	}
	return os.WriteFile(o.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// arguments are its settings: the fastest way of checking that it has, and nothing that costs time beside it.
func (o *openfga) arguments(address []string) []string {
	list := []string{
		"run", "--datastore-engine=postgres", "--datastore-uri=" + o.database, "--http-addr=" + address[0], "--grpc-addr=" + address[1],
		"--http-tls-enabled", "--http-tls-cert=" + o.certificate, "--http-tls-key=" + o.key, "--experimentals=weighted_graph_check",
		"--log-level=error", "--metrics-enabled=false", "--playground-enabled=false", "--trace-enabled=false",
	}
	if o.caching {
		ttl := cachedFor.String()
		list = append(list, "--check-query-cache-enabled", "--check-query-cache-ttl="+ttl, "--check-iterator-cache-enabled",
			"--check-iterator-cache-ttl="+ttl, "--check-cache-limit=1000000")
	}
	return list
}

// freeAddresses finds ports that nobody listens at.
func freeAddresses(count int) (list []string, _ error) {
	for range count {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list, nil
}

// migrateOpenFGA makes its tables.
func (b *bench) migrateOpenFGA(ctx context.Context, program, database string) error {
	if err := b.pg.CreateDatabase(ctx, database); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, program, "migrate", "--datastore-engine=postgres", "--datastore-uri="+b.pg.URL(database)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("openfga migrate: %w: %.500s", err, out)
	}
	return nil
}

func (o *openfga) ready(ctx context.Context) error {
	var last error
	err := until(ctx, time.Now().Add(30*time.Second), func() bool {
		last = o.call(ctx, http.MethodGet, "/healthz", nil, nil)
		return last == nil
	})
	if err != nil {
		text, _ := os.ReadFile(o.log)
		return fmt.Errorf("OpenFGA did not start: %w: %.500s", last, text)
	}
	return nil
}

// stop ends it in order.
func (o *openfga) stop() error {
	o.caller.CloseIdleConnections()
	if err := o.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return o.cmd.Wait()
}

func (o *openfga) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, o.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := o.caller.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %.300s", method, path, answer.Status, text.Bytes())
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text.Bytes(), out)
}

// inTime is the condition of grants that end.
const inTime = "in_time"

// relation is a role in the model: its name there is short, for it is a part of every row.
func (e *estate) relation(role int) string { return "role_" + e.roles[role][:8] }

// openfgaModel has people, groups with members, and scopes with parents, at which roles are held, below which they hold too.
func (e *estate) openfgaModel() map[string]any {
	type m = map[string]any
	direct := func(types ...m) m { return m{"directly_related_user_types": types} }
	relations, metadata := m{"parent": m{"this": m{}}}, m{"parent": direct(m{"type": "scope"})}
	for i := range e.roles {
		name := e.relation(i)
		relations[name] = m{"union": m{"child": []m{{"this": m{}}, {"tupleToUserset": m{
			"tupleset": m{"relation": "parent"}, "computedUserset": m{"relation": name}}}}}}
		metadata[name] = direct(m{"type": "user"}, m{"type": "user", "condition": inTime},
			m{"type": "group", "relation": "member"}, m{"type": "group", "relation": "member", "condition": inTime})
	}
	instant := m{"type_name": "TYPE_NAME_TIMESTAMP"}
	return m{
		"schema_version": "1.1",
		"type_definitions": []m{
			{"type": "user"},
			{"type": "group", "relations": m{"member": m{"this": m{}}}, "metadata": m{"relations": m{"member": direct(m{"type": "user"})}}},
			{"type": "scope", "relations": relations, "metadata": m{"relations": metadata}},
		},
		"conditions": m{inTime: m{"name": inTime, "expression": "now < end", "parameters": m{"now": instant, "end": instant}}},
	}
}

// tuple is a row of OpenFGA as its interface writes it.
type tuple struct {
	User      string     `json:"user"`
	Relation  string     `json:"relation"`
	Object    string     `json:"object"`
	Condition *condition `json:"condition,omitempty"`
}

type condition struct {
	Name    string            `json:"name"`
	Context map[string]string `json:"context"`
}

// tuples are the same estate.
func (e *estate) tuples(yield func(tuple) bool) {
	for i := range e.places {
		if p := e.places[i].parent; p >= 0 && !yield(tuple{User: e.object(p), Relation: "parent", Object: e.object(i)}) {
			return
		}
	}
	for _, t := range e.teams {
		for _, n := range t.members {
			if !yield(tuple{User: "user:" + e.people[n].id, Relation: "member", Object: "group:" + t.id}) {
				return
			}
		}
	}
	for _, g := range e.held {
		t := tuple{User: "user:" + e.holderID(g), Relation: e.relation(int(g.role)), Object: e.object(int(g.place))}
		if g.team {
			t.User = "group:" + e.holderID(g) + "#member"
		}
		if g.end != 0 {
			t.Condition = &condition{inTime, map[string]string{"end": time.UnixMicro(g.end).UTC().Format(time.RFC3339Nano)}}
		}
		if !yield(t) {
			return
		}
	}
}

func (e *estate) object(place int) string { return "scope:" + e.places[place].ID }

// fill writes model and rows through its interface, so many rows a call as it takes by default.
func (o *openfga) fill(ctx context.Context, e *estate) error {
	const atOnce = 100
	var made struct {
		ID    string `json:"id"`
		Model string `json:"authorization_model_id"`
	}
	if err := o.call(ctx, http.MethodPost, "/stores", map[string]string{"name": "bench"}, &made); err != nil {
		return err
	}
	o.store = made.ID
	if err := o.call(ctx, http.MethodPost, "/stores/"+o.store+"/authorization-models", e.openfgaModel(), &made); err != nil {
		return err
	}
	o.model = made.Model
	parts := make(chan []tuple)
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			for part := range parts {
				if errs[i] == nil {
					errs[i] = o.call(ctx, http.MethodPost, "/stores/"+o.store+"/write",
						map[string]any{"writes": map[string]any{"tuple_keys": part}, "authorization_model_id": o.model}, nil)
				}
			}
		})
	}
	part := make([]tuple, 0, atOnce)
	for t := range e.tuples {
		if part = append(part, t); len(part) == atOnce {
			parts <- part
			part = make([]tuple, 0, atOnce)
		}
	}
	if len(part) > 0 {
		parts <- part
	}
	close(parts)
	all.Wait()
	return errors.Join(errs...)
}

// requests are the questions as it takes them. They tell it what time it is; with caches it can remember an answer only for a
// question that is asked with the same time again, so all have the same.
func (o *openfga) requests(e *estate, list []question, now time.Time) [][]byte {
	at := now.UTC().Format(time.RFC3339Nano)
	out := make([][]byte, len(list))
	for i, q := range list {
		out[i] = post("/stores/"+o.store+"/check", "", fmt.Sprintf(
			`{"tuple_key":{"user":"user:%s","relation":%q,"object":%q},"authorization_model_id":%q,"context":{"now":%q}}`,
			e.people[q.person].id, e.relation(q.role), e.object(q.place), o.model, at))
	}
	return out
}

// openfgaVersion is the version of the module that the program was built from.
func openfgaVersion(program string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return "OpenFGA"
	}
	return "OpenFGA " + info.Main.Version
}
