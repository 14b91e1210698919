package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// AuditQuery says which entries of the audit log. The zero value is all of them.
type AuditQuery struct {
	// From and To bound the time of an entry: at or after From, before To; zero: no bound.
	From, To time.Time
	// Filter is a condition in the words of Graph's directoryAudits, such as "category eq 'RoleManagement'".
	Filter string
}

// filter is the whole condition.
func (q AuditQuery) filter() string {
	var all []string
	if !q.From.IsZero() {
		all = append(all, "activityDateTime ge "+q.From.UTC().Format(time.RFC3339Nano))
	}
	if !q.To.IsZero() {
		all = append(all, "activityDateTime lt "+q.To.UTC().Format(time.RFC3339Nano))
	}
	if q.Filter != "" {
		all = append(all, "("+q.Filter+")")
	}
	return strings.Join(all, " and ")
}

// stalled is how long a table that is being sent may make no progress.
const stalled = 2 * time.Minute

// ExportAudit writes the audit log to w as a table of comma-separated values (RFC 4180) with a header, the latest entry first,
// however long it is. progress, where it is given, is told now and then how many entries have come. An error means that the
// table is not whole.
func (c *Client) ExportAudit(ctx context.Context, q AuditQuery, w io.Writer, progress func(entries int)) (entries int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stalled, func() { cancel(fmt.Errorf("%s has sent nothing for %s", c.Server, stalled)) })
	defer watch.Stop()
	resp, err := c.openTable(ctx, with("/portcullis/v1/events.csv", "$filter", q.filter()))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines, piece := lineCounter{}, make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(piece)
		watch.Reset(stalled)
		if _, bad := w.Write(piece[:n]); bad != nil {
			return lines.rows(), fmt.Errorf("write the table: %w", bad)
		}
		lines.count(piece[:n])
		if progress != nil {
			progress(lines.rows())
		}
		if err == io.EOF {
			return lines.rows(), nil
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return lines.rows(), cause
			}
			return lines.rows(), fmt.Errorf("the table broke off: %w", c.unreachable(ctx, err))
		}
	}
}

// openTable asks for an answer that is read piece by piece.
func (c *Client) openTable(ctx context.Context, path string) (*http.Response, error) {
	token, err := c.token(ctx)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Server+path, http.NoBody)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept", "text/csv, application/json")
		req.Header.Set("User-Agent", c.Agent)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := c.http.Do(req)
		if err != nil {
			return nil, c.unreachable(ctx, err)
		}
		if resp.StatusCode == http.StatusOK {
			return resp, nil
		}
		text, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer))
		_ = resp.Body.Close() // what was wanted of it is read
		switch {
		case err != nil:
			return nil, c.unreachable(ctx, err)
		case resp.StatusCode == http.StatusUnauthorized && try == 1:
			if token, err = c.renewed(ctx, nil); err != nil {
				return nil, err
			}
		case briefly.again(http.MethodGet, resp.StatusCode) && try < briefly.tries:
			if err := c.Sleep(ctx, min(briefly.pause(resp.Header, c.Now(), try), briefly.patience)); err != nil {
				return nil, err
			}
		default:
			return nil, errorOf(reply{resp.StatusCode, resp.Header, text})
		}
	}
}

// lineCounter counts the rows of a table: ends of lines outside quotes.
type lineCounter struct {
	ends   int
	quoted bool
}

func (l *lineCounter) count(piece []byte) {
	for _, b := range piece {
		switch {
		case b == '"':
			l.quoted = !l.quoted // doubled quotes turn it twice
		case b == '\n' && !l.quoted:
			l.ends++
		}
	}
}

// rows are those behind the header.
func (l *lineCounter) rows() int { return max(0, l.ends-1) }
