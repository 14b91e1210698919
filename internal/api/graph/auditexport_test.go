package graph

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/app"
	"portcullis/internal/auth"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
	"portcullis/internal/store/storetest"
)

// exporter is a surface with nothing but the export.
type exporter struct{ *Surface }

func (x exporter) Prefixes() []string { return []string{"portcullis"} }

func (x exporter) Routes() []api.Route {
	return []api.Route{{Method: http.MethodGet, Pattern: "/portcullis/v1/events.csv", Access: api.Access{Anybody: true}, Handle: x.ExportAudits}}
}

// machine is a token of an application, which may read the log.
type machine struct{ app bool }

func (m machine) Request(*http.Request) (auth.Token, error) {
	return auth.Token{Tenant: "t", Object: "robot", App: m.app}, nil
}

// broken is a log that fails after some pages.
type broken struct {
	*app.App
	pages int
}

func (b *broken) Events(ctx context.Context, by pim.Caller, q store.Query) (store.Page[pim.Event], error) {
	if b.pages--; b.pages < 0 {
		return store.Page[pim.Event]{}, errors.New("the disk is on fire")
	}
	return b.App.Events(ctx, by, q)
}

// library serves an export of n entries, the first of which is hostile.
func library(t *testing.T, n, pages int, m machine) *httptest.Server {
	t.Helper()
	a := &app.App{Store: &storetest.Model{}, Index: access.New(), Now: func() time.Time { return time.Unix(0, 0) }}
	robot := directory.Object{Tenant: "t", ID: "robot", Kind: directory.KindServicePrincipal, Enabled: true, App: &directory.App{ClientID: "c"}}
	commit := store.Commit{Objects: []directory.Object{robot}}
	for i := range n {
		e := pim.Event{ID: pim.EventID(fmt.Sprintf("e-%05d", i)), Tenant: "t", At: time.Unix(int64(i), 0), Activity: pim.PolicyChanged, Success: true, Reason: "plain"}
		if i == 0 {
			e.Reason, e.By.Name, e.By.Kind, e.RoleName = "=cmd|' /C calc'!A0", "+1, \"x\"\nsecond", pim.UserPrincipal, "＝1"
		}
		commit.Entries = append(commit.Entries, store.Entry{Event: e})
	}
	if err := a.Store.Commit(t.Context(), commit); err != nil {
		t.Fatal(err)
	}
	frame := api.New(api.Options{Verifier: m, Callers: a}, exporter{New(&broken{a, pages}, nil, nil)})
	s := httptest.NewServer(frame)
	t.Cleanup(s.Close)
	return s
}

// fetchTable gets an export: its status and type, its text, and what broke it off.
func fetchTable(t *testing.T, s *httptest.Server, query url.Values) (status int, kind, text string, broken error) {
	t.Helper()
	r, err := s.Client().Get(s.URL + "/portcullis/v1/events.csv?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return r.StatusCode, r.Header.Get("Content-Type"), string(body), err
}

// TestExportHasEveryEntryOnce: all pages of a long log, each entry once, in the order asked for, as RFC 4180 has it; cells that
// begin like formulas begin with an apostrophe.
func TestExportHasEveryEntryOnce(t *testing.T) {
	const n = 2*listing.ScanSize + 7
	s := library(t, n, 100, machine{app: true})
	for _, x := range []struct {
		query       url.Values
		rows        int
		first, last string
	}{
		{url.Values{}, n, "PIM_e-02006", "PIM_e-00000"},
		{url.Values{"$orderby": {"activityDateTime"}}, n, "PIM_e-00000", "PIM_e-02006"},
		{url.Values{"$filter": {"activityDateTime lt 1970-01-01T00:00:10Z"}}, 10, "PIM_e-00009", "PIM_e-00000"},
		{url.Values{"$filter": {"resultReason ne 'plain'"}}, 1, "PIM_e-00000", "PIM_e-00000"}, // decided while reading
	} {
		status, kind, text, err := fetchTable(t, s, x.query)
		if err != nil || status != http.StatusOK || !strings.HasPrefix(kind, "text/csv") {
			t.Fatalf("%v: got %d %v %q", x.query, status, err, kind)
		}
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatalf("%v: %v", x.query, err)
		}
		if got := len(rows) - 1; got != x.rows || rows[1][0] != x.first || rows[got][0] != x.last {
			t.Errorf("%v: got %d rows from %s to %s, want %d from %s to %s", x.query, got, rows[1][0], rows[got][0], x.rows, x.first, x.last)
		}
		if !slices.Equal(rows[0], auditHeader()) || !strings.Contains(text, "additionalDetails\r\n") {
			t.Errorf("%v: got the header %q", x.query, rows[0])
		}
		cell := func(name string) string { return rows[len(rows)-1][slices.Index(rows[0], name)] }
		if x.last == "PIM_e-00000" {
			for name, want := range map[string]string{"resultReason": "'=cmd|' /C calc'!A0", "initiatedByUserDisplayName": "'+1, \"x\"\nsecond", "roleDisplayName": "'＝1"} {
				if got := cell(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		}
		if x.query.Get("$orderby") == "" && strings.Contains(text, "\n=") {
			t.Error("a cell begins a formula")
		}
	}
}

// TestExportRefuses: what is no export is an error before anything is sent.
func TestExportRefuses(t *testing.T) {
	s := library(t, 3, 100, machine{app: true})
	for _, query := range []string{"$top=1", "$skip=1", "$select=id", "$count=true", "$skiptoken=x", "$filter=nothing eq 1", "$orderby=category"} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if status, _, text, _ := fetchTable(t, s, values); status != http.StatusBadRequest || !strings.Contains(text, `"error"`) {
			t.Errorf("%s: got %d %s, want 400", query, status, text)
		}
	}
	person := library(t, 3, 100, machine{})
	if status, _, text, _ := fetchTable(t, person, nil); status != http.StatusForbidden || !strings.Contains(text, "Authentication_RequestFromUnsupportedUserRole") {
		t.Errorf("a person without a role: got %d %s, want 403", status, text)
	}
}

// TestExportThatBreaksIsNoWhole: a log that cannot be read to its end breaks the connection; one that cannot be read at all is
// an error.
func TestExportThatBreaksIsNoWhole(t *testing.T) {
	if status, _, text, err := fetchTable(t, library(t, 2*listing.ScanSize, 1, machine{app: true}), nil); err == nil {
		t.Errorf("got %d and a whole answer of %d bytes, want a broken one", status, len(text))
	}
	if status, _, _, _ := fetchTable(t, library(t, 3, 0, machine{app: true}), nil); status != http.StatusInternalServerError {
		t.Errorf("got %d, want 500", status)
	}
}
