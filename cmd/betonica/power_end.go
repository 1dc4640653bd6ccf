package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func powerEndCommand(env environment) *cobra.Command {
	var form *output
	cmd := &cobra.Command{
		Use:   "end ID",
		Short: "End a power before its time",
		Long: `End a power before its time: your own or, for officers, admins and root on the
CA's own host, anybody's.`,
		Example: `  betonica power end P-7ZK4-09TM`,
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := powerArg(args[0])
			if err != nil {
				return err
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			p, err := daemon.EndPower(cmd.Context(), id)
			if err != nil {
				return advise(fmt.Errorf("ending %s: %w", id, interrupted(cmd.Context(), err)), "betonica power list", exitNotFound)
			}
			return writePower(env, *form, p)
		},
	}
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
