package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func alertQuietCommand(env environment) *cobra.Command {
	var req adminapi.QuietRequest
	var until string
	var form *output
	cmd := &cobra.Command{
		Use:   "quiet --until TIME --reason TEXT",
		Short: "Say before planned work that there will be some",
		Long: `Say before planned work, such as fitting out a ward or moving it to another network,
that there will be some at a site: what is unusual there then is no alert. What must
never be, such as a key that two machines hold, is one all the same. It lasts 7 days
at most, and is on record with your name; --until 0s ends it.`,
		Example: `  betonica alert quiet --site north --until 8h --reason 'ward 3 gets new pumps'
  betonica alert quiet --site north --until 0s --reason 'done early'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "until", "reason"); err != nil {
				return err
			}
			now := env.now()
			if d, err := time.ParseDuration(until); err == nil {
				req.Until = now.Add(d)
			} else if req.Until, err = time.Parse(time.RFC3339, until); err != nil {
				return usagef("--until: %q is not a time such as 2026-11-22T14:00:00Z, nor how long from now, such as 8h", until)
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			done, err := daemon.Quiet(cmd.Context(), req)
			if err != nil {
				return fmt.Errorf("keeping alerts quiet: %w", interrupted(cmd.Context(), err))
			}
			return writeOne(env, *form, done, []field{{"site", cmp.Or(done.Site, "everywhere")}, {"until", stamp(done.Until, now)}, {"reason", done.Reason}})
		},
	}
	cmd.Flags().StringVar(&req.Site, "site", "", "at this `site`, as the inventory has it (default: everywhere)")
	cmd.Flags().StringVar(&until, "until", "", "this `time`: RFC 3339, or how long from now, such as 8h")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "what is planned")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
