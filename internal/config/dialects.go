package config

import "fmt"

// Dialects say how far each dialect that is on its way out is still served: on (the default), readOnly, which refuses
// what would change something, or off, which refuses everything. A refusal names what to call instead.
type Dialects struct {
	// V1 is privilegedRoles and what belongs to it: PIM's first iteration.
	V1 string `koanf:"v1"`
	// V2 is privilegedAccess with the governance types, PIM's second iteration, by what it manages.
	V2 Providers `koanf:"v2"`
}

// Providers are what the second iteration manages.
type Providers struct {
	AADRoles       string `koanf:"aadRoles"`
	AADGroups      string `koanf:"aadGroups"`
	AzureResources string `koanf:"azureResources"`
}

// How far a dialect is served.
const (
	On       = "on"
	ReadOnly = "readOnly"
	Off      = "off"
)

func (d Dialects) withDefaults() Dialects {
	for _, mode := range []*string{&d.V1, &d.V2.AADRoles, &d.V2.AADGroups, &d.V2.AzureResources} {
		*mode = or(*mode, On)
	}
	return d
}

func (d Dialects) validate() []error {
	var wrong []error
	for _, m := range []struct{ key, mode string }{
		{"v1", d.V1}, {"v2.aadRoles", d.V2.AADRoles}, {"v2.aadGroups", d.V2.AADGroups}, {"v2.azureResources", d.V2.AzureResources},
	} {
		if !oneOf(m.mode, On, ReadOnly, Off) {
			wrong = append(wrong, fmt.Errorf("dialects.%s: %q is none of on, readOnly, off", m.key, m.mode))
		}
	}
	return wrong
}
