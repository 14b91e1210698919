package notify

import (
	"bytes"
	"mime"
	"net/mail"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

const origin = "https://pim.example.com"

func someNotice() pim.Notice {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	return pim.Notice{
		ID: "event", Tenant: "tenant", At: at, Kind: pim.NoticeActivated, Grant: pim.Assignment,
		Key:       pim.Key{Tenant: "tenant", Provider: pim.Directory, Scope: pim.Everywhere, Role: "role", Principal: "amira"},
		Principal: "Amira Haddad", RoleName: "Helpdesk Administrator", By: pim.Actor{Principal: "amira", Name: "Amira Haddad"},
		Reason: "a customer waits", Ticket: pim.Ticket{Number: "4711", System: "desk"}, Start: at, End: at.Add(2 * time.Hour),
		Request: "request", Schedule: "schedule",
	}
}

func write(t interface{ Fatal(...any) }, m pim.Mail, waiting ...pim.Notice) Letter {
	w, err := NewWriter(origin, "example.com")
	if err != nil {
		t.Fatal(err)
	}
	l, err := w.Write(m, "Contoso", waiting)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Both parts say who, what, why, until when, and where something can be done.
func TestALetterSaysAll(t *testing.T) {
	t.Parallel()
	l := write(t, someNotice().Addressed(time.Time{}, "bo@example.com", "bo@example.com", "Bo", "bo"))
	if want := "PIM: Amira Haddad activated the role Helpdesk Administrator"; l.Subject != want {
		t.Errorf("got the subject %q, want %q", l.Subject, want)
	}
	for _, part := range []string{
		"Amira Haddad", "Helpdesk Administrator", "the whole organisation", "a customer waits", "4711 desk",
		"Monday, 2 March 2026, 09:00 UTC", "Monday, 2 March 2026, 11:00 UTC", origin + "/requests/request", "Contoso",
	} {
		for form, text := range map[string]string{"text": l.Text, "HTML": l.HTML} {
			if !strings.Contains(text, part) {
				t.Errorf("the %s does not say %q:\n%s", form, part, text)
			}
		}
	}
	own := write(t, someNotice().Addressed(time.Time{}, "a@example.com", "a@example.com", "Amira", "amira"))
	if want := "PIM: You activated the role Helpdesk Administrator"; own.Subject != want {
		t.Errorf("to herself: got the subject %q, want %q", own.Subject, want)
	}
}

// Each kind has words of its own, for others and for whoever is concerned, for roles and for groups.
func TestEachKindHasWords(t *testing.T) {
	t.Parallel()
	seen := map[string]pim.NoticeKind{}
	for kind := pim.NoticeEligible; kind < pim.NoticeWaiting; kind++ {
		for _, grant := range []pim.Kind{pim.Eligibility, pim.Assignment} {
			for _, provider := range []pim.Provider{pim.Directory, pim.Group} {
				for _, you := range []bool{false, true} {
					n := someNotice()
					n.Kind, n.Grant, n.Key.Provider = kind, grant, provider
					if provider == pim.Group {
						n.Key.Role, n.RoleName, n.Place = pim.Member, "member", "Sales"
					}
					w := say(n, you)
					if w.title == "" || w.lead == "" || w.link == "" || w.linked == "" {
						t.Errorf("kind %d has no words: %+v", kind, w)
					}
					if other, ok := seen[w.title]; ok && other != kind {
						t.Errorf("kinds %d and %d have the same title %q", kind, other, w.title)
					}
					seen[w.title] = kind
				}
			}
		}
	}
}

// A digest lists what waits, no more than it should, and says how much more there is.
func TestADigestListsWhatWaits(t *testing.T) {
	t.Parallel()
	n := someNotice()
	n.ID, n.Kind = "waiting/2026-03-02", pim.NoticeWaiting
	one := someNotice()
	one.Lapses = n.At.Add(24 * time.Hour)
	all := make([]pim.Notice, mostWaiting+3)
	for i := range all {
		all[i] = one
	}
	l := write(t, n.Addressed(n.At, "bo@example.com", "bo@example.com", "Bo", "bo"), all...)
	if want := "PIM: 53 requests wait for your decision"; l.Subject != want {
		t.Errorf("got the subject %q, want %q", l.Subject, want)
	}
	for form, text := range map[string]string{"text": l.Text, "HTML": l.HTML} {
		got := strings.Count(text, "Amira Haddad asks to activate the role Helpdesk Administrator")
		if got != mostWaiting || !strings.Contains(text, "3 more") {
			t.Errorf("the %s lists %d requests, want %d and a word of the rest", form, got, mostWaiting)
		}
	}
}

// The same mail has the same Message-ID at each attempt; another event, address or tenant has another one.
func TestMessageIDs(t *testing.T) {
	t.Parallel()
	n := someNotice()
	other, foreign := n, n
	other.ID, foreign.Tenant = "other", "other"
	seen := map[string]string{}
	for name, m := range map[string]pim.Mail{
		"one": n.Addressed(n.At, "a@x.org", "a@x.org", "", ""), "address": n.Addressed(n.At, "b@x.org", "b@x.org", "", ""),
		"event": other.Addressed(n.At, "a@x.org", "a@x.org", "", ""), "tenant": foreign.Addressed(n.At, "a@x.org", "a@x.org", "", ""),
	} {
		id := write(t, m).MessageID
		m.Attempts, m.Problem, m.Notice.Reason = 7, "again", "in other words"
		if again := write(t, m).MessageID; again != id {
			t.Errorf("%s: got %q and then %q", name, id, again)
		}
		if before := seen[id]; before != "" {
			t.Errorf("%s and %s have the Message-ID %q", name, before, id)
		}
		seen[id] = name
	}
}

// Whatever people write, the message has the headers that it should have and no others, one recipient, and no markup of
// theirs.
func TestNothingIsInjected(t *testing.T) {
	t.Parallel()
	post, err := New(Options{Host: "localhost", From: "PIM <pim@example.com>"})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		odd := rapid.SampledFrom([]string{
			"x\r\nBcc: evil@example.com", "x\nSubject: y", "\x00", "<script>alert(1)</script>", `"><img src=x>`, "a\u2028b", "\u202Etxt", "=?utf-8?q?=0D=0ABcc:?=",
			"{{.}}", strings.Repeat("long ", 500), "", `\À`, "Ünï <x@y>, z@w", "\xff\xfe", "a,b;c:",
		})
		text := rapid.OneOf(odd, rapid.String())
		n := someNotice()
		n.Kind = pim.NoticeKind(rapid.IntRange(int(pim.NoticeEligible), int(pim.NoticeOutside)).Draw(t, "kind"))
		n.Principal, n.RoleName, n.Place = text.Draw(t, "who"), text.Draw(t, "role"), text.Draw(t, "place")
		n.Reason, n.By.Name, n.Ticket.Number = text.Draw(t, "why"), text.Draw(t, "by"), text.Draw(t, "ticket")
		n.By.Principal = "another"
		letter := write(t, n.Addressed(n.At, "bo@example.com", "bo@example.com", text.Draw(t, "name"), "bo"))
		m, err := post.message(letter)
		if err != nil {
			t.Fatal(err)
		}
		var raw bytes.Buffer
		if _, err := m.WriteTo(&raw); err != nil {
			t.Fatal(err)
		}
		checkMessage(t, raw.Bytes())
		for _, evil := range []string{"<script", "<img", "onerror"} {
			if strings.Contains(strings.ToLower(letter.HTML), evil) {
				t.Fatalf("the HTML has %q:\n%s", evil, letter.HTML)
			}
		}
		if !utf8.ValidString(letter.HTML) || !utf8.ValidString(letter.Text) {
			t.Fatal("the letter is not UTF-8")
		}
	})
}

func checkMessage(t *rapid.T, raw []byte) {
	got, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v:\n%s", err, raw)
	}
	want := map[string]bool{
		"From": true, "To": true, "Subject": true, "Message-Id": true, "Date": true, "Auto-Submitted": true, "Mime-Version": true,
		"Content-Type": true,
	}
	for name, values := range got.Header {
		if !want[name] || len(values) != 1 {
			t.Fatalf("got the header %s %q", name, values)
		}
	}
	to, err := got.Header.AddressList("To")
	if err != nil || len(to) != 1 || to[0].Address != "bo@example.com" {
		t.Fatalf("got the recipients %v, %v", to, err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "PIM: ") || utf8.RuneCountInString(subject) > mostTitle+len("PIM: ") {
		t.Fatalf("got the subject %q, %v", subject, err)
	}
	if got.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Fatal("machines are not told that a machine wrote it")
	}
}

func TestReach(t *testing.T) {
	t.Parallel()
	user := func(change func(*directory.Object)) directory.Object {
		o := directory.Object{ID: "amira", Kind: directory.KindUser, Enabled: true, DisplayName: "Amira",
			User: &directory.User{PrincipalName: "amira@corp.example", Mail: "amira@example.com"}}
		change(&o)
		return o
	}
	for _, fact := range []struct {
		what          string
		o             directory.Object
		plain, byName string
	}{
		{"a mail address", user(func(*directory.Object) {}), "amira@example.com", "amira@example.com"},
		{"no mail address", user(func(o *directory.Object) { o.User.Mail = "" }), "", "amira@corp.example"},
		{"a disabled account", user(func(o *directory.Object) { o.Enabled = false }), "", ""},
		{"in the bin", user(func(o *directory.Object) { o.Deleted = time.Now() }), "", ""},
		{"a group", directory.Object{Kind: directory.KindGroup, Enabled: true, Group: &directory.Group{}}, "", ""},
	} {
		for byName, want := range map[bool]string{false: fact.plain, true: fact.byName} {
			if r, ok := Reach(fact.o, byName); r.Address != want || ok != (want != "") {
				t.Errorf("%s (by principal name %v): got %q, %v, want %q", fact.what, byName, r.Address, ok, want)
			}
		}
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"SOC@Example.com": "soc@example.com", " a@b.org ": "a@b.org", `"odd name"@b.org`: "", "": "", "nobody": "", "Bo <bo@b.org>": "",
		"a@b.org, c@d.org": "", "a@b.org\r\nBcc: c@d.org": "", strings.Repeat("a", 250) + "@b.org": "", "@b.org": "",
	} {
		if _, key, ok := Address(text); key != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", text, key, ok, want)
		}
	}
}

// FuzzAddress: an address that is taken is one address of one line, whatever comes.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"a@b.org", "A <a@b.org>", "a@b.org\r\nx", "\"a b\"@c", "a@[127.0.0.1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, key, ok := Address(text)
		if !ok {
			return
		}
		if strings.ContainsAny(address, "\r\n\x00") || !strings.Contains(address, "@") || key != strings.ToLower(address) {
			t.Errorf("%q: got %q, %q", text, address, key)
		}
	})
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		2 * time.Hour: "2 hours", 24 * time.Hour: "1 day", 25*time.Hour + 30*time.Minute: "1 day 1 hour 30 minutes", time.Minute: "1 minute",
		time.Second: "less than a minute", 90 * 24 * time.Hour: "90 days",
	} {
		if got := span(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}
