package catalog

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// AzureProvider is the operations of one namespace.
type AzureProvider struct {
	// Namespace is spelt as the catalogue spells it, such as "Microsoft.Compute".
	Namespace string
	// Operations belong to the namespace itself, such as its registration.
	Operations []AzureOperation
	Types      []AzureType
}

// AzureType is the operations of one type of resource, such as "virtualMachines/extensions".
type AzureType struct {
	Name       string
	Operations []AzureOperation
}

// AzureOperation is one operation: the name that actions of roles match.
type AzureOperation struct {
	Name string
	// Data says that it is one of the data plane.
	Data bool
}

// AzureOperations gives all operations that the built-in roles name without wildcard, by namespace and type, each sorted by
// name without regard to letter case. What it gives is shared and not to be changed.
func AzureOperations() []AzureProvider { return azureOperations() }

// azureOperations is derived on first use: only the discovery of operations asks for it.
var azureOperations = sync.OnceValue(func() []AzureProvider {
	named := map[AzureOperation]string{}
	for _, r := range AzureRoles() {
		for _, p := range r.Permissions {
			collect(named, slices.Concat(p.Actions, p.NotActions), false)
			collect(named, slices.Concat(p.DataActions, p.NotDataActions), true)
		}
	}
	var providers []AzureProvider
	for _, key := range slices.SortedFunc(maps.Keys(named), byPlace) {
		namespace, kind, _ := split(named[key])
		if n := len(providers); n == 0 || !strings.EqualFold(providers[n-1].Namespace, namespace) {
			providers = append(providers, AzureProvider{Namespace: namespace})
		}
		providers[len(providers)-1].add(kind, AzureOperation{named[key], key.Data})
	}
	return providers
})

// collect keeps the spelling of each operation, of several the one that sorts first, under its name in lower case.
func collect(named map[AzureOperation]string, actions []string, data bool) {
	for _, a := range actions {
		a = strings.TrimSpace(a)
		if _, _, ok := split(a); !ok || strings.Contains(a, "*") {
			continue
		}
		key := AzureOperation{strings.ToLower(a), data}
		if spelt, known := named[key]; !known || a < spelt {
			named[key] = a
		}
	}
}

// split cuts "Microsoft.Compute/virtualMachines/extensions/read" into its namespace and its type of resource. The
// type is empty for what belongs to the namespace itself.
func split(name string) (namespace, kind string, ok bool) {
	parts := strings.Split(name, "/")
	end := len(parts) - 1
	if strings.EqualFold(parts[end], "action") {
		end--
	}
	if end < 1 || slices.Contains(parts, "") {
		return "", "", false
	}
	return parts[0], strings.Join(parts[1:end], "/"), true
}

func byPlace(a, b AzureOperation) int {
	aSpace, aKind, _ := split(a.Name)
	bSpace, bKind, _ := split(b.Name)
	if c := strings.Compare(aSpace, bSpace); c != 0 {
		return c
	}
	if c := strings.Compare(aKind, bKind); c != 0 {
		return c
	}
	if c := strings.Compare(a.Name, b.Name); c != 0 || a.Data == b.Data {
		return c
	}
	if b.Data {
		return -1
	}
	return 1
}

// add puts an operation after those of the same type, or begins a type.
func (p *AzureProvider) add(kind string, o AzureOperation) {
	if kind == "" {
		p.Operations = append(p.Operations, o)
		return
	}
	if n := len(p.Types); n == 0 || !strings.EqualFold(p.Types[n-1].Name, kind) {
		p.Types = append(p.Types, AzureType{Name: kind})
	}
	t := &p.Types[len(p.Types)-1]
	t.Operations = append(t.Operations, o)
}
