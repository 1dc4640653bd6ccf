package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
)

func approveDenyCommand(env environment) *cobra.Command {
	var spki string
	var form *output
	cmd := &cobra.Command{
		Use:   "deny CODE | PROPOSAL",
		Short: "Turn a machine away that asks or was approved, or say no to a proposal",
		Long: `Turn a machine away that asks, or was approved and has not come back: it is told
so. With the same key it cannot ask again until its request has lapsed. A machine
that has its certificate already is revoked: betonica revoke ROLE/NAME.

A PROPOSAL that you say no to is done for, also if it was agreed to and nobody has
used that. Whoever made it takes it back so.`,
		Example: `  betonica approve deny 7ZK4-09TM`,
		Args:    oneArg("CODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if id, ok := proposalOf(args[0]); ok {
				daemon, err := connect(cmd)
				if err != nil {
					return err
				}
				defer daemon.Close()
				return disagree(cmd.Context(), env, daemon, *form, id)
			}
			code, err := api.ParseCode(args[0])
			if err != nil {
				return usagef("%q is %v; betonica approve list has those that wait", args[0], err)
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			q, err := requestOf(cmd.Context(), daemon, code, spki, "waiting", "approved")
			if err != nil {
				return err
			}
			done, err := daemon.Deny(cmd.Context(), q.ID, adminapi.DenyRequest{SPKI: q.SPKI})
			if err != nil {
				err = fmt.Errorf("denying %s: %w", code, interrupted(cmd.Context(), err))
				return advise(err, "betonica approve list --all", exitNotFound, exitConflict)
			}
			if *form != asTable {
				return writeOne(env, *form, done, nil)
			}
			fmt.Fprintf(env.stderr, "%s is denied: %s key %s, which asked from %s\n", done.Code, done.KeyType, done.SPKI, done.Address)
			return nil
		},
	}
	cmd.Flags().StringVar(&spki, "spki", "", "SHA-256, in `hex`, of the key that is meant, where two have one code")
	cmd.ValidArgsFunction = completeCodes(env)
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
