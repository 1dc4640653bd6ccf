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
	timer   *time.Timer   // runs on from one request to the next: see overtime
	set     bool          // it does
	turn    int64         // of the request that may be watched over
	wanted  int64         // turn that is to be watched over
	since   time.Time     // when that was said
	over    bool          // the request was answered
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
	w.wanted, w.since = w.turn, time.Now()
	if w.set {
		return
	}
	w.set = true
	if w.timer == nil {
		w.timer = time.AfterFunc(watchAfter, w.late)
		return
	}
	w.timer.Reset(watchAfter)
}

// late looks after the request that is wanted, or comes back when it is time to.
func (w *watch) late() {
	w.mu.Lock()
	turn := w.wanted
	if w.over || w.turn != turn {
		w.set = false
		w.mu.Unlock()
		return
	}
	if left := watchAfter - time.Since(w.since); left > 0 {
		w.timer.Reset(left)
		w.mu.Unlock()
		return
	}
	w.set = false
	w.mu.Unlock()
	w.look(turn)
}

// stop is the end of the session.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
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
	w.over = true
	reading := w.reading
	w.mu.Unlock()
	if reading != nil {
		w.session.wire.SetReadDeadline(past)
		<-reading
		w.session.wire.SetReadDeadline(time.Time{})
	}
}
