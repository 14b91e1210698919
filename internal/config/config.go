// Package config reads the settings of a server: from one YAML file, from the environment (PIM_…) above it, and from
// flags above both. A key that is not known is an error that names the nearest one that is; every field has a usable
// zero value, so that no file is needed at all.
//
// Settings say what somebody wants. What that means on this machine (folders, names of roles, certificates) is found
// out by those who use them. Secrets can be kept in files of their own, and no error shows one.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// Settings are all that can be set. The zero value is a server on the loopback address with an embedded store in ./data.
type Settings struct {
	// Data is the folder that everything of this node is kept in. Empty: data, in the working folder.
	Data string `koanf:"data"`
	// Listen are the addresses to serve HTTPS at, host:port. None: 127.0.0.1:8443.
	Listen []string `koanf:"listen"`
	// PublicURL is the origin that callers know this server by. Empty: https:// and the first address, localhost where
	// that names no machine.
	PublicURL string `koanf:"publicURL"`
	// Database is the address of a PostgreSQL database. Empty: SQLite in the data folder.
	Database string `koanf:"database"`
	// DatabaseFile is a file with that address, so that the password need not stand in the settings.
	DatabaseFile string `koanf:"databaseFile"`
	// SecretFile is a file with 32 bytes of secret or more, the same for all nodes on a PostgreSQL database, with which the private keys
	// that sign tokens are sealed in it. Empty: they are not sealed.
	SecretFile string `koanf:"secretFile"`
	TLS        TLS    `koanf:"tls"`
	// Tenant is what the first start makes; later it is not looked at.
	Tenant  Tenant   `koanf:"tenant"`
	Issuers []Issuer `koanf:"issuers"`
	Doors   []Door   `koanf:"doors"`
	// Aliases are further host names that requests come under, with a port if it is not 443.
	Aliases []string `koanf:"aliases"`
	// Dialects are the older dialects, which can be switched off one by one.
	Dialects Dialects `koanf:"dialects"`
	Log      Log      `koanf:"log"`
	Mail     Mail     `koanf:"mail"`
	Limits   Limits   `koanf:"limits"`
	Metrics  Metrics  `koanf:"metrics"`
	Tracing  Tracing  `koanf:"tracing"`
	// MFAFreshness is how long ago a second factor may have been proved where a role demands one. Zero: 30 minutes.
	MFAFreshness time.Duration `koanf:"mfaFreshness"`
	// Staleness is how old what this node knows of other nodes' commits may be: beyond that it answers no. Zero: 5 seconds.
	Staleness time.Duration `koanf:"staleness"`
	// NoWorker leaves effects and deadlines to other nodes on the same database.
	NoWorker bool `koanf:"noWorker"`
}

// The bounds of Staleness: below, a busy database makes nodes say no for nothing; above, it is no bound.
const leastStaleness, mostStaleness = time.Second, time.Minute

// TLS names a certificate of one's own, with its chain, and its key. Empty: a local authority in the data folder issues one.
type TLS struct {
	Certificate string `koanf:"certificate"`
	Key         string `koanf:"key"`
}

// Tenant is the first tenant.
type Tenant struct {
	// Name is the display name. Empty: Portcullis.
	Name string `koanf:"name"`
	// Domain ends the names of its users. Empty: portcullis.local.
	Domain string `koanf:"domain"`
	// Administrator is the name of its first administrator, before the "@". Empty: admin.
	Administrator string `koanf:"administrator"`
}

// Issuer is an OpenID Connect issuer whose tokens are believed, beside the embedded one.
type Issuer struct {
	// URL is the exact issuer. It may contain "{tid}", which stands for the tenant's id.
	URL string `koanf:"url"`
	// Tenant is the id of the tenant that its subjects belong to; for addresses without "{tid}".
	Tenant    string   `koanf:"tenant"`
	Audiences []string `koanf:"audiences"`
	// KeysURL is where its keys are; empty: where its discovery document says.
	KeysURL string `koanf:"keysURL"`
	// ObjectClaim is the claim with the id of the person or application. Empty: oid, or sub.
	ObjectClaim string `koanf:"objectClaim"`
	// MFAMethods are the values of amr that prove a second factor. None: the usual ones.
	MFAMethods []string `koanf:"mfaMethods"`
}

// Door is a system outside, and which roles open what on it.
type Door struct {
	// Name is shown, stored with every effect, and must not change.
	Name string `koanf:"name"`
	// Type is "postgres".
	Type string `koanf:"type"`
	// URL is the address of the target with the credentials to administer it; URLFile is a file that holds it.
	URL     string `koanf:"url"`
	URLFile string `koanf:"urlFile"`
	// OwnsLogins: people's logins exist for what they are granted here and nothing else, and are shut between.
	OwnsLogins bool `koanf:"ownsLogins"`
	// Account is the name that people go by on the target: localPart (the default), userPrincipalName or id.
	Account string `koanf:"account"`
	// Tenant is the id or the domain of the tenant whose roles these are. Empty: the oldest.
	Tenant   string    `koanf:"tenant"`
	Bindings []Binding `koanf:"bindings"`
}

// Binding says that whoever holds a role has a privilege on the door.
type Binding struct {
	// Provider is directory (the default), group or resource.
	Provider string `koanf:"provider"`
	// Role is a role's id or display name; for a group member (the default) or owner.
	Role string `koanf:"role"`
	// Scope is "/" (the default) or /administrativeUnits/{id}; for a group its id or display name; for resources the path of what
	// the door leads to, "/" by default: whoever holds the role there or at what contains it has the privilege.
	Scope string `koanf:"scope"`
	// Privilege is what the door calls it: for PostgreSQL a database role.
	Privilege string `koanf:"privilege"`
}

// Log says what is logged and how.
type Log struct {
	// Level is debug, info (the default), warn or error.
	Level string `koanf:"level"`
	// Format is text (the default) or json.
	Format string `koanf:"format"`
}

// The forms of a door's account names.
const (
	LocalPart         = "localPart"
	UserPrincipalName = "userPrincipalName"
	ID                = "id"
)

// WithDefaults returns the settings with every empty field given its meaning.
func (s Settings) WithDefaults() Settings {
	s.Data = or(s.Data, "data")
	if len(s.Listen) == 0 {
		s.Listen = []string{"127.0.0.1:8443"}
	}
	s.Tenant.Name = or(s.Tenant.Name, "Portcullis")
	s.Tenant.Domain = strings.ToLower(or(s.Tenant.Domain, "portcullis.local"))
	s.Tenant.Administrator = or(s.Tenant.Administrator, "admin")
	s.Log.Level, s.Log.Format = or(s.Log.Level, "info"), or(s.Log.Format, "text")
	if s.Staleness == 0 {
		s.Staleness = 5 * time.Second
	}
	if s.MFAFreshness == 0 {
		s.MFAFreshness = 30 * time.Minute
	}
	s.Mail, s.Dialects = s.Mail.withDefaults(), s.Dialects.withDefaults()
	s.Doors = append([]Door(nil), s.Doors...)
	for i, d := range s.Doors {
		s.Doors[i] = d.withDefaults()
	}
	return s
}

func (d Door) withDefaults() Door {
	d.Account = or(d.Account, LocalPart)
	d.Bindings = append([]Binding(nil), d.Bindings...)
	for i, b := range d.Bindings {
		b.Provider = or(b.Provider, "directory")
		if b.Provider == "group" {
			b.Role = or(b.Role, "member")
		} else {
			b.Scope = or(b.Scope, "/")
		}
		d.Bindings[i] = b
	}
	return d
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// Threshold is the least level that is logged. It is info for what Validate refuses.
func (l Log) Threshold() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(or(l.Level, "info"))); err != nil {
		return slog.LevelInfo
	}
	return level
}

// Validate says what is wrong with the settings, all of it, a sentence each. It looks at no file and no network.
func (s Settings) Validate() error {
	s = s.WithDefaults()
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	for _, a := range s.Listen {
		if _, port, err := net.SplitHostPort(a); err != nil || port == "" {
			bad("listen: %q is no address; write host:port, such as 127.0.0.1:8443", a)
		}
	}
	if err := origin(s.PublicURL); s.PublicURL != "" && err != nil {
		bad("publicURL: %q %w", s.PublicURL, err)
	}
	if s.Database != "" && s.DatabaseFile != "" {
		bad("database and databaseFile are both set; set one")
	}
	if err := database(s.Database); err != nil {
		bad("database: %w", err)
	}
	if s.SecretFile != "" && s.Database == "" && s.DatabaseFile == "" {
		bad("secretFile: it seals signing keys in a PostgreSQL database; without one they are in the data folder")
	}
	if (s.TLS.Certificate == "") != (s.TLS.Key == "") {
		bad("tls: certificate and key come together; set both, or none for a certificate of the local authority")
	}
	if strings.ContainsAny(s.Tenant.Domain, "@/ ") || !strings.Contains(s.Tenant.Domain, ".") {
		bad("tenant.domain: %q is no domain name", s.Tenant.Domain)
	}
	if strings.ContainsAny(s.Tenant.Administrator, "@ ") {
		bad("tenant.administrator: %q must be a name without the domain", s.Tenant.Administrator)
	}
	if s.MFAFreshness < 0 {
		bad("mfaFreshness: %s is negative", s.MFAFreshness)
	}
	if s.Staleness < leastStaleness || s.Staleness > mostStaleness {
		bad("staleness: %s is not between %s and %s", s.Staleness, leastStaleness, mostStaleness)
	}
	wrong = append(wrong, s.Log.validate()...)
	wrong = append(wrong, s.Mail.validate()...)
	wrong = append(wrong, s.Dialects.validate()...)
	wrong = append(wrong, s.Limits.validate()...)
	wrong = append(wrong, s.Metrics.validate()...)
	wrong = append(wrong, s.Tracing.validate()...)
	wrong = append(wrong, issuers(s.Issuers)...)
	wrong = append(wrong, doors(s.Doors)...)
	return errors.Join(wrong...)
}

func (l Log) validate() []error {
	var wrong []error
	if !oneOf(l.Level, "debug", "info", "warn", "error") {
		wrong = append(wrong, fmt.Errorf("log.level: %q is none of debug, info, warn, error", l.Level))
	}
	if !oneOf(l.Format, "text", "json") {
		wrong = append(wrong, fmt.Errorf("log.format: %q is neither text nor json", l.Format))
	}
	return wrong
}

// origin says whether a text is an address that callers can put paths after.
func origin(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return errors.New("must be https://host or https://host:port and nothing more")
	}
	return nil
}

// database says whether a text is the address of a database, without showing it: it may hold a password.
func database(text string) error {
	if text == "" || strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		return nil
	}
	return errors.New("the address must begin with postgres:// (leave it out for SQLite in the data folder)")
}

func issuers(list []Issuer) []error {
	var wrong []error
	seen := map[string]bool{}
	for i, s := range list {
		at := fmt.Sprintf("issuers[%d]", i)
		pattern := strings.Contains(s.URL, "{tid}")
		switch {
		case s.URL == "":
			wrong = append(wrong, fmt.Errorf("%s: url is missing", at))
		case seen[s.URL]:
			wrong = append(wrong, fmt.Errorf("%s: %s is there twice", at, s.URL))
		case !pattern && s.Tenant == "":
			wrong = append(wrong, fmt.Errorf("%s: tenant is missing; it is the id of the tenant that people of %s belong to", at, s.URL))
		case pattern && s.Tenant != "":
			wrong = append(wrong, fmt.Errorf("%s: tenant is set, but the address already carries it as {tid}", at))
		case pattern && s.KeysURL == "":
			wrong = append(wrong, fmt.Errorf("%s: keysURL is missing; an address with {tid} has no discovery document of its own", at))
		}
		seen[s.URL] = true
	}
	return wrong
}

func doors(list []Door) []error {
	var wrong []error
	seen := map[string]bool{}
	for i, d := range list {
		at := fmt.Sprintf("doors[%d]", i)
		if d.Name == "" {
			wrong = append(wrong, fmt.Errorf("%s: name is missing", at))
		} else {
			at = fmt.Sprintf("door %q", d.Name)
		}
		if seen[d.Name] {
			wrong = append(wrong, fmt.Errorf("%s is there twice", at))
		}
		seen[d.Name] = true
		for _, err := range d.validate() {
			wrong = append(wrong, fmt.Errorf("%s: %w", at, err))
		}
	}
	return wrong
}

func (d Door) validate() []error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if d.Type != "postgres" {
		bad("type %q is not known; it must be postgres", d.Type)
	}
	if (d.URL == "") == (d.URLFile == "") {
		bad("set url or urlFile, one of them")
	}
	if !oneOf(d.Account, LocalPart, UserPrincipalName, ID) {
		bad("account %q is none of localPart, userPrincipalName, id", d.Account)
	}
	if len(d.Bindings) == 0 {
		bad("no bindings: no role opens it")
	}
	for i, b := range d.Bindings {
		if b.Privilege == "" {
			bad("bindings[%d]: privilege is missing", i)
		}
		switch b.Provider {
		case "directory":
			if b.Role == "" {
				bad("bindings[%d]: role is missing", i)
			}
		case "group":
			if !oneOf(b.Role, "member", "owner") {
				bad("bindings[%d]: the role of a group is member or owner, not %q", i, b.Role)
			}
			if b.Scope == "" {
				bad("bindings[%d]: scope is missing; it is the group's id or display name", i)
			}
		case "resource":
			if b.Role == "" {
				bad("bindings[%d]: role is missing", i)
			}
			if !strings.HasPrefix(b.Scope, "/") {
				bad("bindings[%d]: scope %q is no path of resources, such as /subscriptions/{id}/resourceGroups/{name}", i, b.Scope)
			}
		default:
			bad("bindings[%d]: provider %q is none of directory, group, resource", i, b.Provider)
		}
	}
	return wrong
}

func oneOf(s string, list ...string) bool {
	for _, have := range list {
		if s == have {
			return true
		}
	}
	return false
}

// maxSecret bounds a file that holds one address.
const maxSecret = 64 << 10

// DatabaseURL is the address of the database, read from its file where it is kept there. Empty: SQLite.
func (s Settings) DatabaseURL() (string, error) {
	text, err := secret(s.Database, s.DatabaseFile)
	if err != nil {
		return "", fmt.Errorf("databaseFile: %w", err)
	}
	if err := database(text); err != nil {
		return "", fmt.Errorf("databaseFile: %w", err)
	}
	return text, nil
}

// leastSecret is how many bytes a secret has at least.
const leastSecret = 32

// Secret is what signing keys are sealed with, without spaces around it. Empty: nothing is.
func (s Settings) Secret() (string, error) {
	text, err := secret("", s.SecretFile)
	if err != nil {
		return "", fmt.Errorf("secretFile: %w", err)
	}
	if s.SecretFile != "" && len(text) < leastSecret {
		return "", fmt.Errorf("secretFile: %s holds %d bytes, and %d are the least; make it with: openssl rand -base64 48", s.SecretFile, len(text), leastSecret)
	}
	return text, nil
}

// Address is the address of the door's target, read from its file where it is kept there.
func (d Door) Address() (string, error) {
	text, err := secret(d.URL, d.URLFile)
	if err != nil {
		return "", fmt.Errorf("door %q: urlFile: %w", d.Name, err)
	}
	return text, nil
}

func secret(text, file string) (string, error) {
	if file == "" {
		return text, nil
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if info.Size() > maxSecret {
		return "", fmt.Errorf("%s is too large to hold a secret", file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if text = strings.TrimSpace(string(b)); text == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return text, nil
}
