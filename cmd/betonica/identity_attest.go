package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func identityAttestCommand(env environment) *cobra.Command {
	var form *output
	var owner, give string
	cmd := &cobra.Command{
		Use:   "attest {ROLE/NAME... | --owner OWNER}",
		Short: "Say that machines are still there, once a year",
		Long: `Say that machines are still there, and who answers for them. Owners say so at least
as often as the role's attest_every wants, once a year by default: who was not
attested in time is stale, and suspended if the role says suspend_stale. It is on
record who said so, and when.

What is suspended stays so: betonica identity resume attests, too.`,
		Example: `  betonica identity attest device/pump-7 device/pump-8
  betonica identity attest --owner icu
  betonica identity attest device/pump-9 --give-owner icu`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == (owner == "") {
				return usagef("%s takes identities, or --owner; see %s --help", cmd.CommandPath(), cmd.CommandPath())
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			paths := func(yield func(string, error) bool) {
				for _, path := range args {
					if !yield(path, nil) {
						return
					}
				}
				if owner == "" {
					return
				}
				for i, err := range adminapi.All(cmd.Context(), func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Identity], error) {
					return daemon.Identities(ctx, adminapi.IdentityFilter{Owner: owner}, p)
				}) {
					if i.State == "revoked" || i.State == "retired" {
						continue
					}
					if !yield(i.Path, err) || err != nil {
						return
					}
				}
			}
			var failed error
			items := func(yield func(adminapi.Identity, error) bool) {
				for path, err := range paths {
					if err != nil {
						yield(adminapi.Identity{}, err)
						return
					}
					i, err := daemon.Attest(cmd.Context(), path, adminapi.AttestRequest{Owner: give})
					if err != nil && len(args) != 1 && exitCode(err) != exitUnreachable && cmd.Context().Err() == nil { // the others all the same
						fmt.Fprintf(env.stderr, "%s: %v\n", path, err)
						failed = errors.Join(failed, err)
						continue
					}
					if !yield(i, err) || err != nil {
						return
					}
				}
			}
			now := env.now()
			err = writeList(env, *form, []column[adminapi.Identity]{
				{"IDENTITY", func(i adminapi.Identity) string { return i.Path }},
				{"STATE", stateText},
				{"OWNER", func(i adminapi.Identity) string { return i.Owner }},
				{"ATTESTED", func(i adminapi.Identity) string { return relative(i.Attested, now) }},
			}, items)
			if err == nil && failed != nil {
				err = fmt.Errorf("not all were attested: %w", failed)
			}
			if err != nil {
				return adviseIdentity(fmt.Errorf("attesting: %w", interrupted(cmd.Context(), err)))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&owner, "owner", "", "all that this `owner` answers for")
	cmd.Flags().StringVar(&give, "give-owner", "", "`who` answers for them from now on")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

// stateText is the state, with what is to be known of it.
func stateText(i adminapi.Identity) string {
	text := i.State
	if i.Why != "" {
		text += ", " + i.Why
	}
	if i.Suspect {
		text += ", suspect"
	}
	return text
}
