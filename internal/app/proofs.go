package app

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"portcullis/internal/directory"
)

// mostProofs is how many certificates, and how many trusts, an application may have.
const mostProofs = 20

// sameProofs says whether two states of an application prove it by the same.
func sameProofs(a, b *directory.App) bool {
	return slices.EqualFunc(a.Keys, b.Keys, func(x, y directory.AppKey) bool {
		return x.ID == y.ID && x.Name == y.Name && bytes.Equal(x.Certificate, y.Certificate) && x.Starts.Equal(y.Starts) && x.Ends.Equal(y.Ends)
	}) && slices.EqualFunc(a.Trusts, b.Trusts, func(x, y directory.Trust) bool {
		return x.ID == y.ID && x.Name == y.Name && x.Description == y.Description && x.Issuer == y.Issuer && x.Subject == y.Subject &&
			slices.Equal(x.Audiences, y.Audiences)
	})
}

// withProofIDs gives ids to the certificates and trusts that have none.
func (a *App) withProofIDs(p *directory.App) {
	for i := range p.Keys {
		if p.Keys[i].ID == "" {
			p.Keys[i].ID = a.newID()
		}
	}
	for i := range p.Trusts {
		if p.Trusts[i].ID == "" {
			p.Trusts[i].ID = a.newID()
		}
	}
}

// validProofs says whether an application can be proved by what it has.
func validProofs(p *directory.App) error {
	if len(p.Keys) > mostProofs || len(p.Trusts) > mostProofs {
		return badProperty("keyCredentials", "an application has at most 20 certificates and 20 federated credentials")
	}
	seen := map[string]bool{}
	for _, k := range p.Keys {
		if _, err := k.Parse(); err != nil {
			return badProperty("keyCredentials", err.Error())
		}
		if seen[k.ID] || !fits(k.Name, longestName) || !k.Ends.IsZero() && !k.Starts.Before(k.Ends) {
			return badProperty("keyCredentials", "each certificate has an id of its own, a name of at most 256 characters, and ends after it starts")
		}
		seen[k.ID] = true
	}
	for _, t := range p.Trusts {
		if err := t.Check(); err != nil {
			return badProperty("federatedIdentityCredentials", err.Error())
		}
		if seen[t.Name] || seen[t.ID] {
			return badProperty("name", "another federated credential has this name")
		}
		seen[t.Name], seen[t.ID] = true, true
	}
	return nil
}

// toldKeys is what the log says of certificates: which, not what is in them.
func toldKeys(list []directory.AppKey) string {
	texts := make([]string, len(list))
	for i, k := range list {
		sum := sha256.Sum256(k.Certificate)
		texts[i] = fmt.Sprintf("%s %s sha256 %x until %s", k.ID, k.Name, sum, toldEnd(k.Ends))
	}
	return strings.Join(texts, ", ")
}

func toldEnd(t time.Time) string {
	if t.IsZero() {
		return "its own end"
	}
	return t.Format(time.RFC3339)
}

// toldTrusts is what the log says of federated credentials.
func toldTrusts(list []directory.Trust) string {
	texts := make([]string, len(list))
	for i, t := range list {
		texts[i] = fmt.Sprintf("%s %s: %s of %s for %s", t.ID, t.Name, t.Subject, t.Issuer, strings.Join(t.Audiences, " "))
	}
	return strings.Join(texts, ", ")
}
