package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/revoke/allow/rulefile"
)

// errWide is why lint fails: each warning has been written.
var errWide = errors.New("there are rules that let in more than is likely to be needed")

func policyLintCommand(env environment) *cobra.Command {
	var policy bool
	cmd := &cobra.Command{
		Use:   "lint FILE",
		Short: "Check a guard's rules, and warn of wide ones; - reads stdin",
		Long: `Check a file of a guard's rules, or with --policy those of the CA's policy, and
warn of rules that let in more than is likely to be needed: everybody, every
route, every type of data. The warnings go to stdout, a line each with their
place; with any, the exit code is 1. Such rules work.`,
		Example: `  betonica policy lint rules.toml
  betonica policy show | betonica policy lint --policy -`,
		Args: oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readAll(env, args[0])
			if err != nil {
				return err
			}
			parse := rulefile.Parse
			if policy {
				parse = rulefile.ParsePolicy
			}
			file, err := parse(args[0], text, "trust.domain")
			if err != nil {
				return err
			}
			warnings := rulefile.Lint(args[0], text, file)
			for _, w := range warnings {
				fmt.Fprintln(env.stdout, w)
			}
			if len(warnings) > 0 {
				return errWide
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&policy, "policy", false, "the file is a policy of the CA's")
	return cmd
}
