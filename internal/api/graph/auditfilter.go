package graph

import (
	"strings"

	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// What of a filter on the audit log its store decides: all but what stands in reasons and details. Names that no column has,
// such as those of activities, are turned into the events that are called so.

func auditColumns(t auditTable) listing.Columns {
	byWord := func(word func(auditName) string) listing.Column {
		return wordsColumn(func(pass func(string) bool) store.Filter {
			return t.events(func(n auditName) bool { return pass(word(n)) })
		})
	}
	person, app := store.Is(store.FieldActorKind, int(pim.UserPrincipal)), store.Not{Filter: store.Is(store.FieldActorKind, int(pim.UserPrincipal))}
	clock := store.And{store.Is(store.FieldActorKind, 0), store.Is(store.FieldActorName, nil)}
	return listing.Columns{
		"id":                  eventIDColumn(),
		"activityDateTime":    listing.TimeColumn(store.FieldAt),
		"activityDisplayName": byWord(func(n auditName) string { return n.name }),
		"loggedByService":     byWord(auditName.service),
		"operationType":       byWord(func(n auditName) string { return n.operation }),
		"category":            wordsColumn(t.inCategories),
		"correlationId":       correlationColumn(),
		"result": wordsColumn(func(pass func(string) bool) store.Filter {
			any := store.Or{}
			for word, success := range map[string]bool{"success": true, "failure": false} {
				if pass(word) {
					any = append(any, store.Is(store.FieldSuccess, success))
				}
			}
			return any
		}),
		"initiatedBy/user/id":                guarded(store.FieldActor, person, true, nil),
		"initiatedBy/user/displayName":       guarded(store.FieldActorName, person, false, nil),
		"initiatedBy/user/userPrincipalName": guarded(store.FieldActorAccount, person, false, nil),
		"initiatedBy/app/servicePrincipalId": guarded(store.FieldActor, app, true, nil),
		"initiatedBy/app/appId":              guarded(store.FieldActorAccount, app, false, nil),
		"initiatedBy/app/displayName":        guarded(store.FieldActorName, app, false, clock),
	}
}

// wordsColumn compares a word of a closed set, which events find the words that pass a test. Letter case does not count.
func wordsColumn(events func(pass func(word string) bool) store.Filter) listing.Column {
	return listing.Column{
		Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
			text, ok := v.(odata.String)
			if _, null := v.(odata.Null); null {
				text, ok = "", true // no event is without the word, and none has the empty one
			}
			if !ok || op != odata.Eq && op != odata.Ne {
				return nil, false
			}
			return events(func(word string) bool { return strings.EqualFold(word, string(text)) == (op == odata.Eq) }), true
		},
		Call: func(function, text string) (store.Filter, bool) {
			text = strings.ToLower(text)
			switch function {
			case "startswith":
				return events(func(word string) bool { return strings.HasPrefix(strings.ToLower(word), text) }), true
			case "endswith":
				return events(func(word string) bool { return strings.HasSuffix(strings.ToLower(word), text) }), true
			case "contains":
				return events(func(word string) bool { return strings.Contains(strings.ToLower(word), text) }), true
			}
			return nil, false
		},
	}
}

// inCategories finds the events in the categories that pass a test: by their name, where that has one, else by what they
// are about.
func (t auditTable) inCategories(pass func(string) bool) store.Filter {
	own := store.And{t.events(func(n auditName) bool { return n.category == "" })}
	about := store.Or{}
	for _, p := range []pim.Provider{pim.Group, pim.Resource} {
		if pass(categoryOf(p)) {
			about = append(about, store.Is(store.FieldProvider, string(p)))
		}
	}
	if pass(categoryOf(pim.Directory)) { // what is about nothing, too
		about = append(about, store.Not{Filter: store.In{Field: store.FieldProvider, Values: []string{string(pim.Group), string(pim.Resource)}}})
	}
	return store.Or{
		t.events(func(n auditName) bool { return n.category != "" && pass(n.category) }),
		append(own, about),
	}
}

// eventIDColumn compares the ids of entries.
func eventIDColumn() listing.Column {
	return listing.Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		text, ok := v.(odata.String)
		if !ok || op != odata.Eq && op != odata.Ne {
			return nil, false
		}
		found := store.Filter(store.Or{})
		if id, ok := auditID(string(text)); ok {
			found = store.Is(store.FieldID, id)
		}
		if op == odata.Ne {
			return store.Not{Filter: found}, true
		}
		return found, true
	}}
}

// correlationColumn finds what belongs together: the events of a request, or one that is about none.
func correlationColumn() listing.Column {
	return listing.Column{Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
		text, ok := v.(odata.String)
		if !ok || op != odata.Eq && op != odata.Ne {
			return nil, false
		}
		id := strings.ToLower(string(text))
		none, some := store.Is(store.FieldRequest, nil), store.Compare{Field: store.FieldRequest, Op: store.Ne, Value: nil}
		found := store.Or{store.And{some, store.Is(store.FieldRequest, id)}, store.And{none, store.Is(store.FieldID, id)}}
		if op == odata.Ne {
			return store.Not{Filter: found}, true
		}
		return found, true
	}}
}

// guarded compares a column where a guard holds; elsewhere the property is null. clock, where it is given, is where the
// property is the name of the clock instead.
func guarded(f store.Field, guard store.Filter, isID bool, clock store.Filter) listing.Column {
	fold := func(s string) string {
		if isID {
			return strings.ToLower(s) // as ids are kept
		}
		return s
	}
	found := func(op store.Op, text string, named bool) store.Filter {
		any := store.Or{}
		if text != "" || op != store.Eq { // nothing is the empty text
			any = append(any, store.And{guard, store.Compare{Field: f, Op: store.Ne, Value: nil}, store.Compare{Field: f, Op: op, Value: text}})
		}
		if named && clock != nil {
			any = append(any, clock)
		}
		return any
	}
	return listing.Column{
		Compare: func(op odata.Op, v odata.Literal) (store.Filter, bool) {
			var equal store.Filter
			switch v := v.(type) {
			case odata.String:
				equal = found(store.Eq, fold(string(v)), strings.EqualFold(string(v), clockName))
			case odata.Null:
				some := store.Or{store.And{guard, store.Compare{Field: f, Op: store.Ne, Value: nil}}}
				if clock != nil {
					some = append(some, clock)
				}
				equal = store.Not{Filter: some}
			default:
				return nil, false
			}
			switch op {
			case odata.Eq:
				return equal, true
			case odata.Ne:
				return store.Not{Filter: equal}, true
			case odata.Gt, odata.Ge, odata.Lt, odata.Le:
			}
			return nil, false
		},
		Call: func(function, text string) (store.Filter, bool) {
			low, name := strings.ToLower(text), strings.ToLower(clockName)
			switch function {
			case "startswith":
				return found(store.Prefix, fold(text), strings.HasPrefix(name, low)), true
			case "contains":
				return found(store.Contains, fold(text), strings.Contains(name, low)), true
			}
			return nil, false
		},
	}
}

// auditTargets makes the conditions on targets: by id, and by name. They are wider than the filter, as which of an event's role,
// request, principal and scope are its targets depends on what it is called. What is asked of one and the same target by several
// conditions joined by and is left to the filter itself.
func auditTargets(tenant string) func(odata.Any) (store.Filter, bool) {
	return func(e odata.Any) (store.Filter, bool) {
		if e.X == nil {
			return store.And{}, true // every entry has one
		}
		return targetCondition(e.X, tenant)
	}
}

func targetCondition(x odata.Expr, tenant string) (store.Filter, bool) {
	switch x := x.(type) {
	case odata.Or:
		any := store.Or{}
		for _, term := range x {
			f, ok := targetCondition(term, tenant)
			if !ok {
				return nil, false
			}
			any = append(any, f)
		}
		return any, true
	case odata.Compare:
		text, ok := x.Value.(odata.String)
		if !ok || x.Op != odata.Eq || x.Path.Wrap != odata.Plain {
			return nil, false
		}
		return targetIs(x.Path, store.Eq, string(text), tenant)
	case odata.Call:
		if len(x.Args) != 2 {
			return nil, false
		}
		path, isPath := x.Args[0].(odata.Path)
		text, isText := x.Args[1].(odata.String)
		op, known := map[string]store.Op{"startswith": store.Prefix, "contains": store.Contains}[x.Name]
		if !isPath || !isText || !known || path.Wrap != odata.Plain {
			return nil, false
		}
		return targetIs(path, op, string(text), tenant)
	}
	return nil, false
}

func targetIs(path odata.Path, op store.Op, text, tenant string) (store.Filter, bool) {
	if len(path.Segments) != 2 || text == "" {
		return nil, false
	}
	switch path.Segments[1] {
	case "id":
		id := strings.ToLower(text)
		if op != store.Eq || id == strings.ToLower(tenant) {
			return nil, false
		}
		some := store.Compare{Field: store.FieldRequest, Op: store.Ne, Value: nil} // for which there is an index
		return store.Or{
			store.Is(store.FieldSubjectID, id), store.Is(store.FieldRole, id),
			store.And{some, store.Is(store.FieldRequest, id)},
			store.In{Field: store.FieldScope, Values: []string{id, "/" + id, string(pim.AdministrativeUnit(id))}},
		}, true
	case "displayName":
		return store.Or{
			store.Compare{Field: store.FieldSubject, Op: op, Value: text}, store.Compare{Field: store.FieldRoleName, Op: op, Value: text},
		}, true
	}
	return nil, false
}
