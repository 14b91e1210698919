// Package catalog holds the built-in directory roles: their fixed ids, names, actions, and the kinds of scope each can be assigned at.
// It is data of the product, the same in every tenant and for the life of the process; custom roles and the
// meaning of a role are left to others. Ids are plain texts here, and callers make typed ones of them.
//
// The data is directory_roles.json, one role after another: ids, names and actions are facts of the published catalogue, the
// descriptions are ours.
package catalog

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Template ids that rules of PIM name, reference "graph-pim" §2. They are the same in every tenant.
const (
	GlobalAdministrator             = "62e90394-69f5-4237-9190-012177145e10"
	PrivilegedRoleAdministrator     = "e8611ab8-c189-46e8-94e1-60213ab1f814"
	GlobalReader                    = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
	SecurityAdministrator           = "194ae4cb-b126-40b2-bd5b-6091b380977d"
	SecurityReader                  = "5d6b6bb7-de71-4623-b4af-96380a352509"
	SecurityOperator                = "5f2222b1-57c3-48ba-8ad5-d4759f1fde6f"
	UserAdministrator               = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	GroupsAdministrator             = "fdd7a751-b60b-444a-984c-02652fe8fa1c"
	IdentityGovernanceAdministrator = "45d8d3c5-c802-45c6-b32a-1d70b5e1e86e"
	DirectoryReaders                = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
	DirectoryWriters                = "9360feb5-f418-4baa-8175-e2a00bac4301"
	ReportsReader                   = "4a5d8f65-41da-4de4-8968-e035b65339cf"
	ComplianceAdministrator         = "17315797-102d-40b4-93e0-432062caca18"
	ApplicationAdministrator        = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
	CloudApplicationAdministrator   = "158c047a-c907-4556-b7ef-446551a6b5f7"
)

// Role is one built-in directory role.
type Role struct {
	ID          string // a lower-case GUID
	TemplateID  string // equal to ID: a built-in role is its own template
	DisplayName string
	Description string // one short sentence
	Privileged  bool   // the catalogue marks it as one that can raise privileges

	// AssignedBySystem marks what a member or guest may do without any assignment; nobody can assign it.
	AssignedBySystem bool

	Inherits []string // ids of the roles whose actions it has as well
	Actions  []string // allowed resource actions, sorted
}

//go:embed directory_roles.json
var directoryRoles []byte

// loaded reads the data on first use: most commands of the program never ask for it.
var loaded = sync.OnceValue(func() index {
	x, err := load(directoryRoles)
	if err != nil {
		// The data is part of the program and its test loads it, so only a broken build comes here.
		panic("catalog: " + err.Error())
	}
	return x
})

type index struct {
	roles []Role
	byID  map[string]int
}

// Roles gives all built-in roles, sorted by display name without regard to letter case.
// The slice and what its roles refer to are shared: callers do not change them.
func Roles() []Role { return loaded().roles }

// ByID finds a built-in role by its id, which is its template id as well, in any letter case.
func ByID(id string) (Role, bool) {
	x := loaded()
	i, ok := x.byID[strings.ToLower(id)]
	if !ok {
		return Role{}, false
	}
	return x.roles[i], true
}

// storedRole is a role as the data spells it.
type storedRole struct {
	ID               string   `json:"id"`
	DisplayName      string   `json:"displayName"`
	Description      string   `json:"description"`
	Privileged       bool     `json:"privileged"`
	AssignedBySystem bool     `json:"assignedBySystem"`
	Inherits         []string `json:"inherits"`
	Actions          []string `json:"actions"`
}

func load(data []byte) (index, error) {
	var stored []storedRole
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&stored); err != nil {
		return index{}, fmt.Errorf("directory_roles.json: %w", err)
	}
	x := index{roles: make([]Role, 0, len(stored)), byID: make(map[string]int, len(stored))}
	for _, s := range stored {
		x.roles = append(x.roles, Role{
			ID: s.ID, TemplateID: s.ID, DisplayName: s.DisplayName, Description: s.Description,
			Privileged: s.Privileged, AssignedBySystem: s.AssignedBySystem, Inherits: s.Inherits, Actions: s.Actions,
		})
	}
	slices.SortFunc(x.roles, func(a, b Role) int {
		return strings.Compare(strings.ToLower(a.DisplayName), strings.ToLower(b.DisplayName))
	})
	for i, r := range x.roles {
		x.byID[strings.ToLower(r.ID)] = i
	}
	return x, nil
}
