// Package directory holds the nouns of who and what is there: tenants, users, groups, applications, administrative
// units, who belongs to what, and by what they prove who they are.
//
// It is not a directory product: it knows as much of these as sign-in, PIM and its callers need. What is eligible for
// which role belongs to package pim.
package directory

import (
	"time"

	"portcullis/internal/pim"
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
)

// Object is anything in a tenant's directory that has an id. Exactly the facet of its kind is set.
type Object struct {
	Tenant      pim.TenantID
	ID          pim.PrincipalID
	Kind        Kind
	DisplayName string
	Description string
	// Enabled is false for an account that may not sign in.
	Enabled bool
	Created time.Time
	User    *User
	Group   *Group
	App     *App
	Role    *Role
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
	// Types holds "Unified" for Microsoft 365 groups, "DynamicMembership" for dynamic ones.
	Types      []string
	Visibility string
	// RoleAssignable groups may hold directory roles; fixed at creation.
	RoleAssignable bool
}

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
}

// Role is the facet of a custom role definition.
type Role struct {
	TemplateID string
	Version    string
	Enabled    bool
	Actions    []string
	Condition  string
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
	During   schedule.Interval
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

// Principal returns the object as the rules of PIM see it.
func (o Object) Principal() pim.Principal {
	p := pim.Principal{ID: o.ID, Name: o.DisplayName, Enabled: o.Enabled}
	switch o.Kind {
	case KindUser:
		p.Kind, p.Account = pim.UserPrincipal, o.User.PrincipalName
		p.Manager, p.Person = o.User.Manager, o.User.EmployeeID
	case KindGroup:
		p.Kind, p.RoleAssignable = pim.GroupPrincipal, o.Group.RoleAssignable
	case KindServicePrincipal:
		p.Kind, p.Account = pim.ServicePrincipal, o.App.ClientID
	case KindAdministrativeUnit, KindRole:
		return pim.Principal{}
	}
	return p
}
