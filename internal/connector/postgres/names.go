package postgres

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"portcullis/internal/connector"
)

// longestName is NAMEDATALEN-1 of a usual build. The server cuts a longer name short instead of refusing it, which would
// make two people one.
const longestName = 63

// checkName refuses what the server would not take as it stands.
func checkName(kind, name string) error {
	var why string
	switch {
	case name == "":
		why = "is empty"
	case len(name) > longestName:
		why = fmt.Sprintf("is longer than %d bytes", longestName)
	case !utf8.ValidString(name):
		why = "is not UTF-8"
	case strings.ContainsRune(name, 0):
		why = "contains NUL"
	case name == "public" || name == "none":
		why = "is a word of PostgreSQL, even in quotes"
	default:
		return nil
	}
	return refuse(kind, name, why)
}

func checkPrivilege(name string) error { return checkName("privilege", name) }

// check refuses, before the server is asked, what is never done to any server.
func (c *Connector) check(a connector.Access) error {
	if err := checkName("account", a.Account); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(a.Account, "pg_"):
		return refuse("account", a.Account, "is reserved by PostgreSQL")
	case slices.Contains(c.privileges, a.Account):
		return refuse("account", a.Account, "is a privilege")
	case !slices.Contains(c.privileges, a.Privilege):
		return refuse("privilege", a.Privilege, "is not in the care of this connector")
	default:
		return nil
	}
}

func refuse(kind, name, why string) error {
	return fmt.Errorf("postgres: %s %q %s: %w", kind, name, why, connector.ErrConfiguration)
}
