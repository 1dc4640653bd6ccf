package sign

import (
	"hash/maphash"
	"sync"
	"time"
)

// Nonces are those that were used within the window. They take 16 to 40 bytes each, and
// there are at most two generations of max. No key may have more of a generation than it
// leaves to all others: so one of them alone gets half, and whoever comes later finds room.
// Safe for concurrent use.
type Nonces struct {
	max  int
	seed maphash.Seed

	mu       sync.Mutex
	turned   time.Time
	now, old map[uint64]struct{}
	by       map[string]int // of now, by key
}

// NewNonces returns Nonces of at most max within a generation, which is the window and
// the minute that clocks may differ.
func NewNonces(max int) *Nonces { return &Nonces{max: max, seed: maphash.MakeSeed()} }

// Use reports whether a key's nonce was not used before, and uses it. When the key has too
// many, none of it is new: a replay would not be noticed.
func (n *Nonces) Use(keyID, nonce string, now time.Time) bool {
	id := maphash.Comparable(n.seed, [2]string{keyID, nonce})
	n.mu.Lock()
	defer n.mu.Unlock()
	if passed := now.Sub(n.turned); passed > Window+ahead || passed < 0 {
		if n.old = n.now; passed > 2*(Window+ahead) {
			n.old = nil
		}
		n.now, n.by, n.turned = map[uint64]struct{}{}, map[string]int{}, now
	}
	_, used := n.now[id]
	_, usedBefore := n.old[id]
	if used || usedBefore || n.by[keyID] >= n.max-len(n.now) {
		return false
	}
	n.now[id] = struct{}{}
	n.by[keyID]++
	return true
}
