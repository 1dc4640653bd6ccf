package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func powerListCommand(env environment) *cobra.Command {
	var all bool
	var form *output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the powers that people have, the newest first",
		Example: `  betonica power list
  betonica power list --all      # those that have ended, too`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			now := env.now()
			columns := []column[adminapi.Power]{
				{"ID", func(p adminapi.Power) string { return p.ID }},
				{"PERSON", func(p adminapi.Power) string { return p.Person }},
				{"RIGHT", func(p adminapi.Power) string { return p.Right }},
				{"STATE", func(p adminapi.Power) string { return p.State }},
				{"ENDS", func(p adminapi.Power) string { return relative(p.Ends, now) }},
				{"USED", func(p adminapi.Power) string { return fmt.Sprint(p.Uses) }},
				{"AGREED", func(p adminapi.Power) string { return p.By }},
				{"REVIEWED BY", func(p adminapi.Power) string { return p.ReviewedBy }},
				{"REASON", func(p adminapi.Power) string { return p.Reason }},
			}
			powers := adminapi.All(cmd.Context(), func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Power], error) {
				return daemon.Powers(ctx, !all, p)
			})
			return interrupted(cmd.Context(), writeList(env, *form, columns, powers))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "those that have ended, too")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
