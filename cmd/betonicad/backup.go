package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/backup"
)

// A backing is what backup was asked to do.
type backing struct {
	dir, out   string
	recipients []string
	plain      bool
	scratch    string
}

func backupCommand(env environment) *cobra.Command {
	var b backing
	cmd := &cobra.Command{
		Use:   "backup --dir DIR --out FILE --recipient AGE...",
		Short: "Write a verified, encrypted backup while the daemon runs",
		Long: `backup copies the database as it is at this moment, without holding the daemon up,
and the files of DIR that a restore needs. It checks the copy, verifies the audit log
in it, encrypts it to each recipient, writes FILE, and reads it back from the disk. A
backup that does not verify is deleted. FILE must not exist: nothing is overwritten.
The SHA-256 of FILE goes to stdout.

Recipients are age's, made with age-keygen; those of [backup] recipients in
betonica.toml are taken if none is given. Keep their identities away from this host:
it never needs one. In FIPS 140-3 mode they are of age-keygen -pq (age1pq...), and
with GODEBUG=fips140=only there are none.

In it: the database, betonica.toml, policy.toml, and keys/ as it lies there, encrypted
under the passphrase. Not in it: the passphrase, the root's key, the evidence file, and
the log's archive, whose files never change: copy those once.

Whoever reads a backup learns of every machine, its names and who did what when, but
gets no key without the passphrase. --plain writes it unencrypted: only to a place that
nobody else reads.`,
		Example: `  betonicad backup --dir ca --out /mnt/backup/$(date +%F).age --recipient age1...
  0 3 * * *  betonicad backup --dir /var/lib/betonica --out /mnt/backup/$(date +\%F).age`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir", "out"); err != nil {
				return err
			}
			return b.run(cmd.Context(), env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&b.dir, "dir", "", "folder of the CA")
	f.StringVar(&b.out, "out", "", "file to make")
	f.StringArrayVar(&b.recipients, "recipient", nil, "age recipient that can read it; may be repeated (default: as configured)")
	f.BoolVar(&b.plain, "plain", false, "do not encrypt it: whoever reads it learns all that is on record, but no key")
	f.StringVar(&b.scratch, "scratch", "", "folder with room for a copy of the database, unencrypted, for a while (default DIR)")
	return cmd
}

func (b backing) run(ctx context.Context, env environment) (err error) {
	d, err := layoutOf(b.dir)
	if err != nil {
		return err
	}
	c, err := server.ReadConfig(string(d))
	if err != nil {
		return err
	}
	to, err := b.sealTo(c)
	if err != nil {
		return err
	}
	s, err := openSecrets(d, c)
	if err != nil {
		return err
	}
	defer s.close()
	out, err := createFile(b.out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.discard()) }()
	if b.scratch == "" {
		b.scratch = string(d)
	}
	said := newProgress(env.stderr)
	defer said.end()
	m, parts, done, err := b.collect(ctx, d, c, s, said)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	w := &sealedFile{file: out, to: to, said: said}
	if err := w.write(ctx, m, parts); err != nil {
		return fmt.Errorf("writing %s: %w", b.out, err)
	}
	if err := w.verify(ctx); err != nil {
		return fmt.Errorf("%s was not kept, for it did not verify: %w", b.out, err)
	}
	if err := out.publish(); err != nil {
		return err
	}
	said.end()
	fmt.Fprintf(env.stdout, "%x  %s\n", w.sum, b.out)
	fmt.Fprintf(env.stderr, "backed up %s: %d entries of the log, verified; %d bytes\n", b.dir, m.Entries, w.size)
	abs, err := filepath.Abs(b.out)
	if err != nil {
		return err
	}
	return noteBackup(d, server.Backup{At: m.At, File: abs, Bytes: w.size, Entries: m.Entries, Recipients: to.names})
}

// collect copies the store, verifies the copy, and says what the backup is to hold.
func (b backing) collect(ctx context.Context, d layout, c *server.Config, s *secrets, said *progressLine) (m backup.Manifest, p *parts, done func() error, err error) {
	// Before the copy: of a daemon that runs, the log is never behind its evidence.
	evidence, err := readEvidence(c.Audit.Evidence)
	if err != nil {
		return m, nil, nil, err
	}
	defer evidence.close()
	at := time.Now().UTC().Truncate(time.Second)
	copied, err := store.MakeCopy(ctx, store.Config{DSN: c.Store.DSN, Keys: s.log, Origin: origin(s.trustDomain()), Retention: c.StoreRetention()}, b.scratch, said.show("copying"))
	if err != nil {
		return m, nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, copied.Close())
		}
	}()
	said.say("checking the copy")
	if err := copied.Check(ctx); err != nil {
		return m, nil, nil, err
	}
	said.say("verifying the log")
	report, err := verifyLog(ctx, copied.Log, evidence, nil)
	if err != nil {
		return m, nil, nil, fmt.Errorf("the log does not verify, see betonicad audit verify: %w", err)
	}
	if report.Last != copied.Entries || report.Hash.String() != copied.Root {
		return m, nil, nil, fmt.Errorf("the log has %d entries, and its tiles are of %d", report.Last, copied.Entries)
	}
	m = backup.Manifest{
		At: at, Program: version(), TrustDomain: s.trustDomain(),
		Engine: copied.Engine, Schema: copied.Schema, Incarnation: copied.ID,
		Entries: copied.Entries, Root: copied.Root, Newest: copied.Newest, Checkpoint: copied.Checkpoint, CRLNumber: copied.CRLNumber,
	}
	p, err = collectParts(d, c, copied, &m)
	return m, p, copied.Close, err
}
