package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/revoke"
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
	dir, key, passphrase string
}

func signCRLCommand(env environment) *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use:   "sign-crl --dir DIR --root-key FILE",
		Short: "Sign the root's CRL anew, for a year",
		Long: `sign-crl has the root say for another year which intermediates are good: it
signs its revocation list anew, with the next number, and certifies a new OCSP
responder. It needs the root's key for a moment, and no network. A daemon that
runs shows the new list after a restart.`,
		Example: `  betonicad root sign-crl --dir ca --root-key /media/safe/ca.root/root.key`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir", "root-key"); err != nil {
				return err
			}
			return s.run(env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.dir, "dir", "", "folder of the CA")
	f.StringVar(&s.key, "root-key", "", "file with the root's key")
	f.StringVar(&s.passphrase, "root-passphrase-file", "", "file with its passphrase (default: passphrase beside the key)")
	return cmd
}

// run reads the last list, has the next one signed, and replaces the files one by
// one: each pair of them is good by itself.
func (s signing) run(env environment) error {
	d, err := layoutOf(s.dir)
	if err != nil {
		return err
	}
	c, err := server.ReadConfig(string(d))
	if err != nil {
		return err
	}
	secrets, err := openSecrets(d, c)
	if err != nil {
		return err
	}
	root, err := s.openRoot(secrets.root)
	if err != nil {
		return err
	}
	said, err := revoke.SignRoot(root, secrets.statement.crl, time.Now())
	if err != nil {
		return err
	}
	if err := writeStatement(d, said, secrets.sealer, replaceFile); err != nil {
		return err
	}
	list, err := x509.ParseRevocationList(said.CRL)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "signed the root's CRL %s, good until %s; restart the daemon, and put the root's key away\n",
		list.Number, list.NextUpdate.Format(time.DateOnly))
	return nil
}

func (s signing) openRoot(certificate *x509.Certificate) (*ca.Root, error) {
	file := s.passphrase
	if file == "" {
		file = filepath.Join(filepath.Dir(s.key), "passphrase")
	}
	passphrase, err := keys.ReadPassphrase(file)
	if err != nil {
		return nil, err
	}
	key, err := keys.Open("file:"+s.key, passphrase)
	if err != nil {
		return nil, err
	}
	return ca.NewRoot(certificate, key, nil)
}

// replaceFile writes a file whole: after a crash it is the old one or the new one.
func replaceFile(path string, content []byte) error {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := writeFile(next, content); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
