package server

import "fmt"

// Code is the exit code of the program.
type Code int

// The exit codes. Scripts rely on them: they may only be added to.
const (
	ExitOK Code = iota
	// ExitFailure: something else went wrong.
	ExitFailure
	// ExitSettings: the command line or the settings are wrong.
	ExitSettings
	// ExitUnusable: the data folder or the database cannot be used.
	ExitUnusable
	// ExitClock: the clock is behind what the store has seen.
	ExitClock
)

// Unable says why a server cannot start, in a sentence for its operator.
type Unable struct {
	Code Code
	Err  error
}

func (u *Unable) Error() string { return u.Err.Error() }

func (u *Unable) Unwrap() error { return u.Err }

func unable(c Code, format string, args ...any) error {
	return &Unable{Code: c, Err: fmt.Errorf(format, args...)}
}
