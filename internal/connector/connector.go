// Package connector says what a door is: a foreign system on which a privilege can be given to an account and taken away.
//
// A connector is told what to do and reads back what is so; it decides nothing and remembers nothing that matters. Whoever
// drives it (the worker) calls [Connector.Grant] until [Usable] is true of what [Connector.List] then reads, and
// [Connector.Revoke] until it returns nil and [Gone] is true of what is then read for that account: both are needed. Calls may
// be repeated, at any time, by several processes, after any crash.
//
// The suite in connectortest defines these promises. There is one folder per kind of target.
package connector

import (
	"context"
	"errors"
	"time"
)

// ErrConfiguration marks an error that waiting does not mend: no such role on the target, too few rights, a name that the
// target cannot hold. The call is still repeated, slowly, because people mend it on the target; it is shown as stuck
// meanwhile. Every other error is taken to pass by itself: the target is down, busy or slow.
var ErrConfiguration = errors.New("the target or its settings must be changed")

// Access is one privilege of one account on one target.
type Access struct {
	// Account and Privilege are the target's own names, taken letter by letter.
	Account, Privilege string
	// Until is when the access ends, to the microsecond, zero for never. Where the target can keep an end by itself, it is told of it, as a
	// net below the revocation and never in its place.
	Until time.Time
}

// Held is what a target says an account holds, however it came by it. There is one for each way in which the account
// comes by the privilege.
//
// A Held without a Privilege says that an account which should have no business on the target can still get in, or is
// still inside, although no privilege is left to it.
type Held struct {
	Account, Privilege string
	// Until is the end that the target itself keeps, zero if it keeps none. A target that keeps one end for an account
	// and not for each privilege shows the account's.
	Until time.Time
	// Direct is a privilege given to the account itself, as Grant gives it and Revoke takes it.
	Direct bool
	// Via is the way to the privilege where it is not direct: the groups passed, from the account's side.
	Via []string
	// Blocked says that the account cannot use what it holds, because it cannot get in.
	Blocked bool
	// Sessions is how many sessions the account has on the target, whatever they were opened for.
	Sessions int
}

// Connector gives, takes and reads privileges on one target. It may be used by several goroutines. Every method ends when
// its context does, and bounds itself in time where the context has no end.
type Connector interface {
	// Grant makes the account hold the privilege directly, with the end that the access names, whatever was so before.
	// Doing it again changes nothing; doing it with another end moves the end. After an error the grant may be there,
	// partly there or not.
	Grant(ctx context.Context, a Access) error

	// Revoke takes every direct hold of the account on the privilege, whoever gave it, and then ends the sessions that
	// may still use it. A nil error promises that both were seen to be done. It does not touch what the account holds by
	// another way: that is for List to show. Revoking what is not held is no error, and neither is an account that does
	// not exist. A privilege that does not exist is [ErrConfiguration]: it may have been renamed, so nothing is proved.
	Revoke(ctx context.Context, a Access) error

	// List reads from the target what the account holds of the privileges in the connector's care; an empty account means
	// everybody. An account that does not exist holds nothing. Only a list read for one account shows a Held without a
	// privilege.
	List(ctx context.Context, account string) ([]Held, error)
}

// Usable says whether what was read back proves a grant: the account holds the privilege directly, can get in, and the
// target does not end it earlier than asked.
func Usable(held []Held, a Access) bool {
	for _, h := range held {
		if matches(h, a) && h.Direct && !h.Blocked && covers(h.Until, a.Until) {
			return true
		}
	}
	return false
}

// covers says whether an end is no earlier than another, where zero is never. Targets keep no finer time than microseconds.
func covers(end, asked time.Time) bool {
	return end.IsZero() || !asked.IsZero() && !end.Before(asked.Truncate(time.Microsecond))
}

// Gone says whether what was read back, for this account, proves a revocation: there is no way left, direct or not, in
// which the account holds the privilege, and an account that holds nothing more is out and cannot get in.
//
// An account that goes on holding another privilege may have sessions. That none of them dates from before the revocation
// is what a nil error of Revoke promises.
func Gone(held []Held, a Access) bool {
	for _, h := range held {
		if matches(h, a) || h.Account == a.Account && h.Privilege == "" {
			return false
		}
	}
	return true
}

// Foreign returns what is held otherwise than by the accesses that we gave: indirectly, directly but unknown to us, or
// without any privilege. The order is kept.
func Foreign(held []Held, ours []Access) []Held {
	type pair struct{ account, privilege string }
	given := make(map[pair]bool, len(ours))
	for _, a := range ours {
		given[pair{a.Account, a.Privilege}] = true
	}
	var foreign []Held
	for _, h := range held {
		if !h.Direct || !given[pair{h.Account, h.Privilege}] {
			foreign = append(foreign, h)
		}
	}
	return foreign
}

func matches(h Held, a Access) bool {
	return h.Account == a.Account && h.Privilege == a.Privilege
}
