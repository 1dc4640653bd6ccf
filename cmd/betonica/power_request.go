package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func powerRequestCommand(env environment) *cobra.Command {
	var req adminapi.PowerRequest
	var lasts time.Duration
	var form *output
	cmd := &cobra.Command{
		Use:   "request RIGHT --for TIME --reason TEXT",
		Short: "Ask for a right for a time, which another person agrees to",
		Long: `Ask for a right that your role has not, for a time: log (read the audit log),
tokens (make join tokens, approve machines), identities, revocation or policy.

Another person, for whom somebody else answers, has to agree: betonica approve.
The power begins when you repeat the same command then, and ends by itself.
Auditors can be lent nothing: who looks at what was done does nothing else.`,
		Example: `  betonica power request revocation --for 2h --reason 'stolen pumps, ticket 4711'`,
		Args:    oneArg("RIGHT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needs(cmd, "reason"); err != nil {
				return err
			}
			if lasts <= 0 {
				return usagef("%s needs --for, how long; see %s --help", cmd.CommandPath(), cmd.CommandPath())
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			req.Right, req.For = args[0], adminapi.Duration(lasts)
			p, err := daemon.RequestPower(cmd.Context(), req)
			if err != nil {
				return fmt.Errorf("asking for %s: %w", args[0], interrupted(cmd.Context(), err))
			}
			return writePower(env, *form, p)
		},
		ValidArgs: []string{"identities", "log", "policy", "revocation", "tokens"},
	}
	cmd.Flags().DurationVar(&lasts, "for", 0, "how long, 1m to 8h")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for whoever agrees")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
