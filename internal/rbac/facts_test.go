package rbac_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"portcullis/internal/abac"
	"portcullis/internal/catalog"
	"portcullis/internal/rbac"
)

var verdicts = map[string]rbac.Verdict{"yes": rbac.Allowed, "no": rbac.NotAllowed, "constrained": rbac.Constrained, "denied": rbac.Denied}

func TestFacts(t *testing.T) {
	data, err := os.ReadFile("testdata/facts.txt")
	if err != nil {
		t.Fatal(err)
	}
	facts := 0
	for i, text := range strings.Split("\n"+string(data), "\n## ") {
		if i == 0 {
			continue // how to read the file
		}
		title, lines, _ := strings.Cut(text, "\n")
		t.Run(title, func(t *testing.T) {
			r := reader{t: t, roles: map[string]*rbac.Role{}, world: world{under: map[string]string{}, members: map[string][]string{}}}
			for line := range strings.Lines(lines) {
				r.line(strings.TrimSuffix(line, "\n"))
			}
			r.finish()
			facts += r.facts
		})
	}
	if facts < 200 {
		t.Errorf("got %d facts, want 200 at least", facts)
	}
}

// reader reads one world of the file and checks its facts, which may stand before what they rest on.
type reader struct {
	t     *testing.T
	world world
	roles map[string]*rbac.Role
	// names are the roles of the assignments, which are read before the role is complete.
	names []string
	// entries are the permissions that are being read, condition the one that "if" sets of an assignment or denial.
	entries   *[]rbac.Permission
	condition *string
	asked     []string
	facts     int
}

func (r *reader) line(line string) {
	r.t.Helper()
	word, rest, _ := strings.Cut(strings.TrimLeft(line, " "), " ")
	// A blank that is meant is written \s, so that nobody loses it.
	rest = strings.ReplaceAll(rest, `\s`, " ")
	switch {
	case word == "":
	case strings.HasPrefix(line, "  "):
		r.detail(word, rest)
	case verdicts[word] != 0 || word == "no":
		r.asked = append(r.asked, line)
	default:
		r.begin(word, rest)
	}
}

// begin reads a line that stands for itself.
func (r *reader) begin(word, rest string) {
	r.t.Helper()
	args := strings.Fields(rest)
	switch word {
	case "scope":
		r.world.under[args[0]] = args[2]
	case "group":
		r.world.members[strings.TrimSuffix(args[0], ":")] = args[1:]
	case "role":
		role := &rbac.Role{ID: args[0], Permissions: []rbac.Permission{{}}}
		if _, name, ok := strings.Cut(rest, " = "); ok {
			role = builtIn(r.t, name)
		}
		r.roles[args[0]], r.entries, r.condition = role, &role.Permissions, nil
	case "holds":
		r.world.holds = append(r.world.holds, held{who: args[0], scope: args[2]})
		r.names = append(r.names, args[1])
		r.condition = &r.world.holds[len(r.world.holds)-1].condition
	case "denies":
		r.world.denials = append(r.world.denials, rbac.Denial{Scope: args[0], Permissions: []rbac.Permission{{}}})
		d := &r.world.denials[len(r.world.denials)-1]
		r.entries, r.condition = &d.Permissions, &d.Condition
	default:
		r.t.Fatalf("what is %q?", word)
	}
}

func builtIn(t *testing.T, name string) *rbac.Role {
	t.Helper()
	for _, r := range catalog.AzureRoles() {
		if r.Name == name {
			own := *r
			return &own
		}
	}
	t.Fatalf("the catalogue has no role %q", name)
	return nil
}

// detail reads an indented line, about what stands above it.
func (r *reader) detail(word, rest string) {
	r.t.Helper()
	if word == "if" {
		if r.condition != nil {
			*r.condition = rest
			return
		}
		word = "entryif" // that of a role is always that of an entry
	}
	if word == "names" || word == "except" || word == "audit" || word == "only" {
		r.denial(word, strings.Fields(rest))
		return
	}
	if word == "also" {
		*r.entries = append(*r.entries, rbac.Permission{})
		return
	}
	p := &(*r.entries)[len(*r.entries)-1]
	if word == "entryif" {
		p.Condition = rest
		return
	}
	list := map[string]*[]string{"allows": &p.Actions, "leaves": &p.NotActions, "data": &p.DataActions, "dataleaves": &p.NotDataActions}[word]
	if list == nil {
		r.t.Fatalf("what is %q?", word)
	}
	*list = append(*list, strings.Split(rest, " ")...)
	if strings.HasSuffix(rest, " ") {
		*list = []string{rest}
	}
}

func (r *reader) denial(word string, args []string) {
	d := &r.world.denials[len(r.world.denials)-1]
	switch word {
	case "audit":
		d.Audit = true
	case "only":
		d.NotBelow = true
	case "names", "except":
		for _, id := range args {
			switch {
			case id == "everybody":
				d.Everybody = true
			case word == "names":
				d.Principals = append(d.Principals, rbac.Named{ID: id})
			default:
				d.Except = append(d.Except, rbac.Named{ID: id})
			}
		}
	}
}

// finish checks the facts: compiled or not, and by the slow evaluator as well.
func (r *reader) finish() {
	r.t.Helper()
	for i, name := range r.names {
		if r.roles[name] == nil {
			r.t.Fatalf("there is no role %q", name)
		}
		r.world.holds[i].role = *r.roles[name]
	}
	for _, line := range r.asked {
		r.facts++
		word, rest, _ := strings.Cut(line, " ")
		f := r.fact(rest)
		want := verdicts[word]
		for _, compiled := range []bool{false, true} {
			if got := r.world.decide(f, compiled); got != want {
				r.t.Errorf("%s: got %s (compiled: %t)", line, spell(got), compiled)
			}
		}
		if got := r.world.slowly(f, holdsText); got != want {
			r.t.Errorf("%s: the slow evaluator says %s", line, spell(got))
		}
	}
}

func (r *reader) fact(text string) fact {
	r.t.Helper()
	text, attributes, _ := strings.Cut(text, " with ")
	args := strings.Fields(text)
	if len(args) != 3 {
		r.t.Fatalf("fact: %q", text)
	}
	f := fact{who: args[0], scope: args[1], about: abac.Attributes{}}
	f.op.Action, f.op.Data = strings.CutPrefix(args[2], "data:")
	f.op.Action, f.op.SubOperation, _ = strings.Cut(f.op.Action, "#")
	sources := map[string]abac.Source{"Request": abac.Request, "Resource": abac.Resource, "Principal": abac.Principal, "Environment": abac.Environment}
	for part := range strings.SplitSeq(attributes, "; ") {
		name, values, _ := strings.Cut(part, "=")
		source, name, _ := strings.Cut(name, " ")
		if part != "" {
			f.about[abac.Name(sources[source], name)] = strings.Split(values, "|")
		}
	}
	return f
}

// holdsText answers conditions for the slow evaluator where they are given as texts; only Parse can read these.
func holdsText(condition string, denial bool, f fact) bool {
	c, err := abac.Parse(condition)
	if err != nil {
		return denial
	}
	return c.Holds(abac.Question{Action: f.op.Action, SubOperation: f.op.SubOperation, Attributes: f.about})
}

func spell(v rbac.Verdict) string {
	for word, verdict := range verdicts {
		if v == verdict {
			return word
		}
	}
	return fmt.Sprint(int(v))
}
