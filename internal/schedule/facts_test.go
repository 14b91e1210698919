package schedule_test

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portcullis/internal/schedule"
)

// TestRecurrenceFacts checks the page of facts in testdata/recurrence.txt,
// which explains its own form.
func TestRecurrenceFacts(t *testing.T) {
	f, err := os.Open("testdata/recurrence.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	facts := 0
	var subject fact
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '\t':
			facts++
			words := strings.Fields(line)
			if complaint := subject.check(words[0], words[1:]); complaint != "" {
				t.Errorf("line %d: %s\n\t%s: %s", n, subject.text, strings.TrimSpace(line), complaint)
			}
		default:
			subject = newFact(t, line)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if facts < 100 {
		t.Errorf("%d facts, want at least 100", facts)
	}
}

type fact struct {
	text   string
	now    time.Time
	loc    *time.Location
	window schedule.Window
	err    error
}

func newFact(t *testing.T, line string) fact {
	t.Helper()
	parts := strings.Split(line, " | ")
	if len(parts) < 4 {
		t.Fatalf("%q: want pattern | range | zone | start length", line)
	}
	f := fact{text: line, loc: time.UTC}
	r := schedule.Recurrence{Pattern: parsePattern(t, strings.Fields(parts[0])), Range: parseRange(t, strings.Fields(parts[1]))}
	if parts[2] != "-" {
		r.Range.TimeZone = parts[2]
	}
	if loc, err := schedule.Zone(r.Range.TimeZone); err == nil {
		f.loc = loc
	}
	start, length, _ := strings.Cut(parts[3], " ")
	begin, err := time.ParseInLocation("2006-01-02T15:04", start, f.loc)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	f.now = begin
	if len(parts) > 4 {
		f.now = at(parts[4])
	}
	f.window, f.err = schedule.Resolve(f.now, schedule.Info{Start: begin, Recurrence: &r,
		Expiration: schedule.Expiration{Kind: schedule.AfterDuration, Duration: schedule.MustDuration(length)}})
	return f
}

// parsePattern reads "daily N", "weekly N days week-from day", "monthly D",
// "monthly index days", "yearly M D", "yearly M index days"; monthly and
// yearly with "every N" behind.
func parsePattern(t *testing.T, words []string) schedule.Pattern {
	t.Helper()
	p := schedule.Pattern{Interval: 1}
	kind, words := words[0], words[1:]
	if n := len(words); n > 2 && words[n-2] == "every" {
		p.Interval, words = number(t, words[n-1]), words[:n-2]
	}
	switch kind {
	case "daily":
		p.Type, p.Interval = schedule.Daily, number(t, words[0])
		return p
	case "weekly":
		p.Type, p.Interval, p.DaysOfWeek = schedule.Weekly, number(t, words[0]), days(t, words[1])
		first, err := schedule.ParseWeekday(words[3])
		if err != nil {
			t.Fatal(err)
		}
		p.FirstDayOfWeek = first
		return p
	}
	absolute, relative := schedule.AbsoluteMonthly, schedule.RelativeMonthly
	if kind == "yearly" {
		absolute, relative = schedule.AbsoluteYearly, schedule.RelativeYearly
		p.Month, words = number(t, words[0]), words[1:]
	}
	if index, err := schedule.ParseIndex(words[0]); err == nil {
		p.Type, p.Index, p.DaysOfWeek = relative, index, days(t, words[1])
		return p
	}
	p.Type, p.DayOfMonth = absolute, number(t, words[0])
	return p
}

func parseRange(t *testing.T, words []string) schedule.Range {
	t.Helper()
	r := schedule.Range{Type: schedule.NoEnd, StartDate: date(t, words[0])}
	switch words[1] {
	case "times":
		r.Type, r.Occurrences = schedule.Numbered, number(t, words[2])
	case "until":
		r.Type, r.EndDate = schedule.EndDate, date(t, words[2])
	}
	return r
}

func number(t *testing.T, word string) int {
	t.Helper()
	n, err := strconv.Atoi(word)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func date(t *testing.T, word string) schedule.Date {
	t.Helper()
	d, err := schedule.ParseDate(word)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// days reads days of the week by their first three letters; "-" is none.
func days(t *testing.T, word string) (list []time.Weekday) {
	t.Helper()
	for short := range strings.SplitSeq(word, ",") {
		for d := time.Sunday; d <= time.Saturday; d++ {
			if strings.HasPrefix(schedule.FormatWeekday(d), short) {
				list = append(list, d)
			}
		}
	}
	return list
}

// check tells what is wrong with one fact; "" if nothing is.
func (f fact) check(verb string, words []string) string {
	if verb == "refused" {
		return f.checkRefused(words[0])
	}
	if f.err != nil {
		return "refused: " + f.err.Error()
	}
	w := f.window
	switch verb {
	case "days":
		return f.checkDays(words)
	case "hold":
		want := schedule.Interval{Start: at(words[0])}
		if words[1] != "ever" {
			want.End = at(words[1])
		}
		return cmp.Diff(want, holdAt(w, want.Start)) + cmp.Diff(want, holdAt(w, lastInstant(want)))
	case "held", "free":
		for _, word := range words {
			if w.Contains(at(word)) != (verb == "held") {
				return "not so at " + word
			}
		}
		return ""
	case "change":
		got, ok := w.NextChange(at(words[0]))
		return compareInstant(got, ok, words[1])
	case "ends":
		return compareInstant(w.End, !w.End.IsZero(), words[0])
	}
	return "no such fact"
}

// lastInstant is one at which the interval still holds: the last, or far off.
func lastInstant(iv schedule.Interval) time.Time {
	if iv.End.IsZero() {
		return iv.Start.AddDate(30, 0, 0)
	}
	return iv.End.Add(-time.Microsecond)
}

func holdAt(w schedule.Window, t time.Time) schedule.Interval {
	iv, _ := w.At(t)
	return iv
}

func (f fact) checkRefused(field string) string {
	e, ok := errors.AsType[*schedule.Error](f.err)
	if !ok || e.Field != field {
		return "got " + strconv.Quote(errorText(f.err))
	}
	return ""
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func compareInstant(got time.Time, ok bool, want string) string {
	if !ok {
		got = time.Time{}
	}
	var wanted time.Time
	if want != "never" {
		wanted = at(want)
	}
	return cmp.Diff(wanted, got)
}

func (f fact) checkDays(want []string) string {
	var got []string
	iv, ok := f.window.At(f.window.Start)
	for ; ok && len(got) < len(want); iv, ok = f.window.Next(iv.Start) {
		got = append(got, iv.Start.In(f.loc).Format(time.DateOnly))
	}
	if !ok {
		got = append(got, "end")
	}
	if want[len(want)-1] != "end" && len(got) > len(want) {
		got = got[:len(want)]
	}
	return cmp.Diff(want, got)
}
