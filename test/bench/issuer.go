package main

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
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"

	"portcullis/internal/config"
)

// issuer signs access tokens and publishes its key over HTTPS on the loopback address, as an OpenID provider would.
type issuer struct {
	url    string
	signer jose.Signer
	server *http.Server
	// certificate is the file that whoever fetches the keys has to trust.
	certificate string
}

const (
	audience = "https://portcullis.bench"
	issuerID = "https://issuer.bench"
)

func newIssuer(dir string) (*issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	public := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "bench", Algorithm: "RS256", Use: "sig"}}}
	set, err := json.Marshal(public)
	if err != nil {
		return nil, err
	}
	i := &issuer{certificate: filepath.Join(dir, "issuer.pem")}
	i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "bench"}}, nil)
	if err != nil {
		return nil, err
	}
	certificate, err := selfSigned(i.certificate)
	if err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i.url = "https://" + l.Addr().String() + "/keys"
	i.server = &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }),
	}
	go func() { _ = i.server.ServeTLS(l, "", "") }() // ends with close
	return i, nil
}

func (i *issuer) close() { _ = i.server.Close() }

// selfSigned makes a certificate for the loopback address and writes it to a file.
func selfSigned(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer of the bench"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
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

// settings make a server believe the issuer.
func (i *issuer) settings() config.Issuer {
	return config.Issuer{URL: issuerID, Tenant: tenant, Audiences: []string{audience}, KeysURL: i.url}
}

// token is an access token of a person who has just proved a second factor.
func (i *issuer) token(p person, scopes string) (string, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": issuerID, "aud": audience, "sub": p.id, "oid": p.id, "tid": tenant, "name": p.name, "upn": p.account, "scp": scopes,
		"appid": "5f2a6c1e-9f0b-4f7e-8d43-0b7d3a1c9e21", "amr": []string{"pwd", "mfa"}, "auth_time": now.Unix(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(3 * time.Hour).Unix(), "uti": p.id,
	})
	if err != nil {
		return "", err
	}
	return i.sign(claims)
}

func (i *issuer) sign(claims []byte) (string, error) {
	signed, err := i.signer.Sign(claims)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed.CompactSerialize()
}

// The object id and client id of the application of the tenant.
const (
	applicationID     = "ab000000-0000-4000-8000-000000000001"
	applicationClient = "ab000000-0000-4000-8000-000000000002"
)

// application is an access token of an application that speaks for itself, a door.
func (i *issuer) application(roles ...string) (string, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": issuerID, "aud": audience, "sub": applicationID, "oid": applicationID, "tid": tenant, "idtyp": "app", "app_displayname": "Door", "roles": roles,
		"appid": applicationClient, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(3 * time.Hour).Unix(), "uti": applicationID,
	})
	if err != nil {
		return "", err
	}
	return i.sign(claims)
}
