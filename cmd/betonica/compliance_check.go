package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/store/compliance"
)

func complianceCheckCommand(env environment) *cobra.Command {
	var form *output
	var profile *string
	cmd := &cobra.Command{
		Use:   "check [--profile P] [-o json]",
		Short: "Check the safeguards, over live state and the log",
		Long: `Check every technical safeguard of 45 CFR 164.312, and what of 164.308 and 164.316
touches it, over live state, the log and what guards recorded in the last 30 days.
Each check passes, fails, is not tested, is not applicable, or was attested by a
person until a day; under each that did not pass is what to do. What passes is
evidence supporting a paragraph of the rule, and no verdict on an organisation.

The run is put on record, as compliance.run; the daemon makes one a day by itself.
The exit code is 1 if a check failed. The profile hipaa-nprm is what was proposed
in 90 FR 898, which is no law.`,
		Example: `  betonica compliance check
  betonica compliance check --profile hipaa-nprm -o json | jq '.results[] | select(.state=="fail")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			run, _, err := survey(cmd.Context(), env, daemon.CheckCompliance, *profile)
			if err != nil {
				return err
			}
			if *form == asTable {
				err = writeRun(env.stdout, run)
			} else {
				err = writeOne(env, *form, run, nil)
			}
			if err != nil {
				return err
			}
			if n := run.Failed(); n > 0 {
				return fmt.Errorf("%d of %d checks failed", n, len(run.Results))
			}
			return nil
		},
	}
	profile = profileFlag(cmd)
	form = outputFlag(cmd)
	daemonFlags(cmd)
	return cmd
}

// signs stand before results: a word, for whoever greps.
var signs = map[compliance.State]string{
	compliance.Pass: "pass", compliance.Fail: "FAIL", compliance.NotTested: "not tested", compliance.NotApplicable: "not applicable", compliance.Attested: "attested",
}

// writeRun writes a run for people.
func writeRun(w io.Writer, r *compliance.Run) error {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(clean(fmt.Sprintf(format, args...)))
		b.WriteByte('\n')
	}
	line("%s, %s", r.Title, r.TrustDomain)
	for _, s := range r.Safeguards {
		line("")
		line("%s: evidence supporting %s", s.Safeguard.Title(), s.Cite)
		for _, c := range r.Results {
			if c.Safeguard != s.Safeguard {
				continue
			}
			line("  %s  %-14s  %s", c.ID, signs[c.State], c.Title)
			line("           %s", c.Found)
			if c.State == compliance.Fail {
				for _, row := range c.Rows {
					line("             %s  %s", row.What, row.Detail)
				}
				if c.More > 0 {
					line("             and %d more", c.More)
				}
			}
			if c.Do != "" {
				line("           next: %s", c.Do)
			}
		}
	}
	line("")
	for _, change := range r.Changes {
		from := string(change.From)
		if from == "" {
			from = "new"
		}
		line("changed: %s was %s, and is %s: %s", change.ID, from, change.To, change.Title)
	}
	var counts []string
	for _, s := range compliance.States() {
		if n := r.Counts[s]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, s))
		}
	}
	line("%d checks: %s", len(r.Results), strings.Join(counts, ", "))
	if r.Proposed {
		line("%s", r.Note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
