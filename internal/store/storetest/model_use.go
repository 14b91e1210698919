package storetest

import (
	"cmp"
	"context"
	"slices"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// call names what uses are counted by.
type call struct {
	tenant                      pim.TenantID
	dialect, application, route string
}

// AddUses implements store.Uses.
func (m *Model) AddUses(ctx context.Context, uses []store.Use) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for _, u := range uses {
		u = kept(u)
		at := call{u.Tenant, u.Dialect, u.Application, u.Route}
		if have, there := m.uses[at]; there {
			u.Count += have.Count
			if have.First.Before(u.First) {
				u.First = have.First
			}
			if have.Last.After(u.Last) {
				u.Last = have.Last
			}
		}
		m.uses[at] = u
	}
	return nil
}

// Uses implements store.Uses.
func (m *Model) Uses(ctx context.Context, t pim.TenantID) ([]store.Use, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []store.Use
	for at, u := range m.uses {
		if at.tenant == t {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b store.Use) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Dialect, b.Dialect), cmp.Compare(a.Application, b.Application), cmp.Compare(a.Route, b.Route))
	})
	return out[:min(len(out), 10_000)], nil
}
