package admin

import (
	"context"
	"sync"
	"time"
)

// beatEvery is how often a caller who waits hears that there is somebody.
const beatEvery = 2 * time.Second

// A beat keeps an answer alive that takes long: it sends again what was sent last when
// nothing else was for a while, and what is sent by others in between never at the same
// time.
type beat struct {
	mu      sync.Mutex
	last    time.Time
	again   func() error
	stopped chan struct{}
	wait    sync.WaitGroup
	gone    context.CancelCauseFunc
}

// beating sends something every two seconds, at first by that function. What cannot be sent
// ends the work by gone.
func beating(first func() error, gone context.CancelCauseFunc) *beat {
	b := &beat{last: time.Now(), again: first, stopped: make(chan struct{}), gone: gone}
	b.wait.Go(func() {
		ticker := time.NewTicker(beatEvery)
		defer ticker.Stop()
		for {
			select {
			case <-b.stopped:
				return
			case <-ticker.C:
				b.quiet()
			}
		}
	})
	return b
}

// quiet sends unless somebody else has just done so.
func (b *beat) quiet() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.last) < beatEvery {
		return
	}
	b.send(b.again)
}

// note sends something now, and from now on.
func (b *beat) note(send func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.again = send
	b.send(send)
}

func (b *beat) send(send func() error) {
	b.last = time.Now()
	if err := send(); err != nil {
		b.gone(err)
	}
}

// end returns when nothing is sent any more.
func (b *beat) end() {
	close(b.stopped)
	b.wait.Wait()
}
