package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// A stateVerb moves an identity from one state to another. The three differ in
// words only, and so share a file.
type stateVerb struct {
	name, doing, short, long string
	do                       func(*adminapi.Client, context.Context, string) (adminapi.Identity, error)
}

var (
	suspend = stateVerb{"suspend", "suspending", "Stop issuing to an identity, until it is resumed",
		"Stop issuing to an identity, until it is resumed. The certificates that it has\nstay good until they run out.", (*adminapi.Client).Suspend}
	resume = stateVerb{"resume", "resuming", "Issue to a suspended identity again",
		"Issue to a suspended identity again.", (*adminapi.Client).Resume}
	retire = stateVerb{"retire", "retiring", "End an identity that is out of service, and free its names",
		"End an identity that is out of service, and free its DNS names. It does not come\nback: its ROLE/NAME is spoken for.", (*adminapi.Client).Retire}
)

func identityStateCommand(env environment, verb stateVerb) *cobra.Command {
	var form *output
	var cut bool
	var reason string
	cmd := &cobra.Command{
		Use:     verb.name + " ROLE/NAME",
		Short:   verb.short,
		Long:    verb.long,
		Example: "  betonica identity " + verb.name + " device/pump-7",
		Args:    oneArg("ROLE/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			if cut {
				fallen, err := daemon.Cut(cmd.Context(), args[0], reason)
				if err != nil {
					return adviseIdentity(fmt.Errorf("%s %s: %w", verb.doing, args[0], interrupted(cmd.Context(), err)))
				}
				return writeFallen(env, *form, fallen)
			}
			i, err := verb.do(daemon, cmd.Context(), args[0])
			if err != nil {
				err = adviseIdentity(fmt.Errorf("%s %s: %w", verb.doing, args[0], interrupted(cmd.Context(), err)))
				return advise(err, "betonica identity show "+args[0], exitConflict)
			}
			return writeIdentity(env, *form, i)
		},
	}
	if verb.name == suspend.name {
		cmd.Flags().BoolVar(&cut, "cut", false, "revoke what it holds, too; that stays so when it is resumed")
		cmd.Flags().StringVar(&reason, "reason", "", "why what it holds is revoked, as RFC 5280 `name`s it")
	}
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
