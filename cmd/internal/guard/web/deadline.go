package web

import "time"

// hurry gives a head that has begun to come its time, counted from its first byte.
func (w *wire) hurry() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.limit.IsZero() {
		return nil
	}
	w.limit = time.Now().Add(headTime)
	return w.applyLimit()
}

// SetReadDeadline implements [net.Conn]. A head that is coming may have less time.
func (w *wire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = t
	select {
	case <-w.poked:
	default:
	}
	if !t.IsZero() && !t.After(time.Now()) {
		w.poked <- struct{}{}
	}
	return w.applyLimit()
}

// SetDeadline implements [net.Conn].
func (w *wire) SetDeadline(t time.Time) error {
	if err := w.SetReadDeadline(t); err != nil {
		return err
	}
	return w.SetWriteDeadline(t)
}

func (w *wire) setLimit(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limit.Equal(t) {
		return
	}
	w.limit = t
	w.applyLimit()
}

func (w *wire) applyLimit() error {
	t := w.asked
	if !w.limit.IsZero() && (t.IsZero() || w.limit.Before(t)) {
		t = w.limit
	}
	return w.Conn.SetReadDeadline(t)
}

// late reports whether a head has had its time.
func (w *wire) late() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.limit.IsZero() && !time.Now().Before(w.limit)
}
