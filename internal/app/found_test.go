package app_test

import (
	"slices"
	"testing"

	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// TestAnOldTenantsCommandLine: a tenant that was founded with fewer permissions lets its people use the new ones, once, and
// audited.
func TestAnOldTenantsCommandLine(t *testing.T) {
	onBoth(t, func(t *testing.T, s store.Store) {
		h := newHouse(t, s)
		ctx := t.Context()
		tenant := directory.Tenant{ID: tenantID(7), Name: "Seven", Domain: "seven.example", Created: h.Time()}
		root := directory.Object{Tenant: tenant.ID, ID: person(7, 1), Kind: directory.KindUser, DisplayName: "Root", Enabled: true,
			Created: h.Time(), User: &directory.User{PrincipalName: "root@seven.example", Type: "Member"}}
		h.fine("found", h.Found(ctx, app.Founding{Tenant: tenant, Objects: []directory.Object{root}, Administrator: root.ID, Permissions: []string{"Old.Read"}}))
		events := len(h.events(7))
		for round := range 2 {
			h.fine("renew", h.RenewCommandLine(ctx, tenant, []string{"New.Read", "Old.Read"}))
			page, err := s.Objects(ctx, store.Query{Tenant: tenant.ID, Where: store.Is(store.FieldClientID, app.CommandLineClientID)})
			h.fine("read", err)
			if len(page.Rows) != 1 || !slices.Equal(page.Rows[0].App.Permissions, []string{"New.Read", "Old.Read"}) {
				t.Fatalf("round %d: got %+v, want both permissions", round, page.Rows)
			}
			if got := len(h.events(7)); got != events+1 {
				t.Errorf("round %d: got %d events more, want one", round, got-events)
			}
		}
		h.fine("delete it", h.DeleteApplication(ctx, h.Caller(tenant.ID, pim.Caller{MFA: true, Actor: pim.Actor{Principal: root.ID, Kind: pim.UserPrincipal}}),
			tenant.ID, h.commandLine(7)))
		h.fine("renew what is gone", h.RenewCommandLine(ctx, tenant, []string{"New.Read"}))
	})
}

// commandLine finds the command line's application of a tenant.
func (h *house) commandLine(tenant int) pim.PrincipalID {
	h.Helper()
	page, err := h.Store.Objects(h.Context(), store.Query{Tenant: tenantID(tenant), Where: store.Is(store.FieldClientID, app.CommandLineClientID)})
	if err != nil || len(page.Rows) != 1 {
		h.Fatalf("the command line: got %d, %v, want one", len(page.Rows), err)
	}
	return page.Rows[0].ID
}
