package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func alertShowCommand(env environment) *cobra.Command {
	var form *output
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show an alert: what was compared, the entries that say so, and what to do",
		Long: `Show an alert: the two facts that were compared, the entries of the log that say so,
each with the command that shows it, what became of the alert, and what to do.`,
		Example: `  betonica alert show 12`,
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := alertArg(args[0])
			if err != nil {
				return err
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			a, err := daemon.Alert(cmd.Context(), id)
			if err != nil {
				return advise(fmt.Errorf("showing alert %d: %w", id, interrupted(cmd.Context(), err)), "betonica alert list --all", exitNotFound)
			}
			return writeAlert(env, *form, a)
		},
	}
	cmd.ValidArgsFunction = completeAlerts
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
