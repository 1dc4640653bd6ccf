package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func alertListCommand(env environment) *cobra.Command {
	var filter adminapi.AlertFilter
	var since string
	var form *output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the alerts that are not resolved, the newest first",
		Long: `List the alerts that are not resolved, the newest first. An alert says that two things
on record do not go together: a key that two machines hold, a revoked certificate
that was let through, a machine that does what it never did. It resolves by itself
once that is over. What the list shows is of the log, and so is who reads it.`,
		Example: `  betonica alert list
  betonica alert list --severity high --site north
  betonica alert list --all --since 7d -o ndjson`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := env.now()
			var err error
			if filter.Since, err = moment(since, now); err != nil {
				return err
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			columns := []column[adminapi.Alert]{
				{"ID", func(a adminapi.Alert) string { return fmt.Sprint(a.ID) }},
				{"SEVERITY", func(a adminapi.Alert) string { return a.Severity }},
				{"STATE", func(a adminapi.Alert) string { return a.State }},
				{"OPENED", func(a adminapi.Alert) string { return relative(a.Opened, now) }},
				{"COUNT", func(a adminapi.Alert) string { return fmt.Sprint(a.Count) }},
				{"SITE", func(a adminapi.Alert) string { return a.Site }},
				{"ABOUT", about},
				{"RULE", func(a adminapi.Alert) string { return a.Rule + " " + a.Title }},
			}
			all := adminapi.All(cmd.Context(), func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Alert], error) {
				return daemon.Alerts(ctx, filter, p)
			})
			return interrupted(cmd.Context(), writeList(env, *form, columns, all))
		},
	}
	cmd.Flags().BoolVar(&filter.All, "all", false, "those that are resolved, too: of the last 400 days")
	cmd.Flags().StringVar(&filter.Severity, "severity", "", "only of this `severity` or worse: low, medium, high or critical")
	cmd.Flags().StringVar(&filter.Site, "site", "", "only at this `site`, in full")
	cmd.Flags().StringVar(&since, "since", "", "not opened before this `time`: RFC 3339, or how long ago, such as 90m or 7d")
	cmd.RegisterFlagCompletionFunc("severity", cobra.FixedCompletions([]string{"low", "medium", "high", "critical"}, cobra.ShellCompDirectiveNoFileComp))
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
