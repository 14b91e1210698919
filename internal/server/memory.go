package server

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow to five times what is in use before it is collected. What a node keeps is small (some
// 150 bytes a grant), and what a call needs is gone with the call: at Go's default of twice, collecting takes a seventh of
// the time of every call, and doubles the slowest.
const gcPercent = 400

// collectLess sets that for the whole process, unless the operator has set GOGC.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
