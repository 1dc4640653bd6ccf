package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

func auditCommand(env environment) *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Verify the audit log", Args: cobra.ArbitraryArgs, RunE: group}
	cmd.AddCommand(auditVerifyCommand(env))
	return cmd
}

func auditVerifyCommand(env environment) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "verify --dir DIR",
		Short: "Check every entry of the audit log, and every checkpoint that was ever signed",
		Long: `verify reads the whole log, whether the daemon runs or not, and says what is proved,
by what, and which tail no checkpoint covers yet. It names what was edited, deleted,
reordered, cut off or forked, by entry, or by the range between two checkpoints.

It reads what guards shipped of their journals, too, and says for each whether it is
what was received, what the guard signed for, and what the log says of it: by whom it
was begun, and which of its entries have left their retention.`,
		Example: `  betonicad audit verify --dir ca`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir"); err != nil {
				return err
			}
			return verifyAudit(cmd.Context(), env, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder of the CA")
	return cmd
}

// verifyAudit writes the report to stdout. A log that was tampered with is an
// error, which names what was done to it first.
func verifyAudit(ctx context.Context, env environment, dir string) (err error) {
	d, err := layoutOf(dir)
	if err != nil {
		return err
	}
	c, err := server.ReadConfig(string(d))
	if err != nil {
		return err
	}
	s, err := openSecrets(d, c)
	if err != nil {
		return err
	}
	defer s.close()
	// The evidence as it is now, before the log is looked at: of a daemon that runs,
	// the log must never be behind its evidence.
	evidence, err := readEvidence(c.Audit.Evidence)
	if err != nil {
		return err
	}
	defer evidence.close()
	log, err := store.OpenLog(ctx, store.Config{DSN: c.Store.DSN, Keys: s.log, Origin: origin(s.trustDomain()), Retention: c.StoreRetention()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	defer verifyHeap().Start()() // of a million entries hardly anything lives
	witness, err := archive.NewWitness(ctx, log)
	if err != nil {
		return err
	}
	report, err := verifyLog(ctx, log, evidence, witness)
	if _, broken := errors.AsType[*audit.TamperError](err); err != nil && !broken {
		return err
	}
	tellAll(env.stdout, report.String())
	return errors.Join(err, verifyJournals(ctx, env, log, witness))
}

// verifyJournals writes a line for each journal that guards shipped, and one for what is
// wrong with it, or with what the tables say of it where the log says otherwise.
func verifyJournals(ctx context.Context, env environment, log *store.Log, w *archive.Witness) error {
	var broken error
	err := archive.Verify(ctx, log, w, func(c archive.Check) error {
		if c.Err != nil {
			broken = errors.Join(broken, fmt.Errorf("journal %s: %w", shown(c.Origin), c.Err))
		}
		tellJournal(env.stdout, c)
		return nil
	})
	return errors.Join(err, broken)
}

func verifyLog(ctx context.Context, log *store.Log, e *evidenceFile, w *archive.Witness) (audit.Report, error) {
	key, err := log.VerifierKey()
	if err != nil {
		return audit.Report{}, err
	}
	options := audit.VerifyOptions{Evidence: e.reader()}
	if options.Verifier, err = checkpoint.NewVerifier(key); err != nil {
		return audit.Report{}, err
	}
	if options.Keyring, err = log.Keyring(ctx); err != nil {
		return audit.Report{}, err
	}
	source, err := log.Source(ctx)
	if err != nil {
		return audit.Report{}, err
	}
	defer source.Close()
	return audit.Verify(ctx, w.Along(source, options.Keyring), options)
}

// An evidenceFile is that file up to where it ended when it was opened; nil if
// there is none.
type evidenceFile struct {
	file *os.File
	size int64
}

func readEvidence(name string) (*evidenceFile, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the report says that there is none
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &evidenceFile{f, info.Size()}, nil
}

func (e *evidenceFile) reader() io.ReadSeeker {
	if e == nil {
		return nil
	}
	return io.NewSectionReader(e.file, 0, e.size)
}

func (e *evidenceFile) close() {
	if e != nil {
		e.file.Close()
	}
}

// tellJournal says how a journal stands, which the database names.
func tellJournal(w io.Writer, c archive.Check) {
	if c.Err != nil {
		tell(w, "read %d entries of the journal %s: %v", c.Entries, c.Origin, c.Err)
		return
	}
	tell(w, "verified %d entries of the journal %s", c.Entries-c.Removed, c.Origin)
	if c.Removed > 0 {
		tell(w, "the entries 1 to %d of the journal %s have left their retention: journal.retire in the log says when", c.Removed, c.Origin)
	}
	if c.Forked != nil {
		tell(w, "the journal %s showed another history at %s; nothing is taken of it since", c.Origin, c.Forked.Format("2006-01-02T15:04:05Z"))
	}
}
