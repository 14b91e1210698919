// Package sample is an organisation to try things on: some two hundred people with managers, groups, administrative
// units, applications, and who is eligible for what. It is for the demonstration, for tests and for programs that need
// somebody to sign in as; a real server never has it.
//
// The same seed makes the same people with the same ids. What they sign in with is made anew each time an organisation
// is loaded, and told in a manifest that only its owner can read. The first administrator is made outside PIM, as on
// every first start; everybody else has what they have by asking the application, like anybody would.
package sample

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/resource"
)

// Organisation is a tenant, whole. It holds no secrets.
type Organisation struct {
	Tenant  directory.Tenant
	Objects []directory.Object
	Links   []directory.Link
	// People are those with a part to play, by the key that programs know them by; only they can sign in.
	People map[string]pim.PrincipalID
	// Groups and Units are all of these, by key.
	Groups, Units map[string]pim.PrincipalID
	// Administrator is the first one.
	Administrator pim.PrincipalID
	// Client is the application that programs sign in with.
	Client   pim.PrincipalID
	ClientID string
	// Permissions are all that the client is given.
	Permissions []string
	// Tree is what the organisation owns, what contains others first, and Owner who owns all of it. Subscriptions are the ids of
	// these by key.
	Tree          []resource.Node
	Owner         pim.PrincipalID
	Subscriptions map[string]string
	// Policies are edits of the rules, and Grants who gets what, in the order in which the administrator, or
	// the owner of the resources, asks for them.
	Policies []PolicyEdit
	Grants   []Grant
}

// PolicyEdit changes the rules of a role.
type PolicyEdit struct {
	Key  pim.RoleKey
	Edit func(*policy.Rules) error
}

// Grant is something that the administrator gives.
type Grant struct {
	Key  pim.Key
	Kind pim.Kind
	// Duration is as callers write it; empty: no end.
	Duration string
}

// Options say which organisation.
type Options struct {
	// Seed makes the ids; equal seeds make equal organisations.
	Seed uint64
	// Permissions are all that the client application is given.
	Permissions []string
	// Created is when everything was made.
	Created time.Time
}

// builder makes one organisation.
type builder struct {
	Organisation
	name    string
	seed    uint64
	created time.Time
	random  *rand.Rand
	taken   map[string]int // account names given
}

func newBuilder(o Options, name, display, domain string) *builder {
	b := &builder{
		name: name, seed: o.Seed, created: o.Created.UTC().Truncate(time.Microsecond), taken: map[string]int{},
		// Not for secrets: it chooses names and teams, the same ones for the same seed.
		random: rand.New(rand.NewPCG(o.Seed, nameSeed(name))), //nolint:gosec // wanted to be foreseeable
	}
	b.Organisation = Organisation{
		Permissions: o.Permissions,
		People:      map[string]pim.PrincipalID{}, Groups: map[string]pim.PrincipalID{}, Units: map[string]pim.PrincipalID{},
		Subscriptions: map[string]string{},
		Tenant: directory.Tenant{
			ID: pim.TenantID(b.id("tenant", domain)), Name: display, Domain: domain, Created: b.created,
		},
	}
	return b
}

func nameSeed(name string) uint64 {
	sum := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint64(sum[:8])
}

// id makes a UUID in the form of version 4 (RFC 9562 §5.4) out of the seed and names.
func (b *builder) id(names ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%s", b.seed, b.name, strings.Join(names, "\x00")))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// add takes an object in.
func (b *builder) add(kind directory.Kind, key, name, description string) *directory.Object {
	b.Objects = append(b.Objects, directory.Object{
		Tenant: b.Tenant.ID, ID: pim.PrincipalID(b.id(fmt.Sprint(int(kind)), key)), Kind: kind,
		DisplayName: name, Description: description, Enabled: true, Created: b.created,
	})
	return &b.Objects[len(b.Objects)-1]
}

func (b *builder) link(r directory.Relation, from pim.PrincipalID, to ...pim.PrincipalID) {
	for _, id := range to {
		b.Links = append(b.Links, directory.Link{Tenant: b.Tenant.ID, Relation: r, From: from, To: id})
	}
}

// roleKey is the key of a directory role's policy.
func (b *builder) roleKey(r pim.RoleID) pim.RoleKey {
	return pim.RoleKey{Tenant: b.Tenant.ID, Provider: pim.Directory, Scope: pim.Everywhere, Role: r}
}

// grant notes that a principal gets a directory role.
func (b *builder) grant(kind pim.Kind, r pim.RoleID, who pim.PrincipalID, at pim.Scope, duration string) {
	b.Grants = append(b.Grants, Grant{
		Key:  pim.Key{Tenant: b.Tenant.ID, Provider: pim.Directory, Scope: at, Role: r, Principal: who},
		Kind: kind, Duration: duration,
	})
}

// membership grants a side of a group: member or owner.
func (b *builder) membership(kind pim.Kind, side pim.RoleID, who, group pim.PrincipalID, duration string) {
	b.Grants = append(b.Grants, Grant{
		Key:  pim.Key{Tenant: b.Tenant.ID, Provider: pim.Group, Scope: pim.Scope(group), Role: side, Principal: who},
		Kind: kind, Duration: duration,
	})
}
