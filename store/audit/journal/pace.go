package journal

import (
	"math"
	"time"
)

// A pace says when the next sync begins. Syncing as soon as the disk is free keeps a few
// callers fast, and costs a busy disk thousands of syncs a second for a few entries each.
// Waiting a fixed time does the opposite: callers who all wait already wait for nothing.
// So it waits only while more can be expected than are there: as many as were there
// together lately, as long as they keep coming, at most the time named since the last sync
// began. A lone caller, and a fixed number of them who each wait for an answer before they
// ask again, hardly wait.
type pace struct {
	every time.Duration
	last  time.Time // when the last sync began
	crowd float64   // callers that a batch had lately, at most; fades
}

// silence is how many times as long as from one caller to the next it has to be quiet
// before nobody is expected any more; at least hush.
const (
	silence = 8
	hush    = 2 * time.Millisecond
)

// wait returns how long to wait for more than the n that are there, of whom the last came
// at the time arrived.
func (p *pace) wait(n int, arrived, now time.Time) time.Duration {
	if float64(n) >= p.crowd {
		return 0
	}
	quiet := max(hush, silence*arrived.Sub(p.last)/time.Duration(n))
	return min(p.every-now.Sub(p.last), quiet-now.Sub(arrived))
}

// expects returns how many more than n are as many as were there together lately.
func (p *pace) expects(n int) int { return max(1, int(math.Ceil(p.crowd))-n) }

// began notes a sync of n callers. The crowd fades slowly beneath a large batch, so that
// chance does not wear it down, and within a few batches beneath a small one.
func (p *pace) began(n int, now time.Time) {
	p.last = now
	p.crowd = max(float64(n), p.crowd-max(p.crowd/64, 0.25))
}
