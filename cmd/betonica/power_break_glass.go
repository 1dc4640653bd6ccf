package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func powerBreakGlassCommand(env environment) *cobra.Command {
	var req adminapi.PowerRequest
	var lasts time.Duration
	var form *output
	cmd := &cobra.Command{
		Use:   "break-glass --reason TEXT",
		Short: "Take the power of an emergency at once",
		Long: `Take the power of an emergency at once: for operators and officers to do what
officers may, never to change the policy. Nobody has to agree before. It is
alarmed, it ends by itself, and within three days somebody for whom another
answers looks at what was done: betonica power review.`,
		Example: `  betonica power break-glass --reason 'ward 3 cannot reach its pumps'
  betonica power break-glass --for 3h --reason 'ransomware in radiology'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "reason"); err != nil {
				return err
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			req.For = adminapi.Duration(lasts)
			p, err := daemon.BreakGlass(cmd.Context(), req)
			if err != nil {
				return fmt.Errorf("taking the power of an emergency: %w", interrupted(cmd.Context(), err))
			}
			return writePower(env, *form, p)
		},
	}
	cmd.Flags().DurationVar(&lasts, "for", time.Hour, "how long, at most 4h")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for whoever looks at it afterwards")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
