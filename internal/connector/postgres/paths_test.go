package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"portcullis/internal/connector"
	"portcullis/internal/connector/postgres"
	"portcullis/internal/localpg/localpgtest"
)

// For any graph of memberships, an account is listed as holding a privilege exactly if the server says it is a member, every
// way that is shown exists, and no first step of a way is left out.
func TestListKnowsEveryPath(t *testing.T) {
	g := newTarget(t, localpgtest.Server(t))
	prefix := unique("g")
	names := make([]string, 7) // a role may be a member of those before it, so that there is no cycle
	for i := range names {
		names[i] = fmt.Sprintf("%s_%d", prefix, i)
		g.logins[names[i]] = true
		g.exec(t, "CREATE ROLE "+names[i]+" LOGIN")
	}
	privileges := names[:2]
	c := g.connector(t, postgres.Options{Privileges: privileges})
	admin, err := pgx.Connect(t.Context(), g.url)
	must(t, err)
	defer admin.Close(context.WithoutCancel(t.Context()))

	rapid.Check(t, func(r *rapid.T) {
		of := drawMemberships(r, names)
		setMemberships(r, admin, names, of)
		held, err := c.List(t.Context(), "")
		if err != nil {
			r.Fatal(err)
		}
		for i, account := range names[2:] {
			for p := range privileges {
				checkWays(r, admin, held, names, of, i+2, p)
			}
			alone, err := c.List(t.Context(), account)
			if err != nil {
				r.Fatal(err)
			}
			all := slices.DeleteFunc(slices.Clone(held), func(h connector.Held) bool { return h.Account != account })
			if got, want := fmt.Sprint(alone), fmt.Sprint(all); got != want {
				r.Fatalf("list of %s: got %s, in the list of all %s", account, got, want)
			}
		}
	})
}

// drawMemberships says, for each role, of which others it is a member.
func drawMemberships(r *rapid.T, names []string) [][]int {
	of := make([][]int, len(names))
	for i := range names {
		for j := range i {
			if rapid.IntRange(0, 2).Draw(r, names[i]+" of "+names[j]) == 0 {
				of[i] = append(of[i], j)
			}
		}
	}
	return of
}

func setMemberships(r *rapid.T, admin *pgx.Conn, names []string, of [][]int) {
	var sql strings.Builder
	fmt.Fprintf(&sql, "REVOKE %s FROM %s;", strings.Join(names, ","), strings.Join(names, ","))
	for i, groups := range of {
		for _, j := range groups {
			fmt.Fprintf(&sql, "GRANT %s TO %s;", names[j], names[i])
		}
	}
	if _, err := admin.Exec(context.Background(), sql.String()); err != nil {
		r.Fatal(err)
	}
}

func checkWays(r *rapid.T, admin *pgx.Conn, held []connector.Held, names []string, of [][]int, account, privilege int) {
	var member bool
	err := admin.QueryRow(context.Background(), "SELECT pg_has_role($1::name, $2::name, 'MEMBER')", names[account], names[privilege]).Scan(&member)
	if err != nil {
		r.Fatal(err)
	}
	a := connector.Access{Account: names[account], Privilege: names[privilege]}
	if gone := connector.Gone(held, a); gone == member {
		r.Fatalf("%+v: got gone %v, the server says member %v: %+v", a, gone, member, held)
	}
	if direct := slices.Contains(of[account], privilege); connector.Usable(held, a) != direct {
		r.Fatalf("%+v: got usable %v, direct %v: %+v", a, !direct, direct, held)
	}
	var steps, wantSteps []int
	for _, h := range held {
		if h.Account == a.Account && h.Privilege == a.Privilege {
			steps = append(steps, walk(r, h, names, of, account, privilege))
		}
	}
	for _, step := range of[account] {
		if leads(of, step, privilege) {
			wantSteps = append(wantSteps, step)
		}
	}
	slices.Sort(steps)
	if !slices.Equal(steps, wantSteps) {
		r.Fatalf("%+v: got the first steps %v, want %v: %+v", a, steps, wantSteps, held)
	}
}

// walk checks that each step of a way is a membership, and returns the first.
func walk(r *rapid.T, h connector.Held, names []string, of [][]int, account, privilege int) (first int) {
	at := account
	way := append(slices.Clone(h.Via), names[privilege])
	for _, name := range way {
		next := slices.Index(names, name)
		if !slices.Contains(of[at], next) {
			r.Fatalf("%+v: %s is no member of %s", h, names[at], name)
		}
		at = next
	}
	return slices.Index(names, way[0])
}

func leads(of [][]int, from, to int) bool {
	return from == to || slices.ContainsFunc(of[from], func(next int) bool { return leads(of, next, to) })
}
