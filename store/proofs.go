package store

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// proofs are consistency proofs between pairs of sizes: agents that renew ask for
// the same few again and again.
type proofs struct {
	mu   sync.Mutex
	kept map[[2]int64][]tlog.Hash
}

// maxProofs bounds the cache: a proof has at most some sixty hashes of 32 bytes.
const maxProofs = 4096

// ConsistencyProof returns the proof that the first old entries are a prefix of
// the first new ones (RFC 6962, Section 2.1.2), for the holder of two
// checkpoints. There is nothing to prove, and the proof is empty, where old is 0
// or new. It wants 0 <= old <= new <= size of the log, and returns [ErrNotFound]
// otherwise: nobody holds a checkpoint that was not signed.
func (d *DB) ConsistencyProof(ctx context.Context, old, new int64) ([]tlog.Hash, error) {
	if old < 0 || old > new || new > d.LogSize() {
		return nil, fmt.Errorf("proving consistency of %d with %d entries: %w", old, new, ErrNotFound)
	}
	if old == 0 || old == new {
		return nil, nil
	}
	pair := [2]int64{old, new}
	p := &d.log.proofs
	p.mu.Lock()
	proof, ok := p.kept[pair]
	p.mu.Unlock()
	if ok {
		return proof, nil
	}
	proof, err := audit.ProveConsistency(ctx, &AuditSource{db: d, size: new}, old, new)
	if err != nil {
		return nil, fmt.Errorf("proving consistency of %d with %d entries: %w", old, new, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil || len(p.kept) >= maxProofs {
		p.kept = map[[2]int64][]tlog.Hash{}
	}
	p.kept[pair] = proof
	return proof, nil
}
