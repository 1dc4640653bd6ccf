package agent

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// maxSkew is how far the clocks may be apart without a word: it is also how far
// certificates are backdated.
const maxSkew = 5 * time.Minute

// A clock is what the agent goes by. It follows the system's clock, with three
// differences: it is never before its floor, which is the latest time that is known
// to have come; it does not jump when the system's does; and it believes the CA.
// It sets no clock.
//
// In doubt, which is below the floor and after a jump, the next answer of the CA
// says what time it is.
type clock struct {
	system func() time.Time
	uptime func() time.Duration // monotonic

	mu     sync.Mutex
	wall   time.Time     // what the system said last
	up     time.Duration // and when
	offset time.Duration // to add to the system's
	floor  time.Time
	doubt  bool
	told   time.Duration // how far off the system's clock was said to be
}

// newClock returns a clock that was off by offset when it was last held against
// the CA's, floor ago. Of the system's time and the one with the offset it takes
// the earlier one that is not before the floor: a machine may have been set right
// meanwhile, or have lost its time once more.
func newClock(system func() time.Time, uptime func() time.Duration, floor time.Time, offset time.Duration) *clock {
	c := &clock{system: system, uptime: uptime, wall: system().Round(0), up: uptime(), floor: floor}
	with := c.wall.Add(offset)
	if c.wall.Before(floor) || !with.Before(floor) && with.Before(c.wall) {
		c.offset = offset
	}
	return c
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *clock) read() time.Time {
	wall, up := c.system().Round(0), c.uptime()
	if jump := wall.Sub(c.wall) - (up - c.up); jump.Abs() > maxSkew {
		c.offset -= jump
		c.doubt = true
	}
	c.wall, c.up = wall, up
	if short := c.floor.Sub(wall.Add(c.offset)); short > 0 {
		c.offset += short
		c.doubt = c.doubt || short > maxSkew
	}
	return wall.Add(c.offset)
}

// heard takes note of what the CA says the time is. It returns by how much the
// system's clock is off, if that is new and worth a word. A CA that contradicts
// what is known to have come is not believed.
func (c *clock) heard(at time.Time) (off time.Duration, news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read()
	if at.Before(c.floor.Add(-maxSkew)) {
		return 0, false
	}
	c.doubt = false
	if at.After(c.floor) {
		c.floor = at
	}
	off = c.wall.Sub(at)
	if off.Abs() <= maxSkew {
		c.offset, c.told = 0, 0
		return off, false
	}
	c.offset = -off
	news = (off - c.told).Abs() > maxSkew
	c.told = off
	return off, news
}

// raise says that this time has come for sure.
func (c *clock) raise(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to.After(c.floor) {
		c.floor = to
	}
}

// known returns what outlives the process: the floor and the offset.
func (c *clock) known() (floor time.Time, offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.floor, c.offset.Truncate(time.Second)
}

// doubtful reports whether the CA should say what time it is, and before what time
// it cannot be.
func (c *clock) doubtful() (earliest time.Time, doubt bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read()
	return c.floor, c.doubt
}

func wrong(off time.Duration) error {
	return fmt.Errorf("this machine's clock is %s off the CA's, whose time counts from now on", off.Round(time.Second))
}

// stamped is when this program was linked, in RFC 3339, if whoever built it said so:
//
//	go build -ldflags '-X github.com/betonica/betonica/enroll/agent.stamped=2026-11-22T16:00:00Z'
var stamped string

// buildTime returns when this program was made, or its newest commit; zero if that
// is not known.
func buildTime() time.Time {
	if t, err := time.Parse(time.RFC3339, stamped); err == nil {
		return t
	}
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			t, _ := time.Parse(time.RFC3339, s.Value)
			return t
		}
	}
	return time.Time{}
}
