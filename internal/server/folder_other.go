//go:build !unix

package server

import (
	"io"
	"os"
	"path/filepath"
)

// takeFolder proves that the data folder can be written. Where there are no locks of the whole file, that no second
// server runs on it is for the operator to see to.
func takeFolder(dir string) (io.Closer, error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
}
