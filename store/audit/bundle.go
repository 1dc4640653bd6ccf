package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/betonica/betonica/store/audit/checkpoint"
	"golang.org/x/mod/sumdb/tlog"
)

// A bundle is text, one JSON object a line: a header, the entries in order
// without gaps, a footer. Each line has one spelling, the one that Export
// writes: what people and programs read in it is what was verified.
//
//	{"bundle":"betonica-audit/1","key":"hospital.example/log+8d...","checkpoint":"hospital.example/log\n700\n...","from":3,"left":[...]}
//	{"seq":3,"at":"2026-11-22T08:00:03.123Z","action":"token.create","actor":"operator/anna",...,"leaf":"AQAA...","key":"..."}
//	{"end":9,"right":[...]}
const bundleForm = "betonica-audit/1"

// maxLine bounds a line: a leaf in base64, its body in clear, the rest.
const maxLine = 4 * MaxLeaf

type bundleHeader struct {
	Bundle     string      `json:"bundle"`
	Key        string      `json:"key"`        // the log's verifier key, by the bundle's own word
	Checkpoint string      `json:"checkpoint"` // signed; empty if there was none
	From       int64       `json:"from"`       // number of the first entry
	Left       []tlog.Hash `json:"left"`       // over the entries before, the largest subtree first
}

type bundleEntry struct {
	Seq    int64  `json:"seq"`
	At     string `json:"at"`
	Action string `json:"action"`
	body
	Leaf []byte `json:"leaf"`
	Key  []byte `json:"key,omitempty"` // of this entry alone; empty if its data key is gone
}

type bundleFooter struct {
	End   int64       `json:"end"`   // number of the last entry
	Right []tlog.Hash `json:"right"` // over the entries behind, up to the checkpoint, from the left
}

// newBundleEntry returns the line of an entry with the key that opens it, or
// none.
func newBundleEntry(b []byte, l leaf, key []byte) (bundleEntry, error) {
	e := bundleEntry{Seq: l.seq, At: stamp(l.at), Action: l.action, Leaf: b, Key: key}
	if len(key) == 0 {
		return e, nil
	}
	if len(key) != len(entryKey{}) {
		return bundleEntry{}, errors.New("audit: entry key of the wrong length")
	}
	entry, err := l.open(entryKey(key), tlog.Hash{}, decoded)
	if err != nil {
		return bundleEntry{}, err
	}
	e.body = bodyOf(entry.Event)
	return e, nil
}

// readLine decodes a header or footer that has no other spelling than line.
func readLine(line []byte, into any) error {
	if err := json.Unmarshal(line, into); err != nil {
		return err
	}
	again, err := marshal(into)
	if err != nil {
		return err
	}
	if !bytes.Equal(line, again) {
		return errors.New("audit: a line that no export writes")
	}
	return nil
}

// A span of the tree is joined to a checkpoint: by the subtrees on its left, its
// own leaves, the subtrees on its right. If the checkpoint ends within the span,
// what is behind is not joined.
type joint struct {
	head checkpoint.Checkpoint
	tree peaks
	at   tlog.Hash // root when the tree was as large as the checkpoint
	met  bool      // it was
}

// left begins with what stands before entry from.
func (j *joint) left(from int64, hashes []tlog.Hash) error {
	nodes := cover(0, from-1)
	if len(nodes) != len(hashes) {
		return fmt.Errorf("audit: %d hashes before entry %d, want %d", len(hashes), from, len(nodes))
	}
	for i, h := range hashes {
		j.push(nodes[i].level, h)
	}
	j.meet()
	return nil
}

// right ends with what stands behind the last entry.
func (j *joint) right(hashes []tlog.Hash) error {
	nodes := cover(j.tree.size, j.head.Size)
	if len(nodes) != len(hashes) {
		return fmt.Errorf("audit: %d hashes behind entry %d, want %d", len(hashes), j.tree.size, len(nodes))
	}
	for i, h := range hashes {
		j.push(nodes[i].level, h)
	}
	return nil
}

func (j *joint) push(level int, h tlog.Hash) {
	j.tree.push(level, h, nil)
	j.meet()
}

func (j *joint) meet() {
	if j.tree.size == j.head.Size {
		j.at, j.met = j.tree.root(), true
	}
}
