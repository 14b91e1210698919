//go:build unix && !linux

package localpg

import "syscall"

// endWithParent does nothing where the kernel does not tell a child that its parent died.
func endWithParent(*syscall.SysProcAttr) {}
