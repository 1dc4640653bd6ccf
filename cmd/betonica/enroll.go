package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
)

// tokenCredential is the systemd credential with a join token.
const tokenCredential = "betonica.token"

func enrollCommand(env environment) *cobra.Command {
	var conf agent.Config
	var tokenFile string
	var ips []string
	var form *output
	cmd := &cobra.Command{
		Use:   "enroll --url URL --token-file FILE --out DIR",
		Short: "Buy a machine's first certificate with a join token",
		Long: `Buy a machine's first certificate with a join token, and put it into DIR/current:
cert.pem (with its intermediates), key.pem, chain.pem, roots.pem.

The token carries the fingerprint of the CA's root, so that not even the first
contact is on trust. If the reply is lost, the same command asks again for the
same certificate; once it is there, the same command does nothing.`,
		Example: `  betonica enroll --url https://ca.example:8443 --token-file token --out /etc/pump
  betonica enroll --url https://ca.example:8443 --token-file - --out m < token
  betonica enroll ... --identity device/ward3-7     # with a token for device/ward3-*`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "url", "out"); err != nil {
				return err
			}
			for _, text := range ips {
				ip, err := netip.ParseAddr(text)
				if err != nil {
					return usagef("--ip %q: not an address", text)
				}
				conf.Request.IPs = append(conf.Request.IPs, ip)
			}
			token, err := readToken(env, tokenFile)
			if err != nil {
				return err
			}
			conf.Log = logger(env, true)
			hook(cmd, &conf)
			c, err := agent.Enroll(cmd.Context(), conf, token)
			if err != nil {
				err = fmt.Errorf("enrolling: %w", interrupted(cmd.Context(), err))
				err = advise(err, "if the token leaves the name open: add --identity ROLE/NAME", exitUsage)
				return advise(err, "ask the CA's operators for a new one: betonica token create --role ROLE --name NAME [--replace]", exitNotAllowed, exitConflict)
			}
			return writeHolding(env, *form, conf.Dir, c, nil)
		},
	}
	cmd.Flags().StringVar(&conf.URL, "url", "", "the CA's `URL`, https://host:port")
	cmd.Flags().StringVar(&conf.Dir, "out", "", "the `directory` to put it in")
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "the `file` with the join token, - for stdin (default: the systemd credential "+tokenCredential+")")
	cmd.Flags().StringVar(&conf.Request.Identity, "identity", "", "`ROLE/NAME` to be called, if the token leaves it open")
	cmd.Flags().StringSliceVar(&conf.Request.DNSNames, "dns", nil, "DNS `name` to ask for (default: those on the CA's record)")
	cmd.Flags().StringSliceVar(&ips, "ip", nil, "IP `address` to ask for (default: those on the CA's record)")
	cmd.Flags().StringVar(&conf.Request.Key, "key-type", "P-256", "P-256, P-384, Ed25519, RSA-2048, RSA-3072 or RSA-4096")
	hookFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

// readToken reads the join token from a file, from stdin, or from systemd.
func readToken(env environment, path string) (api.JoinToken, error) {
	r, from := env.stdin, "stdin"
	if path != "-" {
		if path = tokenPath(env, path); path == "" {
			return api.JoinToken{}, usagef("betonica enroll needs --token-file: a file with the join token, or - for stdin")
		}
		f, err := os.Open(path)
		if err != nil {
			return api.JoinToken{}, err
		}
		defer f.Close()
		r, from = f, path
	}
	token, err := agent.ReadToken(r)
	if err != nil {
		return token, fmt.Errorf("%s: %w", from, err)
	}
	return token, nil
}

// tokenPath returns path, or the systemd credential if there is one.
func tokenPath(env environment, path string) string {
	if dir := env.getenv("CREDENTIALS_DIRECTORY"); path == "" && dir != "" {
		credential := filepath.Join(dir, tokenCredential)
		if _, err := os.Stat(credential); err == nil {
			return credential
		}
	}
	return path
}
