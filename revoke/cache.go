package revoke

import (
	"container/list"
	"sync"
	"time"

	"github.com/betonica/betonica/revoke/ocsp"
	"github.com/betonica/betonica/store"
)

// An answer is a signed OCSP response with its HTTP headers. It never changes.
type answer struct {
	serial store.Serial
	certID string // in DER, as it was asked
	body   []byte
	until  time.Time // nextUpdate

	etag, modified, expires, length []string
}

// size is about what an answer costs in memory, in bytes.
func (a *answer) size() int { return len(a.body) + 2*len(a.certID) + 512 }

// A cache keeps the answers that can be given again: least recently used go first.
// It knows when an answer was overtaken by a revocation while it was being made.
type cache struct {
	mu     sync.Mutex
	limit  int // bytes
	bytes  int
	byID   map[string]*list.Element // of *answer, by CertID
	serial map[store.Serial][]*list.Element
	order  list.List // most recently used first
	epoch  uint64    // counts revocations
}

func newCache(limit int) *cache {
	return &cache{limit: limit, byID: map[string]*list.Element{}, serial: map[store.Serial][]*list.Element{}}
}

// get returns the answer for a CertID until its time is over, and otherwise the
// epoch in which a new one is to be made.
func (c *cache) get(id ocsp.CertID, now time.Time) (*answer, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[string(id.DER())]
	if e == nil {
		return nil, c.epoch
	}
	a := e.Value.(*answer)
	if !now.Before(a.until) {
		c.remove(e)
		return nil, c.epoch
	}
	c.order.MoveToFront(e)
	return a, c.epoch
}

// put keeps an answer that was begun in epoch. It returns false, and does not, if
// something was revoked since: the answer may be wrong already.
func (c *cache) put(a *answer, epoch uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return false
	}
	if old := c.byID[a.certID]; old != nil {
		c.remove(old)
	}
	e := c.order.PushFront(a)
	c.byID[a.certID] = e
	if a.serial != (store.Serial{}) { // else none of ours: nothing to revoke, and any number of them
		c.serial[a.serial] = append(c.serial[a.serial], e)
	}
	c.bytes += a.size()
	for c.bytes > c.limit && c.order.Len() > 1 {
		c.remove(c.order.Back())
	}
	return true
}

// drop forgets every answer about what was revoked.
func (c *cache) drop(revoked []store.Revocation, _ bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, r := range revoked {
		for _, e := range c.serial[r.Serial] {
			c.unlink(e)
		}
		delete(c.serial, r.Serial)
	}
}

// len returns the number of answers.
func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}

func (c *cache) remove(e *list.Element) {
	a := e.Value.(*answer)
	all := c.serial[a.serial]
	for i := range all {
		if all[i] == e {
			all[i] = all[len(all)-1]
			all = all[:len(all)-1]
			break
		}
	}
	if len(all) == 0 {
		delete(c.serial, a.serial)
	} else {
		c.serial[a.serial] = all
	}
	c.unlink(e)
}

func (c *cache) unlink(e *list.Element) {
	a := e.Value.(*answer)
	delete(c.byID, a.certID)
	c.order.Remove(e)
	c.bytes -= a.size()
}
