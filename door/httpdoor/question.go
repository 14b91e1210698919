package httpdoor

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"
)

// Question is what a door asks: may the subject do the action to the resource now? Its fields are those of the OpenID Authorization
// API 1.0 (§5). Equal questions have equal answers, and share a stream.
type Question struct {
	Subject Subject
	// Action is a role's name or id, or an action of Azure, which has "/" in it.
	Action string
	// DataAction says that the action is one of the data plane.
	DataAction bool
	// ResourceType and Resource say where: "directory" with "/", "/administrativeUnits/{id}" or "/{appId}"; "group" with the group's
	// object id and the action "member" or "owner"; "azure" with the path of a resource, or of what contains it.
	ResourceType, Resource string
}

// Subject is who is asked about.
type Subject struct {
	// Type is "user", "group", "servicePrincipal" or "application", which has to fit, or "identity", which fits any.
	Type string
	// ID is an object id, a user principal name, a client id or an external id, of 512 bytes at most.
	ID string
}

// check refuses what is no question, which is a mistake of who asks, or somebody's who chose a strange name.
func (q Question) check() error {
	if q.Subject.ID == "" || q.Action == "" || q.Resource == "" {
		return errors.New("httpdoor: the question lacks a subject, an action or a resource")
	}
	if len(q.Subject.ID) > longestName || !utf8.ValidString(q.Subject.ID) {
		return errors.New("httpdoor: the subject is too long, or no text") // many share a stream, which one must not spoil
	}
	return nil
}

// Decision is what the server says. The zero value is a no.
type Decision struct {
	Allowed bool
	// Reason says why: assignment or activation where it is allowed, and else what is nearest to it, such as notActivated, later, over
	// or none; stale and behind mean that the server cannot know. Reasons may be added.
	Reason string
	// Until is the instant up to which it is certainly allowed if nobody changes anything; zero: no end, or not allowed.
	Until time.Time
	// NextChange is when the answer may change by time alone; zero: never, or not told.
	NextChange time.Time
	// At is the instant that the decision is about, by the server's clock.
	At time.Time
	// Consistency is the token of what the server knew.
	Consistency string
	// Chain is what it rests on. Decisions of a stream do not tell it.
	Chain []Link
}

// Link is one thing that a decision rests on: an eligibility, assignment, activation, request, approval, membership or scope.
type Link struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// Temporary says that the server refused because it cannot know now: it is worth asking again.
func (d Decision) Temporary() bool {
	return !d.Allowed && (d.Reason == "stale" || d.Reason == "behind")
}

// left is how long the grant lasts from the instant of the decision, which was asked for, or came in, at the given instant of this
// machine's clock.
func (d Decision) left(now time.Time) (time.Duration, bool) {
	switch {
	case d.Until.IsZero():
		return 0, false
	case d.At.IsZero():
		return d.Until.Sub(now), true
	}
	return d.Until.Sub(d.At), true
}

type decisionKey struct{}

// DecisionOf returns the decision by which a request got through, given its context; false: it did not pass a door. A longer grant
// that came later does not show in it.
func DecisionOf(ctx context.Context) (Decision, bool) {
	d, ok := ctx.Value(decisionKey{}).(Decision)
	return d, ok
}
