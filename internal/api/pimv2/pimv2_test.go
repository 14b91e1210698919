package pimv2

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/pim"
)

// TestRetirement says how the dialect stands with the provider that an address names, and what it points to.
func TestRetirement(t *testing.T) {
	s := New(nil, nil, Options{Sunset: time.Unix(1, 0), Modes: map[pim.Provider]api.Mode{pim.Directory: api.Off, pim.Group: api.ReadOnly}})
	for path, want := range map[string]api.Retirement{
		"/beta/privilegedAccess":                                  {Dialect: "v2", Successor: "https://h/v1.0/roleManagement/directory"},
		"/beta/privilegedAccess/aadRoles/resources":               {Dialect: "v2/aadRoles", Mode: api.Off, Successor: "https://h/v1.0/roleManagement/directory"},
		"/api/v2/privilegedAccess/aadGroups":                      {Dialect: "v2/aadGroups", Mode: api.ReadOnly, Successor: "https://h/v1.0/identityGovernance/privilegedAccess/group"},
		"/api/v2/privilegedAccess/azureResources/roleAssignments": {Dialect: "v2/azureResources", Successor: "https://h/providers/Microsoft.Authorization"},
		"/beta/privilegedAccess/pimforazurerbac/resources":        {Dialect: "v2/azureResources", Successor: "https://h/providers/Microsoft.Authorization"},
		"/beta/privilegedAccess/elsewhere":                        {Dialect: "v2", Successor: "https://h/v1.0/roleManagement/directory"},
	} {
		got := s.Retirement(&api.Request{Request: httptest.NewRequest(http.MethodGet, path, nil), Origin: "https://h"})
		if got.Dialect != want.Dialect || got.Mode != want.Mode || got.Successor != want.Successor || !got.Sunset.Equal(s.Sunset) {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
		if told, ok := errors.AsType[*api.ODataError](got.Gone(nil)); !ok || told.Status != http.StatusGone {
			t.Errorf("%s: switched off it says %v, want 410", path, told)
		}
	}
}
