package main

import (
	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/guard"
)

func guardServerCommand(env environment) *cobra.Command {
	var f guardFlags
	cmd := &cobra.Command{
		Use:   "server --dir DIR --listen ADDRESS --backend URL [--rules FILE]",
		Short: "Stand before an application",
		Long: `Stand before an application: let in over mutual TLS whom the rules name, pass on
what they allow, and keep a record of each access. The backend is one of

  http://127.0.0.1:PORT   HTTP/1.1 and 2, WebSocket; with --fhir rules of FHIR, too
  h2c://127.0.0.1:PORT    an application that speaks HTTP/2 without TLS, such as gRPC
  tcp://127.0.0.1:PORT    anything else
  mllp://127.0.0.1:PORT   HL7 v2
  dicom://127.0.0.1:PORT  DICOM
  http+unix:PATH          and alike: at a Unix socket

The application learns who asks from the headers Client-Cert (RFC 9440) and
Betonica-Identity, or by --proxy-protocol. DIR is what betonica enroll or betonica
agent wrote; with --agent the guard keeps it fresh by itself.

The rules are those in FILE, which is read again when it changes; one that cannot be
used leaves the rules before in force. Without --rules they are what the CA's policy
says for this machine, signed, and a change there holds here within a second. With
--observe, what the rules do not allow is let through and recorded.
SIGTERM ends it well: connections have the time of --drain.`,
		Example: `  betonica guard server --dir /etc/fhir --listen :8443 --backend http://127.0.0.1:8080 --rules rules.toml
  betonica guard server --dir /etc/db --listen :5433 --backend tcp+unix:/run/postgresql/.s.PGSQL.5432 --rules rules.toml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir", "listen", "backend"); err != nil {
				return err
			}
			c, err := f.config(env)
			if err != nil {
				return err
			}
			return runGuard(cmd.Context(), env, c, f.readyFile, func() (guard.Config, error) { return c, nil })
		},
	}
	f.register(cmd, "server")
	flags := cmd.Flags()
	flags.StringVar(&f.route.Backend, "backend", "", "the application's `URL`")
	flags.BoolVar(&f.route.UnsafeBackend, "unsafe-backend", false, "let the backend be elsewhere, where what goes to it is not encrypted")
	flags.StringVar(&f.conf.Rules, "rules", "", "the `file` that says who may do what (default: the CA's policy)")
	flags.BoolVar(&f.conf.EndAtExpiry, "end-at-expiry", false, "let nobody in once rules of the CA have expired, 24 h after it was last there")
	flags.BoolVar(&f.route.Observe, "observe", false, "let through what the rules refuse, and record it")
	flags.StringVar(&f.route.FHIR, "fhir", "", "the base `path` of the FHIR server behind http")
	flags.BoolVar(&f.route.Signed, "signed", false, "refuse requests of http that the caller's guard has not signed")
	flags.BoolVar(&f.route.ProxyProtocol, "proxy-protocol", false, "tell the backend of callers by the PROXY protocol, version 2")
	return cmd
}
