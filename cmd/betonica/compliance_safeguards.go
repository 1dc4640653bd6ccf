package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/store/compliance"
)

func complianceSafeguardsCommand(env environment) *cobra.Command {
	var form *output
	cmd := &cobra.Command{
		Use:   "safeguards [-o json]",
		Short: "Show what the rule asks of machines, and where it is met",
		Long: `Show what 45 CFR 164.312, and what of 164.308 and 164.316 touches it, asks of
machines; where Betonica meets it, by which command or setting; which checks show it
over live state; and which tests of the program show that it does so. What it does
not meet stands there, too. It asks nobody: it is the table of this version.`,
		Example: `  betonica compliance safeguards
  betonica compliance safeguards -o json | jq -r '.[] | [.cites[0], .asks, .met] | @tsv'`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if *form != asTable {
				return writeOne(env, *form, compliance.Demands(), nil)
			}
			return writeDemands(env.stdout, compliance.Demands())
		},
	}
	form = outputFlag(cmd)
	return cmd
}

func writeDemands(w io.Writer, all []compliance.Demand) error {
	var b strings.Builder
	for i, d := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n  asks    %s\n  met by  %s\n", strings.Join(d.Cites, ", "), d.Asks, d.Met)
		if len(d.Checks) > 0 {
			fmt.Fprintf(&b, "  checks  %s\n", strings.Join(d.Checks, ", "))
		}
		fmt.Fprintf(&b, "  tests   %s\n", strings.Join(d.Tests, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
