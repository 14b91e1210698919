package app

import (
	"slices"

	"portcullis/internal/access"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// withLinks adds to a commit the links that follow from its schedules: whoever is a member or an owner of a group is so by a
// grant. It is the only place that makes or takes such links, and is asked once about each commit.
func withLinks(c store.Commit) store.Commit {
	var links, unlinks []directory.Link
	for _, s := range c.Schedules {
		l, ok := linkOf(s)
		switch {
		case !ok:
		case s.Ending == pim.NotEnded:
			links = append(links, l)
		default:
			unlinks = append(unlinks, l)
		}
	}
	if len(links)+len(unlinks) > 0 {
		c.Links, c.Unlinks = slices.Concat(c.Links, links), slices.Concat(c.Unlinks, unlinks)
	}
	return c
}

// linkOf is the link that a schedule stands for while it has not ended; false if it stands for none.
func linkOf(s pim.Schedule) (directory.Link, bool) {
	l := directory.Link{
		Tenant: s.Key.Tenant, Relation: directory.MemberOf, From: pim.PrincipalID(s.Key.Scope), To: s.Key.Principal,
		Schedule: s.ID, Window: s.Window,
	}
	if s.Key.Role == pim.Owner {
		l.Relation = directory.OwnerOf
	}
	return l, s.Kind == pim.Assignment && s.Key.Provider == pim.Group && (s.Key.Role == pim.Member || s.Key.Role == pim.Owner)
}

// edges are the links by which principals are above others.
func edges(links []directory.Link) []access.Edge {
	var out []access.Edge
	for _, l := range links {
		if l.Relation == directory.MemberOf {
			out = append(out, access.Edge{Tenant: l.Tenant, Membership: l.Membership()})
		}
	}
	return out
}
