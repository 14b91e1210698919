//go:build !linux

package localpg

// killFamily kills the server process. Its backends notice that when they next wait, and leave.
func (p *process) killFamily() error { return p.kill() }
