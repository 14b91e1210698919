package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// stat is what the kernel tells of a process: CPU times are in ticks of 10 ms (proc(5)).
type stat struct {
	parent            int
	own, ofEndedChild time.Duration
}

// readStat reads /proc/PID/stat; everything is zero where that is not there.
func readStat(file string) stat {
	text, err := os.ReadFile(file)
	if err != nil {
		return stat{}
	}
	// The second field is the program's name in brackets; the parent is the fourth, and the times begin at the 14th.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return stat{}
	}
	n := func(i int) int {
		v, err := strconv.Atoi(fields[i])
		if err != nil {
			return 0
		}
		return v
	}
	const tick = 10 * time.Millisecond
	return stat{parent: n(1), own: time.Duration(n(11)+n(12)) * tick, ofEndedChild: time.Duration(n(13)+n(14)) * tick}
}

// cpu is the CPU time that the server has used so far; zero where nobody tells.
func (p *process) cpu() time.Duration {
	return readStat("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat").own
}

// postgresCPU is the CPU time that PostgreSQL has used so far, in all its processes.
func (b *bench) postgresCPU() time.Duration {
	if b.pg == nil {
		return 0
	}
	pid := b.pg.PID()
	server := readStat("/proc/" + strconv.Itoa(pid) + "/stat")
	sum := server.own + server.ofEndedChild
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	for _, f := range files {
		if s := readStat(f); s.parent == pid {
			sum += s.own
		}
	}
	return sum
}
