package pack

import (
	"encoding/json"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// A ProofFile is proofs.json.
type ProofFile struct {
	Key        string  `json:"key"` // of the log, by the file's own word
	Checkpoint string  `json:"checkpoint"`
	Entries    []Proof `json:"entries"`
}

// A Proof is an entry of the log, sealed, with its place in the tree under the checkpoint.
type Proof struct {
	Entry  int64    `json:"entry"`
	At     string   `json:"at"`
	Action string   `json:"action"`
	Leaf   []byte   `json:"leaf"`
	Path   []string `json:"path"` // hashes in base64, from the leaf up
}

// maxEntries bounds a proof file that is read.
const maxEntries = 10_000

// checkProofs returns how many entries text proves to be in the log whose key is key; an
// empty key is taken from the file.
func checkProofs(text []byte, key string) (n int, err error) {
	var f ProofFile
	if err := json.Unmarshal(text, &f); err != nil {
		return 0, fmt.Errorf("%s: %w", Proofs, err)
	}
	if f.Checkpoint == "" && len(f.Entries) == 0 {
		return 0, nil // nothing was signed yet
	}
	if key == "" {
		key = f.Key
	}
	v, err := checkpoint.NewVerifier(key)
	if err != nil {
		return 0, err
	}
	head, err := checkpoint.Open(f.Checkpoint, v)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", Proofs, err)
	}
	if len(f.Entries) > maxEntries {
		return 0, fmt.Errorf("%s: more than %d entries", Proofs, maxEntries)
	}
	for _, p := range f.Entries {
		if err := p.check(head); err != nil {
			return n, fmt.Errorf("%s: entry %d: %w", Proofs, p.Entry, err)
		}
		n++
	}
	return n, nil
}

func (p *Proof) check(head checkpoint.Checkpoint) error {
	if seq, err := audit.Number(p.Leaf); err != nil || seq != p.Entry || seq < 1 || seq > head.Size {
		return fmt.Errorf("the leaf is not that entry's")
	}
	path := make(tlog.RecordProof, len(p.Path))
	for i, text := range p.Path {
		var err error
		if path[i], err = tlog.ParseHash(text); err != nil {
			return err
		}
	}
	return tlog.CheckRecord(path, head.Size, head.Hash, p.Entry-1, tlog.RecordHash(p.Leaf))
}
