package web

import "sync"

// sessions are those of a route, for whom one goroutine waits that the route drains: one
// of each would be a third of what a connection takes while it is idle. For concurrent use.
type sessions struct {
	mu       sync.Mutex
	all      map[*session]struct{}
	draining bool

	waits  sync.WaitGroup
	begin  sync.Once
	end    sync.Once
	closed chan struct{}
}

// enter adds a session. It is drained when drain is closed, which is the same for all.
func (t *sessions) enter(s *session, drain <-chan struct{}) {
	t.begin.Do(func() { t.waits.Go(func() { t.wait(drain) }) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[*session]struct{}{}
	}
	if t.all[s] = struct{}{}; t.draining {
		s.drain()
	}
}

func (t *sessions) leave(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, s)
}

// wait drains all sessions, those that come later too, once drain is closed.
func (t *sessions) wait(drain <-chan struct{}) {
	select {
	case <-t.closed:
		return
	case <-drain:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = true
	for s := range t.all {
		s.drain()
	}
}

// close ends the waiting. No session enters any more.
func (t *sessions) close() {
	t.end.Do(func() { close(t.closed) })
	t.waits.Wait()
}
