package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func auditExportCommand(env environment) *cobra.Command {
	var r adminapi.ExportRange
	var file string
	var kept keeping
	cmd := &cobra.Command{
		Use:   "export [--out FILE]",
		Short: "Export entries, with the proof that they are the log's",
		Long: `Export entries of the audit log in clear, with the proof that they are the log's:
JSON lines, which betonica audit verify checks anywhere. Whoever has the file
can read these entries, and no others.`,
		Example: `  betonica audit export --out november.jsonl
  betonica audit export --journal /var/lib/betonica/journal --out today.jsonl
  betonica audit export --from 1000 --to 2000 | gzip > part.gz`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			export := func(w io.Writer) error {
				if kept.dir != "" {
					return exportJournal(cmd.Context(), w, kept, r.From, r.To)
				}
				daemon, err := connect(cmd)
				if err != nil {
					return err
				}
				defer daemon.Close()
				if err := daemon.ExportAudit(cmd.Context(), r, w); err != nil {
					return fmt.Errorf("exporting the log: %w", interrupted(cmd.Context(), err))
				}
				return nil
			}
			if file == "" {
				if env.terminal {
					return export(&cleanWriter{env.stdout})
				}
				return export(env.stdout)
			}
			// It holds the log in clear: for its owner's eyes.
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			if err := export(f); err != nil {
				f.Close()
				os.Remove(file)
				return err
			}
			return f.Close()
		},
	}
	cmd.Flags().Int64Var(&r.From, "from", 0, "the first `entry` (default: the log's first)")
	cmd.Flags().Int64Var(&r.To, "to", 0, "the last `entry` (default: the last that is signed for)")
	cmd.Flags().StringVar(&file, "out", "", "`file` to write, which must not exist (default: stdout)")
	kept.flags(cmd)
	daemonFlags(cmd)
	return cmd
}
