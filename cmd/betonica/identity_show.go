package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func identityShowCommand(env environment) *cobra.Command {
	var form *output
	cmd := &cobra.Command{
		Use:     "show ROLE/NAME",
		Short:   "Show one identity",
		Example: `  betonica identity show device/pump-7`,
		Args:    oneArg("ROLE/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			i, err := daemon.Identity(cmd.Context(), args[0])
			if err != nil {
				return adviseIdentity(fmt.Errorf("showing %s: %w", args[0], interrupted(cmd.Context(), err)))
			}
			return writeIdentity(env, *form, i)
		},
	}
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

func adviseIdentity(err error) error {
	return advise(err, "betonica identity list --search TEXT", exitNotFound)
}
