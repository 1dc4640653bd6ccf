package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func certShowCommand(env environment) *cobra.Command {
	var form *output
	cmd := &cobra.Command{
		Use:     "show SERIAL",
		Short:   "Show one certificate; in JSON with its PEM",
		Example: `  betonica cert show 019aa8d2c4f07e5b8c1d22f3a4b5c6d7 -o json | jq -r .pem | openssl x509 -text`,
		Args:    oneArg("SERIAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			c, err := daemon.Certificate(cmd.Context(), args[0])
			if err != nil {
				err = fmt.Errorf("showing certificate %s: %w", args[0], interrupted(cmd.Context(), err))
				return advise(err, "betonica cert list", exitNotFound)
			}
			return writeCertificate(env, *form, c)
		},
	}
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

func writeCertificate(env environment, form output, c adminapi.Certificate) error {
	now := env.now()
	state := certState(c, now)
	if c.Revoked != nil {
		state += ", " + stamp(c.Revoked.At, now)
	}
	return writeOne(env, form, c, []field{
		{"serial", c.Serial}, {"identity", c.Identity}, {"state", state},
		{"not before", stamp(c.NotBefore, now)}, {"not after", stamp(c.NotAfter, now)},
		{"dns names", strings.Join(c.DNSNames, ", ")}, {"addresses", strings.Join(c.IPs, ", ")},
		{"key", "SHA-256 " + c.SPKI}, {"method", c.Method}, {"token", c.Token}, {"renews", c.Parent}, {"policy", fmt.Sprintf("version %d", c.Policy)},
	})
}
