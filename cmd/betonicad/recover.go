package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/revoke/evidence"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit/plain"
)

// A recovering is what recover was asked to do.
type recovering struct {
	dir       string
	files     []string
	fromPeers bool
	wait      time.Duration
	http      string
}

func recoverCommand(env environment) *cobra.Command {
	var r recovering
	cmd := &cobra.Command{
		Use:   "recover --dir DIR --from-crl FILE...",
		Short: "Bring back what was revoked after a backup, and go on signing",
		Long: `recover makes a database that came out of a backup, or an older copy of it that was
put back, fit to sign again. The daemons on it must be stopped.

It takes revocation lists that this CA signed: files in DER or PEM, such as chain.crl.pem
on a web server or *.crl in the state folder of a relying party. Every one is verified. A
file may also be the SQLite database that was lost, damaged or not: the lists are taken
that can be read in it.
With --from-peers it listens where relying parties fetch lists, and takes those that
they hold; they notice within a minute or so.

Then
  - what the lists show is revoked again, with its reason and time, also certificates
    that were issued after the backup, which this CA has forgotten
  - an identity that lost a certificate so is suspect; one that has none left is
    suspended, for it cannot be known whether all of it was revoked: resume it, or
    revoke it (betonica identity resume, betonica revoke)
  - numbers of lists go on above all that may have been signed
  - join tokens that were not used yet are void, for they may have been used since
  - requests for approval are forgotten, for they may have been denied since: machines
    ask again, and show another code
  - what two people agreed on and nobody did yet is denied, and lent powers are over,
    for they may have been used or ended since: propose and ask again
  - certificates that were issued after the backup are unknown: OCSP answers for them as
    for what was never issued, and their machines must enrol anew
  - an identity that was revoked after the backup while it held no certificate left no
    trace in any list: look for those yourself
  - the log says for ever which of its entries are lost; every agent that has seen them
    raises an alarm, and keeps what it saw

Whoever holds an intermediate's key can make such lists: nothing here helps against him.`,
		Example: `  betonicad recover --dir ca --from-crl /var/lib/pump/crl/*.crl
  betonicad recover --dir ca --from-peers --for 15m`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needs(cmd, "dir"); err != nil {
				return err
			}
			if len(args) > 0 && len(r.files) == 0 {
				return usagef("%s takes no argument, and got %q", cmd.CommandPath(), args[0])
			}
			r.files = append(r.files, args...) // what the shell made of FILE*
			if len(r.files) == 0 && !r.fromPeers {
				return usagef("%s needs lists: --from-crl FILE, or --from-peers; see %s --help", cmd.CommandPath(), cmd.CommandPath())
			}
			return r.run(cmd.Context(), env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.dir, "dir", "", "folder of the CA")
	f.StringArrayVar(&r.files, "from-crl", nil, "revocation list, or bundle of them; may be repeated, and further files may follow")
	f.BoolVar(&r.fromPeers, "from-peers", false, "ask relying parties for the lists that they hold")
	f.DurationVar(&r.wait, "for", 10*time.Minute, "with --from-peers: how long to listen; SIGINT ends it at once, and nothing is recovered")
	f.StringVar(&r.http, "http", "", "with --from-peers: address to listen at, instead of the configured one")
	return cmd
}

func (r recovering) run(ctx context.Context, env environment) (err error) {
	d, err := layoutOf(r.dir)
	if err != nil {
		return err
	}
	c, err := server.ReadConfig(string(d))
	if err != nil {
		return err
	}
	unlock, err := lock(d, c)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := openSecrets(d, c)
	if err != nil {
		return err
	}
	defer s.close()
	known, err := r.evidence(ctx, env, c, s)
	if err != nil {
		return err
	}
	copies, copied := c.MigrationCopies()
	db, err := store.Open(ctx, store.Config{
		DSN: c.Store.DSN, Keys: s.log, Origin: origin(s.trustDomain()), Evidence: c.Audit.Evidence, IDFile: d.storeID(), BackupDir: copies, NoBackup: !copied, Recover: true, Existing: true, Retention: c.StoreRetention(),
		Log: slog.New(slog.NewJSONHandler(plain.JSONWriter(env.stderr), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	job := &recovery{db: db, secrets: s, known: known, by: fmt.Sprintf("uid:%d", os.Getuid())}
	if err := job.run(ctx); err != nil {
		return err
	}
	job.report(env, r.dir)
	return nil
}

// evidence reads the lists, or lets relying parties bring them.
func (r recovering) evidence(ctx context.Context, env environment, c *server.Config, s *secrets) (*evidence.Evidence, error) {
	known := newEvidence(s)
	for _, file := range r.files {
		texts, err := listsIn(ctx, file)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, text := range texts {
			some, err := known.AddFile(text, s.root)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			n += some
		}
		fmt.Fprintf(env.stderr, "%s: %d lists verified\n", file, n)
	}
	if r.fromPeers {
		if err := r.listen(ctx, env, c, known); err != nil {
			return nil, err
		}
	}
	if known.Number() == 0 {
		return nil, errors.New("there is no list of an intermediate among what was brought: nothing is recovered")
	}
	return known, nil
}

// listsIn returns what a file holds, or the lists in it if it is a database.
func listsIn(ctx context.Context, file string) ([][]byte, error) {
	database, err := store.IsSQLite(file)
	if err != nil {
		return nil, err
	}
	if database {
		return store.KeptLists(ctx, file)
	}
	text, err := os.ReadFile(file)
	return [][]byte{text}, err
}

// newEvidence knows every intermediate that there ever was.
func newEvidence(s *secrets) *evidence.Evidence {
	e := evidence.New(time.Now)
	for _, one := range s.intermediates {
		e.Trust(one.certificate)
	}
	return e
}
