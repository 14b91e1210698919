package idp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// The parameters of new hashes (OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, 2 passes, 1 lane).
const (
	argonMemory  = 19 << 10 // KiB
	argonPasses  = 2
	argonLanes   = 1
	argonSalt    = 16
	argonKey     = 32
	maxMemory    = 256 << 10 // KiB: no stored hash makes a sign-in use more
	maxPasses    = 16
	minPassword  = 12
	maxPassword  = 256
	hashWait     = 10 * time.Second
	secretPrefix = "sha256:"
)

// ErrHash says that a stored hash is not one of HashPassword's kind.
var ErrHash = errors.New("not an argon2id hash")

// HashPassword returns the argon2id hash (RFC 9106) of a password in the PHC string format. It takes some 30 ms and 19
// MiB.
func HashPassword(password string) (string, error) {
	salt := make([]byte, argonSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("salt: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, argonLanes, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonLanes,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// VerifyPassword says whether a password is the one of a hash. It works for other parameters than those of
// HashPassword, within bounds; the error wraps ErrHash.
func VerifyPassword(hash, password string) (bool, error) {
	var memory, passes uint32
	var lanes uint8
	var version int
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, ErrHash
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &passes, &lanes); err != nil {
		return false, fmt.Errorf("%w: %w", ErrHash, err)
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrHash, err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrHash, err)
	}
	if version != argon2.Version || memory > maxMemory || passes == 0 || passes > maxPasses || lanes == 0 ||
		len(want) < 16 || len(want) > 64 || len(salt) < 8 {
		return false, ErrHash
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// HashSecret returns what is stored of an application's secret. The secret is random, so a plain SHA-256 keeps it.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return secretPrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// VerifySecret says whether a secret is the one of a hash, or of one of several with blanks between, in constant time.
func VerifySecret(hash, secret string) bool {
	if secret == "" {
		return false
	}
	right, want := 0, []byte(HashSecret(secret))
	for one := range strings.FieldsSeq(hash) {
		right |= subtle.ConstantTimeCompare([]byte(one), want)
	}
	return right == 1
}

// NewSecret returns a random secret for an application.
func NewSecret() string { return rand.Text() + rand.Text() }

// NewOneTimePassword returns a random password of 80 bits in groups that can be typed.
func NewOneTimePassword() string {
	t := strings.ToLower(rand.Text())
	return t[:4] + "-" + t[4:8] + "-" + t[8:12] + "-" + t[12:16]
}

var errBusy = errors.New("too many sign-ins at once")

// verifyPassword is VerifyPassword within the slots, so that sign-ins cannot exhaust the memory. The error is errBusy,
// the context's, or a fault.
func (p *Provider) verifyPassword(ctx context.Context, hash, password string) (bool, error) {
	if len(password) > maxPassword {
		password = ""
	}
	leave, err := p.slot(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	return VerifyPassword(hash, password)
}

func (p *Provider) hashPassword(ctx context.Context, password string) (string, error) {
	leave, err := p.slot(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return HashPassword(password)
}

func (p *Provider) slot(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, hashWait, errBusy)
	defer cancel()
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// weakness says what is wrong with a new password; empty: nothing.
func weakness(password, again, account string) string {
	name, _, _ := strings.Cut(account, "@")
	switch n := utf8.RuneCountInString(password); {
	case password != again:
		return "The two passwords differ."
	case n < minPassword:
		return fmt.Sprintf("The password needs %d characters at least.", minPassword)
	case len(password) > maxPassword:
		return fmt.Sprintf("The password may have %d characters at most.", maxPassword)
	case name != "" && strings.Contains(strings.ToLower(password), strings.ToLower(name)):
		return "The password contains the user name."
	}
	return ""
}
