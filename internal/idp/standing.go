package idp

import (
	"context"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// Standing is what a person's tokens say of their place in the organisation.
type Standing struct {
	// Groups are the groups that the person is in, directly and through others.
	Groups []pim.PrincipalID
	// Roles are the directory roles that they hold everywhere, by the ids of their templates.
	Roles []pim.RoleID
}

// maxGroups is how many groups a token tells, as with Entra: of more it tells none, but where to ask.
const maxGroups = 200

// standingClaims are the claims of groups and roles (learn.microsoft.com/entra/identity-platform/access-token-claims-reference).
// Names and sources are those of distributed claims (OpenID Connect Core §5.6.2).
type standingClaims struct {
	Groups  []string               `json:"groups,omitempty"`
	Roles   []string               `json:"wids,omitempty"`
	Names   map[string]string      `json:"_claim_names,omitempty"`
	Sources map[string]claimSource `json:"_claim_sources,omitempty"`
}

type claimSource struct {
	Endpoint string `json:"endpoint"`
}

func (p *Provider) standingOf(ctx context.Context, o directory.Object) standingClaims {
	if p.Standing == nil {
		return standingClaims{}
	}
	var c standingClaims
	s := p.Standing(o.Tenant, o.ID)
	for _, r := range s.Roles {
		c.Roles = append(c.Roles, string(r))
	}
	if len(s.Groups) > maxGroups {
		const source = "src1"
		c.Names = map[string]string{"groups": source}
		c.Sources = map[string]claimSource{
			source: {placeOf(ctx).origin + "/v1.0/users/" + string(o.ID) + "/getMemberObjects"},
		}
		return c
	}
	for _, g := range s.Groups {
		c.Groups = append(c.Groups, string(g))
	}
	return c
}
