package localpg

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// ErrNotInstalled says that this machine has no PostgreSQL server binaries. Its wrapper names what is missing.
var ErrNotInstalled = errors.New("PostgreSQL server binaries are not installed")

// needed are the programs that a folder must have to be of use.
var needed = []string{"initdb", "postgres"}

// places are where packages put the binaries when they do not put them on PATH, in order of preference.
var places = []string{
	"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                   // the PostgreSQL project's packages for Red Hat and kin
	"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
	"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
	"/Library/PostgreSQL/*/bin",
	"/usr/local/pgsql/bin",
}

// Find returns the folder that holds initdb and postgres: the first on PATH, else the newest version in the usual places.
// The error wraps [ErrNotInstalled] and says how to install them.
func Find() (bindir string, err error) {
	return find(filepath.SplitList(os.Getenv("PATH")), places)
}

func find(path, globs []string) (string, error) {
	for _, dir := range path {
		if filepath.IsAbs(dir) && complete(dir) {
			return dir, nil
		}
	}
	for _, glob := range globs {
		dirs, err := filepath.Glob(glob)
		if err != nil {
			return "", fmt.Errorf("localpg: %s: %w", glob, err)
		}
		slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
		for _, dir := range dirs {
			if complete(dir) {
				return dir, nil
			}
		}
	}
	return "", fmt.Errorf("localpg: %w: no folder on PATH or in the usual places has both initdb and postgres; "+
		"install them with `apt-get install postgresql` (Debian, Ubuntu), `dnf install postgresql-server` (Fedora) "+
		"or `brew install postgresql@17` (Homebrew)", ErrNotInstalled)
}

func complete(dir string) bool {
	for _, name := range needed {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

var versionNumber = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)

// version reads the number that tells two folders of one glob apart. A folder without one sorts last.
func version(dir string) float64 {
	found := versionNumber.FindAllString(filepath.Dir(dir), -1)
	if len(found) == 0 {
		return 0
	}
	v, err := strconv.ParseFloat(found[len(found)-1], 64)
	if err != nil {
		return 0
	}
	return v
}
