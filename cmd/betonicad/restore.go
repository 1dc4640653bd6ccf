package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/backup"
)

// A restoring is what restore was asked to do.
type restoring struct {
	dir, file, identity, dsn string
}

func restoreCommand(env environment) *cobra.Command {
	var r restoring
	cmd := &cobra.Command{
		Use:   "restore --dir NEWDIR FILE",
		Short: "Make a CA's folder out of a backup, all of it or nothing",
		Long: `restore checks a backup to its last byte and makes NEWDIR of it, which must not exist or
be empty. One that was encrypted needs the file with an age identity. One of a store on
PostgreSQL needs --dsn, of an empty database.

What was revoked after the backup was made is not in it. So what is restored signs
nothing until betonicad recover has brought that back, from what relying parties hold.

The passphrase is not in a backup: put it where betonica.toml says, which is
NEWDIR.passphrase if it says nothing.`,
		Example: `  betonicad restore --dir ca /mnt/backup/2026-11-22.age --identity /media/safe/identity
  betonicad restore --dir ca 2026-11-22.age --identity /media/safe/identity --dsn postgres://betonica@db/betonica`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needs(cmd, "dir"); err != nil {
				return err
			}
			if len(args) != 1 {
				return usagef("%s needs one FILE, the backup; see %s --help", cmd.CommandPath(), cmd.CommandPath())
			}
			r.file = args[0]
			return r.run(cmd.Context(), env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.dir, "dir", "", "folder to make; it must not exist, or be empty")
	f.StringVar(&r.identity, "identity", "", "file with the age identity that opens the backup")
	f.StringVar(&r.dsn, "dsn", "", "postgres://... of an empty database, for a backup of one")
	return cmd
}

func (r restoring) run(ctx context.Context, env environment) error {
	dir, err := emptyDir(r.dir)
	if err != nil {
		return err
	}
	in, close, err := r.open()
	if err != nil {
		return err
	}
	defer close()
	stage, err := newStage(dir, "restore")
	if err != nil {
		return err
	}
	defer stage.discard()
	said := newProgress(env.stderr)
	defer said.end()
	var m backup.Manifest
	err = backup.Read(in, func(has backup.Manifest) error { m = has; return r.accepts(m) }, func(p backup.Part, content io.Reader) error {
		return spool(ctx, stage, p, content, said)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", r.file, err)
	}
	said.say("restoring the database")
	if err := r.place(ctx, stage, m); err != nil {
		return err
	}
	if err := stage.sync(); err != nil {
		return err
	}
	if err := rename(string(stage.layout()), dir); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	said.end()
	fmt.Fprintf(env.stdout, "%s\n", m.At.Format(time.RFC3339))
	fmt.Fprintf(env.stderr, `restored the CA of %s as it was at %s, with %d entries in its log, in %s
It signs nothing yet: what was revoked since then is not in it.
next: put the passphrase where %s says, and then, with the newest lists that relying
parties hold:
  betonicad recover --dir %s --from-crl FILE...     (or --from-peers)
`, m.TrustDomain, m.At.Format(time.RFC3339), m.Entries, r.dir, server.ConfigFile, r.dir)
	return nil
}

// emptyDir returns the absolute path of a folder that does not exist, or is empty.
func emptyDir(name string) (string, error) {
	dir, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	switch entries, err := os.ReadDir(dir); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return "", err
	case len(entries) > 0:
		return "", fmt.Errorf("%s is not empty: restore makes a folder of its own, so choose another", dir)
	}
	return dir, nil
}

// ageHead is what an encrypted backup begins with.
const ageHead = "age-encryption.org/"

// open opens the backup, and decrypts it if it is encrypted.
func (r restoring) open() (io.Reader, func() error, error) {
	f, err := os.Open(r.file)
	if err != nil {
		return nil, nil, err
	}
	in := bufio.NewReaderSize(f, 256<<10)
	head, err := in.Peek(len(ageHead))
	if err != nil && err != io.EOF {
		return nil, nil, errors.Join(err, f.Close())
	}
	if string(head) != ageHead {
		return in, f.Close, nil
	}
	plain, err := r.decrypt(in)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return plain, f.Close, nil
}

func (r restoring) decrypt(in io.Reader) (io.Reader, error) {
	if r.identity == "" {
		return nil, usagef("%s is encrypted: name the file with the age identity that opens it with --identity", r.file)
	}
	text, err := os.ReadFile(r.identity)
	if err != nil {
		return nil, err
	}
	ids, err := age.ParseIdentities(strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s holds no age identity", r.identity) // err may quote it
	}
	plain, err := age.Decrypt(in, ids...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.file, err)
	}
	return plain, nil
}

// accepts says why a backup cannot be restored here, or nil.
func (r restoring) accepts(m backup.Manifest) error {
	switch {
	case m.Schema > store.NewestSchema():
		return fmt.Errorf("%w: schema %d, this program knows %d; restore it with betonicad %s or newer", store.ErrNewerSchema, m.Schema, store.NewestSchema(), m.Program)
	case m.Engine == "postgres" && r.dsn == "":
		return usagef("it is of a store on PostgreSQL: name an empty database with --dsn, or $BETONICA_DSN")
	case m.Engine == "sqlite" && r.dsn != "":
		return usagef("it is of a store on SQLite, which needs no --dsn")
	}
	return nil
}
