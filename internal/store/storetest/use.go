package storetest

import (
	"sync"
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// addsUses: counts add up, by whomever and in whatever portions they come, and the span of time only widens.
func addsUses(t *testing.T, s store.Store) {
	use := func(tn pim.TenantID, dialect, app, route string, n int64, from, to int) store.Use {
		return store.Use{Tenant: tn, Dialect: dialect, Application: app, Route: route, Count: n,
			First: start().Add(time.Duration(from) * time.Hour), Last: start().Add(time.Duration(to) * time.Hour)}
	}
	add := func(uses ...store.Use) {
		t.Helper()
		want(t, "add uses", s.AddUses(t.Context(), uses), nil)
	}
	got := func(tn pim.TenantID) []store.Use {
		t.Helper()
		uses, err := s.Uses(t.Context(), tn)
		want(t, "uses", err, nil)
		return uses
	}
	equal(t, "none", got(tenant), nil)
	add()
	add(use(tenant, "v2", "app", "GET /x", 2, 1, 2), use(tenant, "v2", "app", "GET /x", 3, 0, 1), use(tenant, "v1", "", "GET /y", 1, 3, 3),
		use("other", "v2", "app", "GET /x", 7, 1, 1))
	equal(t, "several of one in one portion", got(tenant), []store.Use{use(tenant, "v1", "", "GET /y", 1, 3, 3), use(tenant, "v2", "app", "GET /x", 5, 0, 2)})
	add(use(tenant, "v2", "app", "GET /x", 1, 5, 5), use(tenant, "v2", "app", "POST /x", 1, 5, 5), use(tenant, "v2", "APP", "GET /x", 1, 5, 5),
		use(tenant, "v1", "", "GET /y", 1, 2, 2))
	equal(t, "what was called last first", got(tenant), []store.Use{
		use(tenant, "v2", "APP", "GET /x", 1, 5, 5), use(tenant, "v2", "app", "GET /x", 6, 0, 5), use(tenant, "v2", "app", "POST /x", 1, 5, 5),
		use(tenant, "v1", "", "GET /y", 2, 2, 3),
	})
	equal(t, "of another tenant", got("other"), []store.Use{use("other", "v2", "app", "GET /x", 7, 1, 1)})

	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			portion := []store.Use{use("busy", "v2", "a", "GET /x", 1, i, i), use("busy", "v2", "b", "GET /x", 1, i, i)}
			if i%2 == 0 {
				portion[0], portion[1] = portion[1], portion[0]
			}
			for range 5 {
				if err := s.AddUses(t.Context(), portion); err != nil {
					t.Errorf("add at once: %v", err)
				}
			}
		})
	}
	all.Wait()
	equal(t, "added at once", got("busy"), []store.Use{use("busy", "v2", "a", "GET /x", 40, 0, 7), use("busy", "v2", "b", "GET /x", 40, 0, 7)})
}
