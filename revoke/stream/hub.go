package stream

import (
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A Hub holds the subscribers of one issuer's deltas. The zero Hub is ready, and
// tells of nothing until the first Publish. Its methods may be called concurrently;
// its fields may not change once it serves.
//
// A subscriber costs what net/http needs for a connection, under 64 KiB; an event
// is held once, whoever many are still to take it.
type Hub struct {
	// MaxSubscribers is how many there may be, of the stream and of long polls
	// together. 10,000 if 0.
	MaxSubscribers int

	// MaxPerSource is how many of them may come from one IPv4 address or from one
	// IPv6 /64, the least that one site has. 256 if 0. Loopback, and what has no
	// address (a Unix socket), is not capped: a proxy may stand there.
	MaxPerSource int

	// CatchUp, unless it is nil, is for a hub that is one of several with the same
	// events: it returns what is closed once this one has the newest that any had when it
	// was called. Whoever comes with a number above our newest gets nothing before that,
	// so that who moves from one to the other does not see numbers fall.
	CatchUp func() <-chan struct{}

	mu      sync.Mutex
	newest  *Event
	changed chan struct{} // closed by the next Publish; nil: nobody waits
	closed  chan struct{} // closed by Close; nil: nobody was there
	ended   bool
	all     int
	sources map[netip.Prefix]int
	refused int64
}

const (
	defaultSubscribers = 10_000
	defaultPerSource   = 256
	patience           = 10 * time.Second // for a subscriber to take an event
)

// errFull and errGreedy refuse a subscriber.
var (
	errFull   = errors.New("too many subscribers")
	errGreedy = errors.New("too many subscribers from one address")
)

// Publish makes e the newest event, and tells all. It does not wait for anybody.
func (h *Hub) Publish(e *Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.newest = e
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// Newest returns the newest event, or nil.
func (h *Hub) Newest() *Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest
}

// Len returns how many subscribers there are.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all
}

// Refused returns how many subscribers were turned away since the start.
func (h *Hub) Refused() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused
}

// Close ends all subscriptions, now and to come. A server calls it when it stops:
// they would keep it waiting.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended && h.closed != nil {
		close(h.closed)
	}
	h.ended = true
}

// join counts a subscriber in, until leave.
func (h *Hub) join(remote string) (leave func(), closed <-chan struct{}, err error) {
	source := sourceOf(remote)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.ended, h.all >= orDefault(h.MaxSubscribers, defaultSubscribers):
		err = errFull
	case source.IsValid() && h.sources[source] >= orDefault(h.MaxPerSource, defaultPerSource):
		err = errGreedy
	}
	if err != nil {
		h.refused++
		return nil, nil, err
	}
	if h.closed == nil {
		h.closed, h.sources = make(chan struct{}), map[netip.Prefix]int{}
	}
	h.all++
	if source.IsValid() {
		h.sources[source]++
	}
	return func() { h.leave(source) }, h.closed, nil
}

func (h *Hub) leave(source netip.Prefix) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all--
	if !source.IsValid() {
		return
	}
	if h.sources[source]--; h.sources[source] == 0 {
		delete(h.sources, source)
	}
}

// now returns the newest event, and what is closed when there is a newer one.
func (h *Hub) now() (*Event, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return h.newest, h.changed
}

// refuse answers who was not let in.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	if err == errGreedy {
		status = http.StatusTooManyRequests
	}
	w.Header().Set("Retry-After", "30")
	http.Error(w, err.Error(), status)
}

func orDefault(n, or int) int {
	if n == 0 {
		return or
	}
	return n
}
