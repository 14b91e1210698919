package main

import (
	"context"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// requestsCommand lists requests.
func requestsCommand() *cobra.Command {
	var o connection
	var mine, toApprove, everybody bool
	var status string
	var limit int
	cmd := o.command(&cobra.Command{
		Use:   "requests",
		Short: "List requests: yours, those you can approve, or all",
		Example: `pim requests
pim requests --to-approve
pim requests --all --status PendingApproval`,
		Args: alone(exactly(), "mine", "to-approve", "all"),
		RunE: o.run(func(ctx context.Context, s *session, _ []string) error {
			if limit < 1 || limit > 10_000 {
				return usagef("--limit must be from 1 to 10000")
			}
			views := []client.View{client.Mine, client.ByMe}
			switch {
			case toApprove:
				views = []client.View{client.ToApprove}
				status = first(status, "PendingApproval")
			case everybody:
				views = []client.View{client.Everybody}
			}
			return s.listRequests(ctx, views, status, limit, toApprove)
		}),
	})
	f := cmd.Flags()
	f.BoolVar(&mine, "mine", false, "those for you and by you (the default)")
	f.BoolVar(&toApprove, "to-approve", false, "those that wait for you")
	f.BoolVar(&everybody, "all", false, "everybody's, for those who may read them")
	f.StringVar(&status, "status", "", "only those in this state, such as PendingApproval or Provisioned")
	f.IntVar(&limit, "limit", 50, "how many at most, the newest first")
	return cmd
}

func (s *session) listRequests(ctx context.Context, views []client.View, status string, limit int, toApprove bool) error {
	of := kinds(client.Assignment, client.Eligibility)
	if toApprove {
		of = kinds(client.Assignment) // eligibilities are given by administrators, not approved
	}
	list, err := s.requests(ctx, of, views, status, limit)
	if err != nil {
		return err
	}
	out := make([]requestView, len(list))
	for i, r := range list {
		out[i] = viewRequest(r)
	}
	if s.json {
		return s.value(out)
	}
	if len(out) == 0 {
		s.printf("There are no such requests.")
		return nil
	}
	now := s.now()
	rows := [][]string{}
	for _, v := range out {
		created := v.Created
		rows = append(rows, []string{
			v.ID, actionWords(v), v.Role, v.Scope, v.Principal, colouredStatus(v.Status), moment(&created, now), faint(shortened(v.Reason, 40)),
		})
	}
	s.table([]string{"REQUEST", "WHAT", "ROLE", "SCOPE", "FOR", "STATE", "ASKED", "REASON"}, rows)
	return nil
}

// requests reads requests of several kinds and views, the newest first, each once.
func (s *session) requests(ctx context.Context, kinds []client.Kind, views []client.View, status string, limit int) ([]client.Request, error) {
	var list []client.Request
	for _, k := range kinds {
		for _, v := range views {
			rows, err := s.Requests(ctx, k, v, status, limit)
			if k.OfGroup() { // a sign-in may permit no sight of groups
				err = ignoring(err, http.StatusForbidden)
			}
			if err != nil {
				return nil, err
			}
			for _, r := range rows {
				if !slices.ContainsFunc(list, func(had client.Request) bool { return had.ID == r.ID }) {
					list = append(list, r)
				}
			}
		}
	}
	slices.SortStableFunc(list, func(a, b client.Request) int { return b.Created.Compare(a.Created) })
	return list[:min(len(list), limit)], nil
}

func actionWords(v requestView) string {
	words := map[string]string{
		"adminAssign": "assign", "adminUpdate": "change", "adminRemove": "remove", "adminExtend": "extend",
		"adminRenew": "renew", "selfActivate": "activate", "selfDeactivate": "deactivate", "selfExtend": "ask to extend",
		"selfRenew": "ask to renew",
	}
	word := first(words[v.Action], v.Action)
	if v.Kind == "eligibility" {
		word += " (eligible)"
	}
	return word
}

func colouredStatus(status string) string {
	words := statusWords(status)
	switch status {
	case "Provisioned", "Granted":
		return good(words)
	case "Denied", "Failed":
		return bad(words)
	case "PendingApproval", "PendingAdminDecision", "PendingProvisioning":
		return amber(words)
	}
	return words
}

func shortened(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}
