package main

import (
	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/guard"
)

func guardClientCommand(env environment) *cobra.Command {
	var f guardFlags
	cmd := &cobra.Command{
		Use:   "client --dir DIR --listen ADDRESS --connect URL --expect ID-PATTERN",
		Short: "Stand beside a program that calls another machine",
		Long: `Take what a program of this machine says, bring it over mutual TLS to another
machine, and keep a record of it. URL is https://HOST:PORT, tls://HOST:PORT,
mllps://HOST:PORT or dicoms://HOST:PORT. Whoever answers must be named by
--expect, as spiffe://hospital.example/service/fhir or with a * in place of a
name, hold a certificate for HOST that nobody revoked, and prove it.

Who reaches ADDRESS acts as this machine: it must be of the loopback, or
unix:PATH, which only the guard's own user may connect to. What a page of another
site asks by a browser is refused, and so is a request for a host that is none of
localhost, ADDRESS, HOST and --host.`,
		Example: `  betonica guard client --dir /etc/pump --listen 127.0.0.1:8080 --connect https://fhir.hospital.example:8443 \
    --expect spiffe://hospital.example/service/fhir`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir", "listen", "connect"); err != nil {
				return err
			}
			if len(f.route.Expect) == 0 {
				return usagef("%s needs --expect: who may answer", cmd.CommandPath())
			}
			c, err := f.config(env)
			if err != nil {
				return err
			}
			return runGuard(cmd.Context(), env, c, f.readyFile, func() (guard.Config, error) { return c, nil })
		},
	}
	f.register(cmd, "client")
	flags := cmd.Flags()
	flags.StringVar(&f.route.Connect, "connect", "", "the `URL` of the other machine's guard")
	flags.StringSliceVar(&f.route.Expect, "expect", nil, "`pattern` of the SPIFFE IDs that may answer")
	flags.StringVar(&f.route.ServerName, "server-name", "", "the DNS `name` that the certificate must be for (default: HOST)")
	flags.StringSliceVar(&f.route.Hosts, "host", nil, "another `name` that programs may call ADDRESS by, of https")
	flags.BoolVar(&f.route.Signed, "signed", false, "sign requests of http; bodies of 1 MiB at most")
	flags.BoolVar(&f.route.IDOnly, "id-only", false, "go by the SPIFFE ID alone, whatever the certificate's DNS names")
	flags.BoolVar(&f.route.UnsafeListen, "unsafe-listen", false, "let ADDRESS be reached from elsewhere")
	return cmd
}
