package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/doctor"
	"github.com/betonica/betonica/store/audit/plain"
)

// An examination is what doctor was asked to do.
type examination struct {
	dir          string
	output       string
	strict, deep bool
}

func doctorCommand(env environment) *cobra.Command {
	var e examination
	cmd := &cobra.Command{
		Use:   "doctor --dir DIR",
		Short: "Say what is wrong with the CA of DIR, and what to do about it",
		Long: `doctor examines the CA where it lies: its folder and keys, the store, the settings of
its PostgreSQL server, disks, clock, certificates, revocation lists, published files,
listeners, replicas, backups, records, deliveries of the audit log and limits. Under each
thing that is wrong stands what to do. It asks the daemon where one runs, and does without where none does. It writes
nothing, keeps no daemon waiting, and takes a few seconds.

It says of each check:

	ok           as it should be; what could be better has something to do under it
	warning      it works, and is not as it should be
	failed       it does not work, or does not protect as it should
	not checked  and why

PostgreSQL fails with fsync or full_page_writes off, which lose what was recorded, and
is warned of with autovacuum off or too few connections for all daemons. That
max_wal_size, checkpoint_timeout or shared_buffers is low is a warning once the audit log
has 100,000 entries: before that it slows nothing down.

Without --deep it reads the store's file for 5 seconds at most. With --deep it reads
all of it, holds indexes against tables, and verifies the whole audit log.

It exits with 0 if nothing failed, with 1 if something did, with 2 if the command
line makes no sense, and with 14 if there are warnings and no failures under --strict.`,
		Example: `  betonicad doctor --dir ca
  betonicad doctor --dir ca -o json --strict
  betonicad doctor --dir ca --deep`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir"); err != nil {
				return err
			}
			return e.run(cmd.Context(), env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&e.dir, "dir", "", "folder of the CA")
	f.StringVarP(&e.output, "output", "o", "table", "how to write it: table or json")
	f.BoolVar(&e.strict, "strict", false, "exit with 14 if there are warnings")
	f.BoolVar(&e.deep, "deep", false, "read the whole store and verify the whole log, however long it takes")
	return cmd
}

// readFor is how long the store's file is read without --deep.
const readFor = 5 * time.Second

func (e examination) run(ctx context.Context, env environment) error {
	if e.output != "table" && e.output != "json" {
		return usagef("-o %q: want table or json", e.output)
	}
	d, err := layoutOf(e.dir)
	if err != nil {
		return err
	}
	c := caseOf(ctx, d)
	c.Deep, c.ReadFor = e.deep, readFor
	report := doctor.Examine(ctx, c, doctor.Checks())
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e.output == "json" {
		err = writeReport(env.stdout, report)
	} else {
		_, err = io.WriteString(env.stdout, tableOf(report))
	}
	if err != nil {
		return err
	}
	failed, warnings := report.Count(doctor.Failed), report.Count(doctor.Warning)
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d checks failed", failed, len(report.Checks))
	case warnings > 0 && e.strict:
		return &strictError{warnings}
	}
	return nil
}

// A strictError reports warnings that --strict does not let pass.
type strictError struct{ warnings int }

func (e *strictError) Error() string {
	return fmt.Sprintf("%d checks ended with a warning", e.warnings)
}

// exitStrict is its exit code.
const exitStrict = 14

func writeReport(w io.Writer, r doctor.Report) error {
	enc := json.NewEncoder(plain.JSONWriter(w))
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// tableOf writes a line for each finding, the check before the first of them, and
// under it what to do.
func tableOf(r doctor.Report) string {
	var b strings.Builder
	for i, c := range r.Checks {
		head := fmt.Sprintf("%2d  %-13s  ", i+1, c.Name)
		for _, f := range c.Findings {
			fmt.Fprintf(&b, "%s%-11s  %s\n", head, f.State, shown(f.What))
			head = strings.Repeat(" ", len(head))
			if f.Do != "" {
				fmt.Fprintf(&b, "%s%-11s  do: %s\n", head, "", shown(f.Do))
			}
		}
	}
	return b.String()
}
