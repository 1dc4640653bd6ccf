package turns

import "time"

// A waiter is one in the queue.
type waiter struct {
	urgent time.Time     // the nearer, the sooner
	turn   chan struct{} // closed when it is out of the queue
	served bool          // it is its turn; set before turn is closed
	index  int           // in the heap; negative: it is out
}

// waiters is a heap, for container/heap.
type waiters []*waiter

func (h waiters) Len() int           { return len(h) }
func (h waiters) Less(i, j int) bool { return h[i].urgent.Before(h[j].urgent) }
func (h waiters) Swap(i, j int)      { h[i], h[j] = h[j], h[i]; h[i].index, h[j].index = i, j }

func (h *waiters) Push(x any) {
	w := x.(*waiter)
	w.index = len(*h)
	*h = append(*h, w)
}

func (h *waiters) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h, w.index = old[:len(old)-1], -1
	return w
}
