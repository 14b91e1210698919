package idp_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis/internal/idp"
)

func TestPasswordHashes(t *testing.T) {
	hash, err := idp.HashPassword("pässword")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q has other parameters than OWASP's", hash)
	}
	for password, want := range map[string]bool{"pässword": true, "password": false, "": false} {
		if got, err := idp.VerifyPassword(hash, password); got != want || err != nil {
			t.Errorf("%q: %v, %v, want %v", password, got, err, want)
		}
	}
	for _, bad := range []string{
		"", "plain", "$argon2i$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
		"$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
		"$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
		"$argon2id$v=19$m=64,t=1,p=0$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$!", "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$",
	} {
		if got, err := idp.VerifyPassword(bad, "x"); got || !errors.Is(err, idp.ErrHash) {
			t.Errorf("hash %q: %v, %v, want ErrHash", bad, got, err)
		}
	}
}

func TestSecrets(t *testing.T) {
	secret := idp.NewSecret()
	if h := idp.HashSecret(secret); !idp.VerifySecret(h, secret) || idp.VerifySecret(h, secret+"x") || strings.Contains(h, secret) {
		t.Error("a secret's hash does not tell it from others")
	}
	if two := idp.HashSecret("another") + " " + idp.HashSecret(secret); !idp.VerifySecret(two, secret) || idp.VerifySecret(two, "third") {
		t.Error("of two secrets not both are right, or a third one is")
	}
	if idp.VerifySecret("", "") || idp.VerifySecret(idp.HashSecret(""), "") {
		t.Error("an empty secret proves something")
	}
	if a, b := idp.NewOneTimePassword(), idp.NewOneTimePassword(); a == b || len(a) != 19 {
		t.Errorf("one-time passwords %q and %q", a, b)
	}
}

// TestTOTPVectors are those of RFC 6238, appendix B, at six digits.
func TestTOTPVectors(t *testing.T) {
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got, err := idp.TOTPCode(secret, time.Unix(at, 0)); got != want || err != nil {
			t.Errorf("at %d: %q, %v, want %q", at, got, err, want)
		}
	}
	if _, err := idp.TOTPCode("not base32!", time.Unix(0, 0)); err == nil {
		t.Error("a secret that is no base32 gives a code")
	}
}

// FuzzVerifyPassword: no stored text makes the check panic, or use more than its bounds.
func FuzzVerifyPassword(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$$")
	f.Fuzz(func(t *testing.T, hash string) {
		if ok, err := idp.VerifyPassword(hash, "x"); ok && err != nil {
			t.Errorf("%q verifies with an error: %v", hash, err)
		}
	})
}

// FuzzClaims: whatever is sent as claims or scope, the authorization endpoint answers and nothing panics.
func FuzzClaims(f *testing.F) {
	f.Add(claimsC1, "openid User.Read", "c1")
	f.Add(`{"access_token":{"acrs":null}}`, "https:///.default //", "mfa c26")
	f.Add(`{"id_token":[]}`, "/ . /.default", "")
	f.Add(`null`, " ", "5")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, claims, scope, acr string) {
		w.t = t
		_, config := w.oauth()
		config.Scopes = []string{scope}
		address, _ := w.authorize(config, "claims", claims, "acr_values", acr)
		if b := w.browser().open(address); b.status >= http.StatusInternalServerError {
			t.Errorf("status %d:\n%s", b.status, b.text)
		}
	})
}
