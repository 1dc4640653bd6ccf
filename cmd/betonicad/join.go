package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/cmd/internal/server"
)

// A joining is what join was asked to do.
type joining struct {
	dir            string
	dsn            string
	passphraseFile string
	fingerprint    string // of the root; empty: any
	name           string
	names          []string
}

func joinCommand(env environment) *cobra.Command {
	var j joining
	cmd := &cobra.Command{
		Use:   "join --dsn DSN --dir DIR",
		Short: "Make a further replica of a CA on PostgreSQL",
		Long: `join makes the folder of one more betonicad that shares a PostgreSQL database with
others: all of it or nothing. The keys come out of the database, where the others
deposit them as they lie in their folders: encrypted. What opens them does not: copy
the passphrase file of another host to DIR.passphrase beforehand, or hand it over as
the systemd credential betonica.passphrase.

Whoever owns the database could offer the keys of another CA: compare the SHA-256 of
the root that join writes with the one that betonicad init wrote, or demand it with
--root-fingerprint.

Settings of the others' betonica.toml are not taken over, but for the names, the URL
of relying parties and a key in an HSM. What all have to agree on is [deliver]: one of
them, the eldest, delivers the audit log, to the receivers that its own file names.`,
		Example: `  scp ca-1:/etc/betonica/ca.passphrase ca.passphrase
  betonicad join --dsn postgres://betonica@db/betonica --dir ca --name ca-2 --dns ca-2.hospital.example
  BETONICA_DSN=postgres://betonica@db/betonica betonicad join --dir ca --root-fingerprint 6b86b273...`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dsn", "dir"); err != nil {
				return err
			}
			return j.run(cmd.Context(), env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&j.dir, "dir", "", "folder to make; it must not exist, or be empty")
	f.StringVar(&j.dsn, "dsn", "", "postgres://...: the database of the others")
	f.StringVar(&j.passphraseFile, "passphrase-file", "", "file with the passphrase (default DIR.passphrase)")
	f.StringVar(&j.fingerprint, "root-fingerprint", "", "SHA-256 of the root's certificate, in hex, without which nothing is made")
	f.StringVar(&j.name, "name", "", "what this replica is called; each has a name of its own (default: the host's)")
	f.StringSliceVar(&j.names, "dns", nil, "DNS name or IP address of this host, beside those that all share; may be repeated")
	return cmd
}

// run makes the folder.
func (j joining) run(ctx context.Context, env environment) error {
	if err := j.complete(); err != nil {
		return err
	}
	names, err := parseNames(j.names)
	if err != nil {
		return err
	}
	if err := vacant(j.dir); err != nil {
		return err
	}
	a, err := j.admit(ctx)
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.make(ctx, names); err != nil {
		return err
	}
	fmt.Fprintln(env.stdout, fingerprint(a.secrets.root))
	fmt.Fprintf(env.stderr, `made the folder of %s, a replica of %s, in %s; above is the SHA-256 of its root
  It must be the one that betonicad init wrote, or that betonica status shows on another
  replica: if it is not, delete the folder, and find out who offered it.
  Settings that the others changed in betonica.toml are to be changed here, too, and
  [deliver] above all: whichever is the eldest delivers the audit log.
next: betonicad serve --dir %s
`, a.name, a.deposit.TrustDomain, j.dir, j.dir)
	if a.deposit.URL == "" {
		fmt.Fprintln(env.stderr, "note: no replica has [http] url set: certificates point to the host that issued them; set it on all to a name that all answer to")
	}
	return nil
}

// complete fills in the defaults, and refuses what makes no sense.
func (j *joining) complete() (err error) {
	if !strings.HasPrefix(j.dsn, "postgres://") && !strings.HasPrefix(j.dsn, "postgresql://") {
		return usagef("--dsn must begin with postgres://: replicas share a PostgreSQL database, and a store on SQLite has one daemon")
	}
	if j.fingerprint = strings.ToLower(strings.ReplaceAll(j.fingerprint, ":", "")); j.fingerprint != "" {
		if sum, err := hex.DecodeString(j.fingerprint); err != nil || len(sum) != 32 {
			return usagef("--root-fingerprint is not a SHA-256 in hex")
		}
	}
	if j.dir, err = filepath.Abs(j.dir); err != nil {
		return err
	}
	if j.passphraseFile != "" {
		if j.passphraseFile, err = filepath.Abs(j.passphraseFile); err != nil {
			return err
		}
		if within(j.passphraseFile, j.dir) {
			return usagef("the passphrase file %s must not lie in %s, beside the key that it opens", j.passphraseFile, j.dir)
		}
	}
	if j.name == "" {
		j.name = hostName()
	}
	if _, err := ca.NewID("any.example", ca.RoleCA, j.name); err != nil {
		return usagef("--name: %v", err)
	}
	return nil
}

// hostName is what this host is called, as far as a certificate can say it.
func hostName() string {
	name, _ := os.Hostname()
	name, _, _ = strings.Cut(name, ".")
	return regexp.MustCompile(`[^A-Za-z0-9_-]+`).ReplaceAllString(name, "-")
}

// parseNames reads what --dns was given.
func parseNames(texts []string) (names []server.Name, err error) {
	for _, text := range texts {
		name, err := server.ParseName(text)
		if err != nil {
			return nil, usagef("--dns: %v", err)
		}
		names = append(names, name)
	}
	return names, nil
}
