// Package notify writes the mails by which people are told what happens in PIM, and hands them to a mail server.
//
// A mail says who, what, why and until when, and links to the page where something can be done about it; it has a part in
// plain text and one in HTML. It is written anew at each attempt and always has the same Message-ID (RFC 5322 §3.6.4), made
// of what it tells and of its address, so that whoever gets it twice can see that. Nothing that people write can add a
// header, an address or markup. Who is told is for others to say, and so is when it is tried again.
package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// MostRecipients is how many are told of one event; the rest get nothing (reference graph-pim §17).
const MostRecipients = 1000

// Recipient is somebody with an address.
type Recipient struct {
	Name    string
	Address string
	// Of is the recipient's id; empty for an address that a policy names.
	Of pim.PrincipalID
}

// Reach returns how somebody is reached: at the mail address that the directory has or, where that is allowed, at the
// user principal name. False: not at all.
func Reach(o directory.Object, byPrincipalName bool) (Recipient, bool) {
	if o.Kind != directory.KindUser || o.User == nil || !o.Enabled || !o.Deleted.IsZero() {
		return Recipient{}, false
	}
	address := o.User.Mail
	if address == "" && byPrincipalName {
		address = o.User.PrincipalName
	}
	return Recipient{Name: o.DisplayName, Address: address, Of: o.ID}, address != ""
}

// Address reads a bare mail address, and says by what it is told from others: letter case does not tell two apart.
func Address(text string) (address, key string, ok bool) {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Name != "" || len(a.Address) > 254 || a.Address != strings.TrimSpace(text) {
		return "", "", false
	}
	return a.Address, strings.ToLower(a.Address), true
}

// messageID is the same for each attempt at a mail, and for no other mail.
func messageID(m pim.Mail, domain string) string {
	sum := sha256.Sum256([]byte(string(m.Notice.Tenant) + "\n" + m.ID))
	return hex.EncodeToString(sum[:16]) + "@" + domain
}

// line makes a text one that stands in a header or in a line: no control characters, no more than so many letters.
func line(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		// Characters that turn the direction of writing could make a name read as another.
		if unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	runes := []rune(text)
	return strings.TrimSpace(string(runes[:most-1])) + "…"
}
