//go:build !race

package main

// migrated is the size of the tenant that is carried over.
var migrated = migrationSize{grants: 20_000, roles: 300, scopes: 2_000, users: 2_000, groups: 40, policies: 300}
