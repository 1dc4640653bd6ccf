package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/betonica/betonica/store/audit/checkpoint"
	"golang.org/x/mod/sumdb/tlog"
)

// ExportOptions say what goes into a bundle.
type ExportOptions struct {
	From, To    int64    // entries, both included; zero for the first, the last
	VerifierKey string   // of the log
	Keyring     *Keyring // opens the entries; one whose data key it lacks goes out sealed
	Checkpoint  string   // the newest signed checkpoint, to which the entries are joined; empty if there is none yet
}

// Export writes a bundle: the entries asked for, in clear and as sealed, each
// with the key of that entry alone, and the hashes that join them to the
// checkpoint. Whoever gets it can read these entries and no others, and verify
// them anywhere: see [VerifyBundle]. It is as secret as the entries are.
//
// It returns a [*TamperError], and leaves the bundle without its end, if the
// entries are not those of the checkpoint.
func Export(ctx context.Context, w io.Writer, s Source, o ExportOptions) error {
	e, err := newExporter(ctx, w, s, o)
	if err != nil {
		return fmt.Errorf("exporting the log: %w", err)
	}
	if err := e.run(ctx); err != nil {
		return fmt.Errorf("exporting the log: %w", err)
	}
	return nil
}

type exporter struct {
	out     *bufio.Writer
	source  Source
	options ExportOptions
	joint   joint
}

func newExporter(ctx context.Context, w io.Writer, s Source, o ExportOptions) (*exporter, error) {
	v, err := checkpoint.NewVerifier(o.VerifierKey)
	if err != nil {
		return nil, err
	}
	e := &exporter{out: bufio.NewWriter(w), source: s, options: o}
	e.options.From = max(1, o.From)
	if o.To != 0 && o.To < e.options.From {
		return nil, fmt.Errorf("no entries from %d to %d", o.From, o.To)
	}
	if o.Checkpoint != "" {
		if e.joint.head, err = checkpoint.Open(o.Checkpoint, v); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *exporter) run(ctx context.Context) error {
	from := e.options.From
	left, err := e.nodes(ctx, 0, from-1)
	if err != nil {
		return err
	}
	if err := e.joint.left(from, left); err != nil {
		return err
	}
	if err := e.line(bundleHeader{bundleForm, e.options.VerifierKey, e.options.Checkpoint, from, left}); err != nil {
		return err
	}
	if err := e.entries(ctx); err != nil {
		return err
	}
	end := e.joint.tree.size
	right, err := e.nodes(ctx, end, e.joint.head.Size)
	if err != nil {
		return err
	}
	if err := e.joint.right(right); err != nil {
		return err
	}
	if e.joint.met && e.joint.at != e.joint.head.Hash && e.options.Checkpoint != "" {
		return &TamperError{Rewritten, from, max(from, min(end, e.joint.head.Size)), "they do not hash to the checkpoint"}
	}
	if err := e.line(bundleFooter{end, right}); err != nil {
		return err
	}
	return e.out.Flush()
}

// nodes reads the hashes over the leaves lo to hi-1.
func (e *exporter) nodes(ctx context.Context, lo, hi int64) ([]tlog.Hash, error) {
	return (&nodeReader{ctx: ctx, tiles: e.source, size: hi}).nodes(cover(lo, hi))
}

func (e *exporter) entries(ctx context.Context) error {
	for {
		size := e.joint.tree.size
		rows, err := e.source.Records(ctx, size, TileWidth)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if size = e.joint.tree.size; size == e.options.To && size > 0 {
				return nil
			}
			if err := e.entry(r, size+1); err != nil {
				return err
			}
		}
		if len(rows) < TileWidth {
			break
		}
	}
	if end := e.joint.tree.size; e.options.To > end {
		return fmt.Errorf("the log ends at entry %d", end)
	}
	return nil
}

func (e *exporter) entry(r Record, seq int64) error {
	if r.Seq != seq {
		return &TamperError{Deleted, seq, r.Seq - 1, "no row holds them"}
	}
	l, err := decodeLeaf(r.Leaf)
	if err != nil {
		return &TamperError{Edited, seq, seq, err.Error()}
	}
	if l.seq != seq {
		return &TamperError{Renumbered, l.seq, l.seq, fmt.Sprintf("row %d holds entry %d", seq, l.seq)}
	}
	hash := tlog.RecordHash(r.Leaf)
	if hash != r.Hash {
		return &TamperError{Edited, seq, seq, "the leaf does not match its hash"}
	}
	var secret []byte
	switch key, err := e.options.Keyring.entryKey(l); {
	case err == nil:
		secret = key[:]
	case !errors.Is(err, ErrNoKey):
		return err
	}
	entry, err := newBundleEntry(r.Leaf, l, secret)
	if err != nil {
		return &TamperError{Edited, seq, seq, err.Error()}
	}
	e.joint.push(0, hash)
	return e.line(entry)
}

func (e *exporter) line(v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	e.out.Write(text)
	return e.out.WriteByte('\n') // Flush says what went wrong
}
