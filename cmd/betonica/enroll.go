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
	var shown proofFlags
	var form *output
	cmd := &cobra.Command{
		Use:   "enroll --url URL --token-file FILE|--birth-cert FILE|--tpm DEVICE|--ask --out DIR",
		Short: "Get a machine's first certificate",
		Long: `Get a machine's first certificate, and put it into DIR/current: cert.pem (with its
intermediates), key.pem, chain.pem, roots.pem. What the machine shows is a join token,
the certificate that its maker gave it, its TPM, or the word of a person; some roles
want two.

The token carries the fingerprint of the CA's root, so that not even the first
contact is on trust; without one, --root or --root-sha256 says it. If the reply is
lost, the same command asks again for the same certificate; once it is there, the
same command does nothing.

With --tpm the keys, this one and those of all renewals, are made in a TPM 2.0 and
never leave it: key.pem is of no use on another machine. The CA knows the TPM from
its inventory (betonica tpm DEVICE prints what stands there), or from a token.

With --ask it shows a code, and waits until somebody approves the request that has
the same code at the CA (betonica approve CODE --as ROLE/NAME). To stop it, and to
call it again later, goes on with the same request.`,
		Example: `  betonica enroll --url https://ca.example:8443 --token-file token --out /etc/pump
  betonica enroll --url https://ca.example:8443 --token-file - --out m < token
  betonica enroll ... --identity device/ward3-7     # with a token for device/ward3-*
  betonica enroll --url U --birth-cert idevid.pem --birth-key idevid.key --root root.crt --role device --out m
  betonica enroll --url U --tpm /dev/tpmrm0 --root root.crt --out m
  betonica enroll --url U --ask --role device --root-sha256 9f86d0...0a08 --out m`,
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
			var token *api.JoinToken
			if !shown.any() || tokenFile != "" {
				read, err := readToken(env, tokenFile)
				if err != nil {
					return err
				}
				token = &read
			}
			proof, err := shown.proof(token)
			if err != nil {
				return err
			}
			conf.Log = logger(env, true)
			conf.Events = showCode(env)
			hook(cmd, &conf)
			if err := useTPM(&conf, shown.tpm, token); err != nil {
				return err
			}
			c, err := agent.EnrollWith(cmd.Context(), conf, proof)
			if err != nil {
				err = fmt.Errorf("enrolling: %w", interrupted(cmd.Context(), err))
				err = advise(err, "if the token leaves the name open: add --identity ROLE/NAME; without a token: --role ROLE", exitUsage)
				return advise(err, "ask the CA's operators for a new one: betonica token create --role ROLE --name NAME [--replace]", exitNotAllowed, exitConflict)
			}
			return writeHolding(env, *form, conf.Dir, c, nil)
		},
	}
	cmd.Flags().StringVar(&conf.URL, "url", "", "the CA's `URL`, https://host:port")
	cmd.Flags().StringVar(&conf.Dir, "out", "", "the `directory` to put it in")
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "the `file` with the join token, - for stdin (default: the systemd credential "+tokenCredential+")")
	cmd.Flags().StringVar(&conf.Request.Identity, "identity", "", "`ROLE/NAME` to be called, if the token leaves it open")
	cmd.Flags().StringVar(&conf.Request.Role, "role", "", "the `role` to have, where no token says so")
	shown.register(cmd)
	cmd.Flags().StringSliceVar(&conf.Request.DNSNames, "dns", nil, "DNS `name` to ask for (default: those on the CA's record)")
	cmd.Flags().StringSliceVar(&ips, "ip", nil, "IP `address` to ask for (default: those on the CA's record)")
	cmd.Flags().StringVar(&conf.Request.Key, "key-type", "P-256", "P-256, P-384, Ed25519, RSA-2048, RSA-3072 or RSA-4096")
	hookFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

// showCode tells the person at the machine what to tell the approver.
func showCode(env environment) func(agent.Event) {
	return func(e agent.Event) {
		if e.Kind == agent.Waiting {
			fmt.Fprintf(env.stderr, "code %s: waiting until somebody approves it (betonica approve %s --as ROLE/NAME)\n", e.Code, e.Code)
		}
	}
}

// readToken reads the join token from a file, from stdin, or from systemd.
func readToken(env environment, path string) (api.JoinToken, error) {
	r, from := env.stdin, "stdin"
	if path != "-" {
		if path = tokenPath(env, path); path == "" {
			return api.JoinToken{}, usagef("betonica enroll needs something to show: --token-file (- for stdin), --birth-cert, or --ask; see betonica enroll --help")
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
