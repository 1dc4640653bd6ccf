package gate

import (
	"hash"
	"sync"

	"github.com/betonica/betonica/cmd/internal/record"
)

// A digest is computed beside the copying, where there is a processor for it: SHA-256
// takes as long as all else that a stream needs.
type digest struct {
	hash hash.Hash
	busy sync.WaitGroup
}

// add digests p, or begins to with later: then p must stay as it is until the next add,
// or wait, has returned.
func (d *digest) add(p []byte, later bool) {
	d.busy.Wait()
	if later {
		d.busy.Go(func() { d.hash.Write(p) })
		return
	}
	d.hash.Write(p)
}

// wait returns when all that was added is digested.
func (d *digest) wait() { d.busy.Wait() }

// sum returns the digest of all that was added.
func (d *digest) sum() record.Digest {
	d.busy.Wait()
	return record.Digest(d.hash.Sum(nil))
}
