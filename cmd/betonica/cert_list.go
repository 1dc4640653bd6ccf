package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func certListCommand(env environment) *cobra.Command {
	var filter adminapi.CertificateFilter
	var form *output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List certificates",
		Example: `  betonica cert list --live
  betonica cert list --identity device/pump-7 -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			now := env.now()
			columns := []column[adminapi.Certificate]{
				{"SERIAL", func(c adminapi.Certificate) string { return c.Serial }},
				{"IDENTITY", func(c adminapi.Certificate) string { return c.Identity }},
				{"STATE", func(c adminapi.Certificate) string { return certState(c, now) }},
				{"NOT BEFORE", func(c adminapi.Certificate) string { return relative(c.NotBefore, now) }},
				{"NOT AFTER", func(c adminapi.Certificate) string { return relative(c.NotAfter, now) }},
				{"BY", func(c adminapi.Certificate) string { return c.Method }},
			}
			all := adminapi.All(cmd.Context(), func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Certificate], error) {
				return daemon.Certificates(ctx, filter, p)
			})
			return interrupted(cmd.Context(), writeList(env, *form, columns, all))
		},
	}
	cmd.Flags().StringVar(&filter.Identity, "identity", "", "only of this `ROLE/NAME`")
	cmd.Flags().BoolVar(&filter.Live, "live", false, "only what is neither expired nor revoked")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
