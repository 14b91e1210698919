package idp

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed web
var web embed.FS

// pages are the templates, one for each step and kind of page.
type pages struct{ all *template.Template }

func newPages() (*pages, error) {
	t, err := template.ParseFS(web, "web/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the sign-in pages: %w", err)
	}
	return &pages{t}, nil
}

// page is what a template shows.
type page struct {
	Title string
	// Text explains, Complaint says what was wrong before.
	Text, Complaint string
	// CSRF and Step are the hidden fields.
	CSRF string
	Step step
	// Client is the application that asks, Account who is signed in.
	Client, Account string
	Device          bool
	Username        string
	UserCode        string
	MinPassword     int
	// Secret and QR show a new second factor.
	Secret string
	QR     template.HTML
	// Action and Fields are a form that goes to the application.
	Action string
	Fields map[string]string
}

// The rules of the pages: nothing is loaded but the style sheet, and forms go to this server and the application that
// the sign-in leads back to (browsers hold the redirect after a form to the same rule).
const pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

func (p *Provider) show(w http.ResponseWriter, status int, name, policy string, data page) error {
	var b bytes.Buffer
	if err := p.pages.all.ExecuteTemplate(&b, name+".html", data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	// The browser is gone if this fails: there is nobody to tell.
	_, _ = w.Write(b.Bytes())
	return nil
}

// titles are those of the steps' pages.
func (s step) title() string {
	switch s {
	case stepPassword:
		return "Sign in"
	case stepChange:
		return "Choose a new password"
	case stepTOTP:
		return "Enter the code"
	case stepEnrol:
		return "Set up a second factor"
	case stepConfirm:
		return "Allow the other device?"
	case stepDone:
	}
	return "Signed in"
}

// showStep shows the form of a step.
func (p *Provider) showStep(
	ctx context.Context, w http.ResponseWriter, r *http.Request, now step, in interaction, s session, complaint string,
) error {
	data := page{
		Title: now.title(), Complaint: complaint, Step: now, Client: in.ClientName, Device: in.Device != "",
		CSRF: formToken(cookieOf(r.Header, cookieBrowser), in.id), MinPassword: minPassword, Username: in.Hint,
	}
	if now == stepPassword && r.Method == http.MethodPost {
		data.Username = r.PostForm.Get("username")
	}
	if now != stepPassword {
		o, _, err := p.personByID(ctx, s.Tenant, s.Person, s.Password)
		if err != nil {
			return err
		}
		data.Account = o.User.PrincipalName
	}
	if now == stepEnrol {
		if err := p.prepareEnrol(ctx, s, &data); err != nil {
			return err
		}
	}
	status := http.StatusOK
	if complaint != "" {
		status = http.StatusUnprocessableEntity
	}
	policy := pagePolicy
	if in.Redirect != "" {
		policy += " " + originOf(in.Redirect)
	}
	return p.show(w, status, string(now), policy, data)
}

// prepareEnrol makes the secret that the page shows, the same until it is taken.
func (p *Provider) prepareEnrol(ctx context.Context, s session, data *page) error {
	if s.Enrol == "" {
		s.Enrol = NewTOTPSecret()
		if err := p.saveSession(ctx, s); err != nil {
			return err
		}
	}
	var err error
	data.Secret = grouped(s.Enrol)
	data.QR, err = qrSVG(otpauth("Portcullis", data.Account, s.Enrol))
	return err
}

// grouped puts a blank after every four letters.
func grouped(text string) string {
	var b strings.Builder
	for i, r := range text {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (p *Provider) showDevice(w http.ResponseWriter, r *http.Request, status int, browser, code, complaint string) {
	err := p.show(w, status, "device", pagePolicy, page{
		Title: "Sign in on another device", CSRF: formToken(browser, pathDevice), UserCode: code, Complaint: complaint,
	})
	if err != nil {
		p.showFault(w, r, err)
	}
}

func (p *Provider) showLogout(w http.ResponseWriter, r *http.Request, browser, back string) {
	policy := pagePolicy
	if back != "" {
		policy += " " + originOf(back)
	}
	if err := p.show(w, http.StatusOK, "logout", policy, page{
		Title: "Sign out?", CSRF: formToken(browser, purposeLogout),
	}); err != nil {
		p.showFault(w, r, err)
	}
}

func (p *Provider) showMessage(w http.ResponseWriter, _ *http.Request, status int, title, text string) error {
	return p.show(w, status, "message", pagePolicy, page{Title: title, Text: text})
}

func (p *Provider) showError(w http.ResponseWriter, r *http.Request, status int, text string) {
	if err := p.showMessage(w, r, status, "This did not work", text); err != nil {
		p.Logger.ErrorContext(r.Context(), "a page cannot be shown", "error", err)
	}
}

// showFault logs a fault and says no more than that there is one.
func (p *Provider) showFault(w http.ResponseWriter, r *http.Request, err error) {
	p.Logger.ErrorContext(r.Context(), "sign-in failed", "error", err)
	p.showError(w, r, statusOf(err), "Signing in does not work now. Try again later.")
}

// showFormPost shows the page that posts the answer to the application (OAuth 2.0 Form Post Response Mode). It sends
// itself where scripts are allowed and has a button where not.
func (p *Provider) showFormPost(w http.ResponseWriter, in interaction, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("answer the application: %w", err)
	}
	fields := map[string]string{"code": u.Query().Get("code")}
	if in.State != "" {
		fields["state"] = in.State
	}
	policy := strings.Replace(pagePolicy, "style-src", "script-src 'self'; style-src", 1) + " " + originOf(in.Redirect)
	return p.show(w, http.StatusOK, "formpost", policy, page{
		Title: "Signed in", Client: in.ClientName, Action: in.Redirect, Fields: fields,
	})
}

// asset serves the style sheet and the one script.
func (p *Provider) asset(w http.ResponseWriter, r *http.Request, _ place, name string) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(w, r, web, "web/"+strings.ToLower(name))
}
