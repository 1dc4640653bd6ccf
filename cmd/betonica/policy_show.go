package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func policyShowCommand(env environment) *cobra.Command {
	var form *output
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show the policy in force, as TOML",
		Example: `  betonica policy show > policy.toml`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			p, err := daemon.Policy(cmd.Context())
			if err != nil {
				return fmt.Errorf("reading the policy: %w", interrupted(cmd.Context(), err))
			}
			if *form != asTable {
				return writeOne(env, *form, p, nil)
			}
			fmt.Fprintf(env.stderr, "version %d, by %s, %s\n", p.Version, p.Actor, stamp(p.Loaded, env.now()))
			text := p.Text
			if env.terminal {
				text = escape(text, "\n\t", textEscape)
			}
			_, err = io.WriteString(env.stdout, text)
			return err
		},
	}
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
