package stream

import "context"

// caughtUp waits, for a subscriber that has seen a number above our newest, until we have
// what anybody had when it came: see [Hub.CatchUp]. It returns false if there is nobody
// to wait for any more.
func (h *Hub) caughtUp(ctx context.Context, seen int64, closed <-chan struct{}) bool {
	e := h.Newest()
	if h.CatchUp == nil || seen == 0 || e != nil && e.number >= seen {
		return true
	}
	select {
	case <-h.CatchUp():
		return true
	case <-ctx.Done():
	case <-closed:
	}
	return false
}
