package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portcullis/internal/config"
	"portcullis/internal/localpg"
	"portcullis/internal/sample"
)

const (
	payrollDatabase  = "payroll"
	payrollPrivilege = "payroll_admin"
	payrollDoor      = "payroll"
)

// postgresDoor is a PostgreSQL server of the demonstration's own, with a table that one role alone may read.
type postgresDoor struct {
	server    *localpg.Server
	passwords map[string]string
}

// shutLogins are those that exist for this door alone: they can get in only while they are granted something.
// openLogins have other business on the server.
func shutLogins() []string { return []string{"amira", "ben"} }
func openLogins() []string { return []string{"alice", "bob", "ana", "owen"} }

func newPostgresDoor(ctx context.Context) (*postgresDoor, error) {
	s, err := localpg.Start(ctx, localpg.Options{})
	if err != nil {
		return nil, err
	}
	d := &postgresDoor{server: s, passwords: map[string]string{}}
	if err := d.furnish(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the payroll database: %w", err), d.close())
	}
	return d, nil
}

func (d *postgresDoor) furnish(ctx context.Context) error {
	if err := d.server.CreateDatabase(ctx, payrollDatabase); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, d.server.URL(payrollDatabase))
	if err != nil {
		return err
	}
	statements := []string{
		"CREATE TABLE payroll (employee text PRIMARY KEY, salary integer NOT NULL)",
		"INSERT INTO payroll VALUES ('Alice Nakamura', 51200), ('Bob Sutherland', 49800), ('Mia Castellano', 67400)",
		"CREATE ROLE " + payrollPrivilege,
		"GRANT SELECT ON payroll TO " + payrollPrivilege,
	}
	for _, login := range shutLogins() {
		statements = append(statements, d.login(login, "NOLOGIN"))
	}
	for _, login := range openLogins() {
		statements = append(statements, d.login(login, "LOGIN"))
	}
	for _, text := range statements {
		if _, err := conn.Exec(ctx, text); err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
	}
	return conn.Close(ctx)
}

func (d *postgresDoor) login(name, attribute string) string {
	d.passwords[name] = rand.Text()
	return "CREATE ROLE " + name + " " + attribute + " PASSWORD '" + d.passwords[name] + "'"
}

func (d *postgresDoor) describe() string {
	return "a PostgreSQL of the demonstration's own at " + d.server.Addr() + ", whose table payroll only the role " + payrollPrivilege + " may read"
}

func (d *postgresDoor) hint() string {
	u, err := url.Parse(d.server.URL(payrollDatabase))
	if err != nil {
		return d.server.Addr()
	}
	u.User = url.UserPassword("amira", d.passwords["amira"])
	return "psql '" + u.String() + "'"
}

func (d *postgresDoor) settings() []config.Door {
	return []config.Door{{
		Name: payrollDoor, Type: "postgres", URL: d.server.URL(payrollDatabase), OwnsLogins: true,
		Bindings: []config.Binding{{Role: sample.PayrollAdministrator, Privilege: payrollPrivilege}},
	}}
}

func (d *postgresDoor) begin(context.Context, *caller) error { return nil }

const query = "SELECT employee, salary FROM payroll ORDER BY salary DESC"

func (d *postgresDoor) connect(ctx context.Context, who string) (*pgx.Conn, error) {
	u, err := url.Parse(d.server.URL(payrollDatabase))
	if err != nil {
		return nil, err
	}
	u.User = url.UserPassword(who, d.passwords[who])
	return pgx.Connect(ctx, u.String())
}

func (d *postgresDoor) visit(ctx context.Context, who string) (asked, saw string, err error) {
	asked = "psql -U " + who + " " + payrollDatabase + " -c '" + query + "'"
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := d.connect(ctx, who)
	if err != nil {
		return asked, "", errors.New(serverWords(err))
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is lost with it
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return asked, "", errors.New(serverWords(err))
	}
	type line struct {
		Employee string
		Salary   int
	}
	lines, err := pgx.CollectRows(rows, pgx.RowToStructByPos[line])
	if err != nil {
		return asked, "", errors.New(serverWords(err))
	}
	var all []string
	for _, l := range lines {
		all = append(all, fmt.Sprintf("%s %d", l.Employee, l.Salary))
	}
	return asked, strings.Join(all, ", "), nil
}

// serverWords are what the server itself said, without the addresses that the driver puts before it.
func serverWords(err error) string {
	text := err.Error()
	for _, mark := range []string{"FATAL: ", "ERROR: "} {
		if i := strings.Index(text, mark); i >= 0 {
			return text[i:]
		}
	}
	return text
}

func (d *postgresDoor) stay(ctx context.Context, who string) (<-chan string, error) {
	conn, err := d.connect(ctx, who)
	if err != nil {
		return nil, err
	}
	ended := make(chan string, 1)
	go func() {
		_, err := conn.Exec(ctx, "SELECT pg_sleep(600)")
		if err == nil {
			ended <- "the session ended by itself"
		} else {
			ended <- serverWords(err)
		}
		_ = conn.Close(ctx) // it is gone
	}()
	return ended, nil
}

func (d *postgresDoor) close() error { return d.server.Stop() }
