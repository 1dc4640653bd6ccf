package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func powerReviewCommand(env environment) *cobra.Command {
	var word string
	var form *output
	cmd := &cobra.Command{
		Use:   "review ID --word TEXT",
		Short: "Say what you have found who looked at what a power was used for",
		Long: `Say what you have found who looked at what a power was used for, after it has
ended. It is for auditors, and not for one for whom the same person or department
answers as for whoever had the power. What was done is in the log:
betonica audit list --actor PERSON.`,
		Example: `  betonica power review P-7ZK4-09TM --word 'three pumps revoked, as the ticket says'`,
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := powerArg(args[0])
			if err != nil {
				return err
			}
			if err := needs(cmd, "word"); err != nil {
				return err
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			p, err := daemon.ReviewPower(cmd.Context(), id, adminapi.ReviewRequest{Word: word})
			if err != nil {
				return advise(fmt.Errorf("reviewing %s: %w", id, interrupted(cmd.Context(), err)), "betonica power list --all", exitNotFound, exitConflict)
			}
			return writePower(env, *form, p)
		},
	}
	cmd.Flags().StringVar(&word, "word", "", "what you have found")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
