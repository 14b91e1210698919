package authzen

import (
	"context"
	"strings"
	"sync"
	"time"

	"portcullis/internal/app"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
)

// roles finds roles by the names that people call them by.
type roles struct {
	// list are the directory roles of a tenant, built-in ones and custom ones.
	list func(context.Context, pim.TenantID) ([]app.RoleDefinition, error)
	now  func() time.Time

	once      sync.Once
	directory map[string]pim.RoleID // built-in ones, by their names as they are and in lower case
	azure     map[string]pim.RoleID

	mu     sync.Mutex
	custom map[pim.TenantID]*customRoles
}

// customRoles are the custom roles of a tenant's directory as they were a moment ago.
type customRoles struct {
	mu    sync.Mutex
	read  time.Time
	names *roleNames // nil: never read
	// err is what the last reading failed with, and failed is when.
	err    error
	failed time.Time
}

type roleNames struct {
	byName map[string]pim.RoleID // in lower case
	byID   map[pim.RoleID]string
}

// rolesFor is how long custom roles of the directory are remembered by their names: no longer than a node may be stale. Who holds
// them is not remembered.
const rolesFor = 5 * time.Second

// rolesWithin bounds the reading of custom roles, and rolesAgain is how soon after one that failed the next is made: a store that does
// not answer keeps nobody waiting for more.
const rolesWithin, rolesAgain = 2 * time.Second, time.Second

// load makes the maps of built-in names when the first question comes.
func (r *roles) load() {
	r.once.Do(func() {
		r.directory, r.azure = map[string]pim.RoleID{}, map[string]pim.RoleID{}
		for _, d := range catalog.Roles() {
			r.directory[d.DisplayName], r.directory[strings.ToLower(d.DisplayName)] = pim.RoleID(d.ID), pim.RoleID(d.ID)
		}
		for _, a := range catalog.AzureRoles() {
			r.azure[a.Name], r.azure[strings.ToLower(a.Name)] = pim.RoleID(a.ID), pim.RoleID(a.ID)
		}
	})
}

// ofDirectory finds a role of the directory by its id or name; empty: there is none.
func (r *roles) ofDirectory(ctx context.Context, t pim.TenantID, name string) (pim.RoleID, error) {
	if id, ok := roleID(name); ok {
		return id, nil
	}
	r.load()
	if id, ok := builtIn(r.directory, name); ok {
		return id, nil
	}
	c, err := r.customOf(ctx, t)
	if err != nil {
		return "", err
	}
	return c.byName[strings.ToLower(name)], nil
}

// nameOf is the name of a role of the directory, or its id where it has none.
func (r *roles) nameOf(ctx context.Context, t pim.TenantID, id pim.RoleID) (string, error) {
	if role, ok := catalog.ByID(string(id)); ok {
		return role.DisplayName, nil
	}
	c, err := r.customOf(ctx, t)
	if err != nil {
		return "", err
	}
	if name := c.byID[id]; name != "" {
		return name, nil
	}
	return string(id), nil
}

// customOf reads the custom roles of a tenant's directory, at most once in rolesFor.
func (r *roles) customOf(ctx context.Context, t pim.TenantID) (*roleNames, error) {
	r.mu.Lock()
	c := r.custom[t]
	if c == nil {
		if r.custom == nil {
			r.custom = map[pim.TenantID]*customRoles{}
		}
		c = &customRoles{}
		r.custom[pim.TenantID(strings.Clone(string(t)))] = c
	}
	r.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := r.now()
	if age := now.Sub(c.read); c.names != nil && age < rolesFor && age >= 0 {
		return c.names, nil
	}
	if since := now.Sub(c.failed); c.err != nil && since < rolesAgain && since >= 0 {
		return nil, c.err
	}
	// Whoever waits for the lock waits for this reading: it goes on when the one who began it leaves, and not for long.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rolesWithin)
	defer cancel()
	all, err := r.list(ctx, t)
	if c.err = err; err != nil {
		c.failed = r.now()
		return nil, err
	}
	n := &roleNames{map[string]pim.RoleID{}, map[pim.RoleID]string{}}
	for _, d := range all {
		if !d.BuiltIn {
			n.byName[strings.ToLower(d.Name)], n.byID[d.ID] = d.ID, d.Name
		}
	}
	c.read, c.names = now, n
	return n, nil
}

// azureRole finds a role of resources by its id or name; empty: there is none.
func (s *Surface) azureRole(t pim.TenantID, name string) pim.RoleID {
	if id, ok := roleID(name); ok {
		return id
	}
	s.roles.load()
	if id, ok := builtIn(s.roles.azure, name); ok {
		return id
	}
	for _, r := range s.index.ResourceRoles(t) {
		if strings.EqualFold(r.Name, name) {
			return pim.RoleID(r.ID)
		}
	}
	return ""
}

func builtIn(names map[string]pim.RoleID, name string) (pim.RoleID, bool) {
	id, ok := names[name]
	if !ok {
		id, ok = names[strings.ToLower(name)]
	}
	return id, ok
}

func roleID(name string) (pim.RoleID, bool) {
	id, ok := uuid(name)
	return pim.RoleID(id), ok
}

// ofGroup are the roles that a group gives.
func ofGroup(name string) pim.RoleID {
	if r := pim.RoleID(strings.ToLower(name)); r == pim.Member || r == pim.Owner {
		return r
	}
	return ""
}
