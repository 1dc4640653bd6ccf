package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func tokenRevokeCommand(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Make sure that a join token is not spent any more",
		Example: "  betonica token revoke 5f0c3e...     # an ID of betonica token list",
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			if err := daemon.RevokeToken(cmd.Context(), args[0]); err != nil {
				err = fmt.Errorf("revoking token %s: %w", args[0], interrupted(cmd.Context(), err))
				return advise(err, "betonica token list", exitNotFound)
			}
			fmt.Fprintf(env.stderr, "token %s is revoked\n", args[0])
			return nil
		},
	}
	daemonFlags(cmd)
	return cmd
}
