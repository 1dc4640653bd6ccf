package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/revoke/crl"
)

func rootCommand(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "root",
		Short: "Sign with the root's key, when it is fetched",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(signCRLCommand(env))
	return cmd
}

// A signing is what root sign-crl was asked to do.
type signing struct {
	dir    string
	key    rootKey
	revoke string
	reason string
	force  bool
}

func signCRLCommand(env environment) *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use:   "sign-crl --dir DIR --root-key FILE",
		Short: "Sign the root's CRL anew, for a year, and revoke an intermediate",
		Long: `sign-crl has the root say for another year which intermediates are good: it
signs its revocation list anew, with the next number, and certifies a new OCSP
responder. It needs the root's key for a moment, and no network. A daemon that
runs takes both over at SIGHUP.

--revoke CERT revokes an intermediate for ever: a file with its certificate, or its
serial number in hex. Everything below it falls with it. The one that issues is
revoked only with --force: have betonicad rotate make the next one first.`,
		Example: `  betonicad root sign-crl --dir ca --root-key /media/safe/ca.root/root.key
  betonicad root sign-crl --dir ca --root-key /media/safe/ca.root/root.key --revoke ca/keys/intermediate.pem --reason cACompromise`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir", "root-key"); err != nil {
				return err
			}
			return s.run(env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.dir, "dir", "", "folder of the CA")
	rootKeyFlags(f, &s.key)
	f.StringVar(&s.revoke, "revoke", "", "certificate or serial number of an intermediate to revoke")
	f.StringVar(&s.reason, "reason", "unspecified", "why: unspecified, cACompromise, superseded or cessationOfOperation")
	f.BoolVar(&s.force, "force", false, "revoke it even if it is the one that issues")
	return cmd
}

// run reads the last list, has the next one signed, and replaces the files.
func (s signing) run(env environment) error {
	c, err := begin(s.dir)
	if err != nil {
		return err
	}
	defer c.end()
	var revoked []crl.Entry
	var falls *intermediate
	if s.revoke != "" {
		if falls, err = c.find(s.revoke); err != nil {
			return err
		}
		entry, err := s.entry(falls)
		if err != nil {
			return err
		}
		if err := s.may(c, falls, env.stderr); err != nil {
			return err
		}
		revoked = append(revoked, entry)
	}
	root, err := s.key.open(c)
	if err != nil {
		return err
	}
	list, err := c.state(root, revoked...)
	if err != nil {
		return err
	}
	if falls != nil {
		if err := c.fall(falls, s.reason); err != nil {
			return err
		}
	}
	fmt.Fprintf(env.stderr, "signed the root's CRL %d, good until %s; send the daemon SIGHUP, and put the root's key away\n",
		list.Number(), list.NextUpdate().Format(time.DateOnly))
	return nil
}

// entry is what the root's list is to say.
func (s signing) entry(falls *intermediate) (crl.Entry, error) {
	reason, err := crl.ParseReason(s.reason)
	switch {
	case err != nil:
	case reason == crl.Unspecified, reason == crl.CACompromise, reason == crl.Superseded, reason == crl.CessationOfOperation:
		serial, err := crl.SerialOf(falls.certificate.SerialNumber.Bytes())
		return crl.Entry{Serial: serial, RevokedAt: time.Now().UTC().Truncate(time.Second), Reason: reason}, err
	}
	return crl.Entry{}, usagef("--reason %q: it must be unspecified, cACompromise, superseded or cessationOfOperation", s.reason)
}

// may says what falls, and refuses it if it is what issues.
func (s signing) may(c *ceremony, falls *intermediate, out io.Writer) error {
	fmt.Fprintf(out, "revoking %q: every certificate below it will be refused by whoever checks the whole chain\n", falls.certificate.Subject)
	if c.secrets.roster.issuing(time.Now()) != falls.id {
		return nil
	}
	fmt.Fprintln(out, "it is the one that issues: what is issued from now on will be refused, too, until another one issues")
	if s.force {
		return nil
	}
	return fmt.Errorf("%q issues: make the next intermediate with betonicad rotate and move to it first, or use --force", falls.certificate.Subject)
}
