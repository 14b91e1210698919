package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"portcullis/internal/api/governance"
	"portcullis/internal/pim"
)

const olderURL = "/api/v2/privilegedAccess/"

// older measures rows 5va to 5vc: the lists of PIM's second iteration, in turns with the same lists of its successor, which reads one kind of
// rows where this one reads two, and its export.
func (t resourceLists) older(ctx context.Context) error {
	if !t.wanted("5va", "5vb", "5vc") {
		return nil
	}
	t.note("5va, 5vb: the lists of rows 4c and 4d, in turns with the same through PIM v2, which names subjects, roles and resources where they are"+
		" expanded, as here, and reads what is eligible before what is active. 5vc: %d eligible rows of directory roles, as a table; the bare SQL"+
		" reads the rows with their people by keyset, a thousand at a time.", exported)
	return errors.Join(t.olderOfPerson(ctx), t.olderAtScope(ctx), t.olderExport(ctx))
}

// twin is one list in both dialects.
type twin struct{ older, arm, token string }

// twins asks for lists in rounds, in both dialects in turn.
func (t resourceLists) twins(ctx context.Context, row string, draw func() (twin, error)) error {
	if !t.wanted(row) {
		return nil
	}
	var older, arm []float64
	rows := 0
	for range rounds {
		var olderTook, armTook []float64
		for range t.sized(400, 100) {
			d, err := draw()
			if err != nil {
				return err
			}
			mine, took, err := t.counted(d.older, d.token, `"assignmentState":`)
			if err != nil {
				return err
			}
			other, armsTook, err := t.counted(d.arm, d.token, `"assignmentType":`)
			if err != nil {
				return err
			}
			if mine != other || mine == 0 {
				return fmt.Errorf("%s has %d rows, %s %d", d.older, mine, d.arm, other)
			}
			olderTook, armTook = append(olderTook, millis(took)), append(armTook, millis(armsTook))
			rows += mine
		}
		older, arm = append(older, median(olderTook)), append(arm, median(armTook))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	t.measured(row, each(older, arm, ratio), fmt.Sprintf("median over HTTPS %s ms, through ARM %s ms, %d rows a list",
		figureList(older), figureList(arm), rows/rounds/t.sized(400, 100)))
	return nil
}

// counted asks for a list and counts its rows by a member that each has.
func (t resourceLists) counted(link, token, member string) (int, time.Duration, error) {
	request := get(link, token)
	began := time.Now()
	status, body, err := t.client.do(request)
	took := time.Since(began)
	if err != nil || status != http.StatusOK {
		return 0, took, fmt.Errorf("%s: %d %.300s: %w", link, status, body, err)
	}
	return bytes.Count(body, []byte(member)), took, nil
}

// olderLink is a list of assignments with what callers expand, of as many rows as a page of the successor has.
func olderLink(filter string) string {
	return fmt.Sprintf("%sazureResources/roleAssignments?$top=%d&$expand=subject,roleDefinition,resource&$filter=%s", olderURL, armPage, url.QueryEscape(filter))
}

const armInstances = "/providers/Microsoft.Authorization/roleAssignmentScheduleInstances?" + resourceVersion + "&$filter="

// olderOfPerson measures row 5va.
func (t resourceLists) olderOfPerson(ctx context.Context) error {
	tokens := map[string]string{}
	return t.twins(ctx, "5va", func() (twin, error) {
		p := t.site.people[rand.N(50)]
		var err error
		if tokens[p.id] == "" {
			tokens[p.id], err = t.issuer.token(p, "user_impersonation")
		}
		return twin{olderLink("subjectId eq '" + p.id + "'"), armInstances + url.QueryEscape("asTarget()"), tokens[p.id]}, err
	})
}

// olderAtScope measures row 5vb.
func (t resourceLists) olderAtScope(ctx context.Context) error {
	token, err := t.issuer.token(t.site.reader, "user_impersonation")
	if err != nil {
		return err
	}
	return t.twins(ctx, "5vb", func() (twin, error) {
		g := t.site.groups[rand.N(len(t.site.groups))]
		at := governance.ResourceID(pim.RoleKey{Tenant: tenant, Provider: pim.Resource, Scope: g.Scope})
		return twin{olderLink("resourceId eq '" + at + "'"), g.ID + armInstances + url.QueryEscape("atScope()"), token}, nil
	})
}

// exported is how many rows the export has.
const exported = 20_000

// olderExport measures row 5vc.
func (t resourceLists) olderExport(ctx context.Context) error {
	if !t.wanted("5vc") {
		return nil
	}
	token, err := t.issuer.token(t.site.reader, "user_impersonation")
	if err != nil {
		return err
	}
	roles := t.site.roles[:exported/len(t.site.people)]
	filter := "assignmentState eq 'Eligible' and roleDefinitionId in ('" + strings.Join(roles, "','") + "')"
	client, err := t.server.caller()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	var ours, plain, cpu []float64
	size := int64(0)
	for range rounds {
		before, began := t.server.cpu(), time.Now()
		lines, n, err := export(ctx, client, t.server.URL+olderURL+"aadRoles/roleAssignments/export?$filter="+url.QueryEscape(filter), token)
		if err != nil {
			return err
		}
		took := time.Since(began)
		cpu, size = append(cpu, millis(t.server.cpu()-before)), n
		began = time.Now()
		raw, err := t.exportBare(ctx, roles)
		if err != nil {
			return err
		}
		if lines-1 != exported || raw != exported {
			return fmt.Errorf("the export has %d rows, the bare one %d, there are %d", lines-1, raw, exported)
		}
		ours, plain = append(ours, millis(took)), append(plain, millis(time.Since(began)))
	}
	t.measured("5vc", each(ours, plain, ratio), fmt.Sprintf("over HTTPS %s ms for %d bytes (server CPU %s ms), bare %s ms",
		figureList(ours), size, figure(median(cpu), ""), figureList(plain)))
	return nil
}

// caller is a client that reads answers of unknown length.
func (p *process) caller() (*http.Client, error) {
	ca, err := os.ReadFile(p.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &http.Client{Timeout: answerWithin, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}}, nil
}

// export reads a table to its end: its number of lines and bytes.
func export(ctx context.Context, client *http.Client, link, token string) (lines int, size int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, link, http.NoBody)
	if err != nil {
		return 0, 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := client.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 300))
		return 0, 0, fmt.Errorf("%s: %d %s", link, answer.StatusCode, text)
	}
	part := make([]byte, 64<<10)
	for {
		n, err := answer.Body.Read(part)
		lines, size = lines+bytes.Count(part[:n], []byte("\r\n")), size+int64(n)
		if errors.Is(err, io.EOF) {
			return lines, size, nil
		}
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", link, err)
		}
	}
}

// exportBare reads the same rows, with who holds them, and counts them.
func (t resourceLists) exportBare(ctx context.Context, roles []string) (all int, _ error) {
	after := ""
	for {
		rows, err := t.conn.Query(ctx, `SELECT s.id, s.scope, s.role, s.principal, s.kind, s.type, s.start_at, s.end_at, s.request, s.eligibility, s.created,
				s.modified, s.doc, COALESCE(o.doc, '')
			FROM schedules s LEFT JOIN objects o ON o.tenant = s.tenant AND o.id = s.principal
			WHERE s.tenant = $1 AND s.provider = 'directory' AND s.kind = 1 AND s.ending = 0 AND s.end_at > $2 AND s.start_at <= $2 AND s.role = ANY($3)
				AND s.id > $4 ORDER BY s.id LIMIT 1000`, tenant, time.Now().UnixMicro(), roles, after)
		if err != nil {
			return 0, err
		}
		n := 0
		for rows.Next() {
			var g grantRow
			var object string
			err := rows.Scan(&g.id, &g.scope, &g.role, &g.principal, &g.kind, &g.typ, &g.start, &g.end, &g.request, &g.eligibility, &g.created,
				&g.modified, &g.doc, &object)
			if err != nil {
				rows.Close()
				return 0, err
			}
			after, n = g.id, n+1
		}
		rows.Close()
		if all += n; n < 1000 || rows.Err() != nil {
			return all, rows.Err()
		}
	}
}
