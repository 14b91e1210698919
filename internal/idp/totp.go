package idp

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"rsc.io/qr"
)

const (
	totpPeriod = 30 // seconds
	// totpDrift is how many steps a device's clock may be off, either way.
	totpDrift = 1
)

// NewTOTPSecret returns a shared secret (RFC 6238) of 160 bits in base32.
func NewTOTPSecret() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // crypto/rand does not fail: it ends the program
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b)
}

// TOTPCode returns the code of a secret at a time: RFC 6238 with SHA-1, six digits and steps of 30 s.
func TOTPCode(secret string, t time.Time) (string, error) {
	return codeOf(secret, t.Unix()/totpPeriod)
}

func codeOf(secret string, step int64) (string, error) {
	code, err := hotp.GenerateCodeCustom(secret, uint64(step), hotp.ValidateOpts{
		Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
	})
	if err != nil {
		return "", fmt.Errorf("one-time code: %w", err)
	}
	return code, nil
}

// matchTOTP returns the step whose code was given; false: none that is later than the last one used, for a code works
// once (RFC 6238 §5.2).
func matchTOTP(secret, code string, now time.Time, last int64) (int64, bool) {
	code = strings.ReplaceAll(code, " ", "")
	here := now.Unix() / totpPeriod
	for step := here - totpDrift; step <= here+totpDrift; step++ {
		want, err := codeOf(secret, step)
		if err != nil {
			return 0, false
		}
		if subtle.ConstantTimeCompare([]byte(code), []byte(want)) == 1 && step > last {
			return step, true
		}
	}
	return 0, false
}

// otpauth is the address that authenticator apps read.
func otpauth(issuer, account, secret string) string {
	q := url.Values{"secret": {secret}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	return "otpauth://totp/" + url.PathEscape(issuer) + ":" + url.PathEscape(account) + "?" +
		strings.ReplaceAll(q.Encode(), "+", "%20")
}

// qrSVG draws a QR code as a picture that needs neither script nor style.
func qrSVG(text string) (template.HTML, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("QR code: %w", err)
	}
	const quiet = 4
	side := code.Size + 2*quiet
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="qr" role="img" aria-label="QR code for the authenticator app" width="%d" height="%d"`+
		` viewBox="0 0 %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path fill="#000" d="`,
		4*side, 4*side, side, side, side, side)
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String()), nil //nolint:gosec // made of numbers alone
}
