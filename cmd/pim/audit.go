package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/client"
)

// auditCommand groups what is done with the audit log.
func auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Read the audit log", Args: cobra.NoArgs}
	cmd.AddCommand(auditExportCommand())
	return cmd
}

// auditExportCommand writes the audit log as a table.
func auditExportCommand() *cobra.Command {
	var o connection
	var from, to, filter, file string
	cmd := o.command(&cobra.Command{
		Use:   "export",
		Short: "Write the audit log as comma-separated values, the latest entry first",
		Example: `pim audit export --from 2026-01-01 --to 2026-01-31 -o january.csv
pim audit export --filter "category eq 'RoleManagement' and result eq 'failure'"
pim audit export --filter "targetResources/any(t:t/displayName eq 'Global Administrator')" -o ga.csv`,
		Args: exactly(),
		RunE: o.run(func(ctx context.Context, s *session, _ []string) error {
			q, err := auditQuery(from, to, filter, s.now())
			if err != nil {
				return err
			}
			return s.exportAudit(ctx, q, file)
		}),
	})
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "only entries at or after this time, such as 2026-01-01")
	f.StringVar(&to, "to", "", "only entries before this time; a day alone is meant to its end")
	f.StringVar(&filter, "filter", "", "only these, in the words of Graph's directoryAudits")
	f.StringVarP(&file, "output", "o", "", "file to write, which is replaced only when all is there; default: standard output")
	return cmd
}

func auditQuery(from, to, filter string, now time.Time) (client.AuditQuery, error) {
	q := client.AuditQuery{Filter: filter}
	var err error
	if from != "" {
		if q.From, err = instant(from, now, false); err != nil {
			return q, err
		}
	}
	if to != "" {
		if q.To, err = instant(to, now, true); err != nil {
			return q, err
		}
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return q, usagef("--from must be before --to")
	}
	return q, nil
}

func (s *session) exportAudit(ctx context.Context, q client.AuditQuery, file string) error {
	if file == "" {
		_, err := s.ExportAudit(ctx, q, s.out, nil)
		return err
	}
	n := 0
	err := replaceFile(file, func(w io.Writer) error {
		var err error
		n, err = s.ExportAudit(ctx, q, w, s.counting("entries"))
		return err
	})
	if err != nil {
		return err
	}
	if s.json {
		return s.value(map[string]any{"file": file, "entries": n})
	}
	s.note("%d entries written to %s", n, file)
	return nil
}

// counting shows on a terminal how many of something have come; elsewhere it says nothing.
func (c *console) counting(what string) func(int) {
	if !c.live {
		return nil
	}
	var shown time.Time
	return func(n int) {
		if now := c.now(); now.Sub(shown) >= tick {
			shown = now
			fmt.Fprintf(c.err, "\r\x1b[K%d %s", n, what)
		}
	}
}

// replaceFile writes a file that only its owner can read, and puts it in the place of an older one when all is written.
func replaceFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".pim-*") // of mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(f.Name()) // gone already once it was renamed
	err = write(f)
	if bad := f.Close(); bad != nil && err == nil {
		err = fmt.Errorf("write %s: %w", name, bad)
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		var link *os.LinkError
		if errors.As(err, &link) { // the name of the file that was to be renamed helps nobody
			err = link.Err
		}
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
