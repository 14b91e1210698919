package localpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// killFamily kills the server with all its backends at one stroke. Left to themselves, backends notice the loss of their
// parent only when they next wait, and commit until then, which no crash does.
func (p *process) killFamily() error {
	// A stopped parent starts no more children and does not reap those that end, so their numbers stay theirs.
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return p.kill() // it ended before; there is nothing to stop
	}
	children, err := childrenOf(p.pid())
	for _, child := range children {
		if killErr := syscall.Kill(child, syscall.SIGKILL); killErr != nil && !errors.Is(killErr, syscall.ESRCH) {
			err = errors.Join(err, killErr)
		}
	}
	return errors.Join(err, awaitEnd(children), p.kill())
}

func childrenOf(parent int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, stat := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil {
			continue
		}
		if _, ppid, ok := readStat(pid); ok && ppid == parent {
			children = append(children, pid)
		}
	}
	return children, nil
}

// readStat returns the state and the parent of a process, by proc(5). The name before them may contain anything.
func readStat(pid int) (state string, parent int, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, false
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 {
		return "", 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return fields[0], parent, err == nil
}

// awaitEnd returns once the processes hold nothing any more. One that waits to be reaped is at its end.
func awaitEnd(pids []int) error {
	deadline := time.Now().Add(quitWithin)
	for _, pid := range pids {
		for {
			state, _, ok := readStat(pid)
			if !ok || state == "Z" || state == "X" {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("localpg: process %d does not end", pid)
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}
