package server

import (
	"slices"

	"portcullis/internal/idp"
	"portcullis/internal/pim"
)

// standing is what a person's tokens tell of them: what they are and hold at this moment of PIM's time, activations among
// it.
func (s *Server) standing(t pim.TenantID, p pim.PrincipalID) idp.Standing {
	now := s.App.Time()
	told := idp.Standing{Groups: s.App.Index.GroupsAbove(now, t, p)}
	for _, r := range s.App.Index.Held(now, t, p) {
		if r.Provider == pim.Directory && r.Scope == pim.Everywhere && !slices.Contains(told.Roles, r.Role) {
			told.Roles = append(told.Roles, r.Role)
		}
	}
	return told
}
