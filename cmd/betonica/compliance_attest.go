package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func complianceAttestCommand(env environment) *cobra.Command {
	var req adminapi.AttestationRequest
	var holds time.Duration
	cmd := &cobra.Command{
		Use:   "attest CHECK --word TEXT [--for 8760h]",
		Short: "Put your word on record for what no query shows",
		Long: `Put your word on record for a check that no query makes: that a restore was tried,
that risks were analysed. It holds for as long as you say, two years at most, and
stands in reports with your name. It takes a certificate of your own: root on the
CA's host is nobody in particular.`,
		Example: `  betonica compliance attest 308-07 --for 8760h --word "Restored the backup of 3 November on ca-test; minutes in IT-311" --dir ~/.betonica`,
		Args:    oneArg("CHECK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needs(cmd, "word"); err != nil {
				return err
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			req.Check, req.For = args[0], adminapi.Duration(holds)
			a, err := daemon.AttestCompliance(cmd.Context(), req)
			if err != nil {
				return fmt.Errorf("attesting %s: %w", args[0], interrupted(cmd.Context(), err))
			}
			fmt.Fprintf(env.stdout, "%s attested until %s\n", a.Check, a.Expires.UTC().Format(time.RFC3339))
			return nil
		},
	}
	cmd.Flags().StringVar(&req.Word, "word", "", "`text`: what was done, by whom, and where it is written")
	cmd.Flags().DurationVar(&holds, "for", 365*24*time.Hour, "how long it holds, as a `duration`")
	daemonFlags(cmd)
	return cmd
}
