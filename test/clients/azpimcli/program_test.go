package azpimcli

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"portcullis/test/clients/house"
)

// envProgram names a built az-pim-cli; envStandIn makes the test binary be the stand-in.
const (
	envProgram = "AZ_PIM_CLI"
	envStandIn = "AZPIMCLI_STAND_IN"
)

// runsWithin bounds one run of the program.
const runsWithin = time.Minute

// desk is somebody at a machine with the program, who is signed in to az.
type desk struct {
	*testing.T
	home string
}

// The resources that the program asks az tokens for.
const (
	forPIM      = "https://management.core.windows.net"
	forResource = "https://management.azure.com"
)

// az answers as `az account get-access-token` does, with what its session has for a resource.
const az = `#!/bin/sh
resource=
while [ $# -gt 0 ]; do
	[ "$1" = --resource ] && resource=$2
	shift
done
name=$(printf %s "$resource" | tr -c a-z0-9 _)
[ -f "$AZ_SESSION/$name" ] || { echo "ERROR: Please run 'az login' to setup account." >&2; exit 1; }
cat "$AZ_SESSION/$name"
`

// sit signs somebody in, with a second factor where they use one.
func sit(t *testing.T, person *house.Person, mfa bool) *desk {
	t.Helper()
	d := &desk{t, t.TempDir()}
	d.write("az", []byte(az), 0o700)
	credential := sample.Device(t, sample.NewBrowser(person))
	for _, resource := range []string{forPIM, forResource} {
		o := policy.TokenRequestOptions{Scopes: []string{resource + "/.default"}, EnableCAE: true}
		if mfa {
			o.Claims, mfa = house.ClaimsMFA, false // once proved it holds for the session
		}
		token, err := credential.GetToken(t.Context(), o)
		if err != nil {
			t.Fatalf("sign %s in for %s: %v", person.UserPrincipalName, resource, err)
		}
		text, err := json.Marshal(map[string]any{
			"accessToken": token.Token, "expires_on": token.ExpiresOn.Unix(), "expiresOn": token.ExpiresOn.Local().Format("2006-01-02 15:04:05.000000"),
			"subscription": "", "tenant": sample.TenantID, "tokenType": "Bearer",
		})
		if err != nil {
			t.Fatal(err)
		}
		d.write(sessionName(resource), text, 0o600)
	}
	return d
}

// sessionName is the file that az finds the token for a resource in.
func sessionName(resource string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, resource)
}

func (d *desk) write(name string, text []byte, mode os.FileMode) {
	d.Helper()
	if err := os.WriteFile(filepath.Join(d.home, name), text, mode); err != nil {
		d.Fatal(err)
	}
}

// command is the program with its machine around it.
func (d *desk) command(ctx context.Context, args []string) *exec.Cmd {
	d.Helper()
	program, as := os.Getenv(envProgram), ""
	if program == "" {
		own, err := os.Executable()
		if err != nil {
			d.Fatal(err)
		}
		program, as = own, "yes"
	}
	c := exec.CommandContext(ctx, program, args...)
	c.WaitDelay = time.Second
	c.Env = []string{
		"HOME=" + d.home, "PATH=" + d.home + string(os.PathListSeparator) + os.Getenv("PATH"), "AZ_SESSION=" + d.home, "TZ=UTC",
		"HTTPS_PROXY=" + way.URL, "SSL_CERT_FILE=" + sample.CAFile, envStandIn + "=" + as,
	}
	return c
}

// runs runs the program, checks its exit code and returns what it said.
func (d *desk) runs(code int, args ...string) string {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), runsWithin)
	defer cancel()
	text, err := d.command(ctx, args).CombinedOutput()
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		d.Fatalf("az-pim-cli %s: %v", strings.Join(args, " "), err)
	}
	if got != code {
		d.Fatalf("az-pim-cli %s: got exit code %d, want %d; it said:\n%s", strings.Join(args, " "), got, code, text)
	}
	return string(text)
}
