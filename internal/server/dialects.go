package server

import (
	"context"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/arm"
	"portcullis/internal/api/authzen"
	"portcullis/internal/api/graph"
	"portcullis/internal/api/native"
	"portcullis/internal/api/pimv1"
	"portcullis/internal/api/pimv2"
	"portcullis/internal/api/scim"
	"portcullis/internal/app"
	"portcullis/internal/config"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// usesOf lists the counted calls of a tenant, for those who may see them.
type usesOf func(context.Context, pim.Caller, pim.TenantID) ([]store.Use, error)

// surfaces lists every dialect once.
func surfaces(a *app.App, st store.Store, d config.Dialects, calls usesOf) []api.Surface {
	g, n, sources := graph.New(a, st, a), native.New(a, a.Index), scim.New(a, st)
	n.ExportEvents = g.ExportAudits
	sources.Log = a.Log
	first, second := iteration1(d), iteration2(d)
	n.Dialects = &native.Dialects{Modes: modes(first, second), Uses: calls, Applications: st.Objects}
	return []api.Surface{g, n, sources, arm.New(a), pimv1.New(a, st, first), pimv2.New(a, st, second), authzen.New(a, a.Index)}
}

// The ends of the older dialects, as their vendor published them (reference pim-v2 §1). They go on here for as long as the
// operator wants.
var (
	endOfIteration1 = time.Date(2021, 5, 31, 0, 0, 0, 0, time.UTC)
	iteration2Old   = time.Date(2025, 10, 27, 0, 0, 0, 0, time.UTC)
	endOfIteration2 = time.Date(2026, 10, 28, 0, 0, 0, 0, time.UTC)
)

func iteration1(d config.Dialects) pimv1.Options {
	return pimv1.Options{Mode: modeOf(d.V1), Deprecated: endOfIteration1, Sunset: endOfIteration1}
}

func iteration2(d config.Dialects) pimv2.Options {
	return pimv2.Options{
		Modes: map[pim.Provider]api.Mode{
			pim.Directory: modeOf(d.V2.AADRoles), pim.Group: modeOf(d.V2.AADGroups), pim.Resource: modeOf(d.V2.AzureResources),
		},
		Deprecated: iteration2Old, Sunset: endOfIteration2,
	}
}

// modeOf reads a setting; the empty one is on. Others were refused with the settings.
func modeOf(setting string) api.Mode {
	for _, m := range []api.Mode{api.ReadOnly, api.Off} {
		if setting == m.String() {
			return m
		}
	}
	return api.On
}

// modes are the dialects by the names under which calls are counted.
func modes(first pimv1.Options, second pimv2.Options) map[string]api.Mode {
	out := map[string]api.Mode{pimv1.Name: first.Mode}
	for p, mode := range second.Modes {
		out[pimv2.Name(p)] = mode
	}
	return out
}
