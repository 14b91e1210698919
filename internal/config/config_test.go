package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/config"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pim.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const whole = `
data: /var/lib/portcullis
listen: ["0.0.0.0:443", "[::]:443"]
publicURL: https://pim.example.org
databaseFile: /run/secrets/database
secretFile: /run/secrets/sealing
tls:
  certificate: /etc/pim/tls.pem
  key: /etc/pim/tls.key
tenant:
  name: Example
  domain: example.org
  administrator: root
issuers:
  - url: https://idp.example.org/realms/main
    tenant: 6a9f4f0e-6a7c-4a53-9a4a-6d3f9d3c1b11
    audiences: [portcullis]
    objectClaim: sub
    mfaMethods: [otp]
doors:
  - name: payroll
    type: postgres
    urlFile: /run/secrets/payroll
    ownsLogins: true
    account: id
    tenant: example.org
    bindings:
      - {role: Payroll Administrator, privilege: payroll_admin}
      - {provider: group, scope: Finance, privilege: ledger}
      - {provider: resource, role: Reader, privilege: auditor}
aliases: [graph.microsoft.com]
dialects: {v1: off, v2: {aadGroups: on, azureResources: readOnly}}
log: {level: debug, format: json}
mfaFreshness: 10m
noWorker: true
`

func TestAWholeFile(t *testing.T) {
	got, err := config.Load(write(t, whole), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Settings{
		Data: "/var/lib/portcullis", Listen: []string{"0.0.0.0:443", "[::]:443"},
		PublicURL: "https://pim.example.org", DatabaseFile: "/run/secrets/database", SecretFile: "/run/secrets/sealing",
		TLS:    config.TLS{Certificate: "/etc/pim/tls.pem", Key: "/etc/pim/tls.key"},
		Tenant: config.Tenant{Name: "Example", Domain: "example.org", Administrator: "root"},
		Issuers: []config.Issuer{{
			URL: "https://idp.example.org/realms/main", Tenant: "6a9f4f0e-6a7c-4a53-9a4a-6d3f9d3c1b11",
			Audiences: []string{"portcullis"}, ObjectClaim: "sub", MFAMethods: []string{"otp"},
		}},
		Doors: []config.Door{{
			Name: "payroll", Type: "postgres", URLFile: "/run/secrets/payroll", OwnsLogins: true, Account: config.ID,
			Tenant: "example.org",
			Bindings: []config.Binding{
				{Role: "Payroll Administrator", Privilege: "payroll_admin"},
				{Provider: "group", Scope: "Finance", Privilege: "ledger"},
				{Provider: "resource", Role: "Reader", Privilege: "auditor"},
			},
		}},
		Aliases:  []string{"graph.microsoft.com"},
		Dialects: config.Dialects{V1: config.Off, V2: config.Providers{AADGroups: config.On, AzureResources: config.ReadOnly}}, Log: config.Log{Level: "debug", Format: "json"},
		MFAFreshness: 10 * time.Minute, NoWorker: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	filled := got.WithDefaults().Doors[0].Bindings
	if got, want := filled[0], (config.Binding{Provider: "directory", Role: "Payroll Administrator", Scope: "/", Privilege: "payroll_admin"}); got != want {
		t.Errorf("got binding %+v, want %+v", got, want)
	}
	if got, want := filled[2], (config.Binding{Provider: "resource", Role: "Reader", Scope: "/", Privilege: "auditor"}); got != want {
		t.Errorf("got binding %+v, want %+v", got, want)
	}
	if got, want := filled[1], (config.Binding{Provider: "group", Role: "member", Scope: "Finance", Privilege: "ledger"}); got != want {
		t.Errorf("got binding %+v, want %+v", got, want)
	}
}

func TestNothingIsNeeded(t *testing.T) {
	s, err := config.Load("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Settings{
		Data: "data", Listen: []string{"127.0.0.1:8443"},
		Tenant: config.Tenant{Name: "Portcullis", Domain: "portcullis.local", Administrator: "admin"},
		Log:    config.Log{Level: "info", Format: "text"}, MFAFreshness: 30 * time.Minute, Staleness: 5 * time.Second, Doors: nil,
		Mail:     config.Mail{Port: 587, TLS: config.StartTLS, Digest: "07:00"},
		Dialects: config.Dialects{V1: config.On, V2: config.Providers{AADRoles: config.On, AADGroups: config.On, AzureResources: config.On}},
	}
	if diff := cmp.Diff(want, s.WithDefaults()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestFlagsWinOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	file := write(t, "data: file\npublicURL: https://file\nlog: {level: warn, format: json}\n")
	environ := []string{"PIM_PUBLIC_URL=https://environment", "PIM_LOG_LEVEL=error", "PIM_LISTEN=a:1,b:2", "PIM_NO_WORKER=true",
		"PIM_MFA_FRESHNESS=1h", "PIM_DIALECTS_V1=off", "PIM_DIALECTS_V2_AAD_ROLES=readOnly", "PIM_DATA=", "PIM_OTHER=1"}
	got, err := config.Load(file, environ, map[string]any{"log.level": "debug"})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Settings{
		Data: "file", PublicURL: "https://environment", Log: config.Log{Level: "debug", Format: "json"},
		Listen: []string{"a:1", "b:2"}, NoWorker: true, MFAFreshness: time.Hour,
		Dialects: config.Dialects{V1: config.Off, V2: config.Providers{AADRoles: config.ReadOnly}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestBadSettings(t *testing.T) {
	door := "doors: [{name: d, type: postgres, url: 'postgres://u:geheim@h/x', bindings: [{role: r, privilege: p}]"
	for _, c := range []struct{ file, want string }{
		{"listn: [':1']", `the key "listn" is not known; did you mean "listen"?`},
		{"Data: x", `the key "Data" is not known; did you mean "data"?`},
		{"log: {lavel: info}", `the key "log.lavel" is not known; did you mean "log.level"?`},
		{door + ", ownLogins: true}]", `the key "doors[0].ownLogins" is not known; did you mean "doors[0].ownsLogins"?`},
		{"doors: [{bindings: [{rolle: x}]}]", `the key "doors[0].bindings[0].rolle" is not known; did you mean "doors[0].bindings[0].role"?`},
		{"a: [", "is no YAML"},
		{"listen: 8443", `"8443" is no address`},
		{"noWorker: perhaps", "a setting has a value of the wrong kind"},
		{"mfaFreshness: soon", "a setting has a value of the wrong kind"},
		{"mfaFreshness: -1s", "is negative"},
		{"publicURL: http://pim", `publicURL: "http://pim" must be https://host or https://host:port`},
		{"publicURL: https://pim/portal", "must be https://host"},
		{"database: 'mysql://u:geheim@h/x'", "database: the address must begin with postgres://"},
		{"database: postgres://h/x\ndatabaseFile: f", "database and databaseFile are both set"},
		{"secretFile: f", "secretFile: it seals signing keys in a PostgreSQL database"},
		{"tls: {key: k}", "certificate and key come together"},
		{"tenant: {domain: nowhere}", `tenant.domain: "nowhere" is no domain name`},
		{"tenant: {administrator: a@b.c}", "must be a name without the domain"},
		{"log: {level: loud}", `log.level: "loud" is none of debug, info, warn, error`},
		{"dialects: {v1: gone}", `dialects.v1: "gone" is none of on, readOnly, off`},
		{"dialects: {v2: {aadGroups: readonly}}", `dialects.v2.aadGroups: "readonly" is none of`},
		{"dialects: {v2: {aadRole: off}}", `the key "dialects.v2.aadRole" is not known; did you mean "dialects.v2.aadRoles"?`},
		{"dialects: {v2: off}", "a setting has a value of the wrong kind"},
		{"log: {format: xml}", `log.format: "xml" is neither text nor json`},
		{"issuers: [{tenant: t}]", "issuers[0]: url is missing"},
		{"issuers: [{url: https://i}]", "issuers[0]: tenant is missing"},
		{"issuers: [{url: 'https://i/{tid}', tenant: t}]", "already carries it"},
		{"issuers: [{url: 'https://i/{tid}'}]", "keysURL is missing"},
		{"issuers: [{url: https://i, tenant: t}, {url: https://i, tenant: t}]", "is there twice"},
		{"doors: [{type: postgres}]", "doors[0]: name is missing"},
		{"doors: [{name: d, type: ldap}]", `door "d": type "ldap" is not known`},
		{"doors: [{name: d, type: postgres}]", `door "d": set url or urlFile`},
		{door + ", urlFile: f}]", `door "d": set url or urlFile, one of them`},
		{door + ", account: mail}]", `account "mail" is none of`},
		{"doors: [{name: d, type: postgres, url: u}]", "no bindings"},
		{"doors: [{name: d, type: postgres, url: u, bindings: [{role: r}]}]", "bindings[0]: privilege is missing"},
		{"doors: [{name: d, type: postgres, url: u, bindings: [{privilege: p}]}]", "bindings[0]: role is missing"},
		{"doors: [{name: d, type: postgres, url: u, bindings: [{provider: group, privilege: p}]}]", "bindings[0]: scope is missing"},
		{"doors: [{name: d, type: postgres, url: u, bindings: [{provider: x, privilege: p}]}]", `provider "x" is none of`},
		{"doors: [{name: d, type: postgres, url: u, bindings: [{provider: resource, privilege: p}]}]", "bindings[0]: role is missing"},
		{"doors: [{name: d, type: postgres, url: u, bindings: [{provider: resource, role: r, scope: one, privilege: p}]}]", `scope "one" is no path`},
	} {
		_, err := config.Load(write(t, c.file), nil, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.file, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: the error shows a password: %v", c.file, err)
		}
	}
	if _, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), nil, nil); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestSecretsInFiles(t *testing.T) {
	file := write(t, "postgres://u:p@h/x\n")
	s := config.Settings{DatabaseFile: file}
	if got, err := s.DatabaseURL(); err != nil || got != "postgres://u:p@h/x" {
		t.Errorf("got %q, %v", got, err)
	}
	d := config.Door{Name: "d", URLFile: file}
	if got, err := d.Address(); err != nil || got != "postgres://u:p@h/x" {
		t.Errorf("got %q, %v", got, err)
	}
	long := strings.Repeat("s", 32)
	for _, c := range []struct{ text, want, wrong string }{
		{long + "\n", long, ""}, {" \n", "", "is empty"}, {long[1:] + "\n\n", "", "holds 31 bytes, and 32 are the least"},
	} {
		got, err := config.Settings{SecretFile: write(t, c.text)}.Secret()
		if got != c.want || (err == nil) != (c.wrong == "") || err != nil && (!strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "sss")) {
			t.Errorf("secret in a file of %q: got %q, %v, want %q, %q", c.text, got, err, c.want, c.wrong)
		}
	}
	if got, err := (config.Settings{}).Secret(); got != "" || err != nil {
		t.Errorf("no secret: got %q, %v", got, err)
	}
	d.URLFile = write(t, " \n")
	if _, err := d.Address(); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("an empty file: got %v", err)
	}
}
