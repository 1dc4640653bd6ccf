package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func identityListCommand(env environment) *cobra.Command {
	var filter adminapi.IdentityFilter
	doubts := map[string]*bool{}
	var form *output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List identities",
		Example: `  betonica identity list --role device --state suspended
  betonica identity list --stale --role device
  betonica identity list --search ward3 -o ndjson`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for doubt, wanted := range doubts {
				if *wanted && filter.Doubt != "" {
					return usagef("%s takes one of --stale, --ownerless and --dormant", cmd.CommandPath())
				}
				if *wanted {
					filter.Doubt = doubt
				}
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			now := env.now()
			columns := []column[adminapi.Identity]{
				{"IDENTITY", func(i adminapi.Identity) string { return i.Path }},
				{"STATE", stateText},
				{"OWNER", func(i adminapi.Identity) string { return i.Owner }},
				{"CREATED", func(i adminapi.Identity) string { return relative(i.Created, now) }},
				{"CHANGED", func(i adminapi.Identity) string { return relative(i.Changed, now) }},
			}
			all := adminapi.All(cmd.Context(), func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Identity], error) {
				return daemon.Identities(ctx, filter, p)
			})
			return interrupted(cmd.Context(), writeList(env, *form, columns, all))
		},
	}
	cmd.Flags().StringVar(&filter.Role, "role", "", "only of this `role`")
	cmd.Flags().StringVar(&filter.State, "state", "", "only in this `state`: pending, active, suspended, revoked or retired")
	cmd.Flags().StringVar(&filter.Owner, "owner", "", "only of this `owner`")
	cmd.Flags().StringVar(&filter.Search, "search", "", "only with a name that begins with this `text`")
	doubts["unattested"] = cmd.Flags().Bool("stale", false, "only those that nobody attested in time (betonica identity attest)")
	doubts["ownerless"] = cmd.Flags().Bool("ownerless", false, "only those without an owner")
	doubts["dormant"] = cmd.Flags().Bool("dormant", false, "only those that were suspended because they got no certificate for too long")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
