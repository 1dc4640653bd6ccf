package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"
)

// NewNonce returns a nonce for one request (RFC 8555, Section 6.5). Nothing is
// written for it.
func (d *DB) NewNonce() [16]byte { return d.nonces.fresh() }

// UseNonce returns nil if the nonce is ours, not too old, and was never used, on
// whichever replica; and [ErrSpent] otherwise. Of any number of callers one hears
// nil.
//
// A nonce that was used is never taken again. One that was not is refused only
// after an hour (on SQLite, after some 67 million others), after a restart of the
// daemon (SQLite), or after a crash of the server (PostgreSQL).
func (d *DB) UseNonce(ctx context.Context, nonce [16]byte) error { return d.nonces.use(ctx, nonce) }

// nonces are an engine's: in memory where one process is all there is, else in a
// table. A nonce is one block of AES under a key that strangers do not know: they
// can neither make one nor learn anything from one.
type nonces interface {
	fresh() [16]byte
	use(ctx context.Context, nonce [16]byte) error
	prune(ctx context.Context, now time.Time) error
}

const (
	nonceChunk  = 1 << 15              // nonces of a chunk: 4 KiB
	nonceChunks = 1<<26/nonceChunk + 1 // the oldest is dropped as the newest begins
)

// A nonceWindow is nonces in memory. A nonce is a counter and 64 zero bits,
// encrypted under a key of this process: nonces of before are a stranger's. One bit
// says of each counter in the window whether it was used: 8 MiB at most.
type nonceWindow struct {
	block cipher.Block

	mu   sync.Mutex
	next uint64                                // counter of the next nonce
	used [nonceChunks]*[nonceChunk / 64]uint64 // by chunk, modulo their number; nil: none was used
}

func newNonceWindow() *nonceWindow {
	key := make([]byte, 16)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key has the right length
	}
	return &nonceWindow{block: block}
}

func (w *nonceWindow) fresh() (nonce [16]byte) {
	w.mu.Lock()
	n := w.next
	w.next++
	if n%nonceChunk == 0 {
		w.used[n/nonceChunk%nonceChunks] = nil
	}
	w.mu.Unlock()
	binary.BigEndian.PutUint64(nonce[:8], n)
	w.block.Encrypt(nonce[:], nonce[:])
	return nonce
}

func (w *nonceWindow) use(_ context.Context, nonce [16]byte) error {
	w.block.Decrypt(nonce[:], nonce[:])
	if binary.BigEndian.Uint64(nonce[8:]) != 0 {
		return ErrSpent
	}
	n := binary.BigEndian.Uint64(nonce[:8])
	chunk := n / nonceChunk
	w.mu.Lock()
	defer w.mu.Unlock()
	if n >= w.next || (w.next-1)/nonceChunk-chunk >= nonceChunks {
		return ErrSpent
	}
	slot := &w.used[chunk%nonceChunks]
	if *slot == nil {
		*slot = new([nonceChunk / 64]uint64)
	}
	word, bit := &(*slot)[n%nonceChunk/64], uint64(1)<<(n%64)
	if *word&bit != 0 {
		return ErrSpent
	}
	*word |= bit
	return nil
}

func (w *nonceWindow) prune(context.Context, time.Time) error { return nil }
