package idp

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"portcullis/internal/store"
)

// ErrSecret says that signing keys in the store are sealed with another secret than this node's, or that it has none.
var ErrSecret = errors.New("the signing keys in the store are sealed")

// minSecret is the least length of a secret that keys are sealed with, in bytes.
const minSecret = 32

// VaultKeys keeps signing keys in the store's vault, which all nodes share, so that each believes what another has signed. Private
// keys are sealed with AES-256-GCM where there is a secret, by a key that HKDF (RFC 5869) makes of it.
type VaultKeys struct {
	Vault store.Vault
	// Secret has minSecret bytes or more; empty: keys are kept as they are, and who reads the database can sign.
	Secret []byte
}

// The record of all keys: it is replaced as a whole. Its name is stored, and so are those of the fields: they may only be added to.
const (
	kindKeys = "idp.keys"
	nameKeys = "signing"
)

type keptKeys struct{ Keys []keptKey }

type keptKey struct {
	ID      string
	Created time.Time
	// Private is the key as PKCS #8, after a nonce and sealed where it says so.
	Private []byte
	Sealed  bool `json:",omitempty"`
}

// sealing tells apart what keys are made of the secret for.
const sealing = "portcullis: signing keys, AES-256-GCM"

func (v VaultKeys) cipher() (cipher.AEAD, error) {
	if len(v.Secret) < minSecret {
		return nil, fmt.Errorf("the secret has %d bytes, and %d are the least", len(v.Secret), minSecret)
	}
	key, err := hkdf.Key(sha256.New, v.Secret, nil, sealing, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bound is what a sealed key is bound to, so that none can be given out for another, or as newer than it is.
func (k keptKey) bound() []byte { return []byte(k.ID + " " + k.Created.UTC().Format(time.RFC3339Nano)) }

// seal makes the form that a key is kept in.
func (v VaultKeys) seal(k SigningKey) (keptKey, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.Private)
	if err != nil {
		return keptKey{}, fmt.Errorf("write a signing key: %w", err)
	}
	kept := keptKey{ID: k.ID, Created: k.Created.UTC(), Private: der}
	if len(v.Secret) == 0 {
		return kept, nil
	}
	aead, err := v.cipher()
	if err != nil {
		return keptKey{}, err
	}
	kept.Private, kept.Sealed = aead.Seal(nil, nil, der, kept.bound()), true
	return kept, nil
}

// open reads a kept key. The error wraps ErrSecret where the secret does not fit.
func (v VaultKeys) open(kept keptKey) (SigningKey, error) {
	der := kept.Private
	if kept.Sealed {
		if len(v.Secret) == 0 {
			return SigningKey{}, fmt.Errorf("%w, and this node has no secret: set secretFile to a file with the one that other nodes have", ErrSecret)
		}
		aead, err := v.cipher()
		if err != nil {
			return SigningKey{}, err
		}
		if der, err = aead.Open(nil, nil, kept.Private, kept.bound()); err != nil {
			return SigningKey{}, fmt.Errorf("%w with another secret than the one in this node's secretFile: give all nodes the same", ErrSecret)
		}
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return SigningKey{}, fmt.Errorf("signing key %s in the store: %w", kept.ID, err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok || private.N.BitLen() < keyBits {
		return SigningKey{}, fmt.Errorf("signing key %s in the store: not an RSA key of %d bits or more", kept.ID, keyBits)
	}
	k, err := signingKey(private, kept.Created)
	if err == nil && k.ID != kept.ID {
		err = fmt.Errorf("signing key %s in the store is another, %s", kept.ID, k.ID)
	}
	return k, err
}

// read returns what is kept and the bytes of it, which are nil where nothing is.
func (v VaultKeys) read(ctx context.Context) (keptKeys, []byte, error) {
	var all keptKeys
	raw, err := v.Vault.GetSecret(ctx, kindKeys, nameKeys, time.Time{})
	if errors.Is(err, store.ErrNotFound) {
		return all, nil, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil {
		return all, nil, fmt.Errorf("read the signing keys in the store: %w", err)
	}
	return all, raw, nil
}

// Keys reads all keys.
func (v VaultKeys) Keys(ctx context.Context) ([]SigningKey, error) {
	all, _, err := v.read(ctx)
	if err != nil {
		return nil, err
	}
	return v.openAll(all)
}

func (v VaultKeys) openAll(all keptKeys) ([]SigningKey, error) {
	var list []SigningKey
	for _, kept := range all.Keys {
		k, err := v.open(kept)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, nil
}

// mostTries bounds how often a change of the keys is made anew because another node changed them meanwhile.
const mostTries = 20

// change replaces the record. The function may be called several times; it says whether anything is to be changed.
func (v VaultKeys) change(ctx context.Context, change func(*keptKeys) (bool, error)) error {
	for range mostTries {
		all, raw, err := v.read(ctx)
		if err != nil {
			return err
		}
		if _, err := v.openAll(all); err != nil {
			return err // a node that cannot read the keys of the others shall not add its own to them
		}
		if is, err := change(&all); err != nil || !is {
			return err
		}
		after, err := json.Marshal(all)
		if err != nil {
			return fmt.Errorf("keep the signing keys: %w", err)
		}
		if raw == nil {
			err = v.Vault.AddSecret(ctx, kindKeys, nameKeys, after, time.Time{}, time.Time{})
		} else {
			err = v.Vault.SwapSecret(ctx, kindKeys, nameKeys, raw, after, time.Time{})
		}
		if !errors.Is(err, store.ErrStale) {
			return err
		}
	}
	return fmt.Errorf("keep the signing keys: %w", store.ErrStale)
}

// Add keeps a key.
func (v VaultKeys) Add(ctx context.Context, k SigningKey) error {
	return v.change(ctx, func(all *keptKeys) (bool, error) {
		if slices.ContainsFunc(all.Keys, func(have keptKey) bool { return have.ID == k.ID }) {
			return false, nil
		}
		kept, err := v.seal(k)
		all.Keys = append(all.Keys, kept)
		return true, err
	})
}

// Remove forgets a key.
func (v VaultKeys) Remove(ctx context.Context, id string) error {
	return v.change(ctx, func(all *keptKeys) (bool, error) {
		n := len(all.Keys)
		all.Keys = slices.DeleteFunc(all.Keys, func(have keptKey) bool { return have.ID == id })
		return len(all.Keys) < n, nil
	})
}

// Import moves the keys of a folder into the vault, so that tokens that were signed with them go on, and seals what is in the vault
// unsealed where there is a secret. Later there is nothing to move.
func (v VaultKeys) Import(ctx context.Context, from FileKeys) error {
	list, err := from.Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range list {
		if err := v.Add(ctx, k); err != nil {
			return err
		}
	}
	for _, k := range list {
		if err := from.Remove(ctx, k.ID); err != nil {
			return err
		}
	}
	return v.sealAll(ctx)
}

func (v VaultKeys) sealAll(ctx context.Context) error {
	return v.change(ctx, func(all *keptKeys) (is bool, err error) {
		for i, kept := range all.Keys {
			if kept.Sealed || len(v.Secret) == 0 {
				continue
			}
			k, err := v.open(kept)
			if err == nil {
				all.Keys[i], err = v.seal(k)
			}
			if err != nil {
				return false, err
			}
			is = true
		}
		return is, nil
	})
}
