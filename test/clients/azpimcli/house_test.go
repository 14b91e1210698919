// Package azpimcli has az-pim-cli (github.com/netr0m/az-pim-cli, 1.14.0) speak with the server: a finished program whose host names are
// built in, which lists and activates directory roles and groups in the words of PIM's second iteration, as its own host spoke
// it, and roles of resources with Azure Resource Manager.
//
// The program is left as it is. What is changed is the machine around it, as an operator would: a proxy on the loopback address
// leads the public names to the server (HTTPS_PROXY), the server has them as aliases and so in its certificate, its authority is
// trusted (SSL_CERT_FILE), and the az on its path, which the program takes its tokens from, has somebody signed in at the server.
//
// Module proxies may refuse the program's module. So what runs is a stand-in (standin_test.go) with the same credential, the same
// HTTP client and the same calls, byte for byte; with AZ_PIM_CLI naming a built az-pim-cli the very same stories are told to
// that one, and nothing in them knows the difference.
package azpimcli

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"portcullis/test/clients/house"
)

// The hosts that are built into the program.
const (
	hostPIM      = "api.azrbac.mspim.azure.com"
	hostResource = "management.azure.com"
)

// sample is the server that all tests talk to, and way the proxy that leads there. TestMain sets them before any of them runs.
var (
	sample *house.Server
	way    *proxy
)

func TestMain(m *testing.M) {
	if os.Getenv(envStandIn) != "" {
		os.Exit(standIn(os.Args[1:]))
	}
	if err := os.Setenv("PIM_ALIASES", strings.Join([]string{hostPIM, hostResource}, ",")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(house.Run("azpimcli", m, func(s *house.Server) {
		sample = s
		way = newProxy(strings.TrimPrefix(s.URL, "https://"), hostPIM, hostResource)
	}))
}
