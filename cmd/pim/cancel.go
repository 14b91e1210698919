package main

import (
	"context"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// cancelCommand withdraws a request.
func cancelCommand() *cobra.Command {
	var o connection
	return o.command(&cobra.Command{
		Use:   "cancel REQUEST",
		Short: "Withdraw a request that has not taken effect",
		Args:  exactly("REQUEST"),
		RunE: o.run(func(ctx context.Context, s *session, args []string) error {
			r, err := s.find(ctx, args[0], client.Mine, client.ByMe)
			if err != nil {
				return err
			}
			if err := s.Cancel(ctx, r.Kind, r.ID); err != nil {
				return err
			}
			after, err := s.Request(ctx, r.Kind, r.ID)
			if err != nil {
				return err
			}
			v := viewRequest(after)
			if s.json {
				return s.value(v)
			}
			s.printf("Withdrawn: %s %s for %s.", actionWords(v), bold(v.Role), v.Principal)
			return nil
		}),
		ValidArgsFunction: o.completeRequests(client.Mine),
	})
}
