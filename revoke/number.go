package revoke

import (
	"context"
	"fmt"

	"github.com/betonica/betonica/store"
)

// blockSize is how many CRL numbers are reserved at a time.
const blockSize = 1000

// numbers hands out the CRL numbers of lists that no revocation has numbered. It
// is for one goroutine.
type numbers struct {
	store     *store.DB
	next, end int64 // what is left of the block; next == end: nothing
	last      int64 // handed out or seen
}

// seen drops the rest of the block if a revocation went past it, and reports
// whether number is new: a list may then carry it.
func (n *numbers) seen(number int64) bool {
	if number <= n.last {
		return false
	}
	n.last = number
	if n.next <= number {
		n.next, n.end = 0, 0
	}
	return true
}

// take returns a number above all that were taken or seen.
func (n *numbers) take(ctx context.Context) (int64, error) {
	if err := n.reserve(ctx); err != nil {
		return 0, err
	}
	number := n.next
	n.next++
	n.last = number
	return number, nil
}

// reserve sees to it that there is a block to take from.
func (n *numbers) reserve(ctx context.Context) error {
	if n.next < n.end {
		return nil
	}
	first, err := n.store.ReserveCRLNumbers(ctx, blockSize)
	if err != nil {
		return fmt.Errorf("numbering a CRL: %w", err)
	}
	n.next, n.end = first, first+blockSize
	return nil
}
