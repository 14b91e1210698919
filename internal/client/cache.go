package client

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Cache keeps who is signed in, in a folder that only its owner can read: one file for each server and tenant, and one
// that names the server that was last signed in at.
type Cache struct{ dir string }

// maxSession bounds a file that is read.
const maxSession = 1 << 20

const currentFile = "current.json"

// NewCache is the cache in a folder, which is made when something is kept.
func NewCache(dir string) *Cache { return &Cache{dir} }

// DefaultCache is the cache in the person's configuration folder.
func DefaultCache() (*Cache, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, err
	}
	return NewCache(filepath.Join(dir, "portcullis")), nil
}

// Dir is the folder.
func (k *Cache) Dir() string { return k.dir }

func (k *Cache) file(server, tenant string) string {
	sum := sha256.Sum256([]byte(server + "\x00" + strings.ToLower(tenant)))
	return filepath.Join(k.dir, "session-"+hex.EncodeToString(sum[:8])+".json")
}

// Open gives a client the sign-in that is kept for its server and tenant. The error is ErrSignedOut when there is none.
func (k *Cache) Open(o Options) (*Client, error) {
	c, err := New(o)
	if err != nil {
		return nil, err
	}
	c.cache = k
	c.session, err = k.Load(c.Server, c.Tenant)
	if err != nil {
		return c, err
	}
	if o.ClientID == "" {
		c.ClientID = c.session.ClientID
	}
	return c, nil
}

// SignedOut is Open for a client that is about to sign in.
func (k *Cache) SignedOut(o Options) (*Client, error) {
	c, err := New(o)
	if err != nil {
		return nil, err
	}
	c.cache = k
	return c, nil
}

// Load reads who is signed in. ErrSignedOut: nobody.
func (k *Cache) Load(server, tenant string) (*Session, error) {
	var s Session
	if err := read(k.file(server, tenant), &s); err != nil {
		return nil, err
	}
	if s.Server != server || s.Access == "" {
		return nil, ErrSignedOut
	}
	return &s, nil
}

// Place names a server and tenant that somebody signed in at.
type Place struct {
	Server string `json:"server"`
	Tenant string `json:"tenant"`
	CAFile string `json:"caFile,omitempty"`
}

// Current is where somebody last signed in. ErrSignedOut: nowhere.
func (k *Cache) Current() (Place, error) {
	var p Place
	err := read(filepath.Join(k.dir, currentFile), &p)
	return p, err
}

// read reads a small file of JSON. One that is not there, or damaged, is as good as nobody signed in.
func read(file string, into any) error {
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return ErrSignedOut
	}
	if err != nil {
		return fmt.Errorf("read the sign-in: %w", err)
	}
	if info.Size() > maxSession {
		return ErrSignedOut
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return ErrSignedOut
	}
	if err != nil {
		return fmt.Errorf("read the sign-in: %w", err)
	}
	if json.Unmarshal(text, into) != nil {
		return ErrSignedOut
	}
	return nil
}

// save keeps a sign-in and makes its place the current one.
func (k *Cache) save(s *Session) error {
	if err := write(k.file(s.Server, s.Tenant), s); err != nil {
		return err
	}
	return write(filepath.Join(k.dir, currentFile), Place{s.Server, s.Tenant, s.CAFile})
}

// write replaces a file in one step, readable by its owner alone.
func write(file string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*") // of mode 0600
	if err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	defer os.Remove(f.Name()) // gone already once it was renamed
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	return nil
}

// lock waits until no other command changes the cache.
func (k *Cache) lock() (func(), error) {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return nil, fmt.Errorf("keep the sign-in: %w", err)
	}
	// Made here, for the library would make it readable by others.
	name := filepath.Join(k.dir, "lock")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("keep the sign-in: %w", err)
	}
	unlock, err := lockedfile.MutexAt(name).Lock()
	if err != nil {
		return nil, fmt.Errorf("keep the sign-in: %w", err)
	}
	return unlock, nil
}

// SignOut forgets a sign-in. It says whether there was one.
func (k *Cache) SignOut(server, tenant string) (bool, error) {
	unlock, err := k.lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	err = os.Remove(k.file(server, tenant))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("forget the sign-in: %w", err)
	}
	return true, nil
}
