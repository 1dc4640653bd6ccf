package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/journal"
)

// A keeping is where a guard keeps its records: the folder of a journal, and the file of
// its key.
type keeping struct{ dir, key string }

// flags gives a command the flags that name a journal.
func (k *keeping) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.dir, "journal", "", "`directory` of a guard's journal, instead of the CA's log")
	cmd.Flags().StringVar(&k.key, "journal-key", "", "`file` of the journal's key (default: in its directory)")
}

func (k keeping) open() (*journal.Reader, journal.Opener, error) {
	o, err := journal.ReadKeys(k.dir, k.key)
	if err != nil {
		return nil, o, err
	}
	r, err := journal.OpenReader(k.dir)
	return r, o, err
}

// entries reads the entries of a journal in order, opened.
func entries(ctx context.Context, r *journal.Reader, o journal.Opener) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		for after := int64(math.MinInt64); ; {
			page, err := r.Records(ctx, after, 256)
			if err != nil {
				yield(audit.Entry{}, err)
				return
			}
			for _, row := range page {
				e, err := o.Keyring.Open(row.Leaf)
				if err != nil && !errors.Is(err, audit.ErrNoKey) {
					yield(e, fmt.Errorf("%w; run betonica audit verify", err))
					return
				}
				if !yield(e, nil) {
					return
				}
				after = row.Seq
			}
			if len(page) < 256 {
				return
			}
		}
	}
}

// verifyJournal checks a whole journal and says what it found.
func verifyJournal(ctx context.Context, env environment, form output, k keeping) error {
	r, o, err := k.open()
	if err != nil {
		return err
	}
	defer r.Close()
	report, err := journal.Verify(ctx, r, o)
	if _, broken := errors.AsType[*audit.TamperError](err); err != nil && !broken {
		return err
	}
	return writeReport(env, form, report, err)
}

// exportJournal writes entries of a journal, with the proof that they are its own.
func exportJournal(ctx context.Context, w io.Writer, k keeping, from, to int64) error {
	r, o, err := k.open()
	if err != nil {
		return err
	}
	defer r.Close()
	last, err := r.LastCheckpoint()
	if err != nil {
		return err
	}
	if last.Size == 0 || max(from, to) > last.Size {
		return fmt.Errorf("the journal has signed for %d entries so far; try again in a minute", last.Size)
	}
	if to == 0 {
		to = last.Size
	}
	return audit.Export(ctx, w, r, audit.ExportOptions{
		From: max(from, r.First()), To: to, VerifierKey: o.VerifierKey, Keyring: o.Keyring, Checkpoint: last.Note,
	})
}

// records reads the records of accesses in what name is: the folder of a journal, whose
// key may lie in a file, or an export. It is verified first.
func records(ctx context.Context, name, key string) (iter.Seq2[record.Record, error], error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		k := keeping{name, key}
		r, o, err := k.open()
		if err != nil {
			return nil, err
		}
		if _, err := journal.Verify(ctx, r, o); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), r.Close())
		}
		return accesses(entries(ctx, r, o)), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if _, err := audit.VerifyBundle(f, ""); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w; is it what betonica audit export wrote?", name, err)
	}
	return accesses(bundled(ctx, f)), nil
}

// bundled reads the entries of an export, from its beginning, and closes it.
func bundled(ctx context.Context, f *os.File) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		defer f.Close()
		enough := errors.New("enough")
		_, err := f.Seek(0, io.SeekStart)
		if err == nil {
			err = audit.ReadBundle(f, func(e audit.Entry) error {
				if !yield(e, nil) {
					return enough
				}
				return ctx.Err()
			})
		}
		if err != nil && err != enough {
			yield(audit.Entry{}, err)
		}
	}
}

// accesses are the records among entries.
func accesses(all iter.Seq2[audit.Entry, error]) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		for e, err := range all {
			var r record.Record
			if err == nil {
				r, err = record.Parse(e)
			}
			if errors.Is(err, record.ErrOther) {
				continue
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}
