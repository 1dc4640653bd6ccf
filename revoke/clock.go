package revoke

import (
	"errors"
	"time"

	"github.com/betonica/betonica/store"
)

// maxDrift is how far the wall clock may part from the monotonic one.
const maxDrift = 5 * time.Minute

// ErrClock is why nothing is signed when the wall clock jumped: a list from the
// future would make every peer refuse its successors.
var ErrClock = store.InTrouble(store.TroubleClock, errors.New("the wall clock moved by more than 5 minutes against the monotonic clock; nothing about revocation is signed until the clock is right again or the daemon restarts"))

// A Clock tells the time to those who sign statements about revocation.
type Clock struct {
	now   func() time.Time // wall clock
	run   func() time.Duration
	begin time.Time

	// Stopped, if not nil, says why nothing may be signed any more, or nil: Now returns
	// that. It is asked often.
	Stopped func() error
}

// NewClock returns the clock of this machine.
func NewClock() *Clock {
	start := time.Now()
	return newClock(func() time.Time { return time.Now().Round(0) }, func() time.Duration { return time.Since(start) })
}

// newClock takes a wall clock, and one that only runs.
func newClock(now func() time.Time, run func() time.Duration) *Clock {
	return &Clock{now: now, run: run, begin: now().Add(-run())}
}

// Now returns the time in UTC, [ErrClock], or what Stopped says.
func (c *Clock) Now() (time.Time, error) {
	if c.Stopped != nil {
		if err := c.Stopped(); err != nil {
			return time.Time{}, err
		}
	}
	now := c.now()
	if drift := now.Sub(c.begin) - c.run(); drift > maxDrift || drift < -maxDrift {
		return time.Time{}, ErrClock
	}
	return now.UTC(), nil
}
