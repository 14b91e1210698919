// Package governance says in the words of PIM's second iteration (the types governance… of Microsoft Graph's beta, reference
// pim-v2 §3–§6) what the core says in its own: kinds of requests, states, schedules, the rules of a role, and the ids that are
// PIM's own. The dialect that serves these words, the older one that shares some of them, and the migration, which reads them
// from other servers, all take them from here.
package governance

import (
	"strings"

	"github.com/google/uuid"

	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// Provider is the name of a provider in addresses: azureResources, aadRoles or aadGroups.
func Provider(p pim.Provider) string {
	switch p {
	case pim.Directory:
		return "aadRoles"
	case pim.Group:
		return "aadGroups"
	case pim.Resource:
		return "azureResources"
	}
	return ""
}

// Providers are the providers in the order in which they are listed.
func Providers() []pim.Provider { return []pim.Provider{pim.Resource, pim.Directory, pim.Group} }

// ParseProvider reads the name of a provider without letter case, the old spelling of azureResources included.
func ParseProvider(name string) (pim.Provider, bool) {
	for _, p := range Providers() {
		if strings.EqualFold(name, Provider(p)) {
			return p, true
		}
	}
	return pim.Resource, strings.EqualFold(name, "pimforazurerbac")
}

// ResourceID is the id of what a key's scope names: the tenant's for directory roles (a narrower scope there is a scoped resource
// within it), the group's, or the GUID that PIM has for a resource.
func ResourceID(k pim.RoleKey) string {
	switch k.Provider {
	case pim.Directory:
		return string(k.Tenant)
	case pim.Group:
		return string(k.Scope)
	case pim.Resource:
		return resource.GovernanceID(k.Scope)
	}
	return ""
}

// RoleDefinitionID is the id of a role as one resource has it: the template's for directory roles, else a GUID made of those of
// resource and role, or of the group and the side.
func RoleDefinitionID(k pim.RoleKey) string {
	if k.Provider == pim.Directory {
		return string(k.Role)
	}
	return derived("role", ResourceID(k), string(k.Role))
}

// SettingID is the id of the settings of a role at one resource: a GUID for directory roles, which are few; else the ids of
// resource and role with an underscore between, so that the role is found again.
func SettingID(k pim.RoleKey) string {
	if k.Provider == pim.Directory {
		return derived("setting", ResourceID(k), string(k.Role))
	}
	return ResourceID(k) + "_" + string(k.Role)
}

// namespace is that of the ids which are made here. It must not change: callers keep the ids.
var namespace = uuid.MustParse("8b0a6f0e-6a57-5d1c-9d3a-2f5c0e4b7a11")

func derived(parts ...string) string {
	return uuid.NewSHA1(namespace, []byte(strings.ToLower(strings.Join(parts, "\x00")))).String()
}
