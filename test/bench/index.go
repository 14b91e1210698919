package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// indexVariable names a file of indexSettings: this program then fills an index and asks it, in a process that holds nothing else.
const indexVariable = "PORTCULLIS_BENCH_INDEX"

// indexSettings say where the estate is, and how it is made again.
type indexSettings struct {
	URL   string
	Size  estateSize
	Began time.Time
}

// indexFigures are what is told of an index in memory. Times are of one check.
type indexFigures struct {
	// Heap is what the index keeps, in bytes; Grants are those in force, memberships not counted.
	Heap, Grants int
	Filled       time.Duration
	Check, Many  []time.Duration
	// CheckCPU and ManyCPU are processor times, which others on the machine do not make longer.
	CheckCPU, ManyCPU []time.Duration
	// Allocations are of one check.
	Allocations float64
	Wrong       int
	// Groups is of how many groups the person of Many is a member.
	Groups int
}

func measureIndex(ctx context.Context, file string) int {
	err := indexTold(ctx, file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: index:", err)
		return exitFailed
	}
	return 0
}

func indexTold(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s indexSettings
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	e, err := newEstate(s.Size, s.Began)
	if err != nil {
		return err
	}
	f := indexFigures{Grants: e.inForce()}
	ix := access.New()
	before, began := heap(), time.Now()
	err = withStore(ctx, s.URL, func(st store.Store) error { return (&app.App{Store: st, Index: ix}).Load(ctx) })
	if err != nil {
		return err
	}
	f.Filled = time.Since(began)
	f.Heap = heap() - before
	if err := f.ask(e, ix); err != nil {
		return err
	}
	runtime.KeepAlive(e)
	return json.NewEncoder(os.Stdout).Encode(f)
}

// heap is what is reachable, in bytes.
func heap() int {
	for range 3 { // what has a finalizer goes at the second time
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc) //nolint:gosec // no machine has that much
}

// inForce is how many grants are not over.
func (e *estate) inForce() (n int) {
	for _, g := range e.held {
		if !g.over(e.began) {
			n++
		}
	}
	return n
}

func (f *indexFigures) ask(e *estate, ix *access.Index) error {
	list := e.questions(20_000)
	some := list[:oracled]
	want := e.oracle(some, e.began.UnixMicro())
	for i, q := range e.asked(some) {
		if ix.Check(e.began, q).Held != want[i] {
			f.Wrong++
		}
	}
	f.Groups = len(ix.GroupsAbove(e.began, tenant, pim.PrincipalID(e.people[0].id)))
	for i := range list[:oracled] {
		some[i].person = 0
	}
	all, many := e.asked(list), e.asked(some)
	for range rounds {
		one := repeated(ix, all[oracled:])
		other := repeated(ix, many)
		f.Check, f.CheckCPU = append(f.Check, one.took), append(f.CheckCPU, one.cpu)
		f.Many, f.ManyCPU = append(f.Many, other.took), append(f.ManyCPU, other.cpu)
		f.Allocations = max(f.Allocations, one.allocations, other.allocations)
	}
	stopProfile, err := profileTo(os.Getenv(profileVariable))
	if err != nil {
		return err
	}
	defer stopProfile()
	repeated(ix, all)
	return nil
}

func (e *estate) asked(list []question) []access.Question {
	out := make([]access.Question, len(list))
	for i, q := range list {
		out[i] = access.Question{
			Tenant: tenant, Principal: pim.PrincipalID(e.people[q.person].id), Provider: pim.Resource, Role: pim.RoleID(e.roles[q.role]),
			Scope: e.places[q.place].Scope,
		}
	}
	return out
}

// checked is what one check takes.
type checked struct {
	took, cpu   time.Duration
	allocations float64
}

// repeated asks for a while, each time as of now.
func repeated(ix *access.Index, list []access.Question) checked {
	const last = 2 * time.Second
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, began, times := readStat("/proc/self/stat").own, time.Now(), 0
	for now := began; now.Sub(began) < last; now = time.Now() {
		for range 1000 {
			ix.Check(time.Now(), list[times%len(list)])
			times++
		}
	}
	took := time.Since(began)
	cpu = readStat("/proc/self/stat").own - cpu
	runtime.ReadMemStats(&after)
	n := time.Duration(times)
	return checked{took / n, cpu / n, float64(after.Mallocs-before.Mallocs) / float64(times)}
}

// inProcess measures rows 1f and the first half of 5b.
func (b *bench) inProcess(ctx context.Context, size estateSize, e *estate) error {
	text, err := json.Marshal(indexSettings{URL: b.pg.URL(millionDatabase), Size: size, Began: e.began})
	if err != nil {
		return err
	}
	file := filepath.Join(b.dir, "index.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), indexVariable+"="+file, profileVariable+"="+b.profileFile("index"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("the process with the index: %w", err)
	}
	var f indexFigures
	if err := json.Unmarshal(out, &f); err != nil {
		return err
	}
	if f.Wrong > 0 {
		return errors.New("the index answers " + fmt.Sprint(f.Wrong) + " questions otherwise than the oracle")
	}
	b.note("1f, 5b: a process that holds nothing but the index (and what asks it): %d grants in force of %d, %d memberships, %d people and %d places, read"+
		" from PostgreSQL in %.1f s. The heap is what more is reachable after that, over the grants in force; names and memberships are in it. A check"+
		" reads the clock, asks for one role and is explained; one goroutine, two seconds a round, told in processor time of the process, its collector's"+
		" among it; %d answers were as the oracle's.", f.Grants, len(e.held), len(e.teams)*teamSize+size.Joined, len(e.people), len(e.places),
		f.Filled.Seconds(), oracled)
	b.measured("1f", microseconds(f.CheckCPU), "processor time; passed "+figureList(microseconds(f.Check))+" µs")
	b.measured("1f+", microseconds(f.ManyCPU), fmt.Sprintf("a member of %d groups; passed %s µs", f.Groups, figureList(microseconds(f.Many))))
	b.measured("1f0", []float64{math.Floor(f.Allocations)}, fmt.Sprintf("%.6f a check, those of the runtime among them", f.Allocations))
	b.measured("5b", []float64{float64(f.Heap) / float64(f.Grants)}, fmt.Sprintf("%.1f MB", float64(f.Heap)/1e6))
	return nil
}

func microseconds(list []time.Duration) []float64 {
	out := make([]float64, len(list))
	for i, d := range list {
		out[i] = float64(d) / float64(time.Microsecond)
	}
	return out
}
