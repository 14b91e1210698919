package main

import "github.com/spf13/cobra"

// denyCommand says no to a request.
func denyCommand() *cobra.Command {
	return decisionCommand(false, &cobra.Command{
		Use:     "deny REQUEST",
		Short:   "Deny a request that waits for you",
		Long:    "Deny a request that waits for you. One denial is enough.",
		Example: `pim deny 019abf12-7c1e-7d11-8a55-0c9f6f1d2e3b --reason "Not before the audit"`,
	})
}
