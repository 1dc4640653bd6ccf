package audit

import (
	"context"
	"io"
)

// ExportOptions say what goes into a bundle.
type ExportOptions struct {
	From, To    int64    // entries, both included; zero for the first, the last
	VerifierKey string   // of the log; its name is the log's origin
	Keyring     *Keyring // opens the entries; one whose data key is gone goes out sealed
	Checkpoint  string   // the newest signed checkpoint, to which the entries are joined
}

// Export writes a bundle: the entries asked for, in clear and as sealed, each
// with the key of that entry alone, and the proof that they are under the
// checkpoint. Whoever gets it can read these entries and no others, and verify
// them anywhere: see [VerifyBundle].
//
// It returns a [*TamperError], and writes no end of the bundle, if the entries
// are not under the checkpoint.
func Export(ctx context.Context, w io.Writer, s Source, o ExportOptions) error { panic("not yet") }
