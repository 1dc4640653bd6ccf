package agent

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"

	"github.com/betonica/betonica/enroll/api"
)

const (
	firstBackoff = 30 * time.Second
	maxBackoff   = time.Hour
	minBackoff   = time.Second
)

// backoff says when a step that failed is tried again. The zero value is ready.
type backoff struct {
	failures int
	until    time.Time
}

// ready reports whether the step may be tried.
func (b *backoff) ready(now time.Time) bool { return !now.Before(b.until) }

// done forgets the failures; the step is next due at until.
func (b *backoff) done(until time.Time) { *b = backoff{until: until} }

// fail takes note of err and returns when to try again: with full jitter,
// uniformly within a span that begins at 30 s and doubles to 1 h, so that a
// fleet that lost its CA comes back one by one. A Retry-After that asks for more
// is honoured. left is what remains of the certificate's life (0 or less:
// nothing to save); neither may use up more than half of it.
func (b *backoff) fail(now time.Time, err error, left time.Duration) time.Time {
	span := maxBackoff
	if b.failures < 7 { // 30 s << 7 is more than an hour
		span = min(firstBackoff<<b.failures, maxBackoff)
	}
	b.failures++
	wait := uniform(minBackoff, span)
	if p, ok := errors.AsType[*api.Problem](err); ok && p.RetryAfter > wait {
		wait = p.RetryAfter
	}
	if left > 0 {
		wait = min(wait, max(left/2, minBackoff))
	}
	b.until = now.Add(wait)
	return b.until
}

// maxDenied is the longest that a CA that said no is left alone.
const maxDenied = 24 * time.Hour

// denied is fail for a CA that said no: a person has to do something, which takes an
// hour or days. left as there, but a quarter of it.
func (b *backoff) denied(now time.Time, err error, left time.Duration) time.Time {
	span := maxDenied
	if b.failures < 5 {
		span = min(time.Hour<<b.failures, maxDenied)
	}
	b.failures++
	wait := uniform(span/2, span)
	if p, ok := errors.AsType[*api.Problem](err); ok && p.RetryAfter > wait {
		wait = min(p.RetryAfter, maxDenied)
	}
	if left > 0 {
		wait = min(wait, max(left/4, 10*time.Minute))
	}
	b.until = now.Add(wait)
	return b.until
}

// uniform picks from [lo, hi).
func uniform(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	var b [8]byte
	rand.Read(b[:])
	return lo + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(hi-lo))
}
