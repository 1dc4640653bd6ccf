package alert

import (
	"slices"
	"time"
)

// enough is how many machines that do alike are a change of the place, and no anomaly.
const enough = 3

// A crowd is who does one thing: the first three machines of a place or a role.
type crowd struct {
	IDs [enough]uint64
	N   uint8
	At  moment // of the newest
}

// join puts a machine into a crowd, which is gone when nobody joined it for a while, and
// returns how many there are, three at most.
func (e *Engine) join(key, id uint64, at moment, within time.Duration) int {
	c := e.crowds.put(key)
	if c.At != 0 && at.apart(c.At) > within {
		if at < c.At {
			return 0 // told too late to matter
		}
		*c = crowd{}
	}
	c.At, c.N = max(c.At, at), min(c.N, enough)
	if c.N < enough && !slices.Contains(c.IDs[:c.N], id) {
		c.IDs[c.N] = id
		c.N++
		if c.N == enough {
			e.pass(key)
		}
	}
	return int(c.N)
}

// crowded reports whether three have joined.
func (e *Engine) crowded(key uint64) bool {
	c := e.crowds.peek(key)
	return c != nil && c.N == enough
}

// pass lets go what was held, and resolves what is open, of a thing that three do.
func (e *Engine) pass(key uint64) {
	n := len(e.held)
	e.held = slices.DeleteFunc(e.held, func(p pending) bool { return p.Finding.Crowd == key })
	e.stats.Suppressed += int64(n - len(e.held))
	for _, a := range e.book.all() {
		if a.Crowd == key {
			e.resolve(a, "three machines do the same: the place has changed, and not the machine")
		}
	}
}
