package guard

import (
	"sync"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
)

// links are the open connections of all routes. Its methods may be called concurrently.
type links struct {
	mu  sync.Mutex
	all map[*gate.Link]*use
}

// A use is what the sweeper knows of a link.
type use struct {
	by    *served
	moves int64
	since time.Time // when moves was other than it is
	ended bool      // by the sweeper, which says so once
}

// add enters a link; it reports false if its route has been cut already.
func (t *links) add(l *gate.Link, by *served) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if by.over {
		return false
	}
	t.all[l] = &use{by: by, moves: l.Moves(), since: l.Begin}
	return true
}

func (t *links) remove(l *gate.Link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, l)
}

// cut ends all connections of a route, those whose handshake is under way too.
func (t *links) cut(s *served) {
	t.mu.Lock()
	s.over = true
	var held []*gate.Link
	for l, u := range t.all {
		if u.by == s {
			held = append(held, l)
		}
	}
	t.mu.Unlock()
	for _, l := range held {
		l.End(gate.Draining)
	}
	s.cancel()
}

func (t *links) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}

// sweep ends what is idle, too old, or no longer allowed. Who was revoked or has
// expired, package peer has cut already.
func (t *links) sweep(now time.Time) {
	type end struct {
		link   *gate.Link
		reason string
	}
	var ends []end
	t.mu.Lock()
	for l, u := range t.all {
		if moves := l.Moves(); moves != u.moves {
			u.moves, u.since = moves, now
		}
		if reason := u.over(l, now); reason != "" && !u.ended {
			u.ended = true
			ends = append(ends, end{l, reason})
		}
	}
	t.mu.Unlock()
	for _, e := range ends {
		e.link.End(e.reason)
	}
}

// over says why a link has to end; "" if it has not.
func (u *use) over(l *gate.Link, now time.Time) string {
	limits := l.Route.Limits
	switch {
	case limits.Idle > 0 && now.Sub(u.since) >= limits.Idle:
		return gate.Idle
	case limits.Age > 0 && now.Sub(l.Begin) >= limits.Age:
		return gate.TooOld
	case !u.by.admits(l.Caller.ID) || !l.Allowed():
		return gate.NotAllowed
	}
	return ""
}
