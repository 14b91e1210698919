// Package armauthorization is a program on the unmodified Azure SDK for Go (armauthorization, and the packages for what it
// rules over: management groups, subscriptions, resource groups and resources), to show that Azure Resource Manager's half of
// Portcullis works with it as the service does that it was made for. It is a module of its own, because what real clients
// pull in is no business of the product. TestMain has package house start the server with the sample organisation, and
// points the SDK at it as docs tell: a cloud with the server as its Resource Manager. Calls are the SDK's typed ones; what
// it has no type for (approvals, making a deny assignment) goes through its own pipeline, or through its client for
// resources of any kind. Each test tells one story in a subscription of its own, which the sample's application makes as
// owner of everything: a Global Administrator who elevates herself made it so. Tests run in any order; PIM's time only ever
// moves forward. Go does not see that the server's source is an input of these tests: run them with -shuffle=on, as make
// test does, or -count=1, so that no result of yesterday's server is shown.
package armauthorization

import (
	"os"
	"sync"
	"testing"

	"portcullis/test/clients/house"
)

// person is somebody of the sample organisation.
type person = house.Person

// server is a running server, as the SDK for Resource Manager sees it.
type server struct {
	*house.Server

	owns sync.Once // guards the making of an owner

	mu       sync.Mutex
	signedIn map[*person]*azure
}

// sample is the server that all tests talk to. TestMain sets it before any of them runs.
var sample *server

func TestMain(m *testing.M) {
	os.Exit(house.Run("armauthorization", m, func(s *house.Server) {
		sample = &server{Server: s, signedIn: map[*person]*azure{}}
	}))
}
