package app_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// The tree of a site: corp contains the subscription one and the management group lab, which contains the subscription two.
const (
	corp     pim.Scope = "/providers/microsoft.management/managementgroups/corp"
	lab      pim.Scope = "/providers/microsoft.management/managementgroups/lab"
	one      pim.Scope = "/subscriptions/00000000-0000-4000-8000-000000000001"
	two      pim.Scope = "/subscriptions/00000000-0000-4000-8000-000000000002"
	rg                 = one + "/resourcegroups/rg-1"
	rgTen              = one + "/resourcegroups/rg-10"
	dbServer           = rg + "/providers/microsoft.sql/servers/s"
	database           = dbServer + "/databases/d"
	nowhere            = one + "/resourcegroups/nowhere"
)

const (
	owner       pim.RoleID = catalog.Owner
	contributor pim.RoleID = catalog.Contributor
	reader      pim.RoleID = catalog.Reader
)

// resourceKey is about a role of resources.
func resourceKey(tenant, principal int, r pim.RoleID, s pim.Scope) pim.Key {
	return pim.Key{Tenant: tenantID(tenant), Provider: pim.Resource, Scope: s, Role: r, Principal: person(tenant, principal)}
}

// givenAt is a grant of a site, by its number.
func givenAt(tenant, n int, k pim.Kind, principal int, r pim.RoleID, s pim.Scope, w schedule.Window) pim.Schedule {
	return pim.Schedule{ID: pim.ScheduleID(id(tenant, 300+n)), Kind: k, Type: pim.Assigned, Open: true,
		Key: resourceKey(tenant, principal, r, s), Window: w, Created: w.Start}
}

// site is a house with a tree of resources in the tenants 1 and 2, at which
//
//	1  person 1 is Owner of everything,
//	2  person 2 is Reader of subscription one,
//	3  group 11, of 2 and 3, is eligible for Contributor at corp,
//	4  person 3 is eligible for Owner at rg-1,
//	5  group 12, of group 11 and person 4, is Contributor at rg-1,
//	6  person 4 will be Reader of lab tomorrow,
//	7  person 5 is Reader of rg-10 from eleven to nineteen each day: not now, at nine,
//	8  person 5 is eligible for Reader at the database's server.
func site(t *testing.T, s store.Store) *house {
	h := newHouse(t, s)
	for tenant := 1; tenant <= 2; tenant++ {
		h.settle(tenant)
		always := schedule.Window{Start: h.now}
		h.plant(tenant,
			givenAt(tenant, 1, pim.Assignment, 1, owner, "/", always),
			givenAt(tenant, 2, pim.Assignment, 2, reader, one, always),
			givenAt(tenant, 3, pim.Eligibility, 11, contributor, corp, always),
			givenAt(tenant, 4, pim.Eligibility, 3, owner, rg, always),
			givenAt(tenant, 5, pim.Assignment, 12, contributor, rg, always),
			givenAt(tenant, 6, pim.Assignment, 4, reader, lab, schedule.Window{Start: h.now.Add(24 * time.Hour)}),
			givenAt(tenant, 7, pim.Assignment, 5, reader, rgTen, afternoons(h.now)),
			givenAt(tenant, 8, pim.Eligibility, 5, reader, dbServer, always),
		)
	}
	// What a start loads.
	if err := h.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	return h
}

// afternoons is a window of eight hours each day, first begun 22 hours before an instant.
func afternoons(before time.Time) schedule.Window {
	start := before.Add(-22 * time.Hour)
	return schedule.Window{Start: start, Length: schedule.MustDuration("PT8H"), Recurrence: &schedule.Recurrence{
		Pattern: schedule.Pattern{Type: schedule.Daily, Interval: 1},
		Range: schedule.Range{Type: schedule.NoEnd,
			StartDate: schedule.Date{Year: start.Year(), Month: start.Month(), Day: start.Day()}},
	}}
}

// plant commits the tree of a tenant, with grants.
func (h *house) plant(tenant int, grants ...pim.Schedule) {
	h.Helper()
	c := store.Commit{}
	c.Schedules = grants
	for _, n := range []struct{ path, parent pim.Scope }{
		{corp, "/"}, {lab, corp}, {one, corp}, {two, lab}, {rg, one}, {rgTen, one}, {dbServer, rg}, {database, dbServer},
	} {
		node, err := resource.Parse(string(n.path))
		if err != nil {
			h.Fatal(err)
		}
		node.Tenant, node.Parent, node.Created, node.Modified = tenantID(tenant), n.parent, h.now, h.now
		c.Resources = append(c.Resources, node)
	}
	if err := h.Store.Commit(context.Background(), c); err != nil {
		h.Fatal(err)
	}
}

// grantLine tells a row in short: its number and how the one asked for has it.
func grantLine(i pim.Instance) string {
	word := map[pim.MemberType]string{pim.Direct: "direct", pim.ByGroup: "by group", pim.Inherited: "inherited"}[i.Member]
	var tenant, n int
	if _, err := fmt.Sscanf(string(i.Schedule.ID), "%08d-0000-4000-8000-%012d", &tenant, &n); err != nil {
		return string(i.Schedule.ID) + " " + word
	}
	return fmt.Sprint(n-300, " ", word)
}

func grantLines(rows []pim.Instance) []string {
	lines := []string{}
	for _, r := range rows {
		lines = append(lines, grantLine(r))
	}
	return lines
}

// codeOf is the code of a refusal; empty: none.
func codeOf(t testing.TB, err error) pim.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	r, ok := errors.AsType[*pim.Refusal](err)
	if !ok {
		t.Fatalf("got %v, want a refusal", err)
	}
	return r.Code
}
