package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"portcullis/internal/config"
	"portcullis/internal/sample"
)

// webDoor is a web page of the demonstration's own that asks Portcullis, at each request, whether its visitor holds the
// role at this moment. Nothing has to be opened or shut in it. It believes what name a visitor gives: how people sign in
// to it is not what is shown.
type webDoor struct {
	listener net.Listener
	web      *http.Server
	caller   *caller
	token    string
	role     string
}

func newWebDoor(ctx context.Context) (*webDoor, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &webDoor{listener: l}, nil
}

func (d *webDoor) describe() string {
	return "a web page of the demonstration's own at " + d.address() + ", which asks Portcullis at each request (this machine has no PostgreSQL)"
}

func (d *webDoor) address() string { return "http://" + d.listener.Addr().String() + "/salaries" }

func (d *webDoor) hint() string { return d.address() + "?as=amira" }

func (d *webDoor) settings() []config.Door { return nil }

// begin signs the page's application in and serves it.
func (d *webDoor) begin(ctx context.Context, c *caller) error {
	d.caller = c
	var err error
	if d.token, err = c.token(ctx, url.Values{"grant_type": {"client_credentials"}}); err != nil {
		return err
	}
	var roles struct{ Value []struct{ ID string } }
	path := "/v1.0/roleManagement/directory/roleDefinitions?$filter=" + url.QueryEscape("displayName eq '"+sample.PayrollAdministrator+"'")
	if err := d.ask(ctx, path, &roles); err != nil {
		return err
	}
	if len(roles.Value) != 1 {
		return fmt.Errorf("there are %d roles %s", len(roles.Value), sample.PayrollAdministrator)
	}
	d.role = roles.Value[0].ID
	// The page that stays is written for as long as the visitor may be there: it ends by that, not by a time for writing.
	d.web = &http.Server{Handler: http.HandlerFunc(d.serve), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	go func() { _ = d.web.Serve(d.listener) }() // it ends when the door is closed
	return nil
}

// ask calls Portcullis as the page's own application.
func (d *webDoor) ask(ctx context.Context, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.caller.sample.URL+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+d.token)
	answer, err := d.caller.do(r)
	if err != nil {
		return err
	}
	if !answer.ok() {
		return fmt.Errorf("%d %s: %s", answer.status, answer.code, answer.message)
	}
	return json.Unmarshal(answer.body, into)
}

// mayEnter asks whether a visitor holds the role now. Without an answer nobody does.
func (d *webDoor) mayEnter(ctx context.Context, who string) bool {
	person, ok := d.caller.sample.People[who]
	if !ok {
		return false
	}
	var check struct{ Held bool }
	err := d.ask(ctx, "/portcullis/v1/check?role="+d.role+"&principal="+person.ID, &check)
	return err == nil && check.Held
}

const salaries = "Mia Castellano 67400, Alice Nakamura 51200, Bob Sutherland 49800"

// serve shows the page, once or, with stay, line by line for as long as the visitor may be there.
func (d *webDoor) serve(w http.ResponseWriter, r *http.Request) {
	who := r.URL.Query().Get("as")
	if !d.mayEnter(r.Context(), who) {
		http.Error(w, "You do not hold the role "+sample.PayrollAdministrator+" at this moment.", http.StatusForbidden)
		return
	}
	flush := http.NewResponseController(w)
	for {
		if _, err := fmt.Fprintln(w, salaries); err != nil || r.URL.Query().Get("stay") == "" || flush.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
		if !d.mayEnter(r.Context(), who) {
			return
		}
	}
}

func (d *webDoor) visit(ctx context.Context, who string) (asked, saw string, err error) {
	asked = "GET " + d.address() + "?as=" + who
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address()+"?as="+who, nil)
	if err != nil {
		return asked, "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return asked, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxReply))
	if err != nil {
		return asked, "", err
	}
	text := strings.TrimSpace(string(body))
	if answer.StatusCode != http.StatusOK {
		return asked, "", fmt.Errorf("%s: %s", answer.Status, text)
	}
	return asked, text, nil
}

func (d *webDoor) stay(ctx context.Context, who string) (<-chan string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address()+"?stay=yes&as="+who, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r) //nolint:bodyclose // closed by the goroutine that reads it
	if err != nil {
		return nil, err
	}
	ended := make(chan string, 1)
	go func() {
		defer answer.Body.Close()
		lines := bufio.NewScanner(answer.Body)
		n := 0
		for lines.Scan() {
			n++
		}
		ended <- fmt.Sprintf("the page ended the session after %d lines", n)
	}()
	return ended, nil
}

func (d *webDoor) close() error {
	if d.web != nil {
		return d.web.Close()
	}
	if err := d.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
