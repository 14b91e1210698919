package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portcullis/internal/config"
	"portcullis/internal/localpg"
	"portcullis/internal/sample"
)

// helpdesk is the role that the door's privilege hangs on.
const helpdesk = "729827e3-9c14-49f7-bb1b-9608f156bbb8"

// payroll is a real database with a table that only its role payroll_reader may read, behind a running server.
type payroll struct {
	*node
	pg       *localpg.Server
	manifest sample.Manifest
	owned    bool
}

// openPayroll starts the database and the server. With owned logins, alice's login exists for what she is granted only. The door is
// bound to the role of the helpdesk, unless other bindings are given.
func openPayroll(t *testing.T, owned, worker bool, bindings ...config.Binding) *payroll {
	t.Helper()
	if len(bindings) == 0 {
		bindings = []config.Binding{{Role: helpdesk, Privilege: "payroll_reader"}}
	}
	pg, err := localpg.Start(t.Context(), localpg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := pg.CreateDatabase(t.Context(), "payroll"); err != nil {
		t.Fatal(err)
	}
	login := "LOGIN"
	if owned {
		login = "NOLOGIN"
	}
	admin, err := pgx.Connect(t.Context(), pg.URL("payroll"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	for _, text := range []string{
		"CREATE TABLE salaries (who text, amount int)", "INSERT INTO salaries VALUES ('everybody', 1)",
		"CREATE ROLE payroll_reader", "GRANT SELECT ON salaries TO payroll_reader",
		"CREATE ROLE alice " + login + " PASSWORD 'of-the-site'",
	} {
		if _, err := admin.Exec(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "data")
	o := sampleOptions(dir)
	o.Settings.NoWorker = !worker
	o.Settings.Metrics.Listen = "127.0.0.1:0"
	o.Settings.Doors = []config.Door{{Name: "payroll", Type: "postgres", URL: pg.URL("payroll"), OwnsLogins: owned, Bindings: bindings}}
	p := &payroll{node: start(t, o), pg: pg, owned: owned}
	if p.manifest, err = sample.ReadManifest(dir); err != nil {
		t.Fatal(err)
	}
	return p
}

// token signs somebody in with a second factor, or the application for nobody.
func (p *payroll) token(who string) string {
	p.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	if who != "" {
		person := p.manifest.People[who]
		form = url.Values{"grant_type": {"password"}, "username": {person.UserPrincipalName}, "password": {person.Password}, "totp": {"123456"}}
	}
	form.Set("client_id", p.manifest.Client.ID)
	form.Set("client_secret", p.manifest.Client.Secret)
	form.Set("scope", p.URL()+"/.default")
	_, _, body := p.read(p.PostForm(p.URL()+"/"+p.manifest.TenantID+"/oauth2/v2.0/token", form))
	return accessToken(p.t, body)
}

// send makes a call as somebody, or as the application for nobody, and returns the status and the body of the answer.
func (p *payroll) send(who, method, path, body string) (int, string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.URL()+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token(who))
	r.Header.Set("Content-Type", "application/json")
	status, _, answer := p.read(p.Do(r))
	return status, answer
}

// ask posts a request to one of the two sets and returns its id.
func (p *payroll) ask(who, set, body string) string {
	p.t.Helper()
	body = strings.NewReplacer("ALICE", p.manifest.People["alice"].ID, "ROLE", helpdesk).Replace(body)
	status, answer := p.send(who, http.MethodPost, "/v1.0/roleManagement/directory/"+set, body)
	if status != http.StatusCreated {
		p.t.Fatalf("%s %s: got %d %s", set, body, status, answer)
	}
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &made); err != nil {
		p.t.Fatal(err)
	}
	return made.ID
}

// activate makes alice eligible and lets her activate for an hour.
func (p *payroll) activate() string {
	p.t.Helper()
	p.ask("", "roleEligibilityScheduleRequests", `{"action":"adminAssign","principalId":"ALICE","roleDefinitionId":"ROLE",
		"directoryScopeId":"/","justification":"on call","scheduleInfo":{"expiration":{"type":"noExpiration"}}}`)
	return p.ask("alice", "roleAssignmentScheduleRequests", `{"action":"selfActivate","principalId":"ALICE","roleDefinitionId":"ROLE",
		"directoryScopeId":"/","justification":"ticket 4711","scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT1H"}}}`)
}

// move shifts PIM's time to after an offset from the real one.
func (p *payroll) move(offset string) {
	p.t.Helper()
	status, _, body := p.read(p.Post(p.URL()+"/sample/clock", "application/json", strings.NewReader(`{"offset":"`+offset+`"}`)))
	if status != http.StatusOK {
		p.t.Fatalf("clock: got %d %s", status, body)
	}
}

// session is psql as alice.
func (p *payroll) session() (*pgx.Conn, error) {
	at, err := pgx.ParseConfig(p.pg.URL("payroll"))
	if err != nil {
		p.t.Fatal(err)
	}
	at.User, at.Password = "alice", "of-the-site"
	return pgx.ConnectConfig(p.t.Context(), at)
}

// reads tries to read the table in a session of alice's own: nil, or what the database says.
func (p *payroll) reads() error {
	c, err := p.session()
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(p.t.Context()))
	return look(p.t.Context(), c)
}

func look(ctx context.Context, c *pgx.Conn) error {
	var n int
	return c.QueryRow(ctx, "SELECT count(*) FROM salaries").Scan(&n)
}

// refusals are the codes by which the database refuses (PostgreSQL, appendix A): insufficient_privilege, or, where the
// login is ours, that it may not log in or that its password is past its time.
func (p *payroll) refusals() []string {
	if p.owned {
		return []string{"28000", "28P01"}
	}
	return []string{"42501"}
}

func (p *payroll) isRefusal(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(p.refusals(), e.Code)
}

// refusedAs says that the database refused with one of its own codes.
func (p *payroll) refusedAs(err error) {
	p.t.Helper()
	if !p.isRefusal(err) {
		p.t.Errorf("the database says %v, want one of the codes %s", err, p.refusals())
	}
}

type doorState struct {
	State          string
	UsableDateTime *time.Time
	GoneDateTime   *time.Time
	Problem        string
}

// until waits for the effect of a schedule to reach a state.
func (p *payroll) until(schedule, state string) doorState {
	p.t.Helper()
	token := p.token("alice")
	var last string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		_, last = p.as(token, "/portcullis/v1/effects?schedule="+schedule)
		var got struct{ Value []doorState }
		if err := json.Unmarshal([]byte(last), &got); err != nil {
			p.t.Fatalf("%v: %s", err, last)
		}
		if len(got.Value) == 1 && got.Value[0].State == state {
			return got.Value[0]
		}
		select {
		case <-p.t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	p.t.Fatalf("the effect of %s never became %s: %s", schedule, state, last)
	return doorState{}
}

func TestARealDoorOpensAndShuts(t *testing.T) {
	for name, owned := range map[string]bool{"logins of the site": false, "logins of ours": true} {
		t.Run(name, func(t *testing.T) {
			p := openPayroll(t, owned, true)
			p.refusedAs(p.reads())
			schedule := p.activate()
			opened := p.until(schedule, "usable")
			if opened.UsableDateTime == nil {
				t.Error("the effect does not say since when it is usable")
			}
			running, err := p.session()
			if err != nil {
				t.Fatalf("alice cannot get in while she is active: %v", err)
			}
			defer running.Close(context.WithoutCancel(t.Context()))
			if err := look(t.Context(), running); err != nil {
				t.Fatalf("alice cannot read while she is active: %v", err)
			}
			p.move("PT1H")
			shut := p.until(schedule, "gone")
			if shut.GoneDateTime == nil || shut.UsableDateTime == nil || shut.GoneDateTime.Before(*shut.UsableDateTime) {
				t.Errorf("the effect does not say since when it is gone: %+v", shut)
			}
			if err := look(t.Context(), running); err == nil {
				t.Error("the running session goes on after the end")
			}
			p.refusedAs(p.reads())
		})
	}
}

// TestWithTheWorkerStopped: time alone ends access. Nobody closes the door here, and everything that can be asked says
// so at the instant of the end all the same.
func TestWithTheWorkerStopped(t *testing.T) {
	p := openPayroll(t, false, false)
	p.activate()
	alice := p.token("alice")
	instances := "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances/filterByCurrentUser(on='principal')"
	check := "/portcullis/v1/check?role=" + helpdesk
	holds := func(when string, want bool) {
		t.Helper()
		if _, body := p.as(alice, check); strings.Contains(body, `"held":true`) != want {
			t.Errorf("%s: the check says %s", when, body)
		}
		if _, body := p.as(alice, instances); strings.Contains(body, helpdesk) != want {
			t.Errorf("%s: the list says %s", when, body)
		}
	}
	holds("at first", true)
	p.move("PT59M")
	holds("a minute before the end", true)
	p.move("PT1H")
	holds("at the end", false)
}

// TestAnAccountMadeByAProgramSignsIn: users can be made in the sample's domain.
func TestAnAccountMadeByAProgramSignsIn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := &payroll{node: start(t, sampleOptions(dir))}
	var err error
	if p.manifest, err = sample.ReadManifest(dir); err != nil {
		t.Fatal(err)
	}
	const password = "correct horse battery"
	name := "new@" + p.manifest.Domain
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL()+"/v1.0/users", strings.NewReader(
		`{"accountEnabled":true,"displayName":"New","mailNickname":"new","userPrincipalName":"`+name+`",
		"passwordProfile":{"password":"`+password+`","forceChangePasswordNextSignIn":false}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token(""))
	r.Header.Set("Content-Type", "application/json")
	if status, _, body := p.read(p.Do(r)); status != http.StatusCreated || strings.Contains(body, password) {
		t.Fatalf("got %d %s", status, body)
	}
	p.manifest.People["new"] = sample.Person{UserPrincipalName: name, Password: password}
	if status, body := p.as(p.token("new"), "/v1.0/me"); status != http.StatusOK || !strings.Contains(body, name) {
		t.Errorf("the new account: got %d %s", status, body)
	}
}
