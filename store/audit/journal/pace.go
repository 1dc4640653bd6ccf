package journal

import "time"

// A pace says when the next sync begins. Syncing as soon as the disk is free keeps a few
// callers fast, and costs a busy disk thousands of syncs a second for a few entries each.
// Waiting a fixed time does the opposite: callers who all wait already wait for nothing.
// So it waits only while more can be expected than are there: as many as were there
// together lately, at most the time named since the last sync began. A lone caller, and
// a fixed number of them who each wait for an answer before they ask again, do not wait.
type pace struct {
	every time.Duration
	last  time.Time // when the last sync began
	crowd float64   // callers that a batch had lately, at most; fades
}

// wait returns how long to wait for more than the n that are there.
func (p *pace) wait(n int, now time.Time) time.Duration {
	if float64(n) >= p.crowd {
		return 0
	}
	return p.every - now.Sub(p.last)
}

// began notes a sync of n callers. The crowd fades slowly beneath a large batch, so that
// chance does not wear it down, and within a few batches beneath a small one.
func (p *pace) began(n int, now time.Time) {
	p.last = now
	p.crowd = max(float64(n), p.crowd-max(p.crowd/64, 0.25))
}
