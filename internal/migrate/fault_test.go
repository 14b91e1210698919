package migrate_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portcullis/internal/client"
	"portcullis/internal/migrate"
	"portcullis/internal/pim"
)

const (
	tenant = "6d4b6ec4-9977-4d39-93d4-d6c9ba55c288"
	nora   = "0f6f43b8-e404-4cc1-8b07-6f4d39b43b06"
	owen   = "1f5ba9a6-cd61-4cef-8d77-f3e4fdbabd28"
	role   = "4a5d8f65-41da-4de4-8968-e035b65339cf"
)

// rows are answers of a small server of the second iteration in Microsoft Graph's form, by what an address contains.
func rows(origin string) map[string]string {
	row := func(id, who string) string {
		return fmt.Sprintf(`{"id":%q,"resourceId":%q,"roleDefinitionId":%q,"subjectId":%q,"linkedEligibleRoleAssignmentId":null,"startDateTime":"2026-01-02T03:04:05Z","endDateTime":null,
			"memberType":"Direct","assignmentState":"Eligible","status":"Provisioned","subject":{"id":%q,"type":"User","displayName":"N"},"roleDefinition":{"id":%q,"templateId":%q,"displayName":"Reports Reader"}}`,
			id, tenant, role, who, who, role, role)
	}
	return map[string]string{
		"/resources?": fmt.Sprintf(`{"value":[{"id":%q,"externalId":%q,"type":"Directory","displayName":"Fabrikam"}]}`, tenant, tenant),
		"/resources":  fmt.Sprintf(`{"value":[{"id":%q,"externalId":%q,"type":"Directory","displayName":"Fabrikam"}]}`, tenant, tenant),
		"/roleAssignments?": fmt.Sprintf(`{"value":[%s],"@odata.nextLink":%q}`, row("one", nora),
			origin+"/beta/privilegedAccess/aadRoles/second"),
		"/second":                  fmt.Sprintf(`{"value":[%s]}`, row("two", owen)),
		"/roleAssignmentRequests?": `{"value":[]}`,
		"/roleSettings?": fmt.Sprintf(`{"value":[{"id":"s","resourceId":%q,"roleDefinitionId":%q,"isDefault":false,"userMemberSettings":[
			{"ruleIdentifier":"ExpirationRule","setting":"{'maximumGrantPeriodInMinutes':60}"},{"ruleIdentifier":"FutureRule","setting":"{}"}]}]}`, tenant, role),
		"/roleDefinitions": fmt.Sprintf(`{"value":[{"id":%q,"resourceId":%q,"templateId":%q,"displayName":"Reports Reader"}]}`, role, tenant, role),
	}
}

// odd is a server of the second iteration that answers as it is told, and a caller of it whose waits are counted and not waited.
func odd(t *testing.T, token string, answer func(w http.ResponseWriter, r *http.Request, usual string)) (s *client.Bearer, file string, waits *[]time.Duration) {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		usual, best := "", ""
		for part, text := range rows(server.URL) {
			if strings.Contains(r.URL.RequestURI(), "/beta/privilegedAccess/aadRoles") && strings.Contains(r.URL.RequestURI(), part) && len(part) > len(best) {
				usual, best = text, part
			}
		}
		answer(w, r, usual)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	ca, file := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "token")
	if err := errors.Join(
		os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600),
		os.WriteFile(file, []byte(token), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	waits = &[]time.Duration{}
	var mu sync.Mutex
	s, err := client.NewBearer(client.Options{Server: server.URL, CAFile: ca, Sleep: func(_ context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		*waits = append(*waits, d)
		return nil
	}}, file)
	if err != nil {
		t.Fatal(err)
	}
	return s, file, waits
}

func usually(w http.ResponseWriter, _ *http.Request, usual string) {
	if usual == "" {
		http.Error(w, `{"error":{"code":"NotFound","message":"nothing is here"}}`, http.StatusNotFound)
		return
	}
	_, _ = w.Write([]byte(usual))
}

func directoryOnly() migrate.ReadOptions {
	return migrate.ReadOptions{Providers: []pim.Provider{pim.Directory}}
}

// TestASourceThatFails: a source that answers 429 and 500 now and then, and breaks connections, is read whole all the same.
func TestASourceThatFails(t *testing.T) {
	var calls atomic.Int32
	s, _, waits := odd(t, "secret", func(w http.ResponseWriter, r *http.Request, usual string) {
		switch calls.Add(1) % 5 {
		case 1:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.WriteHeader(http.StatusInternalServerError)
		case 3:
			panic(http.ErrAbortHandler) // the connection breaks
		default:
			usually(w, r, usual)
		}
	})
	e, err := migrate.ReadV2(t.Context(), s, directoryOnly())
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Grants) != 2 || e.Tenant != tenant || len(*waits) < 6 || (*waits)[0] != 7*time.Second {
		t.Errorf("read %+v after waits of %v", e, *waits)
	}
	place := migrate.Place{Provider: pim.Directory, Scope: pim.Everywhere, Role: role}
	if p := e.Policies[place]; p.Default || p.Rules.EndUserAssignment.Expiration.Maximum.String() != "PT1H" {
		t.Errorf("the rules are %+v", p)
	}
	var codes []string
	for _, n := range e.Notes {
		codes = append(codes, n.Code)
	}
	if got := strings.Join(codes, " "); got != "Rule ScopeNotTold" {
		t.Errorf("the notes are %s: %+v", got, e.Notes)
	}
}

// TestASourceThatStaysAway ends the reading with what the source said, after a bounded time.
func TestASourceThatStaysAway(t *testing.T) {
	s, _, waits := odd(t, "secret", func(w http.ResponseWriter, r *http.Request, usual string) {
		if strings.Contains(r.URL.Path, "second") {
			http.Error(w, `{"error":{"code":"Down","message":"come back tomorrow"}}`, http.StatusInternalServerError)
			return
		}
		usually(w, r, usual)
	})
	_, err := migrate.ReadV2(t.Context(), s, directoryOnly())
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Status != http.StatusInternalServerError || e.Code != "Down" || len(*waits) != 7 {
		t.Errorf("got %v after %v", err, *waits)
	}
}

// TestPartialInputIsRefused, and so is a list that leads elsewhere.
func TestPartialInputIsRefused(t *testing.T) {
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another server was asked") }))
	defer other.Close()
	for name, c := range map[string]struct {
		second func(r *http.Request) string
		want   string
	}{
		"a cut answer":    {func(*http.Request) string { return `{"value":[{"id":"two",` }, "JSON"},
		"no list":         {func(*http.Request) string { return `{}` }, "is no list"},
		"null":            {func(*http.Request) string { return `{"value":null}` }, "is no list"},
		"fewer than told": {func(*http.Request) string { return `{"value":[],"@odata.count":3}` }, "ends after 1 of 3 rows"},
		"the same again": {func(r *http.Request) string {
			return link("https://" + r.Host + "/beta/privilegedAccess/aadRoles/second")
		}, "in a circle"},
		"a longer circle": {func(r *http.Request) string {
			page := "1"
			if strings.HasSuffix(r.URL.RawQuery, "1") {
				page = "2"
			}
			return link("https://" + r.Host + "/beta/privilegedAccess/aadRoles/second?page=" + page)
		}, "in a circle"},
		"another server": {func(*http.Request) string { return link(other.URL + "/beta/x") }, "another server"},
		"a lookalike":    {func(r *http.Request) string { return link("https://" + r.Host + ".example.org/beta/x") }, "another server"},
		"a relative one": {func(*http.Request) string { return link("//evil.example.org/x") }, "another server"},
		"an unknown state": {func(*http.Request) string {
			return `{"value":[{"id":"x","subjectId":"` + nora + `","memberType":"Direct","assignmentState":"Dormant"}]}`
		}, "is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, _ := odd(t, "secret", func(w http.ResponseWriter, r *http.Request, usual string) {
				if strings.Contains(r.URL.Path, "second") {
					usual = c.second(r)
				}
				usually(w, r, usual)
			})
			e, err := migrate.ReadV2(t.Context(), s, directoryOnly())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("read %v, %v; want an error with %q", e, err, c.want)
			}
		})
	}
}

func link(to string) string { return fmt.Sprintf(`{"value":[],"@odata.nextLink":%q}`, to) }

// TestATokenIsRenewed: somebody writes a new one into the file before the old one ends.
func TestATokenIsRenewed(t *testing.T) {
	var calls atomic.Int32
	var file string
	s, file, _ := odd(t, `{"accessToken":"old","expiresOn":"2026-01-01"}`, func(w http.ResponseWriter, r *http.Request, usual string) {
		if calls.Add(1) > 3 && r.Header.Get("Authorization") != "Bearer new" {
			_ = os.WriteFile(file, []byte("new\n"), 0o600)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		usually(w, r, usual)
	})
	if e, err := migrate.ReadV2(t.Context(), s, directoryOnly()); err != nil || len(e.Grants) != 2 {
		t.Errorf("read %+v, %v", e, err)
	}
	s, _, _ = odd(t, "stale", func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(http.StatusUnauthorized) })
	if _, err := migrate.ReadV2(t.Context(), s, directoryOnly()); !errors.Is(err, client.ErrSignedOut) || strings.Contains(err.Error(), "stale") {
		t.Errorf("got %v, want that somebody has to sign in", err)
	}
	if spoken, err := migrate.Speaks(t.Context(), s, directoryOnly()); err != nil || len(spoken) > 0 {
		t.Errorf("it speaks %v, %v to nobody", spoken, err)
	}
	if _, err := migrate.Read(t.Context(), s, directoryOnly()); err == nil {
		t.Error("it was read")
	}
}
