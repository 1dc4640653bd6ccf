package checkpoint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// MaxLen bounds the text of a signed checkpoint, in bytes.
const MaxLen = 16 << 10

// ErrMalformed reports that a text is signed, but is no checkpoint.
var ErrMalformed = errors.New("checkpoint: malformed")

// A Checkpoint is the head of a log at one size. Two logs with the same
// checkpoint hold the same entries.
type Checkpoint struct {
	// Origin names the log for ever, and is the name of its key: for Betonica
	// "<trust domain>/log". It has neither spaces nor plus signs.
	Origin string

	// Size is the number of entries; since entries count from 1, also the
	// number of the last one.
	Size int64

	// Hash is the root of the Merkle tree over the entries (RFC 6962,
	// Section 2.1).
	Hash tlog.Hash
}

// Sign returns the text of c, signed by s, whose name must be c's origin. The
// same checkpoint always gives the same text.
func Sign(c Checkpoint, s note.Signer) (string, error) {
	if c.Origin != s.Name() {
		return "", fmt.Errorf("signing checkpoint of %q: the key is %q", c.Origin, s.Name())
	}
	if c.Size < 0 {
		return "", fmt.Errorf("signing checkpoint of %q: size %d", c.Origin, c.Size)
	}
	text, err := note.Sign(&note.Note{Text: c.body()}, s)
	if err != nil {
		return "", fmt.Errorf("signing checkpoint of %q: %w", c.Origin, err)
	}
	return string(text), nil
}

// Open returns the checkpoint in text if v's key signed it, and v's name is its
// origin. Signatures of others, a witness for one, are skipped unread.
//
// It returns [*note.UnverifiedNoteError] or [*note.InvalidSignatureError] if
// the signature is missing or wrong, and [ErrMalformed] if text is no note or
// the log itself signed what is no checkpoint.
func Open(text string, v note.Verifier) (Checkpoint, error) {
	if len(text) > MaxLen {
		return Checkpoint{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxLen)
	}
	n, err := note.Open([]byte(text), note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, openError(err)
	}
	c, err := parse(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != v.Name() {
		return Checkpoint{}, fmt.Errorf("%w: origin %q, signed by %q", ErrMalformed, c.Origin, v.Name())
	}
	return c, nil
}

// openError tells a bad signature from no note at all.
func openError(err error) error {
	_, unsigned := errors.AsType[*note.UnverifiedNoteError](err)
	_, invalid := errors.AsType[*note.InvalidSignatureError](err)
	if unsigned || invalid {
		return fmt.Errorf("opening checkpoint: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// body is the part that is signed.
func (c Checkpoint) body() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Hash.String() + "\n"
}

// parse reads what body writes. Extension lines may follow and are ignored, as
// C2SP tlog-checkpoint demands; an empty one is malformed. The rest has one
// spelling.
func parse(text string) (Checkpoint, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 {
		return Checkpoint{}, fmt.Errorf("%w: three lines wanted", ErrMalformed)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: size", ErrMalformed)
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: hash", ErrMalformed)
	}
	c := Checkpoint{Origin: lines[0], Size: size, Hash: hash}
	if size < 0 || !strings.HasPrefix(text, c.body()) || strings.Contains(text, "\n\n") {
		return Checkpoint{}, fmt.Errorf("%w: not in its one spelling", ErrMalformed)
	}
	return c, nil
}
