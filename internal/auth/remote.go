package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeySet      = 1 << 20
	fetchTimeout   = 5 * time.Second
	defaultRefetch = 30 * time.Second
	defaultMaxAge  = time.Hour
)

// RemoteOptions say where keys are fetched and how often.
type RemoteOptions struct {
	// Issuer is the issuer's address, whose discovery document is read when URL is empty.
	Issuer string
	// URL is the address of the key set.
	URL    string
	Client *http.Client
	// MaxAge is when keys are fetched anew, so that one that the issuer withdrew is no longer believed: 1 h when zero.
	MaxAge time.Duration
	// Refetch is the least time between two fetches: what callers send cannot make this server flood an issuer. 30 s
	// when zero.
	Refetch time.Duration
	Now     func() time.Time
}

// Remote are keys that are published as a JSON Web Key Set (RFC 7517 §5) and kept. While they cannot be fetched anew
// the last ones are believed.
type Remote struct {
	RemoteOptions
	set atomic.Pointer[keySet]
	// turn is held by the one that fetches; what follows is guarded by it.
	turn    chan struct{}
	lastTry time.Time
	lastErr error
}

type keySet struct {
	at   time.Time
	keys map[string]*jose.JSONWebKey
}

// NewRemote returns keys that are fetched when the first one is asked for.
func NewRemote(o RemoteOptions) *Remote {
	if o.Client == nil {
		o.Client = &http.Client{Timeout: fetchTimeout}
	}
	if o.MaxAge == 0 {
		o.MaxAge = defaultMaxAge
	}
	if o.Refetch == 0 {
		o.Refetch = defaultRefetch
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Remote{RemoteOptions: o, turn: make(chan struct{}, 1)}
}

// Key returns the key with that id. A token without one is answered with the only key, if there is one alone. An id
// that is not known leads to a fetch, if the last was long enough ago.
func (r *Remote) Key(ctx context.Context, kid string) (*jose.JSONWebKey, error) {
	set := r.set.Load()
	if set.stale(r.Now().Add(-r.MaxAge)) {
		// One caller fetches what has grown old; the others go on with it.
		select {
		case r.turn <- struct{}{}:
			set = r.fetchInTurn(ctx)
			<-r.turn
		default:
		}
	}
	if key := set.find(kid); key != nil {
		return key, nil
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, ctx.Err())
	}
	// Another caller may have fetched it meanwhile.
	if set = r.set.Load(); set.find(kid) == nil {
		set = r.fetchInTurn(ctx)
	}
	switch key := set.find(kid); {
	case key != nil:
		return key, nil
	case set == nil:
		return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, r.lastErr)
	}
	return nil, ErrNoKey
}

// fetchInTurn fetches the set unless the last try was a moment ago, and returns the newest there is; nil: none.
func (r *Remote) fetchInTurn(ctx context.Context) *keySet {
	now := r.Now()
	if old := r.set.Load(); !r.lastTry.IsZero() && now.Sub(r.lastTry) < r.Refetch {
		return old
	}
	r.lastTry = now
	keys, err := r.fetch(ctx)
	if r.lastErr = err; err != nil {
		// Who asks for a key that is at hand is served all the same.
		return r.set.Load()
	}
	set := &keySet{at: now, keys: keys}
	r.set.Store(set)
	return set
}

func (s *keySet) stale(before time.Time) bool { return s != nil && s.at.Before(before) }

func (s *keySet) find(kid string) *jose.JSONWebKey {
	if s == nil {
		return nil
	}
	if kid == "" && len(s.keys) == 1 {
		for _, k := range s.keys {
			return k
		}
	}
	return s.keys[kid]
}

func (r *Remote) fetch(ctx context.Context) (map[string]*jose.JSONWebKey, error) {
	// The fetch is for everybody: the end of one caller's request does not end it, its time does.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	address := r.URL
	if address == "" {
		var err error
		if address, err = r.discover(ctx); err != nil {
			return nil, err
		}
	}
	var set jose.JSONWebKeySet
	if err := r.get(ctx, address, &set); err != nil {
		return nil, err
	}
	keys := make(map[string]*jose.JSONWebKey, len(set.Keys))
	for i := range set.Keys {
		if k := &set.Keys[i]; k.Valid() && k.IsPublic() && k.Use != "enc" {
			keys[k.KeyID] = k
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set holds no usable key")
	}
	return keys, nil
}

func (r *Remote) discover(ctx context.Context) (string, error) {
	var doc struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	address := strings.TrimSuffix(r.Issuer, "/") + "/.well-known/openid-configuration"
	if err := r.get(ctx, address, &doc); err != nil {
		return "", err
	}
	if doc.Issuer != r.Issuer || doc.Keys == "" {
		return "", fmt.Errorf("the discovery document at %s is that of another issuer", address)
	}
	return doc.Keys, nil
}

func (r *Remote) get(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := r.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, maxKeySet)).Decode(into)
}
