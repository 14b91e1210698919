package connectortest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"portcullis/internal/connector"
)

// ErrDown is what a [Memory] answers while it is down. It passes.
var ErrDown = errors.New("connectortest: the target is down")

// errOut is how a [Memory] refuses a person.
var errOut = errors.New("connectortest: permission denied")

// longestMemoryName is as long as a name may be on a [Memory].
const longestMemoryName = 63

// Memory is a target of its own in memory, with its connector. It passes the suite. It is for the tests of what drives
// connectors, which need targets that fail on demand; what a real target does is tested on a real one. It makes accounts,
// and uses no clock: it keeps the end of an access and leaves the ending to the revocation.
type Memory struct {
	privileges []string

	mu       sync.Mutex
	err      error
	held     map[holding]time.Time
	via      map[holding][]string
	sessions map[*memorySession]bool
}

type holding struct{ account, privilege string }

var _ connector.Connector = (*Memory)(nil)

// NewMemory returns a target that is up, has the privileges, and nobody who holds one.
func NewMemory(privileges ...string) *Memory {
	return &Memory{
		privileges: slices.Clone(privileges),
		held:       make(map[holding]time.Time),
		via:        make(map[holding][]string),
		sessions:   make(map[*memorySession]bool),
	}
}

// Fail makes every call answer err, as [ErrDown] or a [connector.ErrConfiguration]; nil makes the target work again.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// HoldOtherwise gives an account a privilege by a way that no connector takes; an empty way takes it back.
func (m *Memory) HoldOtherwise(account, privilege string, via ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(via) == 0 {
		delete(m.via, holding{account, privilege})
		return
	}
	m.via[holding{account, privilege}] = slices.Clone(via)
}

// Enter opens a session with a privilege, as a person would.
func (m *Memory) Enter(account, privilege string) (Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &memorySession{target: m, holding: holding{account, privilege}}
	m.sessions[s] = true
	if err := m.use(s); err != nil {
		delete(m.sessions, s)
		return nil, err
	}
	return s, nil
}

type memorySession struct {
	target *Memory
	holding
}

// Use implements [Session].
func (s *memorySession) Use(context.Context) error {
	s.target.mu.Lock()
	defer s.target.mu.Unlock()
	return s.target.use(s)
}

func (m *Memory) use(s *memorySession) error {
	_, direct := m.held[s.holding]
	if _, other := m.via[s.holding]; !m.sessions[s] || !direct && !other {
		return errOut
	}
	return m.err
}

// Grant implements [connector.Connector].
func (m *Memory) Grant(ctx context.Context, a connector.Access) error {
	return m.do(ctx, a.Account, func() error {
		if err := m.check(a); err != nil {
			return err
		}
		m.held[holding{a.Account, a.Privilege}] = a.Until
		return nil
	})
}

// Revoke implements [connector.Connector].
func (m *Memory) Revoke(ctx context.Context, a connector.Access) error {
	return m.do(ctx, a.Account, func() error {
		if err := m.check(a); err != nil {
			return err
		}
		delete(m.held, holding{a.Account, a.Privilege})
		maps.DeleteFunc(m.sessions, func(s *memorySession, _ bool) bool {
			return s.holding == holding{a.Account, a.Privilege} && m.via[s.holding] == nil
		})
		return nil
	})
}

// List implements [connector.Connector].
func (m *Memory) List(ctx context.Context, account string) (held []connector.Held, err error) {
	err = m.do(ctx, account, func() error {
		add := func(h holding, until time.Time, via []string) {
			if account != "" && account != h.account {
				return
			}
			held = append(held, connector.Held{Account: h.account, Privilege: h.privilege, Until: until,
				Direct: via == nil, Via: slices.Clone(via), Sessions: m.count(h.account)})
		}
		for h, until := range m.held {
			add(h, until, nil)
		}
		for h, via := range m.via {
			add(h, time.Time{}, via)
		}
		return nil
	})
	slices.SortFunc(held, func(a, b connector.Held) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Privilege, b.Privilege), slices.Compare(a.Via, b.Via))
	})
	return held, err
}

func (m *Memory) do(ctx context.Context, account string, work func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case len(account) > longestMemoryName || !utf8.ValidString(account) || strings.ContainsRune(account, 0):
		return fmt.Errorf("connectortest: account %q: %w", account, connector.ErrConfiguration)
	case m.err != nil:
		return m.err
	default:
		return work()
	}
}

func (m *Memory) check(a connector.Access) error {
	if a.Account == "" || !slices.Contains(m.privileges, a.Privilege) {
		return fmt.Errorf("connectortest: %q for %q: %w", a.Privilege, a.Account, connector.ErrConfiguration)
	}
	return nil
}

func (m *Memory) count(account string) (n int) {
	for s := range m.sessions {
		if s.account == account {
			n++
		}
	}
	return n
}
