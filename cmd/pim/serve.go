package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/server"
)

func newServe(p *program) *cobra.Command {
	var withSample bool
	var seed uint64
	var offset string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve, until told to stop",
		Long: "Serves the APIs and the sign-in over HTTPS. The first start on an empty data folder makes a certificate authority, a " +
			"tenant and its administrator, and prints a one-time password.\n\n" +
			"Settings come from the file named by --config, from PIM_… in the environment above it, and from flags above both.\n\n" +
			"Exit codes: 0 stopped in order, 1 failure, 2 command line or settings, 3 data folder or database unusable, 4 clock.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := p.settings(c)
			if err != nil {
				return err
			}
			o := server.Options{Settings: settings, Log: p.logger(settings.Log), Notices: p.stderr, Version: version()}
			if o.Sample, err = sampleOptions(c, withSample, seed, offset); err != nil {
				return err
			}
			s, err := server.Open(c.Context(), o)
			if c.Context().Err() != nil && s == nil {
				return nil // told to stop before it had begun
			}
			if err != nil {
				return err
			}
			if err := p.announce(s); err != nil {
				return errors.Join(err, s.Close())
			}
			return s.Serve(c.Context())
		},
	}
	addSettings(c)
	f := c.Flags()
	f.StringSlice("listen", nil, "address to serve HTTPS at, host:port (127.0.0.1:8443); may be repeated")
	f.BoolVar(&withSample, "sample", false, "serve the sample organisation, for trying out: see sample.json in the data folder")
	f.Uint64Var(&seed, "seed", 1, "which sample organisation")
	f.StringVar(&offset, "clock-offset", "", "shift PIM's time by a duration such as P30D (with --sample)")
	return c
}

// announce says where the server and its metrics are, and what clients have to trust.
func (p *program) announce(s *server.Server) error {
	text := "Serving at " + s.URL() + "\n"
	if file := s.CAFile(); file != "" {
		text += "Clients have to trust " + file + "\n"
	}
	if address := s.MetricsURL(); address != "" {
		text += "Metrics at " + address + "\n"
	}
	_, err := fmt.Fprint(p.stderr, text)
	return err
}

func sampleOptions(c *cobra.Command, wanted bool, seed uint64, offset string) (*server.Sample, error) {
	if !wanted {
		for _, name := range []string{"clock-offset", "seed"} {
			if c.Flags().Changed(name) {
				return nil, usagef("--%s is for the sample: it needs --sample", name)
			}
		}
		return nil, nil //nolint:nilnil // no sample is wanted, and that is no error
	}
	o := &server.Sample{Seed: seed}
	if offset != "" {
		d, err := server.ParseOffset(offset, time.Now())
		if err != nil {
			return nil, usagef("--clock-offset: %w", err)
		}
		o.ClockOffset = d
	}
	return o, nil
}
