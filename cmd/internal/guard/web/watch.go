package web

import (
	"sync"
	"time"
)

// watchAfter is how long an application may think before somebody looks whether the
// caller is still there.
const watchAfter = 20 * time.Millisecond

// A watch sees that a caller goes away while his request, which has come whole, waits for
// its answer, and cancels the session then. It reads ahead what comes meanwhile: where
// that is the next request, nothing more can be seen.
type watch struct {
	session *session

	mu      sync.Mutex
	timer   *time.Timer
	turn    int64         // of the request that may be watched over
	armed   int64         // turn that timer is for
	over    bool          // and was answered
	reading chan struct{} // closed when nobody reads any more; nil: nobody did
}

// begin begins the turn of a request.
func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn++
	w.over, w.reading = false, nil
}

// later watches over the request from a while on.
func (w *watch) later() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed = w.turn; w.timer != nil {
		w.timer.Reset(watchAfter)
		return
	}
	w.timer = time.AfterFunc(watchAfter, func() {
		w.mu.Lock()
		turn := w.armed
		w.mu.Unlock()
		w.look(turn)
	})
}

// look reads until something comes. What else reads from the caller has ended.
func (w *watch) look(turn int64) {
	w.mu.Lock()
	if w.over || w.turn != turn || w.session.in.Buffered() > 0 {
		w.mu.Unlock()
		return
	}
	done := make(chan struct{})
	w.reading = done
	w.mu.Unlock()
	defer close(done)
	if err := w.session.in.Fill(); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.over {
			w.session.cancel()
		}
	}
}

// end ends the turn, and returns when nobody reads any more.
func (w *watch) end() {
	w.mu.Lock()
	if w.over = true; w.timer != nil {
		w.timer.Stop()
	}
	reading := w.reading
	w.mu.Unlock()
	if reading != nil {
		w.session.wire.SetReadDeadline(past)
		<-reading
		w.session.wire.SetReadDeadline(time.Time{})
	}
}
