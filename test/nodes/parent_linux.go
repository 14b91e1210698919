package nodes

import "syscall"

// endWithParent has the kernel kill a node whose test was killed: a stopped process would not see that its input has ended.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
