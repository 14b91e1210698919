package scim

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/auth"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// tokenPrefix begins the token of a directory source, so that people and programs that look for secrets know it.
const tokenPrefix = "pimscim_"

// NewToken is the token of a directory source: which tenant and which application it is of, and its secret.
func NewToken(t pim.TenantID, clientID, secret string) (string, error) {
	names := make([]byte, 0, 32)
	for _, id := range []string{string(t), clientID} {
		b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
		if err != nil || len(b) != 16 {
			return "", &auth.Error{Reason: auth.Malformed}
		}
		names = append(names, b...)
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(names) + "_" + secret, nil
}

// namesLength is how long the names in a token are.
var namesLength = base64.RawURLEncoding.EncodedLen(32)

// readToken is the reverse of NewToken.
func readToken(token string) (t pim.TenantID, clientID, secret string, ok bool) {
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok || len(rest) <= namesLength+1 || rest[namesLength] != '_' {
		return "", "", "", false
	}
	names, err := base64.RawURLEncoding.Strict().DecodeString(rest[:namesLength])
	if err != nil || len(names) != 32 { // line breaks are passed over
		return "", "", "", false
	}
	return pim.TenantID(uuid(names[:16])), uuid(names[16:]), rest[namesLength+1:], true
}

func uuid(b []byte) string {
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Secrets is where the tokens of directory sources are known.
type Secrets interface {
	Objects(context.Context, store.Query) (store.Page[directory.Object], error)
	Credential(context.Context, pim.TenantID, pim.PrincipalID) (directory.Credential, error)
}

// Tokens verifies the tokens of directory sources at the addresses of this surface, and leaves all others to the next
// verifier. Nothing is remembered: a token that is withdrawn is refused from that instant.
type Tokens struct {
	Next    api.Verifier
	Secrets Secrets
	// Verify says, in constant time, whether a secret is one of those that a stored hash stands for.
	Verify func(hash, secret string) bool
}

// Request implements api.Verifier.
func (v Tokens) Request(r *http.Request) (auth.Token, error) {
	raw, err := auth.Bearer(r)
	if err != nil || !strings.HasPrefix(raw, tokenPrefix) || !strings.HasPrefix(r.URL.Path, base+"/") {
		return v.Next.Request(r)
	}
	wrong := &auth.Error{Reason: auth.BadSignature}
	t, clientID, secret, ok := readToken(raw)
	if !ok {
		return auth.Token{}, &auth.Error{Reason: auth.Malformed}
	}
	page, err := v.Secrets.Objects(r.Context(), store.Query{Tenant: t, Limit: 1, Where: store.Is(store.FieldClientID, clientID)})
	if err != nil {
		return auth.Token{}, err
	}
	if len(page.Rows) == 0 || page.Rows[0].App == nil || !page.Rows[0].Enabled {
		v.Verify("", secret) // as if there were one
		return auth.Token{}, wrong
	}
	o := page.Rows[0]
	credential, err := v.Secrets.Credential(r.Context(), t, o.ID)
	if err != nil {
		return auth.Token{}, notThere(err)
	}
	if !v.Verify(credential.Password, secret) {
		return auth.Token{}, wrong
	}
	return auth.Token{
		Tenant: t, Object: o.ID, App: true, ClientID: clientID, Scopes: o.App.Permissions, Name: o.DisplayName, Account: clientID,
	}, nil
}

// notThere makes an account without a secret one whose secret is wrong.
func notThere(err error) error {
	if api.Expected(err) {
		return &auth.Error{Reason: auth.BadSignature}
	}
	return err
}
