package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func policyApplyCommand(env environment) *cobra.Command {
	var req adminapi.PolicyRequest
	var form *output
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Put a policy in force; - reads it from stdin",
		Long: `Put a policy in force. One that has an error changes nothing. With --replaces
it is applied only if that version is still the one in force, so that nobody's
change is lost.

One that lets more through than the one in force takes two people: it waits as a
proposal until somebody for whom another answers has agreed, betonica approve. Then
the same command puts it in force.`,
		Example: `  betonica policy apply policy.toml --replaces 7`,
		Args:    oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readAll(env, args[0])
			if err != nil {
				return err
			}
			req.Text = string(text)
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			p, err := daemon.SetPolicy(cmd.Context(), req)
			if err != nil {
				err = fmt.Errorf("applying %s: %w", args[0], interrupted(cmd.Context(), err))
				return advise(err, "betonica policy show, and start from that", exitConflict)
			}
			return writeOne(env, *form, p, []field{
				{"version", fmt.Sprint(p.Version)}, {"digest", p.Digest}, {"loaded", stamp(p.Loaded, env.now())}, {"by", p.Actor},
			})
		},
	}
	cmd.Flags().Int64Var(&req.Replaces, "replaces", 0, "the `version` that this one was made from")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for whoever has to agree")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

// readAll reads a file, or stdin for "-".
func readAll(env environment, path string) ([]byte, error) {
	if path != "-" {
		return os.ReadFile(path)
	}
	text, err := io.ReadAll(env.stdin)
	if err != nil {
		return nil, fmt.Errorf("reading stdin: %w", err)
	}
	return text, nil
}
