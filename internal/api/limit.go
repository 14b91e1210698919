package api

import (
	"container/list"
	"errors"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"portcullis/internal/pim"
)

// Limits bound how many calls are served a second, so that one caller cannot take the server from the others. A rate of zero means
// what is said, one below zero that there is no limit. Whoever was still may do more at once: as much as in two seconds, for
// failures four.
type Limits struct {
	// Calls bound what reads and writes the store, Checks the routes that answer questions from memory (Route.Check).
	Calls, Checks Rates
	// Failures are the calls a second from one network address that fail to prove who calls: 50. Who does prove it is never
	// refused for what others do at the same address.
	Failures float64
}

// Rates are calls a second.
type Rates struct {
	// Caller is for each account: 1,000, of checks 50,000.
	Caller float64
	// Tenant is for all accounts of a tenant together: 5,000, of checks 200,000.
	Tenant float64
}

const (
	callsOfCaller, callsOfTenant   = 1_000, 5_000
	checksOfCaller, checksOfTenant = 50_000, 200_000
	failuresOfAddress              = 50

	// atOnce is how many seconds' worth whoever was still may do at once.
	atOnce, failuresAtOnce = 2, 4

	// So many are counted apart; of more those are forgotten that were still for the longest time, and begin anew.
	mostCallers, mostTenants, mostAddresses = 16_384, 4_096, 16_384
)

// account is what a caller is counted by.
type account struct {
	tenant pim.TenantID
	object pim.PrincipalID
}

// limiter holds calls against the limits.
type limiter struct {
	calls, checks pair
	addresses     *buckets[string]
}

// pair are the buckets of one sort of calls.
type pair struct {
	callers *buckets[account]
	tenants *buckets[pim.TenantID]
}

func newLimiter(l Limits) *limiter {
	return &limiter{
		calls:     newPair(l.Calls, Rates{Caller: callsOfCaller, Tenant: callsOfTenant}),
		checks:    newPair(l.Checks, Rates{Caller: checksOfCaller, Tenant: checksOfTenant}),
		addresses: newBuckets[string](orRate(l.Failures, failuresOfAddress), failuresAtOnce, mostAddresses),
	}
}

func newPair(r, otherwise Rates) pair {
	return pair{
		callers: newBuckets[account](orRate(r.Caller, otherwise.Caller), atOnce, mostCallers),
		tenants: newBuckets[pim.TenantID](orRate(r.Tenant, otherwise.Tenant), atOnce, mostTenants),
	}
}

func orRate(r, otherwise float64) float64 {
	if r == 0 {
		return otherwise
	}
	return r
}

// Limited names which limit refused a call.
type Limited string

// The limits.
const (
	LimitedCaller  Limited = "caller"
	LimitedTenant  Limited = "tenant"
	LimitedAddress Limited = "address"
)

// limit counts a call whose caller is known, and refuses it where there are too many.
func (m *mounted) limit(call *Request) error {
	l := m.frame.limiter
	if l == nil {
		return nil
	}
	p := &l.calls
	if m.route.Check {
		p = &l.checks
	}
	now := call.Began
	if wait := p.callers.take(account{call.Tenant, call.Caller.Principal}, now); wait > 0 {
		return m.frame.tooMany(LimitedCaller, wait)
	}
	if wait := p.tenants.take(call.Tenant, now); wait > 0 {
		return m.frame.tooMany(LimitedTenant, wait)
	}
	return nil
}

// limitFailure counts a call that failed to prove who calls, and gives another error where there are too many from that address.
func (f *Frame) limitFailure(call *Request, err error) error {
	if bad, ok := errors.AsType[*Fault](err); f.limiter == nil || !ok || bad.Problem != Unauthenticated {
		return err
	}
	if wait := f.limiter.addresses.take(network(f.Address(call.Request)), call.Began); wait > 0 {
		return f.tooMany(LimitedAddress, wait)
	}
	return err
}

func (f *Frame) tooMany(by Limited, wait time.Duration) error {
	if f.Refused != nil {
		f.Refused(by)
	}
	return &Fault{Problem: TooMany, Detail: "Too many requests. Retry later.", RetryAfter: wait}
}

// network is what of an address one sender has for themselves: of the sixth version the first half.
func network(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Unmap().Is4() {
		return address
	}
	half, err := ip.WithZone("").Prefix(64)
	if err != nil { // an address of the sixth version has 128 bits
		return address
	}
	return half.Addr().String()
}

// buckets count many apart by the same rate. Nil: no limit.
type buckets[K comparable] struct {
	rate  rate.Limit
	burst int
	most  int

	mu    sync.Mutex
	order *list.List // of *bucket[K], the last used first
	byKey map[K]*list.Element
}

type bucket[K comparable] struct {
	key   K
	limit *rate.Limiter
}

// newBuckets makes buckets that are filled at a rate a second and hold as much as flows in so many seconds.
func newBuckets[K comparable](perSecond, seconds float64, most int) *buckets[K] {
	if perSecond < 0 {
		return nil
	}
	burst := max(1, math.Min(math.Ceil(perSecond*seconds), math.MaxInt32))
	return &buckets[K]{rate: rate.Limit(perSecond), burst: int(burst), most: most, order: list.New(), byKey: map[K]*list.Element{}}
}

// take counts one, and returns how long to wait where there are too many, in whole seconds; zero: it may pass.
func (b *buckets[K]) take(k K, now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	l := b.of(k)
	if l.AllowN(now, 1) {
		return 0
	}
	missing := (1 - l.TokensAt(now)) / float64(b.rate)
	return time.Duration(math.Ceil(max(missing, 1))) * time.Second
}

func (b *buckets[K]) of(k K) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := b.byKey[k]; ok {
		b.order.MoveToFront(e)
		return e.Value.(*bucket[K]).limit
	}
	one := &bucket[K]{k, rate.NewLimiter(b.rate, b.burst)}
	b.byKey[k] = b.order.PushFront(one)
	if b.order.Len() > b.most {
		last := b.order.Back()
		b.order.Remove(last)
		delete(b.byKey, last.Value.(*bucket[K]).key)
	}
	return one.limit
}
