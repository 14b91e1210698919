package migrate

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"portcullis/internal/pim"
)

const v1Root = "/beta/"

// ReadV1 reads what a server tells in the words of PIM's first iteration, which knows directory roles and people alone.
func ReadV1(ctx context.Context, s Server, o ReadOptions) (*Estate, error) {
	o.Providers = []pim.Provider{pim.Directory}
	r := newReading(s, s.Origin(), o)
	var roles []v1Role
	err := pages(ctx, r, v1Root+"privilegedRoles", func(in v1Role) {
		roles = append(roles, in)
		r.v1Role(in)
	})
	if err != nil {
		return nil, err
	}
	if err := counted(ctx, r, r, "assignments", v1Root+"privilegedRoleAssignments", r.v1Row); err != nil {
		return nil, err
	}
	if err := r.v1Requests(ctx); err != nil {
		return nil, err
	}
	settings := make([]v1Settings, len(roles))
	err = r.each(ctx, "settings", len(roles), func(ctx context.Context, i int) error {
		path := v1Root + "privilegedRoles/" + escaped(roles[i].ID) + "/settings"
		if err := r.Call(ctx, http.MethodGet, path, nil, &settings[i]); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		settings[i].ID = roles[i].ID
		for _, id := range settings[i].ApproverIDs {
			r.principal(Principal{ID: id})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Who an approver is, this iteration does not tell, and need not be told by a server that speaks nothing else.
	if err := r.names(ctx); err != nil && statusOf(err) == 0 {
		return nil, err
	}
	for _, in := range settings {
		if err := r.v1Rules(in); err != nil {
			return nil, err
		}
	}
	return r.finish(), nil
}

func (r *reading) v1Requests(ctx context.Context) error {
	var me struct{ ID string }
	if err := r.Call(ctx, http.MethodGet, "/v1.0/me?$select=id", nil, &me); err != nil && statusOf(err) == 0 {
		return err
	}
	var wrong error
	for _, word := range []string{"RequestedApproval", "Scheduled"} {
		take := func(in v1Request) { keep(&wrong, r.v1OpenRequest(in, strings.ToLower(me.ID))) }
		if err := pages(ctx, r, asked(v1Root+"privilegedRoleAssignmentRequests", "$filter", "status eq "+quoted(word)), take); err != nil || wrong != nil {
			return either(err, wrong)
		}
	}
	return nil
}
