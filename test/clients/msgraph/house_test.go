// Package msgraph is a program on the unmodified Microsoft Graph SDK for Go, to show that it works with Portcullis as
// it does with the service it was made for. It is a module of its own, because what real clients pull in is no
// business of the product. TestMain has package house start the server with the sample organisation, and points the SDK
// at it as docs tell: the adapter's base address and valid host. Applications sign in with their secret, people by device
// code, for which house fills in the sign-in pages as a browser would. Calls are the SDK's typed ones where v1.0 has
// them, and go through its adapter with plain paths where only beta does; its middleware is the default one, so bodies
// travel compressed. Every test tells one story on roles of its own, in any order; PIM's time only ever moves forward.
// Go does not see that the server's source is an input of these tests: run them with -shuffle=on, as make test does, or
// -count=1, so that no result of yesterday's server is shown.
package msgraph

import (
	"os"
	"testing"

	"portcullis/test/clients/house"
)

// person is somebody of the sample organisation.
type person = house.Person

// server is a running server, as the Graph SDK sees it.
type server struct{ *house.Server }

// sample is the server that all tests talk to. TestMain sets it before any of them runs.
var sample server

func TestMain(m *testing.M) {
	os.Exit(house.Run("msgraph", m, func(s *house.Server) { sample = server{s} }))
}
