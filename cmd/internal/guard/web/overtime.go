package web

import (
	"sync"
	"time"
)

// An overtime sees that a request which is under way for long has a record of that. It is
// of one session, whose requests come one after the other, and its timer runs on from one
// to the next: most are over long before, and setting it for each would cost more than all
// else that is done for that.
type overtime struct {
	mu    sync.Mutex
	timer *time.Timer
	set   bool      // the timer
	of    *relay    // nil: none is under way, or it has its record
	since time.Time // when that began
}

// begin is for a request that goes to its target now.
func (o *overtime) begin(x *relay) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of, o.since = x, time.Now()
	if o.set {
		return
	}
	o.set = true
	if o.timer == nil {
		o.timer = time.AfterFunc(x.gate.openAfter, o.look)
		return
	}
	o.timer.Reset(x.gate.openAfter)
}

// look opens the record of the request that is late, or comes back when one may be.
func (o *overtime) look() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.set = o.of != nil; !o.set {
		return
	}
	if left := o.of.gate.openAfter - time.Since(o.since); left > 0 {
		o.timer.Reset(left)
		return
	}
	x := o.of
	o.of, o.set = nil, false
	x.late(x.abort)
}

// end is for a request that is over. When it returns, nobody looks at it any more.
func (o *overtime) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of = nil
}

// stop is the end of the session.
func (o *overtime) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.timer != nil {
		o.timer.Stop()
	}
}
