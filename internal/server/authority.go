package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// The files of the local authority in the data folder. Clients are given the first.
const (
	caFile    = "ca.pem"
	caKeyFile = "ca-key.pem"
)

const (
	caLifetime = 10 * 365 * 24 * time.Hour
	// leafLifetime is below what every client admits for a server (398 days).
	leafLifetime = 90 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is replaced.
	renewBefore = 30 * 24 * time.Hour
	// backdate forgives clients whose clock is somewhat behind.
	backdate = time.Hour
)

// authority is the certificate authority of this data folder. It signs this server's certificate and no other; the
// key never leaves the folder. The server's own certificate is made anew at each start, and kept in memory alone.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	names       []string
	now         func() time.Time

	mu   sync.Mutex
	leaf *tls.Certificate
}

// openAuthority reads the authority of a folder, or makes it where the folder has none.
func openAuthority(dir string, names []string, now func() time.Time) (*authority, error) {
	a := &authority{names: names, now: now}
	err := a.read(dir)
	if errors.Is(err, os.ErrNotExist) {
		err = a.make(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("the local certificate authority: %w", err)
	}
	if now().After(a.certificate.NotAfter) {
		return nil, fmt.Errorf("the local certificate authority ended on %s; delete %s and %s to make a new one, and give clients the new %s",
			a.certificate.NotAfter.Format(time.DateOnly), caFile, caKeyFile, caFile)
	}
	return a, nil
}

func (a *authority) read(dir string) error {
	certificate, err := readPEM(filepath.Join(dir, caFile), "CERTIFICATE")
	if err != nil {
		return err
	}
	key, err := readPEM(filepath.Join(dir, caKeyFile), "EC PRIVATE KEY")
	if err != nil {
		return err
	}
	if a.certificate, err = x509.ParseCertificate(certificate); err != nil {
		return fmt.Errorf("%s: %w", caFile, err)
	}
	if a.key, err = x509.ParseECPrivateKey(key); err != nil {
		return fmt.Errorf("%s: %w", caKeyFile, err)
	}
	if !a.key.PublicKey.Equal(a.certificate.PublicKey) {
		return fmt.Errorf("%s does not belong to %s", caKeyFile, caFile)
	}
	return nil
}

func readPEM(file, kind string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no %s", file, kind)
	}
	return block.Bytes, nil
}

func (a *authority) make(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Portcullis on " + host},
		NotBefore: a.now().Add(-backdate), NotAfter: a.now().Add(caLifetime),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	// The key first: a folder with a certificate has its key too.
	if err := writePEM(filepath.Join(dir, caKeyFile), "EC PRIVATE KEY", keyDER); err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, caFile), "CERTIFICATE", der); err != nil {
		return err
	}
	return a.read(dir)
}

// writePEM writes a file for its owner alone, whole or not at all.
func writePEM(file, kind string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	part := file + ".part"
	if err := os.WriteFile(part, text, 0o600); err != nil {
		return err
	}
	return os.Rename(part, file)
}

// serial is a random serial number (RFC 5280 §4.1.2.2: positive, at most 20 octets).
func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	b[0] = b[0]&0x7f | 1
	return new(big.Int).SetBytes(b)
}

// GetCertificate serves the server's certificate, for tls.Config. It is renewed before it ends.
func (a *authority) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leaf != nil && a.now().Before(a.leaf.Leaf.NotAfter.Add(-renewBefore)) {
		return a.leaf, nil
	}
	leaf, err := a.issue()
	if err != nil {
		return nil, fmt.Errorf("issue the server's certificate: %w", err)
	}
	a.leaf = leaf
	return leaf, nil
}

func (a *authority) issue() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	end := a.now().Add(leafLifetime)
	if end.After(a.certificate.NotAfter) {
		end = a.certificate.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: a.names[0]},
		NotBefore: a.now().Add(-backdate), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, n := range a.names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// certificateNames are what the server's certificate is good for: the machine itself by every name, what it listens
// at, and what callers know it by.
func certificateNames(hosts ...string) []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil && host != "" {
		hosts = append(hosts, host)
	}
	for _, h := range hosts {
		if h != "" && !slices.Contains(names, h) {
			names = append(names, h)
		}
	}
	return names
}

// ownCertificate serves a certificate of the operator's from its files, which are read again when they have changed,
// so that a renewed one needs no restart.
type ownCertificate struct {
	certificate, key string

	mu       sync.Mutex
	modified time.Time
	looked   time.Time
	loaded   *tls.Certificate
}

// lookEvery is how often the files are looked at.
const lookEvery = time.Minute

// GetCertificate serves the newest certificate that could be read.
func (o *ownCertificate) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.loaded != nil && time.Since(o.looked) < lookEvery {
		return o.loaded, nil
	}
	o.looked = time.Now()
	info, err := os.Stat(o.certificate)
	if err == nil && o.loaded != nil && info.ModTime().Equal(o.modified) {
		return o.loaded, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(o.certificate, o.key)
	}
	switch {
	case err == nil:
		o.loaded, o.modified = &pair, info.ModTime()
	case o.loaded == nil:
		return nil, fmt.Errorf("the certificate cannot be read: %w", err)
	}
	// While new files are half written the old certificate goes on.
	return o.loaded, nil
}
