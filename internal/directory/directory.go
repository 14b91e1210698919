// Package directory holds the nouns of who and what is there: tenants, users, groups, applications, administrative
// units, who belongs to what, and by what they prove who they are.
//
// It is not a directory product: it knows as much of these as sign-in, PIM and its callers need. What is eligible for
// which role belongs to package pim.
package directory

import (
	"maps"
	"slices"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/schedule"
)

// Tenant is one organisation. Nothing of one tenant is visible to, counted for or changed by another (promise P10).
type Tenant struct {
	ID pim.TenantID
	// Name is the display name.
	Name string
	// Domain is the verified default domain: user principal names end in it.
	Domain  string
	Created time.Time
}

// Kind says what an object is. The zero value is nothing.
type Kind int

// The kinds of objects. Stored: they may only be added to.
const (
	_ Kind = iota
	KindUser
	KindGroup
	KindServicePrincipal
	KindAdministrativeUnit
	KindRole
	// KindResourceRole is a custom role of the resource provider.
	KindResourceRole
)

// Definition says whether objects of the kind are role definitions: those have ids as all objects have, and are shown as roles
// alone.
func (k Kind) Definition() bool { return k == KindRole || k == KindResourceRole }

// Object is anything in a tenant's directory that has an id. Exactly the facet of its kind is set.
type Object struct {
	Tenant      pim.TenantID
	ID          pim.PrincipalID
	Kind        Kind
	DisplayName string
	Description string
	// Enabled is false for an account that may not sign in.
	Enabled bool
	// ExternalID is the name of the object in the directory that it comes from, if it comes from one.
	ExternalID string
	Created    time.Time
	// Modified is raised by every change, of memberships too.
	Modified time.Time
	// Deleted says since when the object is in the bin, where nothing but restoring and purging finds it; zero: it is not.
	Deleted time.Time
	User    *User
	Group   *Group
	App     *App
	Unit    *Unit
	Role    *Role
	// ResourceRole is the facet of custom roles of the resource provider.
	ResourceRole *ResourceRole
}

// User is the facet of a person's account.
type User struct {
	// PrincipalName is the user principal name; unique in the tenant without letter case.
	PrincipalName     string
	Mail              string
	MailNickname      string
	GivenName         string
	Surname           string
	JobTitle          string
	Department        string
	OfficeLocation    string
	MobilePhone       string
	BusinessPhones    []string
	PreferredLanguage string
	OtherMails        []string
	// Further are texts that nothing here looks at, by Graph's names of them, such as "city".
	Further map[string]string
	// Type is "Member" or "Guest".
	Type string
	// EmployeeID is shared by all accounts of one person (promise P5).
	EmployeeID string
	Manager    pim.PrincipalID
}

// Group is the facet of a group.
type Group struct {
	MailNickname    string
	SecurityEnabled bool
	MailEnabled     bool
	// Types holds "Unified" for Microsoft 365 groups, DynamicMembership for dynamic ones.
	Types      []string
	Visibility string
	// RoleAssignable groups may hold directory roles; fixed at creation.
	RoleAssignable bool
	// Registered is since when somebody has put it under PIM by name (reference pim-v2 §7); zero: nobody has. It binds nothing.
	Registered time.Time
}

// DynamicMembership is the type of a group whose members follow from a rule.
const DynamicMembership = "DynamicMembership"

// App is the facet of an application's service principal.
type App struct {
	// ClientID is the application id that callers sign in with: a UUID.
	ClientID string
	// Public clients have no secret and must use PKCE or the device code.
	Public bool
	// Redirects are the exact redirect addresses; LoopbackRedirects also allows http://localhost and http://127.0.0.1 at
	// any port (RFC 8252 §7.3).
	Redirects         []string
	LoopbackRedirects bool
	// Permissions are what its own tokens carry as roles, and the most that a person's token through it carries as scp.
	Permissions []string
	// Keys are the certificates by which it may prove itself instead of a secret.
	Keys []AppKey
	// Trusts are the tokens of other issuers by which it may.
	Trusts []Trust
}

// Unit is the facet of an administrative unit; nil says the same as the zero value.
type Unit struct{ Visibility string }

// Role is the facet of a custom role definition.
type Role struct {
	TemplateID string
	Version    string
	Enabled    bool
	Actions    []string
	// Blocks are the lengths of the parts in which Actions came, where there were several.
	Blocks    []int
	Condition string
}

// ResourceRole is the facet of a custom role of the resource provider, whose name and description are those of the object.
type ResourceRole struct {
	// Assignable are the scopes at and below which the role can be held.
	Assignable  []string
	Permissions []rbac.Permission
	// CreatedBy and UpdatedBy are object ids. Updated is when somebody last wrote the role.
	CreatedBy, UpdatedBy string
	Updated              time.Time
}

// Definition returns a custom role of the resource provider as it is evaluated and shown; false for any other object.
func (o Object) Definition() (rbac.Role, bool) {
	if o.Kind != KindResourceRole || o.ResourceRole == nil {
		return rbac.Role{}, false
	}
	r := o.ResourceRole
	return rbac.Role{
		ID: string(o.ID), Name: o.DisplayName, Description: o.Description, Assignable: r.Assignable, Permissions: r.Permissions,
		Created: o.Created, Updated: r.Updated, CreatedBy: r.CreatedBy, UpdatedBy: r.UpdatedBy,
	}, true
}

// Relation says how two objects belong together. The zero value is nothing.
type Relation int

// The relations. Stored: they may only be added to.
const (
	_ Relation = iota
	// MemberOf: To is a member of the group From.
	MemberOf
	// OwnerOf: To owns the group or application From.
	OwnerOf
	// UnitMember: To is in the administrative unit From.
	UnitMember
)

// Link says that one object belongs to another, for a time.
type Link struct {
	Tenant   pim.TenantID
	Relation Relation
	// From is the group, application or unit; To is who belongs to it.
	From, To pim.PrincipalID
	// Schedule is the grant that the link follows from, as those of a group's members and owners do; empty for a plain
	// link. Between the same two there may be several, of different schedules.
	Schedule pim.ScheduleID
	// Window is when the link holds. The zero value, as of plain links, is always.
	Window schedule.Window
}

// At is the stretch of time in which the link holds at t; false if it does not.
func (l Link) At(t time.Time) (schedule.Interval, bool) { return l.Membership().At(t) }

// Contains says whether the link holds at t.
func (l Link) Contains(t time.Time) bool {
	_, ok := l.At(t)
	return ok
}

// Membership returns a link between a group and its member as the rules of PIM see it.
func (l Link) Membership() pim.Membership {
	return pim.Membership{Group: l.From, Member: l.To, Schedule: l.Schedule, Window: l.Window}
}

// Credential is what an account proves itself by. It never leaves the store but for the sign-in.
type Credential struct {
	Tenant    pim.TenantID
	Principal pim.PrincipalID
	// Password is the encoded argon2id hash of a person's password or, for an application, the SHA-256 of its (random)
	// secret; empty: none.
	Password string
	// MustChange demands a new password at the next sign-in.
	MustChange bool
	// TOTPSecret is the shared secret (RFC 6238), base32; empty: not enrolled.
	TOTPSecret string
	// TOTPStep is the last time step that was used: a code works once.
	TOTPStep int64
	// Failures counts wrong attempts since the last right one, and LockedUntil is when the next is looked at.
	Failures    int
	LockedUntil time.Time
}

// GroupFacts returns what the rules of PIM look at of a group whose members and owners are concerned; zero for anything
// else.
func (o Object) GroupFacts() pim.GroupFacts {
	if o.Kind != KindGroup || o.Group == nil {
		return pim.GroupFacts{}
	}
	return pim.GroupFacts{
		ID: o.ID, Name: o.DisplayName, RoleAssignable: o.Group.RoleAssignable,
		Dynamic: slices.Contains(o.Group.Types, DynamicMembership),
	}
}

// Principal returns the object as the rules of PIM see it: what is in the bin is no principal.
func (o Object) Principal() pim.Principal {
	if !o.Deleted.IsZero() {
		return pim.Principal{}
	}
	p := pim.Principal{ID: o.ID, Name: o.DisplayName, Enabled: o.Enabled}
	switch o.Kind {
	case KindUser:
		p.Kind, p.Account = pim.UserPrincipal, o.User.PrincipalName
		p.Manager, p.Person = o.User.Manager, o.User.EmployeeID
	case KindGroup:
		p.Kind, p.RoleAssignable = pim.GroupPrincipal, o.Group.RoleAssignable
	case KindServicePrincipal:
		p.Kind, p.Account = pim.ServicePrincipal, o.App.ClientID
	case KindAdministrativeUnit, KindRole, KindResourceRole:
		return pim.Principal{}
	}
	return p
}

// Clone returns a copy that shares nothing with the object.
func (o Object) Clone() Object {
	if o.User != nil {
		u := *o.User
		u.BusinessPhones, u.OtherMails, u.Further = slices.Clone(u.BusinessPhones), slices.Clone(u.OtherMails), maps.Clone(u.Further)
		o.User = &u
	}
	if o.Group != nil {
		g := *o.Group
		g.Types = slices.Clone(g.Types)
		o.Group = &g
	}
	if o.App != nil {
		a := *o.App
		a.Redirects, a.Permissions = slices.Clone(a.Redirects), slices.Clone(a.Permissions)
		a.Keys, a.Trusts = cloneKeys(a.Keys), cloneTrusts(a.Trusts)
		o.App = &a
	}
	if o.Unit != nil {
		u := *o.Unit
		o.Unit = &u
	}
	if o.Role != nil {
		r := *o.Role
		r.Actions, r.Blocks = slices.Clone(r.Actions), slices.Clone(r.Blocks)
		o.Role = &r
	}
	if o.ResourceRole != nil {
		r := *o.ResourceRole
		r.Assignable, r.Permissions = slices.Clone(r.Assignable), clonePermissions(r.Permissions)
		o.ResourceRole = &r
	}
	return o
}

func clonePermissions(list []rbac.Permission) []rbac.Permission {
	out := slices.Clone(list)
	for i, p := range out {
		out[i].Actions, out[i].NotActions = slices.Clone(p.Actions), slices.Clone(p.NotActions)
		out[i].DataActions, out[i].NotDataActions = slices.Clone(p.DataActions), slices.Clone(p.NotDataActions)
	}
	return out
}
