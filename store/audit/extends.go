package audit

import (
	"context"
	"errors"
	"io"

	"golang.org/x/mod/sumdb/note"

	"github.com/betonica/betonica/store/audit/checkpoint"
)

// Extends returns nil if the log that r holds, whose right edge is t, begins with
// the entries that c is a checkpoint of, and a [*TamperError] if it does not: the
// log was set back, or is another one. It reads a few tiles, whatever the sizes,
// and not the entries: what was done to those is for [Verify] to find.
func Extends(ctx context.Context, r TileReader, t *Tree, c checkpoint.Checkpoint) error {
	var found findings
	if c.Size > t.Size() {
		found.add(Truncated, t.Size()+1, c.Size, "a checkpoint of %d entries was signed", c.Size)
		return found[0]
	}
	if c.Size == 0 {
		return nil
	}
	old, err := LoadTree(ctx, r, c.Size)
	if err != nil {
		return err
	}
	proof, err := ProveConsistency(ctx, r, c.Size, t.Size())
	if err != nil {
		return err
	}
	now := checkpoint.Checkpoint{Origin: c.Origin, Size: t.Size(), Hash: t.Hash()}
	if old.Hash() != c.Hash || checkpoint.CheckConsistency(c, now, proof) != nil {
		found.add(Rewritten, 1, c.Size, "the checkpoint of %d entries that was signed is of others", c.Size)
		return found[0]
	}
	return nil
}

// Newest returns the checkpoint of the largest size among the notes in an
// evidence file, or a part of one, that the log's key signed; false if there is
// none. What is torn or not signed is passed over.
func Newest(evidence io.Reader, v note.Verifier) (newest checkpoint.Checkpoint, ok bool, err error) {
	var recoveries []*recovery
	for notes := newEvidence(evidence, v); ; {
		h, err := notes.next()
		if errors.Is(err, io.EOF) {
			return newest, ok, nil
		}
		if err != nil {
			return newest, ok, err
		}
		if r := openRecovery(h.note, v); r != nil && !holds(recoveries, r.text) {
			recoveries = append(recoveries, r)
			newest, ok = h.Checkpoint, true
		}
		if !ok || h.Size >= newest.Size {
			newest, ok = h.Checkpoint, true
		}
	}
}
