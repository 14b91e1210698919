// Package issuer signs access tokens for servers under test, and publishes its key over HTTPS on the loopback address, as an
// OpenID provider would.
package issuer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"

	"portcullis/internal/config"
)

const (
	audience = "https://portcullis.test"
	name     = "https://issuer.test"
	client   = "5f2a6c1e-9f0b-4f7e-8d43-0b7d3a1c9e21"
	keyID    = "issuer"
	keyBits  = 2048
	// lifetime is that of a token, on both sides of now: servers whose clock is off believe it too.
	lifetime = 3 * time.Hour
)

// Issuer is a running issuer.
type Issuer struct {
	tenant string
	keys   string
	signer jose.Signer
	server *http.Server
	ended  chan struct{}
}

// Person is somebody of the tenant.
type Person struct{ ID, Name, Account string }

// New runs an issuer for a tenant, whose tokens are signed as most providers sign theirs (RS256), and writes the certificate that servers
// have to trust to a file (SSL_CERT_FILE).
func New(ctx context.Context, tenant, certificateFile string) (*Issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: keyID, Algorithm: string(jose.RS256), Use: "sig"}}})
	if err != nil {
		return nil, err
	}
	i := &Issuer{tenant: tenant, ended: make(chan struct{})}
	i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: keyID}}, nil)
	if err != nil {
		return nil, err
	}
	certificate, err := SelfSigned(certificateFile)
	if err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i.keys = "https://" + l.Addr().String() + "/keys"
	i.server = &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }),
	}
	go func() {
		defer close(i.ended)
		_ = i.server.ServeTLS(l, "", "") // until Close
	}()
	return i, nil
}

// Close ends the issuer. Servers that have read its key go on believing it.
func (i *Issuer) Close() error {
	err := i.server.Close()
	<-i.ended
	return err
}

// SelfSigned makes a certificate for the loopback address and writes it to a file.
func SelfSigned(file string) (tls.Certificate, error) {
	const validity = 24 * time.Hour // on both sides of now
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer of tests"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-validity), NotAfter: time.Now().Add(validity), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Settings make a server believe the issuer.
func (i *Issuer) Settings() config.Issuer {
	return config.Issuer{URL: name, Tenant: i.tenant, Audiences: []string{audience}, KeysURL: i.keys}
}

// Token is an access token of a person who has just proved a second factor.
func (i *Issuer) Token(p Person, scopes string) (string, error) {
	return i.sign(p.ID, map[string]any{
		"name": p.Name, "upn": p.Account, "scp": scopes, "appid": client, "amr": []string{"pwd", "mfa"}, "auth_time": time.Now().Unix(),
	})
}

// Application is an access token of an application that speaks for itself, with the permissions in roles.
func (i *Issuer) Application(id, client, name string, roles ...string) (string, error) {
	return i.sign(id, map[string]any{"idtyp": "app", "app_displayname": name, "roles": roles, "appid": client})
}

func (i *Issuer) sign(subject string, claims map[string]any) (string, error) {
	now := time.Now()
	maps.Copy(claims, map[string]any{
		"iss": name, "aud": audience, "sub": subject, "oid": subject, "tid": i.tenant, "uti": subject,
		"iat": now.Add(-lifetime).Unix(), "nbf": now.Add(-lifetime).Unix(), "exp": now.Add(lifetime).Unix(),
	})
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := i.signer.Sign(text)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed.CompactSerialize()
}
