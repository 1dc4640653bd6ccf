package enroll

import (
	"net/netip"
	"sync"
	"time"

	"github.com/betonica/betonica/store"
)

// badTokens counts bad tokens by source and by token. It answers only for bad
// ones: a good token passes whatever its neighbours do.
type badTokens struct {
	sources window[netip.Prefix]
	tokens  window[store.TokenID]
}

func newBadTokens() *badTokens {
	return &badTokens{
		sources: window[netip.Prefix]{limit: 5, length: time.Minute},
		tokens:  window[store.TokenID]{limit: 20, length: time.Hour},
	}
}

// count counts one bad token, and returns how long its bearer shall wait: 0 if
// there were not too many. token is nil if there is no such token.
func (b *badTokens) count(from netip.Addr, token *store.TokenID, now time.Time) time.Duration {
	wait := b.sources.count(sourceOf(from), now)
	if token != nil {
		wait = max(wait, b.tokens.count(*token, now))
	}
	return wait
}

// sourceOf is what counts as one source: an IPv4 address, or an IPv6 /64, which
// one machine can have all of (RFC 4291, Section 2.5.4).
func sourceOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // the zero Prefix for the zero Addr
	return prefix
}

// maxWindows bounds the memory of a window: beyond it, one key or another is
// forgotten early.
const maxWindows = 10_000

// A window counts events by key, in spans of a fixed length that begin with a
// key's first event.
type window[K comparable] struct {
	limit  int
	length time.Duration

	mu   sync.Mutex
	open map[K]span
}

type span struct {
	since time.Time
	count int
}

// count counts one event, and returns 0 if the limit holds, otherwise what is
// left of the span.
func (w *window[K]) count(key K, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = make(map[K]span)
	}
	s, ok := w.open[key]
	if age := now.Sub(s.since); !ok || age < 0 || age >= w.length {
		s = span{since: now}
	}
	s.count++
	if !ok && len(w.open) >= maxWindows {
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
