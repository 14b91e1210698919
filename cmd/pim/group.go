package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portcullis/internal/api/wire"
	"portcullis/internal/client"
)

// side is which side of which group is meant, where one is: the zero value means a role of the directory.
type side struct {
	group string
	owner bool
}

// flags gives a command the flags that name a side of a group in place of the last of its arguments.
func (g *side) flags(cmd *cobra.Command, names ...string) {
	cmd.Flags().StringVar(&g.group, "group", "", "a group, by name or id, in place of the role: its member")
	cmd.Flags().BoolVar(&g.owner, "owner", false, "with --group: its owner")
	before := cmd.Args
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if before != nil {
			if err := before(cmd, given); err != nil {
				return err
			}
		}
		switch {
		case g.group != "" && cmd.Flags().Changed("scope"):
			return usagef("say only one of --group and --scope")
		case g.group != "":
			return exactly(names[:len(names)-1]...)(cmd, given)
		case g.owner:
			return usagef("--owner goes with --group")
		}
		return exactly(names...)(cmd, given)
	}
}

func (g side) role() string {
	if g.owner {
		return "owner"
	}
	return "member"
}

// choose finds the grant of the side that is meant.
func (g side) choose(grants []client.Grant, without string) (client.Grant, error) {
	var found []client.Grant
	for _, x := range grants {
		named := strings.EqualFold(x.ScopeID, g.group) || strings.EqualFold(nameOf(x.Scope, ""), g.group)
		had := func(o client.Grant) bool { return o.ScopeID == x.ScopeID }
		if x.OfGroup && named && strings.EqualFold(x.RoleID, g.role()) && !slices.ContainsFunc(found, had) {
			found = append(found, x)
		}
	}
	switch len(found) {
	case 0:
		return client.Grant{}, refused("See your roles with: pim roles", "%s %s of %q", without, g.role(), g.group)
	case 1:
		return found[0], nil
	}
	return client.Grant{}, usagef("%d groups are called %q: give the id of the one you mean", len(found), g.group)
}

// groupNamed finds a group by id or name.
func (s *session) groupNamed(ctx context.Context, name string) (client.Object, error) {
	if wire.IsGUID(name) {
		o, err := s.ObjectByID(ctx, strings.ToLower(name))
		return o, missing(err, "there is no group with the id %s", name)
	}
	list, err := s.GroupsNamed(ctx, name)
	if err != nil {
		return client.Object{}, err
	}
	return one(list, name, "no group is called")
}

// active lists what the person holds now: roles, and sides of groups where the sign-in permits to see them.
func (s *session) active(ctx context.Context) ([]client.Grant, error) {
	return both(ctx, s.Active, s.ActiveInGroups)
}

// eligible lists what the person may activate now.
func (s *session) eligible(ctx context.Context) ([]client.Grant, error) {
	return both(ctx, s.Eligible, s.EligibleInGroups)
}

func both(ctx context.Context, roles, groups func(context.Context) ([]client.Grant, error)) ([]client.Grant, error) {
	list, err := roles(ctx)
	if err != nil {
		return nil, err
	}
	more, err := groups(ctx)
	for _, g := range more {
		// Plain memberships, which were made outside PIM and tell no start, are many and nobody's privilege to watch.
		if g.Start != nil {
			list = append(list, g)
		}
	}
	return list, ignoring(err, http.StatusForbidden)
}

// kinds are those of requests for roles and for sides of groups.
func kinds(of ...client.Kind) []client.Kind {
	out := slices.Clone(of)
	for _, k := range of {
		out = append(out, client.Grant{OfGroup: true}.Kind(k))
	}
	return out
}

// waitsFor are the names of the people who may decide a request now; none where that may not be read.
func (s *session) waitsFor(ctx context.Context, r client.Request) ([]string, error) {
	if r.ApprovalID == "" || !r.In("PendingApproval") {
		return nil, nil
	}
	d, err := s.Deciders(ctx, r.ID)
	if err != nil {
		return nil, ignoring(err, http.StatusForbidden, http.StatusNotFound)
	}
	var names []string
	for _, p := range d.People {
		names = append(names, first(p.Name, p.Account))
	}
	if d.More {
		names = append(names, "others")
	}
	return names, nil
}

// fewNames is a list of people as a line has room for.
func fewNames(names []string) string {
	const room = 5
	if len(names) <= room {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:room], ", ") + fmt.Sprintf(" and %d more", len(names)-room)
}
