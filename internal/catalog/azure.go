package catalog

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"portcullis/internal/rbac"
)

// Ids of roles of the resource provider that rules name, reference "arm-pim" §10. They are the same in every tenant.
const (
	Owner                   = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	Contributor             = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	Reader                  = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	UserAccessAdministrator = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
	RBACAdministrator       = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
)

//go:embed azure_roles.json
var azureRoles []byte

// azure reads the data on first use, as loaded does.
var azure = sync.OnceValue(func() azureIndex {
	x, err := loadAzure(azureRoles)
	if err != nil {
		// The data is part of the program and its test loads it, so only a broken build comes here.
		panic("catalog: " + err.Error())
	}
	return x
})

type azureIndex struct {
	roles []*rbac.Role
	byID  map[string]*rbac.Role
}

// AzureRole finds a built-in role of the resource provider by its id, in any letter case. The role is compiled, shared, and
// not to be changed. The catalogue knows neither descriptions nor when a role was made.
func AzureRole(id string) (*rbac.Role, bool) {
	r, ok := azure().byID[strings.ToLower(id)]
	return r, ok
}

// AzureRoles gives all built-in roles of the resource provider, sorted by name without regard to letter case. The slice and the
// roles are shared and not to be changed.
func AzureRoles() []*rbac.Role { return azure().roles }

// storedAzureRole is a role of the resource provider as the data spells it.
type storedAzureRole struct {
	ID          string             `json:"id"`
	Name        string             `json:"name"`
	Permissions []storedPermission `json:"permissions"`
}

type storedPermission struct {
	Actions          []string `json:"actions"`
	NotActions       []string `json:"notActions"`
	DataActions      []string `json:"dataActions"`
	NotDataActions   []string `json:"notDataActions"`
	Condition        string   `json:"condition"`
	ConditionVersion string   `json:"conditionVersion"`
}

func loadAzure(data []byte) (azureIndex, error) {
	var stored []storedAzureRole
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&stored); err != nil {
		return azureIndex{}, fmt.Errorf("azure_roles.json: %w", err)
	}
	x := azureIndex{roles: make([]*rbac.Role, 0, len(stored)), byID: make(map[string]*rbac.Role, len(stored))}
	for _, s := range stored {
		r := rbac.Role{ID: s.ID, Name: s.Name, BuiltIn: true, Assignable: []string{"/"}}
		for _, p := range s.Permissions {
			r.Permissions = append(r.Permissions, rbac.Permission(p))
		}
		x.roles = append(x.roles, r.Compiled())
	}
	slices.SortFunc(x.roles, func(a, b *rbac.Role) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
	})
	for _, r := range x.roles {
		x.byID[r.ID] = r
	}
	return x, nil
}
