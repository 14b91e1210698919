//go:build !unix

package localpg

import (
	"errors"
	"os"
	"syscall"
)

// immediate stands for PostgreSQL's immediate shutdown, which has no signal here.
var immediate = os.Kill

// account is whom the server runs as.
type account struct{}

// runAs refuses: users, owners and signals are those of Unix throughout this package.
func runAs() (account, error) {
	return account{}, errors.New("localpg: a local PostgreSQL is started on Unix systems only")
}

func (account) attributes() *syscall.SysProcAttr { return nil }
func (account) own(string) error                 { return nil }
func (account) canReach(string) error            { return nil }
