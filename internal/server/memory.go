package server

import (
	"os"
	"runtime/debug"
)

const (
	// gcPercent lets the heap grow to five times what is in use before it is collected. What a node keeps is small (some
	// 80 bytes a grant), and what a call needs is gone with the call: at Go's default of twice, collecting takes a seventh of
	// the time of every call, and doubles the slowest.
	gcPercent = 400
	// fillPercent is what holds while the index is filled: the rows that come through are many times what stays of them, and
	// what is there is quickly looked through.
	fillPercent = 40
)

// collectLess sets that for the whole process, unless the operator has set GOGC.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// collectMore keeps the heap small until what it returns is called, unless the operator has set GOGC.
func collectMore() (enough func()) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(fillPercent)
	}
	return collectLess
}
