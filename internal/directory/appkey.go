package directory

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// AppKey is a certificate of an application, whose private key only the application has.
type AppKey struct {
	// ID is a UUID.
	ID, Name string
	// Certificate is X.509 in DER.
	Certificate []byte
	// Starts and Ends bound when it counts, besides the certificate's own dates. Zero: they do not.
	Starts, Ends time.Time
}

// minKeyBits is the shortest RSA key that proves anything.
const minKeyBits = 2048

// Parse reads the certificate. The error says what is wrong with it: only RSA keys of 2048 bits or more and keys on the
// curve P-256 prove an application.
func (k AppKey) Parse() (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return nil, fmt.Errorf("the certificate cannot be read: %w", err)
	}
	switch public := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < minKeyBits {
			return nil, fmt.Errorf("the key has %d bits, %d at least are needed", public.N.BitLen(), minKeyBits)
		}
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return nil, errors.New("the key is on another curve than P-256")
		}
	default:
		return nil, errors.New("the key must be one of RSA or on the curve P-256")
	}
	return c, nil
}

// Counts says whether the key counts at t; c is its certificate.
func (k AppKey) Counts(c *x509.Certificate, t time.Time) bool {
	return !t.Before(c.NotBefore) && !t.After(c.NotAfter) && !t.Before(k.Starts) && (k.Ends.IsZero() || t.Before(k.Ends))
}

// Trust says which tokens of another issuer prove that somebody is the application: federated credentials.
type Trust struct {
	// ID is a UUID; Name is unique within the application.
	ID, Name, Description string
	// Issuer and Subject are the exact values of iss and sub.
	Issuer, Subject string
	// Audiences are values of aud of which the token must have one.
	Audiences []string
}

const maxTrustText = 600

// Check says what is wrong with a trust.
func (t Trust) Check() error {
	u, err := url.Parse(t.Issuer)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the issuer must be an address that begins with https://")
	case t.Name == "", t.Subject == "":
		return errors.New("the name and the subject must be given")
	case len(t.Audiences) != 1 || t.Audiences[0] == "":
		return errors.New("one audience must be given")
	}
	for _, text := range []string{t.Name, t.Description, t.Issuer, t.Subject, t.Audiences[0]} {
		if len(text) > maxTrustText || strings.ContainsRune(text, 0) {
			return fmt.Errorf("a text is longer than %d bytes", maxTrustText)
		}
	}
	return nil
}

func cloneKeys(list []AppKey) []AppKey {
	list = slices.Clone(list)
	for i := range list {
		list[i].Certificate = bytes.Clone(list[i].Certificate)
	}
	return list
}

func cloneTrusts(list []Trust) []Trust {
	list = slices.Clone(list)
	for i := range list {
		list[i].Audiences = slices.Clone(list[i].Audiences)
	}
	return list
}
