package main

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// dialectsCommand shows who still calls the older dialects.
func dialectsCommand() *cobra.Command {
	var o connection
	var since string
	var routes bool
	cmd := o.command(&cobra.Command{
		Use:   "dialects",
		Short: "Show who still calls the older dialects, and whether these are on",
		Long: "The older dialects are PIM's first iteration (v1) and its second one (v2, by what it manages). Calls are counted by application, those " +
			"that are refused because the dialect is switched off too. A dialect that nobody calls any more can be switched off in the settings " +
			"(dialects). For those who may read the audit log.",
		Example: "pim dialects\npim dialects --since 2026-01-01 --routes",
		Args:    exactly(),
		RunE: o.run(func(ctx context.Context, s *session, _ []string) error {
			var from time.Time
			if since != "" {
				var err error
				if from, err = instant(since, s.now(), false); err != nil {
					return err
				}
			}
			list, err := s.Dialects(ctx)
			if err != nil {
				return err
			}
			return s.showDialects(dialectViews(list, from), routes)
		}),
	})
	cmd.Flags().StringVar(&since, "since", "", "only who has called since this time, such as 2026-01-01")
	cmd.Flags().BoolVar(&routes, "routes", false, "tell each operation that is called")
	return cmd
}

// dialectView is a dialect and who calls it, as it is written with --json.
type dialectView struct {
	Dialect string `json:"dialect"`
	// Mode is on, readOnly or off.
	Mode    string       `json:"mode"`
	Callers []callerView `json:"callers"`
}

// callerView is an application that calls; without an id it is unknown.
type callerView struct {
	ApplicationID string      `json:"applicationId"`
	Application   string      `json:"application"`
	Calls         int64       `json:"calls"`
	First         *time.Time  `json:"first"`
	Last          *time.Time  `json:"last"`
	Routes        []routeView `json:"routes"`
}

type routeView struct {
	Route string     `json:"route"`
	Calls int64      `json:"calls"`
	First *time.Time `json:"first"`
	Last  *time.Time `json:"last"`
}

// dialectViews gathers counts by dialect and application. Callers whose last call was before an instant are left out, the dialects
// stay.
func dialectViews(list []client.Use, from time.Time) []dialectView {
	out := []dialectView{}
	for _, u := range list {
		at := slices.IndexFunc(out, func(d dialectView) bool { return d.Dialect == u.Dialect })
		if at < 0 {
			at = len(out)
			out = append(out, dialectView{Dialect: u.Dialect, Mode: u.Mode, Callers: []callerView{}})
		}
		if u.Count > 0 && u.Last != nil && !u.Last.Before(from) {
			out[at].add(u)
		}
	}
	for _, d := range out {
		slices.SortFunc(d.Callers, func(a, b callerView) int { return cmp.Compare(b.Calls, a.Calls) })
	}
	return out
}

func (d *dialectView) add(u client.Use) {
	at := slices.IndexFunc(d.Callers, func(c callerView) bool { return c.ApplicationID == u.ApplicationID })
	if at < 0 {
		at = len(d.Callers)
		d.Callers = append(d.Callers, callerView{ApplicationID: u.ApplicationID, Application: u.Application, First: utc(u.First), Last: utc(u.Last)})
	}
	c := &d.Callers[at]
	c.Calls += u.Count
	if c.First == nil || u.First != nil && u.First.Before(*c.First) {
		c.First = utc(u.First)
	}
	if u.Last.After(*c.Last) {
		c.Last = utc(u.Last)
	}
	c.Routes = append(c.Routes, routeView{Route: u.Route, Calls: u.Count, First: utc(u.First), Last: utc(u.Last)})
}

func (s *session) showDialects(list []dialectView, routes bool) error {
	if s.json {
		return s.value(list)
	}
	now := s.now()
	rows := [][]string{}
	for _, d := range list {
		if len(d.Callers) == 0 {
			rows = append(rows, []string{d.Dialect, colouredMode(d.Mode), faint("nobody"), "0"})
		}
		for _, c := range d.Callers {
			name := first(c.Application, c.ApplicationID, "unknown")
			if !routes {
				rows = append(rows, []string{d.Dialect, colouredMode(d.Mode), name, strconv.FormatInt(c.Calls, 10), moment(c.First, now), moment(c.Last, now)})
				continue
			}
			for _, r := range c.Routes {
				rows = append(rows, []string{d.Dialect, colouredMode(d.Mode), name, strconv.FormatInt(r.Calls, 10), moment(r.First, now), moment(r.Last, now), r.Route})
			}
		}
	}
	heads := []string{"DIALECT", "MODE", "CALLED BY", "CALLS", "FIRST", "LAST"}
	if routes {
		heads = append(heads, "OPERATION")
	}
	s.table(heads, rows)
	return nil
}

// colouredMode tells apart what is still served.
func colouredMode(mode string) string {
	switch strings.ToLower(mode) {
	case "on":
		return good(mode)
	case "off":
		return faint(mode)
	}
	return amber(mode)
}
