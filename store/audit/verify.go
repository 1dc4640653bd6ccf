package audit

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/betonica/betonica/store/audit/checkpoint"
	"golang.org/x/mod/sumdb/note"
)

// VerifyOptions say against what a log is verified.
type VerifyOptions struct {
	// Verifier is the key that signs the log's checkpoints; required.
	Verifier note.Verifier

	// Keyring opens the entries, which proves that the log sealed them. Without
	// it only what a checkpoint covers is proved. It is read after the Source's
	// snapshot was taken, so that it has the keys of all entries.
	Keyring *Keyring

	// Destroyed are the data keys that were destroyed on purpose: their entries
	// need not open. Others that the keyring lacks are a finding.
	Destroyed []KeyID

	// Evidence is the evidence file: what [EvidenceNote] returned, in the order
	// in which it was signed. A checkpoint is in the store before it is in the
	// evidence; and the evidence is as it was before the Source's snapshot was
	// taken, or a running daemon looks like an attacker. Nil if there is none.
	Evidence io.ReadSeeker
}

// Verify reads the whole log once, in bounded memory, and says whether it is
// the one that was written. If not, the error is a [*TamperError], the first of
// the report's findings. Another error means that the log could not be read.
//
// What each of its means can show:
//
//   - A row against itself: leaf, hash, columns and terms repeat one another.
//   - The tiles remember the hash of every entry but the last 255 or fewer.
//   - The seal, opened with the keyring: only the log could make it, for that
//     number. Nobody else edits, adds or moves an entry.
//   - The signed checkpoints of the store: nobody without the log's key changes
//     or cuts off what they cover.
//   - The evidence: nobody puts back an older database, and the log itself
//     cannot sign a second history unnoticed. If none is kept off the host, root
//     on the host can.
func Verify(ctx context.Context, s Source, o VerifyOptions) (Report, error) {
	v := &verifier{
		source: s, options: o,
		numbers: newNumbering(1), next: 1,
		stash:  make(map[int64]cell),
		stored: storedHeads{source: s, after: leastNumber}, inStore: -1,
		ofStore: common{name: "a checkpoint in the store"}, ofFile: common{name: "a checkpoint in the evidence"},
	}
	v.report.Origin = o.Verifier.Name()
	v.report.KeyTrusted = true
	if o.Evidence != nil {
		v.report.HasEvidence = true
		recoveries, err := foresee(o.Evidence, o.Verifier)
		if err != nil {
			return Report{}, err
		}
		v.evidence = newEvidence(o.Evidence, o.Verifier)
		v.evidence.recoveries = recoveries
	}
	if err := v.run(ctx); err != nil {
		return Report{}, err
	}
	return v.report, v.report.err()
}

// A verifier is one run of Verify. Entries go through it in the order of their
// numbers: each is judged by itself (examine.go), row (scan.go) finds its place, grow
// (grow.go) puts it into the tree and against the tiles, weigh (weigh.go) puts
// the tree against what was signed.
type verifier struct {
	source  Source
	options VerifyOptions
	report  Report
	found   findings
	numbers *numbering

	next  int64          // the entry that comes next
	stash map[int64]cell // entries that came too early, at most window
	tile  Tile           // of level 0, around next

	leaves   Tree      // over the leaves as they are
	kept     *Tree     // over what tiles and hash columns say that they were; nil while that is the same
	lost     bool      // a hash is missing: there is no tree any more
	suspects []suspect // what does not fit, until a checkpoint says which side is right
	dropped  run       // of them, those too many to keep

	stored     storedHeads
	evidence   *evidence
	storedHead *head // read ahead
	witness    *head // read ahead, of the evidence

	signed    int64       // the largest size that was signed at all, whether it agrees or not
	ofStore   common      // the store's checkpoints and the log
	ofFile    common      // the evidence and the log
	lastFile  int64       // size of the last note of the evidence
	bad       *wrong      // the first checkpoint that does not agree, while none after it does
	strange   run         // entries since then under data keys that the log neither has nor destroyed
	missing   run         // checkpoints that the evidence has and the store has not, by size
	recovered []*recovery // by the store's checkpoints

	inStore int64 // size of the last checkpoint read from the store
}

// A run counts what was found and remembers between which numbers.
type run struct{ from, to, n int64 }

func (r *run) add(n int64) {
	if r.n == 0 {
		r.from, r.to = n, n
	}
	r.from, r.to, r.n = min(r.from, n), max(r.to, n), r.n+1
}

// leastNumber is before every number that a row can have.
const leastNumber = math.MinInt64

// window is how far an entry may stand from its place and still be brought
// there: two tiles.
const window = 2 * TileWidth

func (v *verifier) run(ctx context.Context) error {
	if err := v.readHeads(ctx); err != nil {
		return err
	}
	if err := v.weigh(ctx, 0); err != nil {
		return err
	}
	err := v.each(ctx, func(r Record, e *examined) error { return v.row(ctx, r, e) })
	if err != nil {
		return err
	}
	return v.finish(ctx)
}

// finish says what shows only at the end of the log.
func (v *verifier) finish(ctx context.Context) error {
	for len(v.stash) > 0 {
		if err := v.skip(ctx); err != nil {
			return err
		}
	}
	v.report.Last = v.next - 1
	v.report.First = min(1, v.report.Last)
	if err := v.weighRest(ctx); err != nil {
		return err
	}
	if err := v.surplusTiles(ctx); err != nil {
		return err
	}
	v.numbers.report(&v.found)
	if err := v.flaws(ctx); err != nil {
		return err
	}
	v.conclude()
	v.reportLosses()
	v.report.Findings = v.found.sorted()
	if !v.lost {
		v.report.Hash = v.leaves.Hash()
	}
	if v.evidence != nil {
		v.report.Unsigned = v.evidence.unsigned
	}
	return nil
}

// flaws adds what the source knows of its pieces.
func (v *verifier) flaws(ctx context.Context) error {
	source, ok := v.source.(Flawed)
	if !ok {
		return nil
	}
	flaws, err := source.Flaws(ctx)
	for _, f := range flaws {
		v.found.add(f.Kind, f.From, f.To, "%s", f.Detail)
	}
	return err
}

// storedHeads reads the store's checkpoints, one at a time.
type storedHeads struct {
	source Source
	after  int64
	page   []SignedCheckpoint
	end    bool
}

// next returns the next row, and io.EOF after the last.
func (h *storedHeads) next(ctx context.Context) (SignedCheckpoint, error) {
	if len(h.page) == 0 && !h.end {
		var err error
		if h.page, err = h.source.Checkpoints(ctx, h.after, TileWidth); err != nil {
			return SignedCheckpoint{}, err
		}
		h.end = len(h.page) < TileWidth
	}
	if len(h.page) == 0 {
		return SignedCheckpoint{}, io.EOF
	}
	c := h.page[0]
	h.page, h.after = h.page[1:], c.Size
	return c, nil
}

// readHeads reads ahead: the next signed checkpoint of the store, and that of
// the evidence.
func (v *verifier) readHeads(ctx context.Context) error {
	for v.storedHead == nil {
		row, err := v.stored.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		c, err := checkpoint.Open(row.Note, v.options.Verifier)
		switch {
		case err != nil:
			v.found.add(CheckpointEdited, row.Size, row.Size, "the log's key did not sign it")
		case c.Size != row.Size:
			v.found.add(CheckpointEdited, row.Size, row.Size, "signed for %d entries", c.Size)
		default:
			v.storedHead = &head{c, row.Note}
		}
	}
	if v.evidence == nil || v.witness != nil {
		return nil
	}
	h, err := v.evidence.next()
	if err == nil {
		v.witness = &h
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
