package idp

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"portcullis/internal/auth"
)

const (
	keyBits = 2048
	// keyReload is how long another node's new key may stay unseen here unless a token names it.
	keyReload  = time.Minute
	keyHurried = time.Second
	keyPrefix  = "signing-"
	keySuffix  = ".pem"
	// keyMargin is how much longer a key is published than the last token signed with it holds.
	keyMargin = time.Hour
)

// SigningKey is a key that tokens are signed with.
type SigningKey struct {
	// ID is the key's thumbprint (RFC 7638).
	ID      string
	Created time.Time
	Private *rsa.PrivateKey
}

// KeyStore keeps signing keys; several nodes may share one. Adding a key that is there and removing one that is not
// are no errors.
type KeyStore interface {
	Keys(context.Context) ([]SigningKey, error)
	Add(context.Context, SigningKey) error
	Remove(ctx context.Context, id string) error
}

// NewSigningKey makes an RSA key.
func NewSigningKey(now time.Time) (SigningKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return SigningKey{}, fmt.Errorf("make a signing key: %w", err)
	}
	return signingKey(private, now)
}

func signingKey(private *rsa.PrivateKey, created time.Time) (SigningKey, error) {
	sum, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return SigningKey{}, fmt.Errorf("name a signing key: %w", err)
	}
	id := base64.RawURLEncoding.EncodeToString(sum)
	return SigningKey{ID: id, Created: created.UTC(), Private: private}, nil
}

// FileKeys is a folder with one PEM file (PKCS #8) for each key, readable by its owner alone.
type FileKeys string

const createdHeader = "Created"

// Keys reads all keys. A file that others can read is an error: its key can no longer be trusted.
func (dir FileKeys) Keys(context.Context) ([]SigningKey, error) {
	files, err := os.ReadDir(string(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the signing keys: %w", err)
	}
	var list []SigningKey
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), keyPrefix) || !strings.HasSuffix(f.Name(), keySuffix) {
			continue
		}
		k, err := readKey(filepath.Join(string(dir), f.Name()))
		if errors.Is(err, fs.ErrNotExist) { // another node removed it meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, nil
}

func readKey(path string) (SigningKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return SigningKey{}, fmt.Errorf("read a signing key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return SigningKey{}, fmt.Errorf("signing key %s can be read by others (mode %04o): make it 0600 or delete it",
			path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return SigningKey{}, fmt.Errorf("read a signing key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return SigningKey{}, fmt.Errorf("signing key %s: no PEM block", path)
	}
	created, err := time.Parse(time.RFC3339, block.Headers[createdHeader])
	if err != nil {
		return SigningKey{}, fmt.Errorf("signing key %s: %w", path, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return SigningKey{}, fmt.Errorf("signing key %s: %w", path, err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok || private.N.BitLen() < keyBits {
		return SigningKey{}, fmt.Errorf("signing key %s: not an RSA key of %d bits or more", path, keyBits)
	}
	return signingKey(private, created)
}

// Add writes a key whole or not at all.
func (dir FileKeys) Add(_ context.Context, k SigningKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.Private)
	if err != nil {
		return fmt.Errorf("write a signing key: %w", err)
	}
	b := pem.EncodeToMemory(&pem.Block{
		Type: "PRIVATE KEY", Bytes: der,
		Headers: map[string]string{createdHeader: k.Created.UTC().Format(time.RFC3339)},
	})
	if err := os.MkdirAll(string(dir), 0o700); err != nil {
		return fmt.Errorf("make the folder of the signing keys: %w", err)
	}
	if err := writeWhole(filepath.Join(string(dir), keyPrefix+k.ID+keySuffix), b); err != nil {
		return fmt.Errorf("write a signing key: %w", err)
	}
	return nil
}

// writeWhole writes a file that only its owner can read, so that no reader sees half of it.
func writeWhole(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Remove deletes a key.
func (dir FileKeys) Remove(_ context.Context, id string) error {
	if err := os.Remove(filepath.Join(string(dir), keyPrefix+id+keySuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a signing key: %w", err)
	}
	return nil
}

// KeyRing signs with the newest key and publishes all that a living token may be signed with. It makes a new key when
// the newest has grown old.
type KeyRing struct {
	store  KeyStore
	rotate time.Duration
	// keep is how long a key is published after its successor took over.
	keep time.Duration
	now  func() time.Time
	log  *slog.Logger

	// known is what verifiers look keys up in; they wait for nobody who makes or reads one.
	known atomic.Pointer[map[string]*jose.JSONWebKey]

	mu     sync.Mutex
	loaded time.Time
	keys   []ringKey // the newest first
}

type ringKey struct {
	SigningKey
	public *jose.JSONWebKey
	signer jose.Signer
}

func newKeyRing(o Options) (*KeyRing, error) {
	r := &KeyRing{
		store: o.Keys, rotate: o.RotateKeys, keep: o.AccessLifetime + keyMargin, now: o.Now, log: o.Logger,
	}
	_, err := r.newest(context.Background())
	return r, err
}

// newest returns the key to sign with.
func (r *KeyRing) newest(ctx context.Context) (ringKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.reload(ctx, keyReload); err != nil {
		return ringKey{}, err
	}
	now := r.now()
	if len(r.keys) > 0 && now.Sub(r.keys[0].Created) >= r.rotate {
		// Another node may have made one since: one is enough.
		if err := r.reload(ctx, 0); err != nil {
			return ringKey{}, err
		}
	}
	if len(r.keys) == 0 || now.Sub(r.keys[0].Created) >= r.rotate {
		if err := r.turn(ctx, now); err != nil {
			if len(r.keys) == 0 {
				return ringKey{}, err
			}
			// The old key still serves; the next token tries again.
			r.log.ErrorContext(ctx, "signing keys cannot be rotated", "error", err)
		}
	}
	r.withdraw(ctx, now)
	return r.keys[0], nil
}

// turn makes a new key and takes it into use.
func (r *KeyRing) turn(ctx context.Context, now time.Time) error {
	k, err := NewSigningKey(now)
	if err != nil {
		return err
	}
	if err := r.store.Add(ctx, k); err != nil {
		return err
	}
	return r.hold(append(r.all(), k))
}

// withdraw removes the keys whose tokens have all ended.
func (r *KeyRing) withdraw(ctx context.Context, now time.Time) {
	for i := len(r.keys) - 1; i >= 1 && now.Sub(r.keys[i-1].Created) > r.keep; i-- {
		if err := r.store.Remove(ctx, r.keys[i].ID); err != nil {
			r.log.ErrorContext(ctx, "an old signing key cannot be removed", "error", err)
			return
		}
		r.keys = r.keys[:i]
		r.publish()
	}
}

func (r *KeyRing) publish() {
	known := make(map[string]*jose.JSONWebKey, len(r.keys))
	for _, k := range r.keys {
		known[k.ID] = k.public
	}
	r.known.Store(&known)
}

// reload reads the keys anew if that was not done within age. Keys that are at hand outlive a store that cannot be
// read.
func (r *KeyRing) reload(ctx context.Context, age time.Duration) error {
	now := r.now()
	if !r.loaded.IsZero() && now.Sub(r.loaded) < age {
		return nil
	}
	list, err := r.store.Keys(ctx)
	if err == nil {
		err = r.hold(list)
	}
	if err != nil && len(r.keys) == 0 {
		return err
	}
	if err != nil {
		r.log.ErrorContext(ctx, "signing keys cannot be read anew", "error", err)
	}
	r.loaded = now
	return nil
}

func (r *KeyRing) all() []SigningKey {
	list := make([]SigningKey, len(r.keys))
	for i, k := range r.keys {
		list[i] = k.SigningKey
	}
	return list
}

// hold takes the keys over. One that is known stays the same pointer, for verifiers compare them.
func (r *KeyRing) hold(list []SigningKey) error {
	slices.SortFunc(list, func(a, b SigningKey) int { return b.Created.Compare(a.Created) })
	keys := make([]ringKey, 0, len(list))
	for _, k := range list {
		if i := slices.IndexFunc(r.keys, func(have ringKey) bool { return have.ID == k.ID }); i >= 0 {
			keys = append(keys, r.keys[i])
			continue
		}
		signer, err := jose.NewSigner(jose.SigningKey{
			Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: k.Private, KeyID: k.ID},
		}, (&jose.SignerOptions{}).WithType("JWT"))
		if err != nil {
			return fmt.Errorf("signing key %s: %w", k.ID, err)
		}
		keys = append(keys, ringKey{SigningKey: k, signer: signer, public: &jose.JSONWebKey{
			Key: k.Private.Public(), KeyID: k.ID, Algorithm: string(jose.RS256), Use: "sig",
		}})
	}
	r.keys = keys
	r.publish()
	return nil
}

// Key returns the public key with that id, as auth asks for it.
func (r *KeyRing) Key(ctx context.Context, kid string) (*jose.JSONWebKey, error) {
	if k := (*r.known.Load())[kid]; k != nil {
		return k, nil
	}
	// Another node may have added it: the keys are read anew, at most once a second.
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.reload(ctx, keyHurried); err != nil {
		return nil, fmt.Errorf("%w: %w", auth.ErrKeysUnavailable, err)
	}
	if k := (*r.known.Load())[kid]; k != nil {
		return k, nil
	}
	return nil, auth.ErrNoKey
}

// set is what is published.
func (r *KeyRing) set(ctx context.Context) (jose.JSONWebKeySet, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.reload(ctx, keyReload); err != nil {
		return jose.JSONWebKeySet{}, err
	}
	var s jose.JSONWebKeySet
	for _, k := range r.keys {
		s.Keys = append(s.Keys, *k.public)
	}
	return s, nil
}
