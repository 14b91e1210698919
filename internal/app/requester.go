package app

import (
	"context"
	"slices"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// requesters reads whom requests are for, as their approvals see them. A manager who is not there or is disabled is none: a
// stage that asks the manager is then for whoever stands in, rather than for nobody until it lapses.
func (a *App) requesters(ctx context.Context, t pim.TenantID, ids []pim.PrincipalID) (map[pim.PrincipalID]pim.Principal, error) {
	people, managers := map[pim.PrincipalID]pim.Principal{}, []pim.PrincipalID{}
	objects, err := a.Store.ObjectsByID(ctx, t, sortedIDs(ids))
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		p := o.Principal()
		if people[o.ID] = p; p.Manager != "" {
			managers = append(managers, p.Manager)
		}
	}
	objects, err = a.Store.ObjectsByID(ctx, t, sortedIDs(managers))
	if err != nil {
		return nil, err
	}
	present := map[pim.PrincipalID]bool{}
	for _, o := range objects {
		present[o.ID] = o.Kind == directory.KindUser && o.Enabled
	}
	for id, p := range people {
		if !present[p.Manager] {
			p.Manager = ""
			people[id] = p
		}
	}
	return people, nil
}

func sortedIDs(ids []pim.PrincipalID) []pim.PrincipalID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// knowManager makes a case about an answer to a request know whether the requestor's manager is there, where that matters.
func (a *App) knowManager(ctx context.Context, c *pim.Case, ask pim.Ask) error {
	asked := slices.ContainsFunc(c.Requests, func(r pim.Request) bool { return r.ID == ask.Request && r.AsksManager() })
	if c.Principal.Manager == "" || !asked {
		return nil
	}
	people, err := a.requesters(ctx, c.Key.Tenant, []pim.PrincipalID{c.Principal.ID})
	c.Principal.Manager = people[c.Principal.ID].Manager
	return err
}
