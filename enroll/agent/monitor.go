package agent

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// Files of the log directory.
const (
	logKeyFile  = "key"        // the log's verifier key, pinned when first seen
	logHeadFile = "checkpoint" // the newest checkpoint that is consistent with all before
)

// maxEvidence is how many contradictions are kept; one convicts.
const maxEvidence = 16

// A ForkError reports that the CA's log contradicts itself: it signed two
// checkpoints, and did not show that one extends the other. Somebody changed
// what the CA remembers. Both signed notes are kept, and should be taken off
// this machine.
type ForkError struct {
	Held string // the file with what the CA said before
	Seen string // the file with what it says now
	Err  error  // wraps a [*checkpoint.ForkError]
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("the CA's log contradicts what it said before: %v; keep %s and %s", e.Err, e.Held, e.Seen)
}

func (e *ForkError) Unwrap() error { return e.Err }

// held is what the directory holds of the log: a key, and the newest good
// checkpoint. Both are empty before the first.
type held struct {
	key, note string
	verifier  note.Verifier
	head      checkpoint.Checkpoint
}

// held reads the log directory.
func (d directory) held() (held, error) {
	key, err := readOptional(d.at(logDir, logKeyFile))
	if err != nil || key == "" {
		return held{}, err
	}
	h := held{key: strings.TrimSpace(key)}
	if h.verifier, err = checkpoint.NewVerifier(h.key); err != nil {
		return held{}, fmt.Errorf("%s: %w", d.at(logDir, logKeyFile), err)
	}
	if h.note, err = readOptional(d.at(logDir, logHeadFile)); err != nil || h.note == "" {
		return h, err
	}
	if h.head, err = checkpoint.Open(h.note, h.verifier); err != nil {
		return held{}, fmt.Errorf("%s: %w", d.at(logDir, logHeadFile), err)
	}
	return h, nil
}

// LogKey returns the verifier key by which the machine with that directory knows
// its CA's log, as it first saw it; empty if it has seen none.
func LogKey(dir string) (string, error) {
	h, err := directory{path: dir}.held()
	return h.key, err
}

// check holds cp, the answer to a caller that holds the first since entries,
// against the checkpoint that the directory holds, and keeps it if it extends
// that. The key is the one that was seen first; what came with cp counts only
// then.
//
// It returns a [*ForkError] if cp contradicts the one held, which stays; a
// [*RecoveryError] if the CA owns up to have lost what is held, in whose place cp is
// kept then; an error wrapping [checkpoint.ErrOlder] if cp is smaller, which a cached answer
// may be; and another error if cp cannot be judged.
func (d directory) check(cp api.Checkpoint, since int64, trustDomain string) error {
	h, err := d.held()
	if err != nil {
		return err
	}
	if h.verifier == nil {
		if h.verifier, err = checkpoint.NewVerifier(cp.Key); err != nil {
			return err
		}
		if origin := trustDomain + "/log"; h.verifier.Name() != origin {
			return fmt.Errorf("the log's key is that of %q, and not of %q", h.verifier.Name(), origin)
		}
	}
	seen, err := checkpoint.Open(cp.Note, h.verifier)
	if err != nil {
		return fmt.Errorf("the CA's checkpoint: %w", err)
	}
	var lost *RecoveryError
	if h.note != "" {
		if seen == h.head || since != h.head.Size {
			return nil // nothing new, or another process was faster
		}
		err := d.compare(h, seen, cp)
		var explained bool
		if lost, explained = errors.AsType[*RecoveryError](err); err != nil && !explained {
			return err
		}
	}
	if h.key == "" {
		if err := d.disk.mkdir(d.at(logDir)); err != nil {
			return err
		}
		if err := d.disk.sync(d.path); err != nil {
			return err
		}
		if err := d.disk.write(d.at(logDir, logKeyFile), []byte(cp.Key+"\n"), 0o644); err != nil {
			return err
		}
	}
	if err := d.disk.write(d.at(logDir, logHeadFile), []byte(cp.Note), 0o644); err != nil {
		return err
	}
	if err := d.disk.sync(d.at(logDir)); err != nil || lost == nil {
		return err
	}
	return lost
}

// compare demands that seen extends what is held. A CA that leaves out the proof
// that it was asked for has not shown it.
func (d directory) compare(h held, seen checkpoint.Checkpoint, cp api.Checkpoint) error {
	proof, err := parseProof(cp.Proof)
	if err != nil {
		return err
	}
	if err = checkpoint.CheckConsistency(h.head, seen, proof); err == nil {
		return nil
	}
	if explained := d.explained(h, seen, cp); explained != nil {
		return explained
	}
	if fork, ok := errors.AsType[*checkpoint.ForkError](err); ok {
		return d.keepEvidence(h.note, cp.Note, fork)
	}
	return err
}

// keepEvidence writes both notes to disk, once for each that is seen, and
// returns the [*ForkError] that names the files.
func (d directory) keepEvidence(heldNote, seenNote string, fork error) error {
	sum := sha256.Sum256([]byte(heldNote + seenNote))
	base := d.at(logDir, "fork-"+hex.EncodeToString(sum[:8]))
	e := &ForkError{Held: base + ".held", Seen: base + ".seen", Err: fork}
	if _, err := os.Stat(e.Seen); err == nil {
		return e
	}
	if kept, _ := filepath.Glob(d.at(logDir, "fork-*.seen")); len(kept) >= maxEvidence {
		e.Held, e.Seen = kept[0][:len(kept[0])-len(".seen")]+".held", kept[0]
		return e
	}
	return errors.Join(e,
		d.disk.write(e.Held, []byte(heldNote), 0o644),
		d.disk.write(e.Seen, []byte(seenNote), 0o644), // last: it says that both are there
		d.disk.sync(d.at(logDir)))
}

// forgetLog drops what is held of a log, but no evidence: the directory is
// enrolled with another CA.
func (d directory) forgetLog() error {
	for _, name := range []string{logHeadFile, logKeyFile} {
		if err := d.disk.remove(d.at(logDir, name)); err != nil {
			return err
		}
	}
	return nil
}

func sharesRoot(a, b []*x509.Certificate) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Equal(y) {
				return true
			}
		}
	}
	return false
}

// readOptional reads a file; one that is not there is empty.
func readOptional(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return string(text), nil
}
