package httpdoor_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"portcullis/door/httpdoor"
)

// A page is open to whoever holds a role at this moment.
func Example() {
	// In the place of a server, so that the example runs by itself: it says that amira has activated the role, and nobody else.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, name := range r.URL.Query()["subject"] {
			says := `"decision":false,"reason":"notActivated","at":"2026-03-02T09:00:00Z"`
			if name == "amira@example.org" {
				says = `"decision":true,"reason":"activation","until":"2026-03-02T11:00:00Z","at":"2026-03-02T09:00:00Z"`
			}
			fmt.Fprintf(w, "event: decision\ndata: {\"subject\":%q,%s}\n\n", name, says)
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()

	door, err := httpdoor.New(httpdoor.Options{
		URL:   server.URL,
		Watch: true,
		// In earnest: (&httpdoor.ClientCredentials{…}).Token.
		Token: func(context.Context) (string, error) { return "the door's own token", nil },
		Question: func(r *http.Request) (httpdoor.Question, error) {
			// In earnest: of a session, or of a header that a proxy sets.
			name, _, ok := r.BasicAuth()
			if !ok {
				return httpdoor.Question{}, httpdoor.ErrNobody
			}
			return httpdoor.Question{
				Subject: httpdoor.Subject{Type: "user", ID: name}, Action: "Payroll Administrator", ResourceType: "directory", Resource: "/",
			}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer door.Close()
	page := httptest.NewServer(door.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := httpdoor.DecisionOf(r.Context())
		fmt.Fprintln(w, "The salaries, until", d.Until.Format("15:04"))
	})))
	defer page.Close()

	for _, name := range []string{"amira@example.org", "bo@example.org", ""} {
		r, _ := http.NewRequest(http.MethodGet, page.URL, nil)
		if name != "" {
			r.SetBasicAuth(name, "")
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		fmt.Printf("%d %s", answer.StatusCode, text)
	}
	// Output:
	// 200 The salaries, until 11:00
	// 403 You are eligible for this; activate it first.
	// 401 It is not known who you are.
}
