package idp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// The kinds of what is kept in the vault. Stored: they may only be added to.
const (
	kindInteraction = "idp.interaction"
	kindSession     = "idp.session"
	kindCode        = "idp.code"
	kindDevice      = "idp.device"
	kindUserCode    = "idp.usercode"
	kindRefresh     = "idp.refresh"
	kindDecoy       = "idp.decoy"
	kindAssertion   = "idp.assertion"
)

const (
	lifeInteraction = 30 * time.Minute
	lifeCode        = 5 * time.Minute
	// lifeSpent is how long a used code is remembered, so that its second use is noticed.
	lifeSpent  = time.Hour
	lifeDevice = 15 * time.Minute
)

const (
	nameBytes  = 32
	nameLength = (nameBytes*8 + 5) / 6 // in base64
)

// newName returns a random name of 256 bits.
func newName() string {
	b := make([]byte, nameBytes)
	_, _ = rand.Read(b) // crypto/rand does not fail: it ends the program
	return base64.RawURLEncoding.EncodeToString(b)
}

// hashed is what is stored of a name: who reads it cannot use it.
func hashed(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// put keeps a value under the hash of its name.
func put[T any](ctx context.Context, s Store, kind, name string, v T, expires time.Time) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	if err := s.PutSecret(ctx, kind, hashed(name), b, expires); err != nil {
		return fmt.Errorf("keep %s: %w", kind, err)
	}
	return nil
}

// kept is a value with the bytes it was read from, for swap.
type kept[T any] struct {
	Value T
	name  string
	raw   []byte
}

// get reads a value. The error wraps store.ErrNotFound when there is none.
func get[T any](ctx context.Context, s Store, kind, name string, now time.Time) (kept[T], error) {
	k := kept[T]{name: name}
	var err error
	if k.raw, err = s.GetSecret(ctx, kind, hashed(name), now); err != nil {
		return k, fmt.Errorf("read %s: %w", kind, err)
	}
	err = k.decode()
	return k, err
}

// decode reads the value from its bytes.
func (k *kept[T]) decode() error {
	if err := json.Unmarshal(k.raw, &k.Value); err != nil {
		return fmt.Errorf("read a kept value: %w", err)
	}
	return nil
}

func encode[T any](v T) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("keep a value: %w", err)
	}
	return b, nil
}

// swap replaces a value that was read. The error wraps store.ErrStale when another was faster.
func swap[T any](ctx context.Context, s Store, kind string, before kept[T], after T, expires time.Time) error {
	b, err := encode(after)
	if err != nil {
		return err
	}
	if err := s.SwapSecret(ctx, kind, hashed(before.name), before.raw, b, expires); err != nil {
		return fmt.Errorf("replace %s: %w", kind, err)
	}
	return nil
}

func drop(ctx context.Context, s Store, kind, name string) error {
	if err := s.DeleteSecret(ctx, kind, hashed(name)); err != nil {
		return fmt.Errorf("forget %s: %w", kind, err)
	}
	return nil
}
