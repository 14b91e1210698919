package httpdoor_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portcullis/door/httpdoor"
)

// bubble runs a test in a time of its own.
func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestNewRefuses(t *testing.T) {
	for _, address := range []string{
		"", "pim.example.org", "http://pim.example.org", "ftp://localhost", "https://", "https://user:secret@host", "https://host?x=1", "https://host#x", "https://%zz",
	} {
		_, err := httpdoor.New(httpdoor.Options{URL: address, Token: token, Question: question})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want an error that tells no secrets", address, err)
		}
	}
	for _, o := range []httpdoor.Options{
		{URL: "https://h", Question: question}, {URL: "https://h", Token: token},
		{URL: "https://h", Token: token, Question: question, Timeout: -1}, {URL: "https://h", Token: token, Question: question, Subjects: -1},
	} {
		if _, err := httpdoor.New(o); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
	for _, address := range []string{"https://pim.example.org", "https://pim.example.org/", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"} {
		d, err := httpdoor.New(httpdoor.Options{URL: address, Token: token, Question: question})
		if err != nil {
			t.Errorf("%s: got %v", address, err)
			continue
		}
		d.Close()
	}
}

// What the server says, by either way, and what comes of it.
func TestWhoGetsThrough(t *testing.T) {
	for _, c := range []struct {
		name  string
		edit  func(*decider)
		asked int // status when asking for each request
		watch int // status when watching
	}{
		{"yes", func(d *decider) { d.says(true, "assignment", 0) }, 200, 200},
		{"yes, for a while", func(d *decider) { d.says(true, "activation", time.Hour) }, 200, 200},
		{"no", func(d *decider) { d.says(false, "none", 0) }, 403, 403},
		{"not activated", func(d *decider) { d.says(false, "notActivated", 0) }, 403, 403},
		{"a node that is stale", func(d *decider) { d.says(false, "stale", 0) }, 503, 503},
		{"a node that is behind", func(d *decider) { d.says(false, "behind", 0) }, 503, 503},
		{"nothing of her", func(*decider) {}, 403, 403},
		{"a failure", func(d *decider) { d.status = 500 }, 503, 503},
		{"a token that is not taken", func(d *decider) { d.status = 401 }, 503, 503},
		{"a door that may not ask", func(d *decider) { d.status = 403 }, 503, 503},
		{"another good status", func(d *decider) { d.status = 204 }, 503, 503},
		{"too much", func(d *decider) { d.status = 429 }, 503, 503},
		{"no JSON", func(d *decider) { d.body = "yes" }, 503, 503},
		{"no object", func(d *decider) { d.body = "true" }, 503, 503},
		{"an object of something else", func(d *decider) { d.body = `{"allowed":true}` }, 403, 503},
		{"yes as a text", func(d *decider) { d.body = `{"decision":"true"}` }, 503, 503},
		{"half an answer", func(d *decider) { d.body = `{"decision":true` }, 503, 503},
		{"an end that is no instant", func(d *decider) { d.body = `{"decision":true,"context":{"until":"soon"}}` }, 503, 503},
		{"an event that is no decision", func(d *decider) { d.body = "event: decision\ndata: {\"decision\":1}\n\n" }, 503, 503},
		{"half an event", func(d *decider) { d.body = "event: decision\ndata: {\"decision\":true}\n" }, 503, 503},
		{"late", func(d *decider) { d.says(true, "assignment", 0); d.delay = 3 * time.Second }, 503, 503},
		{"just in time", func(d *decider) { d.says(true, "assignment", 0); d.delay = time.Second }, 200, 200},
	} {
		for _, watch := range []bool{false, true} {
			bubble(t, fmt.Sprintf("%s, watching: %t", c.name, watch), func(t *testing.T) {
				h := open(t, func(o *httpdoor.Options) { o.Watch = watch })
				c.edit(h.decider)
				want := c.asked
				if watch {
					want = c.watch
				}
				h.wants("the page", want)
			})
		}
	}
}

func TestWhoIsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("the sessions are down")
		h := open(t, func(o *httpdoor.Options) {
			o.Question = func(r *http.Request) (httpdoor.Question, error) {
				switch r.URL.Query().Get("who") {
				case "":
					return question(r)
				case "empty":
					return httpdoor.Question{}, nil
				case "no-text":
					return httpdoor.Question{Subject: httpdoor.Subject{ID: "\xff"}, Action: "x", Resource: "/"}, nil
				case "long":
					return httpdoor.Question{Subject: httpdoor.Subject{ID: strings.Repeat("x", 1000)}, Action: "x", Resource: "/"}, nil
				}
				return httpdoor.Question{}, broken
			}
		})
		for path, want := range map[string]int{"/": 401, "/?who=empty": 503, "/?who=long": 503, "/?who=no-text": 503, "/?who=x": 503} {
			if got, body := h.get(path); got != want || strings.Contains(body, "down") {
				t.Errorf("%s: got %d %s, want %d without the reason", path, got, body, want)
			}
		}
		if asked := h.questions(); len(asked) != 0 {
			t.Errorf("the server was asked %v for nobody", asked)
		}
	})
}

// What goes over the wire, to the letter.
func TestTheQuestion(t *testing.T) {
	asked := httpdoor.Question{
		Subject: httpdoor.Subject{Type: "user", ID: "amira@example.org"}, Action: "Microsoft.Sql/servers/read", DataAction: true,
		ResourceType: "azure", Resource: "/subscriptions/1&subject=root",
	}
	synctest.Test(t, func(t *testing.T) {
		h := open(t, func(o *httpdoor.Options) {
			o.Question = func(*http.Request) (httpdoor.Question, error) { return asked, nil }
			o.Consistency = func(r *http.Request) string { return r.Header.Get("Portcullis-Consistency") }
		})
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://page/", strings.NewReader("x"))
		r.Header.Set("Portcullis-Consistency", "abc")
		answer, err := h.page.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		w := open(t, func(o *httpdoor.Options) {
			o.Watch, o.Question = true, func(*http.Request) (httpdoor.Question, error) { return asked, nil }
		})
		w.get("/")
		got := append(h.questions(), w.questions()...)
		want := []string{
			`{"subject":{"type":"user","id":"amira@example.org"},"action":{"name":"Microsoft.Sql/servers/read","properties":{"dataAction":true}},` +
				`"resource":{"type":"azure","id":"/subscriptions/1\u0026subject=root"},"context":{"consistencyToken":"abc"}}`,
			"action=Microsoft.Sql%2Fservers%2Fread&dataAction=true&resource=%2Fsubscriptions%2F1%26subject%3Droot&resourceType=azure&" +
				"subject=amira%40example.org&subjectType=user",
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got\n%q, want\n%q", got, want)
		}
		if got := h.headers[0].Get("Authorization"); got != "Bearer door's own" {
			t.Errorf("got authorization %q", got)
		}
	})
}

// A token goes to the server that it is meant for alone.
func TestNoRedirects(t *testing.T) {
	var reached bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	door, err := httpdoor.New(httpdoor.Options{URL: server.URL, Token: token, Question: question})
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	d, err := door.Ask(t.Context(), httpdoor.Question{Subject: httpdoor.Subject{ID: "x"}, Action: "x", Resource: "/"}, "")
	if !errors.Is(err, httpdoor.ErrUnavailable) || d.Allowed || reached {
		t.Errorf("got %+v, %v, redirect followed: %t", d, err, reached)
	}
}

// TestTheDecisionIsTold: a page can tell until when it is open.
func TestTheDecisionIsTold(t *testing.T) {
	for _, watch := range []bool{false, true} {
		bubble(t, fmt.Sprintf("watching: %t", watch), func(t *testing.T) {
			d := newDecider(t)
			d.says(true, "activation", time.Hour)
			door, err := httpdoor.New(httpdoor.Options{URL: "http://localhost", Token: token, Question: question, Client: serve(t, d), Watch: watch})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(door.Close)
			var got httpdoor.Decision
			page := door.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				var ok bool
				if got, ok = httpdoor.DecisionOf(r.Context()); !ok {
					t.Error("the decision is not told")
				}
			}))
			page.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?who=alice", nil))
			if !got.Allowed || got.Reason != "activation" || got.Until.Sub(got.At) != time.Hour || got.Consistency != "tactivation" {
				t.Errorf("got %+v", got)
			}
		})
	}
	if d, ok := httpdoor.DecisionOf(t.Context()); ok || d.Allowed {
		t.Errorf("without a door: got %+v, %t", d, ok)
	}
}

// A request that goes on ends with the grant, whatever the two clocks say, and whatever the handler looks at.
func TestAHeldRequestEndsWithTheGrant(t *testing.T) {
	for _, watch := range []bool{false, true} {
		for _, path := range []string{"/live", "/deaf", "/taken"} {
			bubble(t, fmt.Sprintf("%s, watching: %t", path, watch), func(t *testing.T) {
				h := open(t, func(o *httpdoor.Options) { o.Watch = watch })
				h.says(true, "activation", time.Hour+time.Millisecond)
				x := h.hold(path + "?who=alice")
				want := time.Hour + time.Millisecond
				if path == "/deaf" {
					want = time.Hour + time.Second // its next word
				}
				h.endsAfter(x, want)
				if path == "/live" {
					synctest.Wait()
					if err := h.cause(); !errors.Is(err, httpdoor.ErrClosed) {
						t.Errorf("the context ended with %v, want ErrClosed", err)
					}
				}
			})
		}
	}
}

// Who goes on by a grant without an end ends only where the program does.
func TestCloseEndsWhatGoesOn(t *testing.T) {
	for _, watch := range []bool{false, true} {
		bubble(t, fmt.Sprintf("watching: %t", watch), func(t *testing.T) {
			h := open(t, func(o *httpdoor.Options) { o.Watch = watch })
			h.says(true, "assignment", 0)
			x := h.hold("/live?who=alice")
			time.Sleep(time.Minute)
			h.door.Close()
			h.endsAfter(x, time.Minute)
			h.wants("after Close", 503)
			if h.streams() != 0 {
				t.Errorf("%d streams are open after Close", h.streams())
			}
		})
	}
}

// A handler that is done in time is left alone: its connection serves the next one.
func TestWhatIsDoneIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, func(o *httpdoor.Options) { o.Watch = true })
		h.says(true, "activation", time.Minute)
		h.wants("at first", 200)
		time.Sleep(time.Minute)
		h.wants("at the end", 403)
		h.says(true, "activation", time.Minute)
		synctest.Wait()
		h.wants("activated again", 200)
	})
}

// TestRefuseYourself: a page may say it in its own words.
func TestRefuseYourself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, func(o *httpdoor.Options) {
			o.Refuse = func(w http.ResponseWriter, _ *http.Request, d httpdoor.Decision, err error) {
				http.Error(w, fmt.Sprint(d.Reason, err), http.StatusTeapot)
			}
		})
		h.says(false, "later", 0)
		if status, body := h.get("/?who=alice"); status != http.StatusTeapot || body != "later<nil>\n" {
			t.Errorf("got %d %q", status, body)
		}
	})
}

func TestTheTokenIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, fail := 0, false
		issuer := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if calls++; fail || r.FormValue("client_secret") != "s" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "x" {
				http.Error(w, `{"error":"invalid_client","error_description":"s"}`, http.StatusUnauthorized)
				return
			}
			fmt.Fprintf(w, `{"access_token":"t%d","expires_in":3600}`, calls)
		}))
		c := &httpdoor.ClientCredentials{URL: "http://localhost/token", ID: "i", Secret: "s", Scope: "x", Client: issuer}
		wants := func(when, want string) {
			t.Helper()
			got, err := c.Token(t.Context())
			if got != want || (err != nil) != (want == "") || err != nil && strings.Contains(err.Error(), `"s"`) {
				t.Errorf("%s: got %q, %v, want %q", when, got, err, want)
			}
		}
		wants("at first", "t1")
		time.Sleep(47 * time.Minute)
		wants("while it is young", "t1")
		time.Sleep(2 * time.Minute)
		wants("when it is old", "t2")
		fail = true
		time.Sleep(50 * time.Minute)
		wants("when there is no other", "t2")
		wants("soon after", "t2")
		if calls != 3 {
			t.Errorf("the issuer was asked %d times, want 3", calls)
		}
		time.Sleep(11 * time.Minute)
		wants("when it is over", "")
		fail = false
		wants("when there is one again", "t5")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		time.Sleep(time.Hour)
		if _, err := c.Token(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("who does not wait: got %v", err)
		}
	})
	if _, err := (&httpdoor.ClientCredentials{URL: "http://example.org/token"}).Token(t.Context()); err == nil {
		t.Error("a secret was sent over plain HTTP")
	}
}

// TestOverHTTP2: many requests share one connection there, and one of them is cut without the others.
func TestOverHTTP2(t *testing.T) {
	d := newDecider(t)
	d.saysOf("alice", true, "assignment", 0)
	d.saysOf("bob", true, "assignment", 0)
	server := httptest.NewServer(d)
	door, err := httpdoor.New(httpdoor.Options{URL: server.URL, Token: token, Question: question, Watch: true})
	if err != nil {
		t.Fatal(err)
	}
	more := make(chan struct{})
	page := httptest.NewUnstartedServer(door.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := io.WriteString(w, "tick\n"); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			select {
			case <-more:
			case <-r.Context().Done():
				return
			}
		}
	})))
	page.EnableHTTP2 = true
	page.StartTLS()
	t.Cleanup(func() {
		door.Close()
		page.Close()
		server.Close()
	})
	hold := func(who string) *bufio.Scanner {
		r, err := page.Client().Get(page.URL + "/?who=" + who)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		lines := bufio.NewScanner(r.Body)
		if r.ProtoMajor != 2 || r.StatusCode != http.StatusOK || !lines.Scan() {
			t.Fatalf("%s: got %s by %s", who, r.Status, r.Proto)
		}
		return lines
	}
	alice, bob := hold("alice"), hold("bob")
	d.saysOf("alice", false, "none", 0)
	if alice.Scan() || alice.Err() == nil {
		t.Errorf("alice: her answer ended with %v, want it broken off", alice.Err())
	}
	more <- struct{}{}
	if !bob.Scan() {
		t.Errorf("bob: his answer ended with %v, want it to go on", bob.Err())
	}
}
