package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// afterTheEnd measures row 3a: activations that end while nothing but the server's calls runs.
func (b *bench) afterTheEnd(ctx context.Context, base *base) error {
	const people = 10
	name := "ends"
	if err := b.copyOf(ctx, baseDatabase, name); err != nil {
		return err
	}
	began := time.Now().UTC().Truncate(time.Microsecond)
	end := began.Add(b.lasting(20*time.Second, 20*time.Second))
	var index *access.Index
	err := withStore(ctx, b.pg.URL(name), func(st store.Store) error {
		err := base.commitAll(ctx, st, people, func(n int) pim.Outcome { return base.activation(n, began, end, "") })
		a := app.App{Store: st, Index: access.New()}
		index = a.Index
		return errors.Join(err, a.Load(ctx))
	})
	if err != nil {
		return err
	}
	server, err := b.start(ctx, "ends", filepath.Join(b.dir, "ends"), b.pg.URL(name), true)
	if err != nil {
		return err
	}
	before, after, err := b.askAround(ctx, server, base, index, people, end)
	if err := errors.Join(err, server.stop()); err != nil {
		return err
	}
	if before != 3*people {
		return fmt.Errorf("before the end %d of %d answers said yes: the start took too long, or something is wrong", before, 3*people)
	}
	b.note("3a: %d activations; the index asked in this process, and the check and the list of instances asked over HTTPS of a server without"+
		" a worker, at the latest moment before the end and 1 ms after it by the machine's clock.", people)
	b.measured("3a", []float64{float64(after)}, fmt.Sprintf("%d answers said yes before the end, %d after it", before, after))
	return b.drop(ctx, name)
}

// askAround asks just before the end and 1 ms after it, and counts the answers that say yes.
func (b *bench) askAround(ctx context.Context, server *process, base *base, index *access.Index, people int, end time.Time) (before, after int, err error) {
	c, err := server.dial(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer c.close()
	token, err := b.issuer.token(base.reader, "RoleManagement.Read.Directory")
	if err != nil {
		return 0, 0, err
	}
	ask := func(at time.Time) (yes int, err error) {
		for n := range people {
			k := base.key(n)
			q := access.Question{Tenant: tenant, Principal: k.Principal, Provider: k.Provider, Role: k.Role, Scope: k.Scope}
			if index.Check(at, q).Held {
				yes++
			}
			more, err := heldOverHTTP(c, token, k)
			if err != nil {
				return yes, err
			}
			yes += more
		}
		return yes, nil
	}
	if before, err = ask(time.Now()); err != nil {
		return before, 0, err
	}
	if err := sleepUntil(ctx, end.Add(time.Millisecond)); err != nil {
		return before, 0, err
	}
	after, err = ask(end.Add(time.Millisecond))
	return before, after, err
}

// heldOverHTTP counts the yeses of the check and of the list.
func heldOverHTTP(c *client, token string, k pim.Key) (yes int, err error) {
	for path, sign := range map[string]string{
		"/portcullis/v1/check?principal=" + string(k.Principal) + "&role=" + string(k.Role): `"held":true`,
		"/v1.0/roleManagement/directory/roleAssignmentScheduleInstances?$filter=principalId%20eq%20'" + string(k.Principal) +
			"'%20and%20roleDefinitionId%20eq%20'" + string(k.Role) + "'": string(k.Role) + `","directoryScopeId"`,
	} {
		status, body, err := c.do(get(path, token))
		if err != nil {
			return yes, err
		}
		if status != http.StatusOK {
			return yes, fmt.Errorf("%s: status %d: %s", path, status, body)
		}
		if strings.Contains(string(body), sign) {
			yes++
		}
	}
	return yes, nil
}

func sleepUntil(ctx context.Context, at time.Time) error {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// idle measures row 3d: what a server sends to a database in which nothing is due for an hour.
func (b *bench) idle(ctx context.Context, base *base) error {
	const name = "idle"
	if err := b.copyOf(ctx, baseDatabase, name); err != nil {
		return err
	}
	later := time.Now().UTC().Truncate(time.Microsecond).Add(2 * time.Hour)
	pending := b.sized(100_000, 10_000)
	err := b.exec(ctx, name, pendingSchedules(pending, later), "ANALYZE", "ALTER DATABASE "+name+" SET log_statement = 'all'")
	if err != nil {
		return err
	}
	server, err := b.start(ctx, "idle", filepath.Join(b.dir, "idle"), b.pg.URL(name), false)
	if err != nil {
		return err
	}
	statements, err := b.countStatements(ctx, name, b.lasting(time.Minute, 20*time.Second))
	if err := errors.Join(err, server.stop()); err != nil {
		return err
	}
	b.note("3d: every statement that PostgreSQL's log shows for the server's database, BEGIN and COMMIT among them; %d schedules are due in two hours or later.", pending)
	b.measured("3d", []float64{statements}, fmt.Sprintf("one node, %s", b.lasting(time.Minute, 20*time.Second)))
	return b.drop(ctx, name)
}

// countStatements counts the lines of the log in a while, and says how many that is a minute.
func (b *bench) countStatements(ctx context.Context, database string, last time.Duration) (aMinute float64, _ error) {
	// The start is over, and what it had to say is said.
	if err := sleepUntil(ctx, time.Now().Add(5*time.Second)); err != nil {
		return 0, err
	}
	from, err := b.logLines(database)
	if err != nil {
		return 0, err
	}
	if err := sleepUntil(ctx, time.Now().Add(last)); err != nil {
		return 0, err
	}
	to, err := b.logLines(database)
	return float64(to-from) * float64(time.Minute) / float64(last), err
}
