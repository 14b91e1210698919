package sqlstore_test

import (
	"database/sql"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver named pgx

	"portcullis/internal/directory"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
	"portcullis/internal/store/sqlstore"
)

func TestSQLiteTurnsOldMembershipsIntoGrants(t *testing.T) {
	folder := t.TempDir()
	turnsMemberships(t, "sqlite", filepath.Join(folder, "portcullis.db"), folder)
}

func TestPostgresTurnsOldMembershipsIntoGrants(t *testing.T) {
	url := localpgtest.Database(t)
	turnsMemberships(t, "pgx", url, url)
}

// turnsMemberships opens a store that was written before memberships of groups were grants.
func turnsMemberships(t *testing.T, driver, database, url string) {
	db, err := sql.Open(driver, database)
	if err != nil {
		t.Fatal(err)
	}
	if err := sqlstore.MigrateFirst(t.Context(), db, driver == "pgx"); err != nil {
		t.Fatal(err)
	}
	made := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	const none, noEnd = "-9223372036854775807 - 1", "9223372036854775807"
	for _, statement := range []string{
		`INSERT INTO objects (tenant, id, kind, display_name, enabled, created, principal_name, mail, mail_nickname, client_id, doc)
			VALUES ('t', 'group', 2, 'g', true, ` + micros(made) + `, '', '', '', '', ''), ('t', 'app', 3, 'a', true, 0, '', '', '', 'c', '')`,
		`INSERT INTO links (tenant, relation, from_id, to_id, start_at, end_at) VALUES
			('t', 1, 'group', 'alice', ` + none + `, ` + noEnd + `),
			('t', 1, 'group', 'bob', ` + micros(made.Add(time.Hour)) + `, ` + micros(made.Add(2*time.Hour)) + `),
			('t', 1, 'lost', 'alice', ` + none + `, ` + noEnd + `),
			('t', 2, 'group', 'alice', ` + none + `, ` + noEnd + `),
			('t', 2, 'app', 'alice', ` + none + `, ` + noEnd + `),
			('t', 3, 'unit', 'alice', ` + none + `, ` + noEnd + `)`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, url)
	defer s.Close()
	links := func(r directory.Relation, from pim.PrincipalID) []directory.Link {
		t.Helper()
		found, err := s.Links(t.Context(), "t", r, from, "")
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, plain := range append(links(directory.OwnerOf, "app"), links(directory.UnitMember, "unit")...) {
		if plain.Schedule != "" || !plain.Contains(made) {
			t.Errorf("the plain link became %+v", plain)
		}
	}
	grants := append(append(links(directory.MemberOf, "group"), links(directory.OwnerOf, "group")...), links(directory.MemberOf, "lost")...)
	windows := []schedule.Window{
		{Start: made}, {Start: made.Add(time.Hour), End: made.Add(2 * time.Hour)}, {Start: made}, {Start: time.Unix(0, 0).UTC()},
	}
	roles := []pim.RoleID{pim.Member, pim.Member, pim.Owner, pim.Member}
	if len(grants) != len(windows) {
		t.Fatalf("got %d grants, want %d", len(grants), len(windows))
	}
	uuid := regexp.MustCompile("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
	seen := map[pim.ScheduleID]bool{}
	for i, l := range grants {
		if !uuid.MatchString(string(l.Schedule)) || seen[l.Schedule] {
			t.Errorf("the grant of %+v has the id %q, want a UUID of its own", l, l.Schedule)
		}
		seen[l.Schedule] = true
		p, err := s.Schedules(t.Context(), store.Query{Tenant: "t", Where: store.Is(store.FieldID, string(l.Schedule))})
		if err != nil || len(p.Rows) != 1 {
			t.Fatalf("the grant of %+v: got %v, %v", l, p.Rows, err)
		}
		want := pim.Schedule{
			ID: l.Schedule, Kind: pim.Assignment, Type: pim.Assigned, Window: windows[i], Created: windows[i].Start, Open: true,
			Key: pim.Key{Tenant: "t", Provider: pim.Group, Scope: pim.Scope(l.From), Role: roles[i], Principal: l.To},
			Due: windows[i].End,
		}
		if got := p.Rows[0]; got.Window != want.Window || got.Key != want.Key || got.Due != want.Due || l.Window != want.Window || got.Request != "" ||
			got.Kind != want.Kind || got.Type != want.Type || got.Created != want.Created || !got.Open || got.Ending != pim.NotEnded || !got.Modified.IsZero() {
			t.Errorf("got the grant %+v of the link %+v, want %+v", got, l, want)
		}
		c, err := s.Case(t.Context(), pim.Need{Key: want.Key, Clock: true})
		if err != nil || len(c.Schedules) != 1 {
			t.Errorf("the case of the grant has %v, %v", c.Schedules, err)
		}
	}
}

func micros(at time.Time) string { return strconv.FormatInt(at.UnixMicro(), 10) }
