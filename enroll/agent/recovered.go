package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// A RecoveryError reports that the CA lost entries of its log, and says so: its
// database was restored from a backup or set back. Whether that is so is for people
// to find out, since somebody who wants to hide what the log held could say the same.
// Both signed notes are kept for ever, and should be taken off this machine. The
// machine goes on, and holds the CA to what it says from now on.
type RecoveryError struct {
	Held string    // the file with what the CA had said before
	Seen string    // the file with which it took that back
	Kept int64     // entries that are left of before
	Lost int64     // the last entry that this machine knows is lost
	At   time.Time // when the CA went on, as it says
}

func (e *RecoveryError) Error() string {
	return fmt.Sprintf("the CA lost entries %d to %d of its log, and says that its database was recovered at %s; find out whether that is so, and keep %s and %s",
		e.Kept+1, e.Lost, e.At.UTC().Format(time.RFC3339), e.Held, e.Seen)
}

// explained returns a [*RecoveryError] if the CA owns up to the loss of what is held:
// the log's key signed that the log goes on from fewer entries than that, and seen
// extends these. It explains once only. Otherwise it returns nil, and what is held was
// contradicted without a word.
func (d directory) explained(h held, seen checkpoint.Checkpoint, cp api.Checkpoint) error {
	if cp.Recovery == nil {
		return nil
	}
	r, is, err := checkpoint.OpenRecovery(cp.Recovery.Note, h.verifier)
	if err != nil || !is || r.Size >= h.head.Size {
		return nil
	}
	proof, err := parseProof(cp.Recovery.Proof)
	if err != nil || checkpoint.CheckConsistency(r.Checkpoint, seen, proof) != nil {
		return nil
	}
	sum := sha256.Sum256([]byte(cp.Recovery.Note))
	base := d.at(logDir, "recovered-"+hex.EncodeToString(sum[:8]))
	e := &RecoveryError{Held: base + ".held", Seen: base + ".seen", Kept: r.Size, Lost: h.head.Size, At: r.At}
	if _, err := os.Stat(e.Seen); err == nil {
		return nil
	}
	if kept, _ := filepath.Glob(d.at(logDir, "recovered-*.seen")); len(kept) >= maxEvidence {
		return nil
	}
	if err := errors.Join(
		d.disk.write(e.Held, []byte(h.note), 0o644),
		d.disk.write(e.Seen, []byte(cp.Recovery.Note), 0o644), // last: it says that both are there
		d.disk.sync(d.at(logDir))); err != nil {
		return err
	}
	return e
}

func parseProof(texts []string) ([]tlog.Hash, error) {
	var proof []tlog.Hash
	for _, text := range texts {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return nil, fmt.Errorf("the CA's consistency proof: %w", err)
		}
		proof = append(proof, hash)
	}
	return proof, nil
}
