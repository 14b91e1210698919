package storetest

import (
	"reflect"
	"testing"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// full returns a value with something in every exported field, those added to the nouns later included.
func full[T any]() T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), "x")
	return v
}

func fill(v reflect.Value, name string) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(start()))
		return
	case schedule.Duration:
		v.Set(reflect.ValueOf(schedule.MustDuration("P1DT480M")))
		return
	}
	switch k := v.Kind(); {
	case k == reflect.String:
		v.SetString(name)
	case v.CanInt():
		v.SetInt(1)
	case k == reflect.Bool:
		v.SetBool(true)
	case k == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case k == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case k == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(name)) // all maps are from text to text
	case k == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fill(v.Field(i), f.Name)
			}
		}
	}
}

// keepsEveryField writes one of each noun with nothing left empty.
func keepsEveryField(t *testing.T, s store.Store) {
	k := caseKey(1)
	request, made, effect, event := full[pim.Request](), full[pim.Schedule](), full[pim.Effect](), full[pim.Event]()
	request.Key, made.Key, effect.Key, event.Key = k, k, k, k
	effect.Tenant, event.Tenant = tenant, tenant
	object, link, credential := full[directory.Object](), full[directory.Link](), full[directory.Credential]()
	object.Tenant, link.Tenant, credential.Tenant = tenant, tenant, tenant
	node, denial := full[resource.Node](), full[store.Denial]()
	node.Tenant, denial.Tenant, node.Further = tenant, tenant, []byte(`{ "sku": {"name": "a < b"}}`)
	binned := object
	object.Deleted, binned.ID = time.Time{}, binned.ID+"-binned"
	edit := store.PolicyEdit{Key: k.Policy(), Policy: full[policy.Policy]()}
	created := full[directory.Tenant]()
	must(t, s, store.Commit{
		Outcome: pim.Outcome{Key: k, Request: &request, NewRequest: true, Schedules: []pim.Schedule{made}, Effects: []pim.Effect{effect}},
		Entries: []store.Entry{{Event: event}}, Policy: &edit, Objects: []directory.Object{object, binned}, Links: []directory.Link{link},
		Credentials: []directory.Credential{credential}, Tenant: &created, Resources: []resource.Node{node}, Denials: []store.Denial{denial},
	})
	ctx, q := t.Context(), store.Query{Tenant: tenant}
	requests, err := s.Requests(ctx, q)
	want(t, "requests", err, nil)
	equal(t, "requests", requests.Rows, []pim.Request{request})
	schedules, err := s.Schedules(ctx, q)
	want(t, "schedules", err, nil)
	equal(t, "schedules", schedules.Rows, []pim.Schedule{made})
	effects, err := s.Effects(ctx, q)
	want(t, "effects", err, nil)
	equal(t, "effects", effects.Rows, []pim.Effect{effect})
	events, err := s.Events(ctx, q)
	want(t, "events", err, nil)
	equal(t, "events", events.Rows, []pim.Event{event})
	objects, err := s.Objects(ctx, q)
	want(t, "objects", err, nil)
	equal(t, "objects", objects.Rows, []directory.Object{object})
	bin, err := s.Bin(ctx, q)
	want(t, "bin", err, nil)
	equal(t, "bin", bin.Rows, []directory.Object{binned})
	nodes, err := s.Resources(ctx, q)
	want(t, "resources", err, nil)
	equal(t, "resources", nodes.Rows, []resource.Node{node})
	denials, err := s.Denials(ctx, q)
	want(t, "denials", err, nil)
	equal(t, "denials", denials.Rows, []store.Denial{denial})
	policies, err := s.Policies(ctx, tenant, []pim.RoleKey{edit.Key})
	want(t, "policies", err, nil)
	equal(t, "policies", policies, map[pim.RoleKey]policy.Policy{edit.Key: edit.Policy})
	policies, err = s.PoliciesAt(ctx, edit.Key)
	want(t, "policies at a scope", err, nil)
	equal(t, "policies at a scope", policies, map[pim.RoleKey]policy.Policy{edit.Key: edit.Policy})
	links, err := s.Links(ctx, tenant, link.Relation, link.From, "")
	want(t, "links", err, nil)
	equal(t, "links", links, []directory.Link{link})
	kept, err := s.Credential(ctx, tenant, credential.Principal)
	want(t, "credential", err, nil)
	equal(t, "credential", kept, credential)
	tenants, err := s.Tenants(ctx)
	want(t, "tenants", err, nil)
	equal(t, "tenants", tenants, []directory.Tenant{created})
}
