package main

import (
	"os"

	"github.com/spf13/cobra"

	"portcullis/internal/config"
	"portcullis/internal/demo"
)

func newDemo(p *program) *cobra.Command {
	o := demo.Options{Out: p.stdout, Environ: p.environ, Program: os.Args[0]}
	kind := string(demo.Auto)
	c := &cobra.Command{
		Use:   "demo",
		Short: "Tell the whole story once, on a sample organisation, then go on serving it",
		Long: "Starts a server with the sample organisation in a temporary folder, and a door for it to open: a PostgreSQL where its " +
			"binaries are on this machine, else a small web page. Then somebody who is eligible activates a role, by real calls over " +
			"HTTPS; the door opens, and at the instant of the end it is shut. Afterwards the server goes on until it is told to stop.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Door = demo.Kind(kind)
			switch o.Door {
			case demo.Auto, demo.Postgres, demo.Web:
			default:
				return usagef("--door %q is none of auto, postgres, web", kind)
			}
			p.quietLibraries(config.Log{})
			return demo.Run(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.Once, "once", false, "stop after the story; the exit code says whether all of it was so")
	c.Flags().StringVar(&o.Listen, "listen", "", "address to serve HTTPS at (127.0.0.1 and any free port)")
	c.Flags().StringVar(&kind, "door", kind, "auto, postgres or web")
	return c
}
