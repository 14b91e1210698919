package idp_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/idp"
	"portcullis/internal/store/storetest"
)

const secret = "a secret of 32 bytes, or of more."

// spy is a vault that remembers what was written into it.
type spy struct {
	storetest.Model
	mu      sync.Mutex
	written [][]byte
}

func (s *spy) write(value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = append(s.written, bytes.Clone(value))
}

func (s *spy) AddSecret(ctx context.Context, kind, key string, value []byte, expires, now time.Time) error {
	s.write(value)
	return s.Model.AddSecret(ctx, kind, key, value, expires, now)
}

func (s *spy) SwapSecret(ctx context.Context, kind, key string, before, after []byte, expires time.Time) error {
	s.write(after)
	return s.Model.SwapSecret(ctx, kind, key, before, after, expires)
}

func newKey(t *testing.T, at time.Time) idp.SigningKey {
	t.Helper()
	k, err := idp.NewSigningKey(at)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// keyIDs lists the ids of a store's keys.
func keyIDs(t *testing.T, s idp.KeyStore) []string {
	t.Helper()
	list, err := s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, k := range list {
		all = append(all, k.ID)
	}
	slices.Sort(all)
	return all
}

func sorted(keys ...idp.SigningKey) []string {
	var all []string
	for _, k := range keys {
		all = append(all, k.ID)
	}
	slices.Sort(all)
	return all
}

// Both stores of keys keep them, each with its time, and neither minds what is there or gone already.
func TestKeyStores(t *testing.T) {
	for name, s := range map[string]idp.KeyStore{
		"files": idp.FileKeys(t.TempDir() + "/keys"), "vault": idp.VaultKeys{Vault: new(storetest.Model)},
		"sealed": idp.VaultKeys{Vault: new(storetest.Model), Secret: []byte(secret)},
	} {
		t.Run(name, func(t *testing.T) {
			at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.FixedZone("", 3600))
			one, two := newKey(t, at), newKey(t, at.Add(time.Hour))
			if got := keyIDs(t, s); len(got) != 0 {
				t.Errorf("at first: got %v, want none", got)
			}
			for _, k := range []idp.SigningKey{one, two, one} {
				if err := s.Add(t.Context(), k); err != nil {
					t.Fatal(err)
				}
			}
			list, err := s.Keys(t.Context())
			if err != nil || len(list) != 2 {
				t.Fatalf("got %d keys, %v, want 2", len(list), err)
			}
			for _, k := range list {
				want := one
				if k.ID == two.ID {
					want = two
				}
				if k.ID != want.ID || !k.Created.Equal(want.Created) || !k.Private.Equal(want.Private) {
					t.Errorf("got key %s of %s, want %s of %s", k.ID, k.Created, want.ID, want.Created)
				}
			}
			for range 2 {
				if err := s.Remove(t.Context(), one.ID); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := keyIDs(t, s), sorted(two); !slices.Equal(got, want) {
				t.Errorf("after one was removed: got %v, want %v", got, want)
			}
		})
	}
}

// What is written holds no private key where there is a secret, and whoever has another one, or none, is told so and changes nothing.
func TestSealedKeys(t *testing.T) {
	vault := &spy{}
	now := time.Now()
	k := newKey(t, now)
	sealed := idp.VaultKeys{Vault: vault, Secret: []byte(secret)}
	if err := sealed.Add(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.Private)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range vault.written {
		if bytes.Contains(w, der) || bytes.Contains(w, []byte(k.Private.D.String())) || strings.Contains(string(w), base64.StdEncoding.EncodeToString(der)) {
			t.Error("the private key can be read in what was written")
		}
	}
	for _, c := range []struct{ secret, want string }{
		{"", "this node has no secret: set secretFile"}, {"another secret of 32 bytes or more", "with another secret than the one in this node's secretFile"},
		{"short", "has 5 bytes, and 32 are the least"},
	} {
		other := idp.VaultKeys{Vault: vault, Secret: []byte(c.secret)}
		before := len(vault.written)
		_, read := other.Keys(t.Context())
		for what, err := range map[string]error{
			"read": read, "add": other.Add(t.Context(), newKey(t, now)), "remove": other.Remove(t.Context(), k.ID),
			"import": other.Import(t.Context(), idp.FileKeys(t.TempDir())),
		} {
			if err == nil || !strings.Contains(err.Error(), c.want) || c.secret != "short" && !errors.Is(err, idp.ErrSecret) ||
				strings.Contains(err.Error(), secret) || c.secret != "" && strings.Contains(err.Error(), c.secret) {
				t.Errorf("%s with secret %q: got %v, want %q", what, c.secret, err, c.want)
			}
		}
		if len(vault.written) != before {
			t.Errorf("with secret %q something was written", c.secret)
		}
	}
	if got, want := keyIDs(t, sealed), sorted(k); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The keys of a folder are moved into the vault, those of several folders together, and what is there unsealed is sealed once there
// is a secret.
func TestKeysAreImported(t *testing.T) {
	vault := new(storetest.Model)
	first, second := idp.FileKeys(t.TempDir()), idp.FileKeys(t.TempDir())
	one, two := newKey(t, time.Now()), newKey(t, time.Now())
	for dir, k := range map[idp.FileKeys]idp.SigningKey{first: one, second: two} {
		if err := dir.Add(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	plain, sealed := idp.VaultKeys{Vault: vault}, idp.VaultKeys{Vault: vault, Secret: []byte(secret)}
	for _, from := range []idp.FileKeys{first, second, first} {
		if err := plain.Import(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		if got := keyIDs(t, from); len(got) != 0 {
			t.Errorf("in the folder: got %v left, want none", got)
		}
	}
	if got, want := keyIDs(t, plain), sorted(one, two); !slices.Equal(got, want) {
		t.Errorf("in the vault: got %v, want %v", got, want)
	}
	if err := sealed.Import(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if got, want := keyIDs(t, sealed), sorted(one, two); !slices.Equal(got, want) {
		t.Errorf("sealed: got %v, want %v", got, want)
	}
	if _, err := plain.Keys(t.Context()); !errors.Is(err, idp.ErrSecret) {
		t.Errorf("without the secret: got %v, want %v", err, idp.ErrSecret)
	}
}

// Of several that change the keys at once none undoes what another did.
func TestKeysAreChangedAtOnce(t *testing.T) {
	vault := new(storetest.Model)
	var all sync.WaitGroup
	keys := make([]idp.SigningKey, 6)
	for i := range keys {
		keys[i] = newKey(t, time.Now())
	}
	for _, k := range keys {
		all.Go(func() {
			if err := (idp.VaultKeys{Vault: vault, Secret: []byte(secret)}).Add(t.Context(), k); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got, want := keyIDs(t, idp.VaultKeys{Vault: vault, Secret: []byte(secret)}), sorted(keys...); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Who swaps the sealed bytes of two keys, or gives one another time, does not get them opened.
func TestSealedKeysAreBound(t *testing.T) {
	vault := &spy{}
	sealed := idp.VaultKeys{Vault: vault, Secret: []byte(secret)}
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	if err := sealed.Add(t.Context(), newKey(t, at)); err != nil {
		t.Fatal(err)
	}
	last := vault.written[len(vault.written)-1]
	forged := bytes.Replace(last, []byte("2026-03-02"), []byte("2036-03-02"), 1)
	if err := vault.Model.SwapSecret(t.Context(), "idp.keys", "signing", last, forged, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := sealed.Keys(t.Context()); !errors.Is(err, idp.ErrSecret) {
		t.Errorf("got %v, want %v", err, idp.ErrSecret)
	}
}
