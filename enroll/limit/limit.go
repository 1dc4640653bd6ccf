// Package limit counts events by key in spans of time, in a bounded memory of one
// process: over n replicas, of which each counts what it sees, up to n times the limit
// passes. It knows neither what an event is nor what a refusal says.
package limit

import (
	"net/netip"
	"sync"
	"time"
)

// maxKeys bounds the memory of a window: beyond it, one key or another is
// forgotten early.
const maxKeys = 10_000

// A Window counts events by key, in spans of a fixed length that begin with a
// key's first event. Its methods may be called concurrently.
type Window[K comparable] struct {
	limit  int
	length time.Duration

	mu   sync.Mutex
	open map[K]span
}

type span struct {
	since time.Time
	count int
}

// NewWindow returns a window that takes so many events of a key in a span of
// that length.
func NewWindow[K comparable](limit int, length time.Duration) *Window[K] {
	return &Window[K]{limit: limit, length: length, open: make(map[K]span)}
}

// Count counts one event, and returns 0 if the limit holds, otherwise what is
// left of the span.
func (w *Window[K]) Count(key K, now time.Time) time.Duration { return w.Add(key, 1, now) }

// Add is Count of n events at once.
func (w *Window[K]) Add(key K, n int, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.open[key]
	if w.over(s, now) {
		s = span{since: now}
	}
	s.count += n
	if !ok && len(w.open) >= maxKeys {
		for other := range w.open { // any: maps begin anywhere
			delete(w.open, other)
			break
		}
	}
	w.open[key] = s
	if s.count <= w.limit {
		return 0
	}
	return s.since.Add(w.length).Sub(now)
}

// Full returns what is left of the span if the limit is reached, so that one more
// event would go beyond it, and otherwise 0. It counts nothing.
func (w *Window[K]) Full(key K, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.open[key]
	if s.count < w.limit || w.over(s, now) {
		return 0
	}
	return s.since.Add(w.length).Sub(now)
}

// over reports whether a span has ended; the zero span has, and so has one that
// begins after now, for clocks are set back.
func (w *Window[K]) over(s span, now time.Time) bool {
	age := now.Sub(s.since)
	return age < 0 || age >= w.length
}

// Source is what counts as one source: an IPv4 address, or an IPv6 /64, which
// one machine can have all of (RFC 4291, Section 2.5.4).
func Source(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // the zero Prefix for the zero Addr
	return prefix
}
