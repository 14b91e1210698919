package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"portcullis/internal/client"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
)

// CopyOptions say how a source is carried to a target.
type CopyOptions struct {
	// Parallel is how many calls run at once; zero: eight.
	Parallel int
	// Reason is written into every request that is made; empty: one that names the source.
	Reason string
	// LeaveActivations leaves what people activated themselves to be activated again by them. Otherwise it is carried over as an
	// assignment that ends when the activation would have.
	LeaveActivations bool
	// Overwrite also changes what the target has and answers differently. Otherwise that is told and left as it is.
	Overwrite bool
	// Widen lets a role's rules allow, while its grants are written, those that its own rules would refuse. Otherwise such grants are
	// told and not carried over.
	Widen bool
	// Progress is told how far a step has come; nil: nobody. It is called from one goroutine at a time.
	Progress func(Progress)
	// Now is the clock and Sleep waits; nil: the real ones.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
}

// Report says what came of a copy.
type Report struct {
	Steps []Step
	// Refused is what the target did not take, and why; Differs what it has otherwise and was left so.
	Refused []Refused
	Differs []Difference
	// Notes are what does not map as it is, of the source, of the mapping and of the copy.
	Notes []Note
}

// Made is how much was written.
func (r Report) Made() int {
	n := 0
	for _, s := range r.Steps {
		n += s.Made
	}
	return n
}

// Step counts what a step found at the target already, what it made and what was refused.
type Step struct {
	Name                 string
	There, Made, Refused int
}

// Refused is an item that the target did not take, in its words.
type Refused struct{ Item, Code, Detail string }

// Copy writes to a target whatever it lacks of a source: scopes, custom roles, rules, and then who may activate, who has what, and what
// waits for a decision; in the words of the third iteration, as whoever calls the server. Both are what was read of them just before: so a copy that was
// stopped, at any point, goes on when it is started again, and one that is complete writes nothing. What the target refuses is in
// the report; the error says why the copy could not go on.
func Copy(ctx context.Context, s Server, source, target *Estate, m Mapping, o CopyOptions) (Report, error) {
	o.Parallel = cmp.Or(max(o.Parallel, 0), 8)
	o.Reason = cmp.Or(o.Reason, "Carried over from "+cmp.Or(source.Origin, "files"))
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = client.Sleep
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	c := &copying{server: patient{s, o.Sleep}, source: source, target: target, m: m, o: o, now: o.Now()}
	c.report.Notes = slices.Concat(source.Notes, m.Notes)
	for _, step := range []func() (string, int, []task){c.scopes, c.roles, c.widened, c.rules, c.eligibilities, c.assignments, c.narrowed, c.requests} {
		name, there, tasks := step()
		if err := c.run(ctx, name, there, tasks); err != nil {
			return c.report, err
		}
	}
	return c.report, nil
}

// copying is a copy at work.
type copying struct {
	server         Server
	source, target *Estate
	m              Mapping
	o              CopyOptions
	now            time.Time
	rulings        []ruling
	// wide are the places whose rules are to be narrowed once the grants are written.
	wide map[Place]policy.Rules

	mu     sync.Mutex
	report Report
}

// task is something to write. item names it for people.
type task struct {
	item string
	do   func(context.Context) error
	// after says that the target has something of the kind before, or is given it by then: what it answers of something that is there
	// is then no word of this.
	after bool
	// then is what follows, one after the other.
	then []task
}

// all is how many there are.
func all(tasks []task) int {
	n := len(tasks)
	for _, t := range tasks {
		n += len(t.then)
	}
	return n
}

func (c *copying) note(s Severity, item, code, detail string) {
	c.report.Notes = append(c.report.Notes, Note{s, item, code, detail})
}

// run does the tasks of a step, some at once. A refusal is noted, and the others go on; any other error ends the copy.
func (c *copying) run(ctx context.Context, name string, there int, tasks []task) error {
	step := Step{Name: name, There: there}
	if there+len(tasks) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	total := there + all(tasks)
	c.o.Progress(Progress{name, there, total})
	work := make(chan task)
	var wait sync.WaitGroup
	for range min(c.o.Parallel, len(tasks)) {
		wait.Go(func() {
			for first := range work {
				for _, t := range append([]task{first}, first.then...) {
					if err := c.settle(&step, t, t.do(ctx)); err != nil {
						cancel(fmt.Errorf("%s: %w", t.item, err))
						return
					}
					c.mu.Lock()
					c.o.Progress(Progress{name, step.There + step.Made + step.Refused, total})
					c.mu.Unlock()
				}
			}
		})
	}
feeding:
	for _, t := range tasks {
		select {
		case work <- t:
		case <-ctx.Done():
			break feeding
		}
	}
	close(work)
	wait.Wait()
	c.report.Steps = append(c.report.Steps, step)
	return context.Cause(ctx)
}

// settle counts what came of a task. What the target has already needed no writing.
func (c *copying) settle(step *Step, t task, err error) error {
	refusal, refused := refusalOf(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		step.Made++
	case refused && alreadyThere(refusal) && !t.after:
		step.There++
	case refused && alreadyThere(refusal):
		step.Refused++
		c.report.Refused = append(c.report.Refused, Refused{t.item, "OneAtATime", "the target takes one of these at a time: it is to be given when the other is over"})
	case refused:
		step.Refused++
		c.report.Refused = append(c.report.Refused, Refused{t.item, refusal.Code, refusal.Message})
	default:
		return err
	}
	return nil
}

// scopes are the places of resources that the target lacks. They go in batches, what contains others first.
func (c *copying) scopes() (string, int, []task) {
	have := map[string]bool{}
	for _, s := range c.target.Scopes {
		have[strings.ToLower(s.ID)] = true
	}
	var missing []any
	there := 0
	for _, s := range c.source.Scopes {
		switch node, ok := c.node(s); {
		case !ok:
		case have[strings.ToLower(s.ID)]:
			there++
		default:
			missing = append(missing, node)
		}
	}
	if len(missing) == 0 {
		return "scopes", there, nil
	}
	return "scopes", there, []task{{item: "the tree of resources", do: func(ctx context.Context) error { return c.importNodes(ctx, missing) }}}
}

// roles are the custom roles that the target lacks and the source defines.
func (c *copying) roles() (string, int, []task) {
	there := 0
	var tasks []task
	for ref, r := range c.source.Roles {
		if !r.Custom {
			continue
		}
		to := RoleRef{ref.Provider, c.m.Roles[ref]}
		if _, ok := c.target.Roles[to]; ok || to.Role == "" {
			source, target := c.source.differingRole(r, c.target, to)
			switch {
			case source == target:
				there++
			case c.o.Overwrite:
				tasks = append(tasks, task{item: roleItem(ref, r.Name), do: func(ctx context.Context) error { return c.updateRole(ctx, r, to.Role) }})
			default:
				c.report.Differs = append(c.report.Differs, Difference{
					Aspect: InRules, Provider: ref.Provider, Role: ref.Role, RoleName: r.Name, Rule: inDefinition, Source: source, Target: target})
			}
			continue
		}
		tasks = append(tasks, task{item: roleItem(ref, r.Name), do: func(ctx context.Context) error {
			id, err := c.makeRole(ctx, r)
			if err == nil {
				c.mu.Lock()
				c.m.Roles[ref] = id
				c.mu.Unlock()
			}
			return err
		}})
	}
	return "roles", there, tasks
}

// cells are the questions of a kind that the source answers otherwise than the target, with what is to be written for each.
func (c *copying) cells(k pim.Kind) (there int, tasks []task) {
	o := CompareOptions{Now: c.now, WithoutActivations: c.o.LeaveActivations}
	have, made := holds(c.target, o), c.source.made()
	list := holds(c.source, o)
	for _, at := range sortedCells(list) {
		if at.kind != k {
			continue
		}
		to, ok := c.m.cell(at)
		if !ok {
			continue // the mapping has noted why
		}
		missing, extra := apart(list[at], have[to])
		if len(missing)+len(extra) == 0 {
			there++
			continue
		}
		item := c.item(at)
		if len(extra) == 0 {
			c.noteHow(item, made[at])
			tasks = append(tasks, c.gives(item, to, missing, made[at], len(have[to]) > 0))
			continue
		}
		if c.o.Overwrite && len(missing) == 1 && len(extra) == 1 {
			tasks = append(tasks, task{item: item, do: func(ctx context.Context) error { return c.update(ctx, to, missing[0]) }})
			continue
		}
		c.report.Differs = append(c.report.Differs, Difference{
			Aspect: aspectOf(k), Provider: at.Provider, Scope: at.Scope, Role: at.Role, Principal: at.principal,
			RoleName: c.source.Roles[RoleRef{at.Provider, at.Role}].Name, Name: cmp.Or(c.source.Principals[at.principal].Account, c.source.Principals[at.principal].Name),
			Source: tellHolds(list[at]), Target: tellHolds(have[to]),
		})
	}
	return there, tasks
}

// gives is what writes the holds of a question that the target lacks, of which there are some: what begins first comes first, for a
// target that takes one at a time. after says that the target has others.
func (c *copying) gives(item string, to cell, missing []hold, how making, after bool) task {
	var out []task
	for _, h := range slices.SortedFunc(slices.Values(missing), func(a, b hold) int { return a.from.Compare(b.from) }) {
		t := task{item: item, do: func(ctx context.Context) error { return c.give(ctx, to, h, how) }, after: after || len(out) > 0}
		if t.after {
			t.item += ", " + h.String()
		}
		out = append(out, t)
	}
	out[0].then = out[1:]
	return out[0]
}

func (c *copying) eligibilities() (string, int, []task) {
	there, tasks := c.cells(pim.Eligibility)
	return "eligibilities", there, tasks
}

func (c *copying) assignments() (string, int, []task) {
	there, tasks := c.cells(pim.Assignment)
	return "assignments", there, tasks
}

// making is how the source came by what is held.
type making struct{ outside, activated bool }

// made says of each question whether all of the answer was made outside PIM, and whether any of it was activated.
func (e *Estate) made() map[cell]making {
	out := map[cell]making{}
	for _, g := range e.Grants {
		at := cell{g.Place, g.Principal, g.Kind}
		was, met := out[at]
		out[at] = making{outside: g.Outside && (was.outside || !met), activated: was.activated || g.Activated}
	}
	return out
}

func (c *copying) noteHow(item string, how making) {
	if how.activated {
		c.note(Changed, item, "ActivationBecomesAssignment", "what was activated is carried over as an assignment that ends at the same time")
	}
}

func (c *copying) item(at cell) string {
	p := c.source.Principals[at.principal]
	role := cmp.Or(c.source.Roles[RoleRef{at.Provider, at.Role}].Name, string(at.Role))
	return fmt.Sprintf("%s: %s, %s %s at %s", aspectOf(at.kind), cmp.Or(p.Account, p.Name, at.principal), at.Provider, role, at.Scope)
}

// apart are the holds of a that b does not have, and those of b that a does not have.
func apart(a, b []hold) (missing, extra []hold) {
	for _, h := range a {
		if !slices.ContainsFunc(b, h.equal) {
			missing = append(missing, h)
		}
	}
	for _, h := range b {
		if !slices.ContainsFunc(a, h.equal) {
			extra = append(extra, h)
		}
	}
	return missing, extra
}

func sortedCells(list map[cell][]hold) []cell {
	out := make([]cell, 0, len(list))
	for at := range list {
		out = append(out, at)
	}
	slices.SortFunc(out, func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Role, b.Role), cmp.Compare(a.principal, b.principal),
			cmp.Compare(a.kind, b.kind))
	})
	return out
}

// requests are those that wait for a decision at the source, and that the target lacks.
func (c *copying) requests() (string, int, []task) {
	have := openRequests(c.target)
	there := 0
	var tasks []task
	for _, r := range c.source.Requests {
		if r.Status != pim.PendingApproval && r.Status != pim.PendingAdminDecision {
			continue
		}
		from := cell{r.Place, r.Principal, r.Kind}
		to, ok := c.m.cell(from)
		switch at := (requestCell{to, r.Action}); {
		case !ok: // the mapping has noted why
		case have[at] > 0:
			have[at]--
			there++
		default:
			item := "request of " + c.item(from)
			c.note(Changed, item, "CarriedRequest", "it waits at the target as made by whoever carried it over")
			tasks = append(tasks, task{item: item, do: func(ctx context.Context) error { return c.carry(ctx, to, r) }})
		}
	}
	return "requests", there, tasks
}
