package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// statusCommand tells what somebody holds now, or how far a request has come.
func statusCommand() *cobra.Command {
	var o connection
	return o.command(&cobra.Command{
		Use:   "status [REQUEST]",
		Short: "Show what you hold now, or how far a request has come",
		Long: `Show what you hold now and for how much longer, how far the doors outside have come, and which of your requests
wait. With a request: what became of it, stage by stage, and what the audit log tells of it if you may read it.`,
		Args: exactly("[REQUEST]"),
		RunE: o.run(func(ctx context.Context, s *session, args []string) error {
			if len(args) == 1 {
				return s.statusOf(ctx, args[0])
			}
			return s.status(ctx)
		}),
		ValidArgsFunction: o.completeRequests(client.Mine),
	})
}

// statusView is what somebody holds and waits for.
type statusView struct {
	Account string        `json:"account"`
	Name    string        `json:"name"`
	Server  string        `json:"server"`
	Holds   []roleView    `json:"holds"`
	Closing []doorView    `json:"closing"`
	Waiting []requestView `json:"waiting"`
}

func (s *session) status(ctx context.Context) error {
	v := statusView{
		Account: s.Session().Account, Name: s.Session().Name, Server: s.Server, Holds: []roleView{}, Closing: []doorView{},
		Waiting: []requestView{},
	}
	active, err := s.active(ctx)
	if err != nil {
		return err
	}
	effects, err := s.Effects(ctx, "")
	if err != nil {
		return err
	}
	for _, g := range active {
		r := viewRole(g)
		r.Doors = viewDoors(slices.DeleteFunc(slices.Clone(effects), func(e client.Effect) bool { return e.ScheduleID != g.ScheduleID() }))
		v.Holds = append(v.Holds, r)
	}
	sortRoles(v.Holds)
	v.Closing = viewDoors(slices.DeleteFunc(effects, func(e client.Effect) bool {
		held := slices.ContainsFunc(active, func(g client.Grant) bool { return g.ScheduleID() == e.ScheduleID })
		return held || e.State == "gone"
	}))
	pending, err := s.requests(ctx, kinds(client.Assignment, client.Eligibility), []client.View{client.Mine}, "", 200)
	if err != nil {
		return err
	}
	for _, r := range pending {
		if r.Pending() || r.In("Granted") {
			w := viewRequest(r)
			if w.WaitsFor, err = s.waitsFor(ctx, r); err != nil {
				return err
			}
			v.Waiting = append(v.Waiting, w)
		}
	}
	if s.json {
		return s.value(v)
	}
	s.showStatus(v)
	return nil
}

func (s *session) showStatus(v statusView) {
	s.printf("%s (%s) at %s", bold(v.Name), v.Account, v.Server)
	s.printf("")
	if len(v.Holds) == 0 {
		s.printf("You hold no role now.")
	} else {
		s.showRoles(v.Holds)
	}
	doors := [][]string{}
	for _, h := range v.Holds {
		doors = append(doors, s.doorRows(h.Role, h.Doors)...)
	}
	doors = append(doors, s.doorRows(faint("(ended)"), v.Closing)...)
	if len(doors) > 0 {
		s.printf("")
		s.table(doorHeads(), doors)
	}
	if len(v.Waiting) == 0 {
		return
	}
	now := s.now()
	rows := [][]string{}
	for _, r := range v.Waiting {
		created := r.Created
		when := "asked " + moment(&created, now)
		if r.Status == "Granted" {
			when = "from " + moment(r.Start, now)
		}
		rows = append(rows, []string{r.ID, actionWords(r), r.Role, r.Scope, colouredStatus(r.Status), when, fewNames(r.WaitsFor)})
	}
	s.printf("")
	s.table([]string{"REQUEST", "WHAT", "ROLE", "SCOPE", "STATE", "WHEN", "WAITS FOR"}, rows)
}

// statusOf tells everything about one request that the person may know.
func (s *session) statusOf(ctx context.Context, id string) error {
	r, err := s.find(ctx, id, client.Mine, client.ByMe, client.ToApprove)
	if err != nil {
		return err
	}
	v := viewRequest(r)
	if r.ApprovalID != "" {
		steps, err := s.Approval(ctx, r.Kind, r.ApprovalID)
		if err := ignoring(err, http.StatusForbidden, http.StatusNotFound); err != nil {
			return err
		}
		v.Stages = viewStages(steps)
	}
	if r.Pending() && r.ApprovalID != "" {
		rules, err := s.allowed(ctx, r.Kind, r.RoleID, r.ScopeID)
		if err != nil {
			return err
		}
		v.Approvers = s.approvers(ctx, rules)
		if v.WaitsFor, err = s.waitsFor(ctx, r); err != nil {
			return err
		}
	}
	if v.Doors, err = s.doors(ctx, v.ScheduleID); err != nil {
		return err
	}
	events, err := s.course(ctx, r)
	if err := ignoring(err, http.StatusForbidden); err != nil {
		return err
	}
	v.Events = viewEvents(events)
	if s.json {
		return s.value(v)
	}
	s.showRequest(v)
	return nil
}

// course is what the audit log tells of a request, and of the schedule that it made and its doors.
func (s *session) course(ctx context.Context, r client.Request) ([]client.Event, error) {
	events, err := s.Events(ctx, r.ID, "")
	if err != nil || r.TargetID == "" {
		return events, err
	}
	more, err := s.Events(ctx, "", r.TargetID)
	for _, e := range more {
		if !slices.ContainsFunc(events, func(had client.Event) bool { return had.ID == e.ID }) {
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b client.Event) int { return a.At.Compare(b.At) })
	return events, err
}

// ignoring passes errors on but for refusals of these statuses: what one may not see is left out.
func ignoring(err error, statuses ...int) error {
	if e, ok := errors.AsType[*client.Error](err); ok && slices.Contains(statuses, e.Status) {
		return nil
	}
	return err
}

func viewEvents(events []client.Event) []eventView {
	var out []eventView
	for _, e := range events {
		by := e.Actor.Name
		if e.Actor.Clock {
			by = "the clock"
		}
		out = append(out, eventView{At: e.At.UTC(), Activity: e.Activity, By: by, Success: e.Success, Reason: e.Reason})
	}
	return out
}

func (s *session) showRequest(v requestView) {
	now := s.now()
	created := v.Created
	facts := [][]string{
		{"Request", v.ID}, {"What", actionWords(v) + " " + bold(v.Role) + " " + at(v.Scope)}, {"For", v.Principal},
		{"State", colouredStatus(v.Status)}, {"Asked", moment(&created, now)},
	}
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, []string{name, value})
		}
	}
	add("Reason", v.Reason)
	add("Ticket", v.Ticket)
	add("Length", v.Duration)
	if v.Start != nil {
		add("From", moment(v.Start, now))
	}
	if v.Until != nil {
		add("Until", moment(v.Until, now))
	}
	if len(v.Approvers) > 0 {
		add("Approvers", strings.Join(v.Approvers, ", and then "))
	}
	add("Waits for", strings.Join(v.WaitsFor, ", "))
	for _, f := range facts {
		s.printf("%s%s", faint(f[0])+strings.Repeat(" ", 11-len(f[0])), f[1])
	}
	s.showCourse(v)
}

// showCourse shows stages, doors and the audit log.
func (s *session) showCourse(v requestView) {
	now := s.now()
	rows := [][]string{}
	for i, st := range v.Stages {
		when := ""
		if st.Reviewed != nil {
			when = moment(st.Reviewed, now)
		}
		rows = append(rows, []string{"stage " + string(rune('1'+i%9)), statusWords(st.Status), statusWords(st.Result), st.By, when, st.Reason})
	}
	if len(rows) > 0 {
		s.printf("")
		s.table([]string{"APPROVAL", "STATE", "ANSWER", "BY", "WHEN", "REASON"}, rows)
	}
	if len(v.Doors) > 0 {
		s.printf("")
		s.table(doorHeads(), s.doorRows(v.Role, v.Doors))
	}
	if len(v.Events) == 0 {
		return
	}
	rows = rows[:0]
	for _, e := range v.Events {
		at := e.At
		word := statusWords(e.Activity)
		if !e.Success {
			word = bad(word)
		}
		rows = append(rows, []string{moment(&at, now), word, e.By, e.Reason})
	}
	s.printf("")
	s.table([]string{"WHEN", "WHAT HAPPENED", "BY", "REASON"}, rows)
}
