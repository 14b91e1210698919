package native

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Dialects are those on their way out, and who still calls them.
type Dialects struct {
	// Modes say how far each is served, by the name in its api.Retirement.
	Modes map[string]api.Mode
	// Uses are the counted calls, for those who may read the audit log; others are refused.
	Uses func(context.Context, pim.Caller, pim.TenantID) ([]store.Use, error)
	// Applications are those of the directory; a store.Store has them.
	Applications func(context.Context, store.Query) (store.Page[directory.Object], error)
}

// use is one sort of call, or a dialect that nobody has called.
type use struct {
	Dialect string `json:"dialect"`
	// Mode is on, readOnly or off: calls are counted when they are refused, too.
	Mode string `json:"mode"`
	// Application is a client id; empty: the token names none, or nobody calls. Its name is empty where the directory does not
	// have it (any more).
	Application     string `json:"applicationId"`
	ApplicationName string `json:"applicationName"`
	// Route is the method and the pattern of the address; empty: nobody calls.
	Route string     `json:"route"`
	Count int64      `json:"count"`
	First *time.Time `json:"firstDateTime"`
	Last  *time.Time `json:"lastDateTime"`
}

// dialects lists who calls what of the dialects on their way out, by dialect, application and route.
func (s *Surface) dialects(r *api.Request) (api.Answer, error) {
	o, err := readOptions(r, "dialect")
	if err != nil {
		return api.Answer{}, err
	}
	uses, err := s.Dialects.Uses(r.Context(), r.Caller, r.Tenant)
	if err != nil {
		return api.Answer{}, err
	}
	names, err := s.applicationNames(r.Context(), r.Tenant, uses)
	if err != nil {
		return api.Answer{}, err
	}
	out := list[use]{Value: s.fromUses(uses, names)}
	if name := o.values.Get("dialect"); name != "" {
		out.Value = slices.DeleteFunc(out.Value, func(u use) bool { return !strings.EqualFold(u.Dialect, name) })
	}
	return answer(out)
}

// fromUses are the rows, with one for each dialect that nobody has called.
func (s *Surface) fromUses(uses []store.Use, names map[string]string) []use {
	out := []use{}
	called := map[string]bool{}
	for _, u := range uses {
		called[u.Dialect] = true
		out = append(out, use{
			Dialect: u.Dialect, Mode: s.Dialects.Modes[u.Dialect].String(), Application: u.Application, ApplicationName: names[strings.ToLower(u.Application)],
			Route: u.Route, Count: u.Count, First: instant(u.First), Last: instant(u.Last),
		})
	}
	for name, mode := range s.Dialects.Modes {
		if !called[name] {
			out = append(out, use{Dialect: name, Mode: mode.String()})
		}
	}
	slices.SortFunc(out, func(a, b use) int {
		return cmp.Or(cmp.Compare(a.Dialect, b.Dialect), cmp.Compare(a.ApplicationName, b.ApplicationName),
			cmp.Compare(a.Application, b.Application), cmp.Compare(a.Route, b.Route))
	})
	return out
}

// nameAtOnce bounds how many applications are asked for at a time.
const nameAtOnce = 500

// applicationNames are the display names of the applications that call, by client id.
func (s *Surface) applicationNames(ctx context.Context, t pim.TenantID, uses []store.Use) (map[string]string, error) {
	var ids []string
	for _, u := range uses {
		if u.Application != "" {
			ids = append(ids, strings.ToLower(u.Application))
		}
	}
	slices.Sort(ids)
	names := map[string]string{}
	for some := range slices.Chunk(slices.Compact(ids), nameAtOnce) {
		page, err := s.Dialects.Applications(ctx, store.Query{Tenant: t, Limit: len(some), Where: store.In{Field: store.FieldClientID, Values: some}})
		if err != nil {
			return nil, err
		}
		for _, o := range page.Rows {
			if o.App != nil {
				names[o.App.ClientID] = o.DisplayName
			}
		}
	}
	return names, nil
}
