package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func identityCreateCommand(env environment) *cobra.Command {
	var req adminapi.IdentityRequest
	var form *output
	cmd := &cobra.Command{
		Use:   "create ROLE/NAME",
		Short: "Put an identity on record, pending until it enrols",
		Long: `Put an identity on record, pending until it enrols. A token for a name that is
not known does the same; this says beforehand who owns it, and which names its
certificates may have.`,
		Example: `  betonica identity create service/billing --owner finance --dns billing.hospital.example`,
		Args:    oneArg("ROLE/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ok bool
			if req.Role, req.Name, ok = strings.Cut(args[0], "/"); !ok {
				return usagef("%q is not an identity: want ROLE/NAME, such as device/pump-7", args[0])
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			i, err := daemon.CreateIdentity(cmd.Context(), req)
			if err != nil {
				err = fmt.Errorf("creating %s: %w", args[0], interrupted(cmd.Context(), err))
				return advise(err, "betonica identity show "+args[0], exitConflict)
			}
			return writeIdentity(env, *form, i)
		},
	}
	cmd.Flags().StringVar(&req.Owner, "owner", "", "`who` answers for it")
	cmd.Flags().StringSliceVar(&req.DNSNames, "dns", nil, "DNS `name` that its certificates may have (default: what its role covers)")
	cmd.Flags().StringSliceVar(&req.IPs, "ip", nil, "IP `address` that its certificates may have (default: what its role covers)")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}
