// Package store says what Portcullis keeps and how it is read and written. Package storetest is the suite that defines
// every promise made here; package sqlstore keeps them on SQLite and PostgreSQL.
//
// A store knows no rules. It reads the facts that a decision needs in one go, commits an outcome whole or not at all,
// and lists rows by filter and keyset. All instants are UTC and kept to the microsecond; a zero time is kept as none.
package store

import (
	"context"
	"errors"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
)

var (
	// ErrNotFound: what was named is not there, or not in that tenant. The caller answers alike for both.
	ErrNotFound = errors.New("not found")
	// ErrStale: what was read has changed since. The caller reads and decides again.
	ErrStale = errors.New("changed meanwhile")
	// ErrConflict: something with that name or id is there already.
	ErrConflict = errors.New("already there")
	// ErrUnavailable: the database cannot be reached or takes no writes now. Nothing was done, or the caller cannot
	// know: asking again later is safe, for an ask that was committed is found by its id. Answer 503.
	ErrUnavailable = errors.New("store unavailable")
	// ErrCursor: the cursor is not one of this list in this order. The caller made it up, or changed the order.
	ErrCursor = errors.New("not a cursor of this list")
)

// Store is all that Portcullis keeps. It is cut by who uses it.
type Store interface {
	Cases
	Feed
	Work
	Mails
	Lists
	Directory
	Resources
	Vault
	Uses
	// Ping says whether the store can be read and written now: nil, or an error that wraps ErrUnavailable.
	Ping(context.Context) error
	Close() error
}

// Cases is the way of every decision: read once, commit once.
type Cases interface {
	// Case reads what a decision needs, as of one instant. ErrNotFound: the request or schedule that the need names is
	// not there, or the need has a whole key with it, which saves a look, and that is not its key. Unknown principals, roles and scopes are no errors: the case says so with zero values. Built-in roles
	// and doors are not in the store: the caller fills them in.
	Case(context.Context, pim.Need) (pim.Case, error)
	// Commit writes everything or nothing, and returns when it is durable. ErrStale: the case, one it touches or one it
	// relies on has changed, or a new request's id is taken (ErrConflict when the case itself has not changed). Callers
	// choose the ids of schedules of the resource provider: ErrStale, too, where another case has a schedule of that id.
	Commit(context.Context, Commit) error
	// CommitAll writes several outcomes of different cases, each whole or not at all, and is for the clock's asks and
	// imports. The result has one error, or nil, for each.
	CommitAll(context.Context, []Commit) []error
	// Cases reads many cases at once. A need for which Case says ErrNotFound gives a case with a zero Key.
	Cases(context.Context, []pim.Need) ([]pim.Case, error)
}

// Commit is an outcome with its audit entries in the form they are kept. A zero Key says that no case is concerned, as
// with an edit of a policy, a change of the directory or the audit of a refusal: then no version but those of Touches,
// Relies and Policy is tested. Entries are what is logged; the outcome's own Events are not looked at.
type Commit struct {
	pim.Outcome
	Entries []Entry
	// Policy is the edited policy with Version already raised; nil for all but edits of a policy.
	Policy *PolicyEdit
	// Objects and Links are changes of the directory: first what is Deleted goes, with all its links and its credential, out
	// of the bin too; then Objects are written whole, those that say since when they are deleted into the bin, which costs
	// them their place among the others, their links and their credential; then Unlinks go and Links come. ErrConflict: a
	// principal name or client id is taken. In the bin none is.
	Objects []directory.Object
	Deleted []directory.Object
	Links   []directory.Link
	Unlinks []directory.Link
	// Resources are nodes of the tree, written whole; Cleared are scopes that go with everything that lies below them by
	// their path, and with the policies of roles there; "/" is all. First goes what is cleared. Denials are written whole;
	// first Undenied go.
	Resources []resource.Node
	Cleared   []Place
	Denials   []Denial
	Undenied  []Denial
	// Tenant is a new tenant.
	Tenant *directory.Tenant
	// Credentials are written whole.
	Credentials []directory.Credential
}

// Place is a scope of resources of a tenant.
type Place struct {
	Tenant pim.TenantID
	Scope  pim.Scope
}

// PolicyEdit is a policy as it shall be. It is stale unless the stored version is one less.
type PolicyEdit struct {
	Key    pim.RoleKey
	Policy policy.Policy
}

// Entry is an audit event with the canonical bytes that are logged, and the hash of its leaf (RFC 6962 §2.1).
type Entry struct {
	Event     pim.Event
	Canonical []byte
	Leaf      [32]byte
}

// Due is something whose time has come.
type Due struct {
	At       time.Time
	Key      pim.Key        // of the schedule or request
	Schedule pim.ScheduleID // one of both is set
	Request  pim.RequestID
}

// Work is what the worker lives by.
type Work interface {
	// Due lists up to limit schedules and requests whose Due is at or before now, the earliest first. The next that is
	// due later, if any, is told by next; zero: nothing is planned.
	Due(ctx context.Context, now time.Time, limit int) (due []Due, next time.Time, err error)
	// ClaimEffects leases up to limit effects that are due at now to holder until the lease ends: no other holder gets
	// them before, not even where a commit gives an effect a new intent meanwhile: two hands on one door could leave it in
	// the older state. next is when the next effect or lease falls due. The holder's name is not empty.
	ClaimEffects(ctx context.Context, holder string, now, until time.Time, limit int) (effects []pim.Effect, next time.Time, err error)
	// Settle writes what became of a claimed effect and its audit entries, and ends the lease. ErrStale: the effect was
	// given another intent meanwhile, or the lease was lost; nothing is written but that the holder's lease ends, and it is
	// simply claimed again.
	Settle(ctx context.Context, holder string, before, after pim.Effect, entries []Entry) error
}

// Mails is the way of notices from their commit to a mail server, and what is shown of it. A commit's notices are kept as
// mails without an address, whether or not that notice is there already.
type Mails interface {
	// ClaimMails leases up to limit mails that are due at now, as ClaimEffects does.
	ClaimMails(ctx context.Context, holder string, now, until time.Time, limit int) (mails []pim.Mail, next time.Time, err error)
	// SettleMail writes what became of a claimed mail, further mails that follow from it, and audit entries, and ends the
	// lease. Of the further ones those that are there already stay as they are. ErrStale: the lease was lost; nothing is
	// written.
	SettleMail(ctx context.Context, holder string, after pim.Mail, more []pim.Mail, entries []Entry) error
	// Mails lists them by id, kind, address, state, stuck and created.
	Mails(context.Context, Query) (Page[pim.Mail], error)
	// PurgeMails deletes what came to its end at or before an instant, at most limit rows, and says how many.
	PurgeMails(ctx context.Context, before time.Time, limit int) (int, error)
}

// Page is a part of a list.
type Page[T any] struct {
	Rows []T
	// Next continues after the last row; empty at the end.
	Next Cursor
	// Count is the number of all rows that match, where it was asked for; else -1.
	Count int
}

// Cursor is the sort key of a row, as text per order column; the last part is the id.
type Cursor []string

// Query says which rows of a list, in which order. The tenant is not optional.
type Query struct {
	Tenant pim.TenantID
	Where  Filter // nil: all
	// Order is followed by the id in the direction of the last column, so that it is total. Empty: by id alone. Texts sort
	// by their bytes (those that compare without letter case, folded), none before all else, except FieldEnd.
	Order []Order
	After Cursor
	// Limit is the most rows returned; 0 means 100, the most is 1000.
	Limit int
	Count bool
}

// Order names a column to sort by.
type Order struct {
	Field Field
	Desc  bool
}

// Lists are the read side.
type Lists interface {
	Requests(context.Context, Query) (Page[pim.Request], error)
	Schedules(context.Context, Query) (Page[pim.Schedule], error)
	Effects(context.Context, Query) (Page[pim.Effect], error)
	Events(context.Context, Query) (Page[pim.Event], error)
	// Policies returns the stored policies; roles that nobody edited have none.
	Policies(context.Context, pim.TenantID, []pim.RoleKey) (map[pim.RoleKey]policy.Policy, error)
	// PoliciesAt returns the stored policies of all roles of a provider at one scope, of a key without a role.
	PoliciesAt(context.Context, pim.RoleKey) (map[pim.RoleKey]policy.Policy, error)
	// LiveSchedules streams every schedule of every tenant that holds at now or later, to fill the access index, with nothing but
	// its id, key, kind, type, window, request, eligibility and condition. It stops at the first error of yield, as those do
	// that follow. What is being committed meanwhile may be missing, or be there as it was and as it is.
	LiveSchedules(ctx context.Context, now time.Time, yield func(pim.Schedule) error) error
	// LiveLinks streams every link between groups and their members.
	LiveLinks(ctx context.Context, yield func(directory.Link) error) error
	// LiveNames streams all principals with nothing but their kind and what they go by: principal name, client id, external id,
	// folded where they compare without letter case.
	LiveNames(ctx context.Context, principals func(directory.Object) error) error
}

// Directory is who and what is there.
type Directory interface {
	Tenants(context.Context) ([]directory.Tenant, error)
	Objects(context.Context, Query) (Page[directory.Object], error)
	// Bin lists the objects in the bin; all other questions leave these out. Of the fields of objects it has those that
	// Objects has.
	Bin(context.Context, Query) (Page[directory.Object], error)
	// ObjectsByID returns those of the ids that are there, in no order.
	ObjectsByID(ctx context.Context, t pim.TenantID, ids []pim.PrincipalID) ([]directory.Object, error)
	// Links lists links of a relation from or to an object (the other end empty), with the object at the other end,
	// ordered by its id.
	Links(ctx context.Context, t pim.TenantID, r directory.Relation, from, to pim.PrincipalID) ([]directory.Link, error)
	// GroupsAbove lists every edge on the ways up from a principal through groups, circles included once.
	GroupsAbove(ctx context.Context, t pim.TenantID, member pim.PrincipalID) ([]directory.Link, error)
	// MembersBelow lists every edge on the ways down from a group.
	MembersBelow(ctx context.Context, t pim.TenantID, group pim.PrincipalID) ([]directory.Link, error)
	Credential(ctx context.Context, t pim.TenantID, principal pim.PrincipalID) (directory.Credential, error)
	// ReplaceCredential writes after if the stored one still equals before; else ErrStale.
	ReplaceCredential(ctx context.Context, before, after directory.Credential) error
}

// Resources is the tree at which roles of the resource provider are held, and what is forbidden there.
type Resources interface {
	// Resources lists nodes of the tree by scope, which is their id, so that what is below something stands together. Its
	// fields are scope, alias, parent, resourceKind, resourceType, displayName (that of containers, else the name). The root is not
	// among them.
	Resources(context.Context, Query) (Page[resource.Node], error)
	// ResourcesByScope returns those of the scopes that are there, in no order.
	ResourcesByScope(context.Context, pim.TenantID, []pim.Scope) ([]resource.Node, error)
	// Denials lists deny assignments by id. Its fields are id and scope.
	Denials(context.Context, Query) (Page[Denial], error)
	// LiveResources streams what the access index knows of resources: the containers above resource groups, the custom roles of
	// resources, and the denials, of all tenants. It stops at the first error of yield.
	LiveResources(ctx context.Context, containers func(resource.Node) error, roles func(pim.TenantID, rbac.Role) error, denials func(Denial) error) error
}

// Denial is a deny assignment of a tenant.
type Denial struct {
	Tenant pim.TenantID
	rbac.Denial
}

// Vault keeps small secrets with an end: codes, sessions and refresh tokens of the sign-in, under a hash of their name.
type Vault interface {
	// Put writes a value until it expires; an existing one is replaced.
	PutSecret(ctx context.Context, kind, key string, value []byte, expires time.Time) error
	// AddSecret writes a value where there is none, or only one that has expired. ErrStale: there is one. Of two that add
	// one does.
	AddSecret(ctx context.Context, kind, key string, value []byte, expires, now time.Time) error
	// GetSecret reads a value. ErrNotFound: none, or expired.
	GetSecret(ctx context.Context, kind, key string, now time.Time) ([]byte, error)
	// TakeSecret reads and deletes a value in one step: of two takers one gets it.
	TakeSecret(ctx context.Context, kind, key string, now time.Time) ([]byte, error)
	// SwapSecret replaces a value if it still equals before; else ErrStale.
	SwapSecret(ctx context.Context, kind, key string, before, after []byte, expires time.Time) error
	DeleteSecret(ctx context.Context, kind, key string) error
	// PurgeSecrets deletes what has expired, at most limit rows, and says how many.
	PurgeSecrets(ctx context.Context, now time.Time, limit int) (int, error)
}

// Uses is who still calls dialects that are on their way out.
type Uses interface {
	// AddUses adds counts to those that are kept, of which the first and the last instant are widened.
	AddUses(context.Context, []Use) error
	// Uses lists those of a tenant, what was called last first, and at most ten thousand.
	Uses(context.Context, pim.TenantID) ([]Use, error)
}

// Use is how often an application called a route of a dialect of a tenant.
type Use struct {
	Tenant pim.TenantID
	// Dialect and Route are what the surface calls them, Application is a client id; empty: unknown.
	Dialect, Application, Route string
	Count                       int64
	First, Last                 time.Time
}
