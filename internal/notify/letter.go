package notify

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"text/template"

	"portcullis/internal/pim"
)

//go:embed letter.txt letter.html
var forms embed.FS

// Letter is a mail as it is handed over.
type Letter struct {
	// MessageID stands without its angle brackets.
	MessageID string
	Name      string
	Address   string
	Subject   string
	Text      string
	HTML      string
}

// Writer writes letters. Make one with NewWriter.
type Writer struct {
	origin, domain string
	text           *template.Template
	html           *htmltemplate.Template
}

// NewWriter makes a writer of letters that link below an origin, such as https://pim.example.com. The domain is that of
// Message-IDs.
func NewWriter(origin, domain string) (*Writer, error) {
	w := &Writer{origin: origin, domain: domain}
	var err error
	if w.text, err = template.ParseFS(forms, "letter.txt"); err == nil {
		w.html, err = htmltemplate.ParseFS(forms, "letter.html")
	}
	if err != nil {
		return nil, fmt.Errorf("the form of mails: %w", err)
	}
	return w, nil
}

// page is what the forms show.
type page struct {
	Title, Lead  string
	Facts        []fact
	Rows         []listed
	More         int
	Link, Linked string
	Organisation string
	Origin       string
}

// Write writes the letter of a mail of an organisation. Waiting is what a digest lists.
func (w *Writer) Write(m pim.Mail, organisation string, waiting []pim.Notice) (Letter, error) {
	var said words
	var rows []listed
	if m.Notice.Kind == pim.NoticeWaiting {
		said, rows = sayWaiting(waiting, w.origin)
	} else {
		said = say(m.Notice, m.To != "" && m.To == m.Notice.Key.Principal)
	}
	p := page{
		Title: said.title, Lead: said.lead, Facts: said.facts, Rows: rows, More: len(waiting) - len(rows),
		Link: w.origin + said.link, Linked: said.linked, Organisation: line(organisation, mostName), Origin: w.origin,
	}
	var text, html bytes.Buffer
	if err := w.text.Execute(&text, p); err != nil {
		return Letter{}, fmt.Errorf("write the text of a mail: %w", err)
	}
	if err := w.html.Execute(&html, p); err != nil {
		return Letter{}, fmt.Errorf("write the HTML of a mail: %w", err)
	}
	return Letter{
		MessageID: messageID(m, w.domain), Name: line(m.Name, mostName), Address: m.Address, Subject: "PIM: " + said.title,
		Text: text.String(), HTML: html.String(),
	}, nil
}
