package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	listDatabase = "lists"
	schedulesURL = "/v1.0/roleManagement/directory/roleAssignmentSchedules"
	pageSize     = 999
)

// grantColumns are what the store keeps of a schedule.
const grantColumns = "tenant, id, provider, scope, role, principal, kind, type, ending, kept, start_at, end_at, until_at, ended, request, eligibility," +
	" created, modified, is_open, due, doc"

// grants turn eligibilities into assignments of the same pairs.
func grants(count int) string {
	return fmt.Sprintf(`INSERT INTO schedules (`+grantColumns+`)
		SELECT tenant, 'b0000000' || substr(id, 9), provider, scope, role, principal, 2, 1, 0, true, start_at, end_at, until_at, ended,
			'b0000000' || substr(id, 9), '', created, modified, true, due, doc FROM schedules
		WHERE kind = 1 AND id < 'e0000000-0000-4000-8000-' || lpad(to_hex(%d), 12, '0')`, count)
}

// lists measures rows 4a and 4b.
func (b *bench) lists(ctx context.Context, base *base) error {
	if err := b.copyOf(ctx, baseDatabase, listDatabase); err != nil {
		return err
	}
	count := min(b.sized(100_000, 20_000), base.eligible)
	b.say("writing %d assignments", count)
	if err := b.exec(ctx, listDatabase, grants(count), "VACUUM ANALYZE", "CHECKPOINT"); err != nil {
		return err
	}
	server, err := b.start(ctx, "lists", filepath.Join(b.dir, "lists"), b.pg.URL(listDatabase), true)
	if err != nil {
		return err
	}
	err = b.listTurns(ctx, server, base, count)
	return errors.Join(err, server.stop(), b.drop(ctx, listDatabase))
}

func (b *bench) listTurns(ctx context.Context, server *process, base *base, count int) error {
	c, err := server.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	token, err := b.issuer.token(base.reader, "RoleManagement.Read.Directory")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, b.pg.URL(listDatabase))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	r := reader{bench: b, client: c, token: token, conn: conn, server: server}
	b.note("4a, 4b: %d assignments; one client on either side, one call after the other. A raw page is all 21 columns by keyset on (tenant, id),"+
		" scanned into variables, through pgx; a raw query is the same by principal. A page over HTTPS is followed by its nextLink.", count)
	return errors.Join(r.pages(ctx, count), r.ofPrincipals(ctx, base, count), r.ends(ctx))
}

// reader reads lists both ways.
type reader struct {
	*bench
	client *client
	server *process
	token  string
	conn   *pgx.Conn
	// last is the link to the last full page.
	last string
}

// pages measures row 4a: walking through everything.
func (r *reader) pages(ctx context.Context, count int) error {
	if !r.wanted("4a", "4b+") {
		return nil
	}
	var ours, plain, cpu []float64
	for range rounds {
		before := r.server.cpu()
		n, pages, took, err := r.walk(ctx)
		if err != nil {
			return err
		}
		used := r.server.cpu() - before
		raw, rawPages, rawTook, err := r.walkRaw(ctx)
		if err != nil {
			return err
		}
		// The reader's own grant is a row too.
		if n != count+1 || raw != count+1 {
			return fmt.Errorf("the walk found %d rows, the raw one %d, there are %d", n, raw, count+1)
		}
		ours, plain = append(ours, millis(took)/float64(pages)), append(plain, millis(rawTook)/float64(rawPages))
		cpu = append(cpu, millis(used)/float64(pages))
	}
	r.measured("4a", each(ours, plain, ratio), fmt.Sprintf("a page over HTTPS %s ms (server CPU %s ms), raw %s ms",
		figureList(ours), figure(median(cpu), ""), figureList(plain)))
	return nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// page reads one page over HTTPS: its number of rows and the link to the next.
func (r *reader) page(link string) (rows int, next string, took time.Duration, err error) {
	request := get(link, r.token)
	began := time.Now()
	status, body, err := r.client.do(request)
	took = time.Since(began)
	if err != nil {
		return 0, "", 0, err
	}
	if status != http.StatusOK {
		return 0, "", 0, fmt.Errorf("%s: status %d: %s", link, status, body)
	}
	next, err = nextLink(body)
	return bytes.Count(body, []byte(`"roleDefinitionId":`)), next, took, err
}

// nextLink finds path and query of the next page, without decoding the rows.
func nextLink(body []byte) (string, error) {
	_, rest, ok := bytes.Cut(body, []byte(`"@odata.nextLink":`))
	if !ok {
		return "", nil
	}
	var text string
	if err := json.NewDecoder(bytes.NewReader(rest)).Decode(&text); err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}

func (r *reader) walk(ctx context.Context) (rows, pages int, took time.Duration, err error) {
	for link := fmt.Sprintf("%s?$top=%d", schedulesURL, pageSize); link != ""; {
		n, next, t, err := r.page(link)
		if err != nil {
			return 0, 0, 0, err
		}
		if n == pageSize {
			r.last = link
		}
		rows, pages, took, link = rows+n, pages+1, took+t, next
		if err := ctx.Err(); err != nil {
			return 0, 0, 0, err
		}
	}
	return rows, pages, took, nil
}

// grantRow is what a raw page is scanned into.
type grantRow struct {
	tenant, id, provider, scope, role, principal, request, eligibility, doc string
	kind, typ, ending, start, end, until, ended, created, modified          int64
	kept, open                                                              bool
	due                                                                     *int64
}

func (r *reader) raw(ctx context.Context, where string, args ...any) (list []grantRow, _ error) {
	rows, err := r.conn.Query(ctx, "SELECT "+grantColumns+" FROM schedules WHERE tenant = $1 AND provider = 'directory' AND kind = 2 AND ending = 0"+
		" AND end_at > $2 AND "+where, append([]any{tenant, time.Now().UnixMicro()}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var g grantRow
		err := rows.Scan(&g.tenant, &g.id, &g.provider, &g.scope, &g.role, &g.principal, &g.kind, &g.typ, &g.ending, &g.kept, &g.start, &g.end,
			&g.until, &g.ended, &g.request, &g.eligibility, &g.created, &g.modified, &g.open, &g.due, &g.doc)
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	return list, rows.Err()
}

func (r *reader) walkRaw(ctx context.Context) (rows, pages int, took time.Duration, _ error) {
	began, after := time.Now(), ""
	for {
		list, err := r.raw(ctx, "id > $3 ORDER BY id LIMIT $4", after, pageSize)
		if err != nil {
			return 0, 0, 0, err
		}
		rows, pages = rows+len(list), pages+1
		if len(list) < pageSize {
			return rows, pages, time.Since(began), nil
		}
		after = list[len(list)-1].id
	}
}

// ofPrincipals measures row 4b.
func (r *reader) ofPrincipals(ctx context.Context, base *base, count int) error {
	if !r.wanted("4b") {
		return nil
	}
	calls := r.sized(2000, 500)
	var ours, plain []float64
	for range rounds {
		var took, rawTook []time.Duration
		for range calls {
			who := base.person(rand.N(min(count, len(base.people)))).id
			_, _, t, err := r.page(schedulesURL + "?$filter=principalId%20eq%20'" + who + "'")
			if err != nil {
				return err
			}
			began := time.Now()
			if _, err := r.raw(ctx, "principal = $3 ORDER BY id LIMIT 100", who); err != nil {
				return err
			}
			took, rawTook = append(took, t), append(rawTook, time.Since(began))
		}
		slices.Sort(took)
		slices.Sort(rawTook)
		ours, plain = append(ours, millis(percentile(took, 99))), append(plain, millis(percentile(rawTook, 99)))
	}
	r.measured("4b", each(ours, plain, ratio), fmt.Sprintf("p99 over HTTPS %s ms, raw %s ms", figureList(ours), figureList(plain)))
	return nil
}

// ends compares the last page with the first one.
func (r *reader) ends(context.Context) error {
	if !r.wanted("4b+") {
		return nil
	}
	first := fmt.Sprintf("%s?$top=%d", schedulesURL, pageSize)
	var figures, firsts, lasts []float64
	for range rounds {
		var one, other []float64
		for range r.sized(20, 5) {
			for link, into := range map[string]*[]float64{first: &one, r.last: &other} {
				n, _, took, err := r.page(link)
				if err != nil || n != pageSize {
					return fmt.Errorf("%s: %d rows: %w", strings.TrimPrefix(link, schedulesURL), n, err)
				}
				*into = append(*into, millis(took))
			}
		}
		figures, firsts, lasts = append(figures, median(other)/median(one)), append(firsts, median(one)), append(lasts, median(other))
	}
	r.measured("4b+", figures, fmt.Sprintf("first %s ms, last %s ms", figureList(firsts), figureList(lasts)))
	return nil
}
