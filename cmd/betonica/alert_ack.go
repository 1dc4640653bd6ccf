package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func alertAckCommand(env environment) *cobra.Command {
	var word string
	var form *output
	cmd := &cobra.Command{
		Use:   "ack ID --word TEXT",
		Short: "Say that you have seen an alert, and what you make of it",
		Long: `Say that you have seen an alert, and what you make of it. It is for auditors, and on
record with your name. The alert stays open until it is over; whoever says it
again replaces the word.`,
		Example: `  betonica alert ack 12 --word 'the ward restored the pump from a snapshot'`,
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := alertArg(args[0])
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
			a, err := daemon.AcknowledgeAlert(cmd.Context(), id, adminapi.ReviewRequest{Word: word})
			if err != nil {
				return advise(fmt.Errorf("acknowledging alert %d: %w", id, interrupted(cmd.Context(), err)), "betonica alert list", exitNotFound, exitConflict)
			}
			return writeAlert(env, *form, a)
		},
	}
	cmd.Flags().StringVar(&word, "word", "", "what you make of it")
	cmd.ValidArgsFunction = completeAlerts
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
