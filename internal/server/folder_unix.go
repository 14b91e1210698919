//go:build unix

package server

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

var errInUse = errors.New("another server runs on it")

// takeFolder takes a data folder for this process, until it closes what it got or ends.
func takeFolder(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errInUse
		}
		return nil, err
	}
	return f, nil
}
