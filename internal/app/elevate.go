package app

import (
	"context"

	"portcullis/internal/abac"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
)

// ElevateAccess gives the caller, who holds Global Administrator now, the role User Access Administrator at "/", outside PIM and
// until somebody takes it away. Where they have it already nothing changes. Refusal: Forbidden.
func (a *App) ElevateAccess(ctx context.Context, by pim.Caller, t pim.TenantID) error {
	if err := pim.MayElevate(by); err != nil {
		return err
	}
	by.Rights = elevating{}
	_, err := a.Do(ctx, pim.Ask{By: by, Action: pim.AssignOutside, Kind: pim.Assignment,
		Key:           pim.Key{Tenant: t, Provider: pim.Resource, Scope: pim.Everywhere, Role: catalog.UserAccessAdministrator, Principal: by.Principal},
		Justification: "elevated access", Description: "Elevated access of a Global Administrator"})
	if refusal, ok := asRefusal(err); ok && refusal.Code == pim.AlreadyThere {
		return nil
	}
	return err
}

// elevating is what a Global Administrator may do for the one ask by which they take access.
type elevating struct{}

// May implements pim.Rights.
func (elevating) May(_ rbac.Operation, at pim.Scope, _ abac.Attributes) rbac.Verdict {
	if at == pim.Everywhere {
		return rbac.Allowed
	}
	return rbac.NotAllowed
}

// PermissionsAt lists the permissions of the roles that the caller holds at a scope now, one for each entry of a role. What deny
// assignments forbid is not taken out of them. Nobody needs a right for it.
func (a *App) PermissionsAt(_ context.Context, by pim.Caller, t pim.TenantID, scope pim.Scope) ([]rbac.Permission, error) {
	return a.Index.Permissions(a.Time(), t, by.Principal, scope), nil
}
