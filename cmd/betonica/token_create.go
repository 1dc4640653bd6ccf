package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func tokenCreateCommand(env environment) *cobra.Command {
	var req adminapi.TokenRequest
	var ttl time.Duration
	var form *output
	cmd := &cobra.Command{
		Use:   "create --role ROLE --name NAME",
		Short: "Make a join token; it alone goes to stdout",
		Long: `Make a join token: it enrols one machine, once, within its time. It is shown
now and never again; the daemon keeps a hash. NAME may be a pattern, such as
ward3-*: then whoever holds the token picks a name that nobody has.

With --eab it is for an ACME client as well, and stdout has what that asks for
as external account binding: the key's id and the HMAC key, a line each. The
account is bound to the identity for good, and needs no challenge for names
that the identity may have anyway. Whichever spends the token first, wins.

A token for a privileged role (admin, officer, operator, auditor) takes two people,
and so does one with --replace for an identity that was revoked: it waits as a
proposal until somebody for whom another answers has agreed, betonica approve. Then
the same command makes it.`,
		Example: `  betonica token create --role device --name pump-7 > pump-7.token
  betonica token create --role device --name 'ward3-*' --uses 20 --ttl 8h --network 10.3.0.0/16
  betonica token create --role device --name pump-7 --replace     # it enrols anew

  betonica token create --role service --name archive --eab
  certbot certonly --standalone --server https://ca.hospital.example:8443/acme/directory \
    --eab-kid KID --eab-hmac-key HMAC_KEY -d archive.service.hospital.example`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "role", "name"); err != nil {
				return err
			}
			if req.EAB && (strings.Contains(req.Name, "*") || req.Uses > 1) {
				return usagef("--eab binds one account to one identity: it takes an exact --name, and no --uses")
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			req.TTL = adminapi.Duration(ttl)
			t, err := daemon.CreateToken(cmd.Context(), req)
			if err != nil {
				err = fmt.Errorf("making a token for %s/%s: %w", req.Role, req.Name, interrupted(cmd.Context(), err))
				if !req.Replace {
					err = advise(err, "if it exists and shall enrol anew, repeat this with --replace", exitConflict)
				}
				return err
			}
			if *form != asTable {
				return writeOne(env, *form, t, nil)
			}
			fmt.Fprintf(env.stderr, "token %s for %s/%s, %s, until %s\n", t.ID, t.Role, t.Name, uses(t.MaxUses), stamp(t.Expires, env.now()))
			if req.EAB {
				_, err = fmt.Fprintf(env.stdout, "kid       %s\nhmac_key  %s\n", clean(t.KID), clean(t.HMACKey))
				return err
			}
			_, err = fmt.Fprintln(env.stdout, clean(t.Secret))
			return err
		},
	}
	cmd.Flags().StringVar(&req.Role, "role", "", "`role` of the identity, such as device")
	cmd.Flags().StringVar(&req.Name, "name", "", "`name` of the identity, or a pattern with *")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long the token lives, at most 24h (default 1h)")
	cmd.Flags().IntVar(&req.Uses, "uses", 0, "how often it may be spent (default once)")
	cmd.Flags().BoolVar(&req.Replace, "replace", false, "let an identity that has certificates enrol anew; they are superseded")
	cmd.Flags().StringVar(&req.Owner, "owner", "", "`who` answers for what enrols with it")
	cmd.Flags().StringVar(&req.Network, "network", "", "the `CIDR` that it may be used from")
	cmd.Flags().StringVar(&req.SPKI, "spki", "", "SHA-256, in `hex`, of the only public key that it certifies")
	cmd.Flags().BoolVar(&req.EAB, "eab", false, "make one that an ACME account can be bound with; once, for an exact name")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for whoever has to agree")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

func uses(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
