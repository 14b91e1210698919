package arm

import (
	"slices"
	"strings"
	"testing"

	"portcullis/internal/resource"
)

func kiosk() resource.Node {
	return resource.Node{ID: "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/Web/providers/Acme.Shop/kiosks/k1",
		Scope: "/subscriptions/11111111-2222-4333-8444-555555555555/resourcegroups/web/providers/acme.shop/kiosks/k1",
		Name:  "k1", Type: "Acme.Shop/kiosks", Kind: resource.Resource, Location: "hall", Tags: map[string]string{"stage": "prod", "owner": "o'neil"},
		Further: []byte(`{"properties":{"size":3,"colours":["red"],"Door":{"open":true}},"kind":"big"}`)}
}

// TestFiltersOfNodes is what a filter says of one resource.
func TestFiltersOfNodes(t *testing.T) {
	for text, want := range map[string]bool{
		"resourceType eq 'Acme.Shop/kiosks'":                          true,
		"RESOURCETYPE EQ 'acme.shop/KIOSKS'":                          true,
		"resourceType eq 'Acme.Shop/doors'":                           false,
		"resourceType ne 'Acme.Shop/doors'":                           true,
		"resourceType eq 'a/b' or resourceType eq 'Acme.Shop/kiosks'": true,
		"(name eq 'k1')":                                              true,
		"not (name eq 'k1')":                                          false,
		"name eq 'k2'":                                                false,
		"tagName eq 'stage'":                                          true,
		"tagName eq 'stage' and tagValue eq 'prod'":                   true,
		"tagName eq 'stage' and tagValue eq 'test'":                   false,
		"tagName eq 'owner' and tagValue eq 'o''neil'":                true,
		"tagName eq 'owner' and tagValue eq 'prod'":                   false,
		"resourceGroup eq 'web' and location eq 'hall'":               true,
		"substringof('iosk', resourceType)":                           true,
		"startswith(name, 'K')":                                       true,
		"endswith(name,'2')":                                          false,
		"subscriptionId eq '11111111-2222-4333-8444-555555555555'":    true,
	} {
		holds, err := nodeFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := holds(kiosk()); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"name", "name eq", "name eq 'x", "name eq 'x' and", "name lt 'x'", "shoeSize eq '3'", "name eq 'x' name eq 'y'",
		"name == 'x'", "contains(name, type)", "contains('a', 'b')", strings.Repeat("(", 100) + "name eq 'x'" + strings.Repeat(")", 100), strings.Repeat("not ", 100) + "name eq 'x'", "name eq 'x' | limit 3", "\x00"} {
		if _, err := nodeFilter(text); err == nil {
			t.Errorf("%q is a filter", text)
		}
	}
}

// TestQueriesOfTheGraph is which of a few rows a query tells, by their names.
func TestQueriesOfTheGraph(t *testing.T) {
	c := &call{}
	table := func() []record {
		b := kiosk()
		b.Name, b.Tags = "K2", nil
		d := kiosk()
		d.Name, d.Type, d.Further = "door", "Acme.Shop/doors", nil
		return []record{c.nodeRecord(kiosk(), nil), c.nodeRecord(b, nil), c.nodeRecord(d, nil)}
	}
	for text, want := range map[string][]string{
		"":          {"k1", "K2", "door"},
		"Resources": {"k1", "K2", "door"},
		"resources | where type =~ 'Acme.Shop/Kiosks'":                                                   {"k1", "K2"},
		"where type == 'acme.shop/doors'":                                                                {"door"},
		"resources | where type == 'Acme.Shop/doors'":                                                    nil,
		"resources | where type =~ 'Acme.Shop/doors' or name == 'K2'":                                    {"K2", "door"},
		"resources | where type =~ 'acme.shop/doors' and not(name == 'k1') | where name != 'x'":          {"door"},
		"resources | order by name asc | where type =~ 'acme.shop/kiosks'":                               {"K2", "k1"},
		"resources | project name, type = name | where type == 'K2'":                                     {"K2"},
		"resources | where name != 'k1' | order by name asc":                                             {"K2", "door"},
		"resources | order by name":                                                                      {"k1", "door", "K2"},
		"resources | sort by tolower":                                                                    {"k1", "K2", "door"},
		"resources | where name in ('k1','door') and not(type has 'doors')":                              {"k1"},
		"resources | where name in~ ('K1','DOOR')":                                                       {"k1", "door"},
		"resources | where name !in~ ('K1','DOOR')":                                                      {"K2"},
		"resources | where tags.stage =~ 'PROD' or name startswith 'd'":                                  {"k1", "door"},
		"resources | where tags['stage'] == \"prod\"":                                                    {"k1", "door"},
		"resources | where isempty(tags)":                                                                {"K2"},
		"resources | where isnotempty(tags) | limit 1":                                                   {"k1"},
		"resources | where properties.size >= 3":                                                         {"k1", "K2"},
		"resources | where properties.size < 3":                                                          nil,
		"resources | where properties.door.open == true":                                                 {"k1", "K2"},
		"resources | where tolower(name) == 'k2'":                                                        {"K2"},
		"resources | where kind =~ 'BIG' and location !~ 'cellar' | take 1 // the first\n| project name": {"k1"},
		"resources | where name !contains 'k'":                                                           {"door"},
	} {
		q, err := parseKusto(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		rows := slices.DeleteFunc(table(), func(x record) bool { return !q.wants(x) })
		for _, x := range rows {
			if q.typed != "" && x["type"] != q.typed {
				t.Errorf("%s: rows of type %s alone would be read, and %v is wanted", text, q.typed, x["name"])
			}
		}
		for _, step := range q.steps {
			rows = step(rows)
		}
		var got []string
		for _, x := range rows {
			got = append(got, textOf(x["name"]))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"secrets", "resources where type == 'x'", "resources | join (resources)", "resources | where", "resources | where type",
		"resources | where type =~", "resources | where type like 'x'", "resources | limit 'x'", "resources | project", "resources | extend a = 1",
		"resources | order name", "resources | count | limit 1", "resources |", "resources | where name == 'x", strings.Repeat("|where a == 1", 100), ";"} {
		if _, err := parseKusto(text); err == nil {
			t.Errorf("%q is a query", text)
		}
	}
}

func TestWhatAQueryTells(t *testing.T) {
	c := &call{}
	for text, want := range map[string]string{
		"resources | project name, colour = properties.colours, properties.door.open": `{"totalRecords":1,"count":1,"resultTruncated":"false","facets":[],` +
			`"data":[{"name":"k1","colour":["red"],"properties_door_open":true}]}`,
		"resources | project nothing": `{"totalRecords":1,"count":1,"resultTruncated":"false","facets":[],"data":[{"nothing":null}]}`,
	} {
		q, err := parseKusto(text)
		if err != nil {
			t.Fatal(err)
		}
		rows := []record{c.nodeRecord(kiosk(), nil)}
		for _, step := range q.steps {
			rows = step(rows)
		}
		if got := string(q.write(rows, 0, 10, false)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
	q := kusto{columns: []column{{"name", []string{"name"}}}}
	rows := []record{{"name": "a"}, {"name": "b"}, {"name": "c"}}
	if got, want := string(q.write(rows, 1, 1, true)), `{"totalRecords":3,"count":1,"resultTruncated":"true","$skipToken":"2","facets":[],`+
		`"data":{"columns":[{"name":"name","type":"string"}],"rows":[["b"]]}}`; got != want {
		t.Errorf("a page in the middle:\n got %s\nwant %s", got, want)
	}
}

// FuzzConditions: nothing that callers write in a filter or a query breaks anything.
func FuzzConditions(f *testing.F) {
	for _, text := range []string{"", "resources | where type =~ 'a/b' and not(isempty(tags['x'])) | project id, n = properties.a.b | order by n desc nulls last | limit 3",
		"substringof('a', name) or tagName eq 'b' and (tagValue ne 'c''d')", "resourcecontainers | where name in~ ('a', \"b\\\"\") | count"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if holds, err := nodeFilter(text); err == nil && holds != nil {
			holds(kiosk())
		}
		q, err := parseKusto(text)
		if err != nil {
			return
		}
		rows := slices.DeleteFunc([]record{(&call{}).nodeRecord(kiosk(), nil)}, func(x record) bool { return !q.wants(x) })
		for _, step := range q.steps {
			rows = step(rows)
		}
		q.write(rows, 0, 10, false)
		q.write(rows, 0, 10, true)
	})
}
