package revoke

import (
	"slices"
	"sync"
	"time"

	"github.com/betonica/betonica/store"
)

// news is what was revoked of one issuer's, as the store tells it, and how much of it
// is in a delta: that which has its number or a lower one.
type news struct {
	mu     sync.Mutex
	number int64     // of the newest revocation
	here   int64     // of the newest that may be this process's
	told   int64     // of the newest delta
	since  time.Time // since when other processes have had their turn to tell of the rest
}

// hear notes those of the issuer's, and reports whether there are any.
func (n *news) hear(issuer string, all []store.Revocation, here bool) bool {
	for _, r := range slices.Backward(all) { // the first is the newest
		if r.Issuer == issuer {
			n.hearOf(r.Number, here)
			return true
		}
	}
	return false
}

func (n *news) hearOf(number int64, here bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.number <= n.told {
		n.since = time.Now()
	}
	n.number = max(n.number, number)
	if here {
		n.here = max(n.here, number)
	}
}

// tell notes a delta. Whoever signed it may sign the next, too.
func (n *news) tell(number int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told, n.since = max(n.told, number), time.Now()
}

// wait gives other processes their turn once more.
func (n *news) wait() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.since = time.Now()
}

// untold says whether there is something that no delta tells of, whether this process
// revoked it, and since when others could have told of it.
func (n *news) untold() (some, here bool, since time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.number > n.told, n.here > n.told, n.since
}

// newestTold returns at most the number of the newest revocation that a delta tells
// of: where there are others, it may be that of the delta.
func (n *news) newestTold() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return min(n.number, n.told)
}
