//go:build race

package main

// migrated is the size of the tenant that is carried over where the race detector makes all slow: `make test` also runs the test
// without it, at full size.
var migrated = migrationSize{grants: 1_500, roles: 60, scopes: 150, users: 200, groups: 10, policies: 40}
