package portcullis_test

import (
	"strings"
	"testing"
)

// ofAuthZEN says whether an operation is one of AuthZEN's surface.
func ofAuthZEN(route string) bool { return strings.HasPrefix(route, "access ") }

// TestAuthZENConversations speaks every operation but the stream, whose tests are in its package: a recorder would wait for its end.
func TestAuthZENConversations(t *testing.T) {
	conversations(t, "authzen", func(route string) bool { return ofAuthZEN(route) && route != "access v1/watch" })
}
