package localpg

import "syscall"

// endWithParent has the kernel shut the server down at once when the thread that started it ends. See startProcess for why
// that thread lives as long as the program.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = immediate }
