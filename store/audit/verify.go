package audit

import (
	"context"
	"io"

	"golang.org/x/mod/sumdb/note"
)

// VerifyOptions say against what a log is verified.
type VerifyOptions struct {
	// Verifier is the key that signs the log's checkpoints; required.
	Verifier note.Verifier

	// Keyring opens the entries, which proves that the log sealed them. Without
	// it only what a checkpoint covers is proved.
	Keyring *Keyring

	// Evidence is the evidence file: what [EvidenceNote] returned, in the
	// empty line, in the order in which they were signed. A checkpoint is in
	// the store before it is in the evidence. Nil if there is none.
	Evidence io.Reader
}

// Verify reads the whole log once, in bounded memory, and says whether it is
// the one that was written. If not, the error is a [*TamperError], the first of
// the report's findings. Another error means that the log could not be read.
func Verify(ctx context.Context, s Source, o VerifyOptions) (Report, error) { panic("not yet") }

// EvidenceNote returns signed as it is appended to an evidence file. A torn
// write before it, the end of a crash, does not spoil it.
func EvidenceNote(signed string) []byte { return []byte("\n" + signed) }
