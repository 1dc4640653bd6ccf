package survey

import (
	"hash/maphash"
	"sync"

	"github.com/betonica/betonica/store/audit/plain"
	"github.com/betonica/betonica/store/compliance"
)

const (
	// maxPairs bounds the digests that wait for those of the other end.
	maxPairs = 1 << 20
	// maxCallers bounds the callers that are told apart, over all edges.
	maxCallers = 1 << 20
)

// shared is what all cores add to.
type shared struct {
	pairs   pairs
	callers callers
}

func newShared() *shared {
	seed := maphash.MakeSeed()
	return &shared{pairs{seed: seed, waiting: map[uint64]half{}}, callers{seed: seed, seen: map[uint64]struct{}{}, count: map[edgeKey]int64{}}}
}

// pairs puts the digests of two journals side by side: a payload is known by its connection
// and number, and what waits is some 30 bytes.
type pairs struct {
	mu      sync.Mutex
	seed    maphash.Seed
	waiting map[uint64]half

	matched   int64
	differing compliance.Count
	lost      int64 // that there was no room for
}

// A half is what one end has digested.
type half struct {
	digests uint64
	journal uint64
}

// add takes in a record that has digests, and is not the first of two. Both ends of a
// connection have the same link; a number may come again from one end alone, and then
// counts for nothing.
func (p *pairs) add(origin string, a *access) {
	d := &a.Detail
	if d.Link == "" || d.Request == "" && d.Response == "" || a.begun() {
		return
	}
	key := maphash.String(p.seed, d.Link+"\x00"+d.Number)
	h := half{maphash.String(p.seed, d.Request+"\x00"+d.Response), maphash.String(p.seed, origin)}
	p.mu.Lock()
	defer p.mu.Unlock()
	first, there := p.waiting[key]
	switch {
	case !there:
		if len(p.waiting) == maxPairs {
			p.lost++
			return
		}
		p.waiting[key] = h
	case first.journal == h.journal:
	case first.digests == h.digests:
		p.matched++
		delete(p.waiting, key)
	default:
		p.differing.Add(plain.Clean(a.Actor, pathText), "connection "+plain.Clean(d.Link, 2*wordText)+", number "+plain.Clean(d.Number, wordText))
		delete(p.waiting, key)
	}
}

// callers counts how many different machines there are on each edge.
type callers struct {
	mu    sync.Mutex
	seed  maphash.Seed
	seen  map[uint64]struct{}
	count map[edgeKey]int64
}

func (c *callers) add(key edgeKey, caller string) {
	id := maphash.String(c.seed, key.role+"\x00"+key.guard+"\x00"+key.route+"\x00"+key.protocol+"\x00"+caller)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, seen := c.seen[id]; seen || len(c.seen) >= maxCallers {
		return
	}
	c.seen[id] = struct{}{}
	c.count[key]++
}
