package revoke

import (
	"context"
	"fmt"

	"github.com/betonica/betonica/store"
)

// blockSize is how many CRL numbers who signs alone reserves at a time.
const blockSize = 1000

// numbers hands out the CRL numbers of lists. It is for one goroutine.
//
// Whoever signs reserves numbers before he reads what was revoked. So a list tells of
// all that was revoked with a lower number, whoever revokes: a revocation takes its
// number in its transaction, and a reservation waits for that to end.
//
// Beside other processes each number is reserved by itself, so that numbers are unique
// and rise as lists are begun. Who signs alone reserves a block, and gives a list the
// number of the newest revocation in it, if no list has had that.
type numbers struct {
	store     *store.DB
	beside    bool  // other processes sign, too
	next, end int64 // what is left of the block; next == end: nothing
	last      int64 // handed out, or seen of a revocation or of a list
}

// reserve has a number ready. It is to be called before what was revoked is read.
func (n *numbers) reserve(ctx context.Context) error {
	size := int64(blockSize)
	if n.beside {
		n.next, size = n.end, 1 // an old one was overtaken since
	}
	if n.next < n.end {
		return nil
	}
	first, err := n.store.ReserveCRLNumbers(ctx, int(size))
	if err == nil && first <= n.last {
		err = store.InTrouble(store.TroubleSetBack, fmt.Errorf("the store gives %d, and %d was signed", first, n.last))
	}
	if err != nil {
		return fmt.Errorf("numbering a CRL: %w", err)
	}
	n.next, n.end = first, first+size
	return nil
}

// take returns a number above all that were handed out or seen.
func (n *numbers) take(ctx context.Context) (int64, error) {
	if err := n.reserve(ctx); err != nil {
		return 0, err
	}
	return n.first(), nil
}

// of returns the number of a list that tells of all up to revoked. reserved is what
// reserve returned before that was read. A revocation that goes past a block makes
// the rest of it void.
func (n *numbers) of(revoked int64, reserved error) (int64, error) {
	switch {
	case revoked > n.last && !n.beside:
		n.last = revoked
		if n.next <= revoked {
			n.next, n.end = 0, 0
		}
		return revoked, nil
	case reserved != nil:
		return 0, reserved
	}
	return n.first(), nil
}

// see notes the number of a list that somebody else has signed.
func (n *numbers) see(number int64) { n.last = max(n.last, number) }

// first hands out what was reserved.
func (n *numbers) first() int64 {
	n.last = n.next
	n.next++
	return n.last
}
