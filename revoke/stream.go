package revoke

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	maxEvent       = 48 << 10 // of DER: 64 KiB on the wire
	maxSubscribers = 10_000
	writeTimeout   = 10 * time.Second // for a subscriber to take an event
)

// An event is one message of the stream, ready to be written. It is shared by all
// subscribers.
type event struct {
	number int64
	text   []byte
}

// newEvent says what a delta says: by itself if that is short, and otherwise
// where it is and which bytes to expect there.
func newEvent(delta *Document, limit int) *event {
	if len(delta.DER) <= limit {
		return &event{delta.Number, fmt.Appendf(nil, "id: %d\nevent: delta\ndata: %s\n\n", delta.Number, delta.base64())}
	}
	data, err := json.Marshal(Pointer{Number: delta.Number, Base: delta.Base, SHA256: hex.EncodeToString(delta.SHA256[:]), Size: len(delta.DER)})
	if err != nil {
		panic(err) // numbers and text always marshal
	}
	return &event{delta.Number, fmt.Appendf(nil, "id: %d\nevent: pointer\ndata: %s\n\n", delta.Number, data)}
}

// A Pointer is sent in place of a delta that is too long for the stream: fetch
// delta.crl, and full.crl if Base is newer than the full list that is held. A
// peer waits a random moment first, since all are told at once.
type Pointer struct {
	Number int64  `json:"number"`
	Base   int64  `json:"base"`
	SHA256 string `json:"sha256"` // of the delta in DER, in hex
	Size   int    `json:"size"`   // bytes
}

// A hub holds the subscribers. Each has room for one wake-up: deltas are
// cumulative, so whoever is slow misses those between, and nothing that they said.
type hub struct {
	mu     sync.Mutex
	latest *event
	subs   map[chan struct{}]struct{}
	closed chan struct{}
	ended  bool
}

func (h *hub) publish(e *event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.latest = e
	for c := range h.subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// subscribe returns nil if there are too many, or the hub is closed.
func (h *hub) subscribe() (wake chan struct{}, closed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended || len(h.subs) >= maxSubscribers {
		return nil, nil
	}
	if h.subs == nil {
		h.subs, h.closed = map[chan struct{}]struct{}{}, make(chan struct{})
	}
	wake = make(chan struct{}, 1)
	h.subs[wake] = struct{}{}
	if h.latest != nil {
		wake <- struct{}{}
	}
	return wake, h.closed
}

func (h *hub) unsubscribe(wake chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, wake)
}

func (h *hub) newest() *event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.latest
}

func (h *hub) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subs)
}

// close ends all subscriptions, now and to come.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended && h.closed != nil {
		close(h.closed)
	}
	h.ended = true
}

// EndStreams ends all streams: when the daemon stops they would keep it waiting.
func (p *Publisher) EndStreams() { p.stream.close() }

// ServeStream pushes each delta as a server-sent event (WHATWG HTML, Section 9.2):
// "delta" with the base64 of its DER, or "pointer" with a [Pointer]. The id is the
// CRL number; a client that comes back with it in Last-Event-ID gets the newest
// delta at once unless it has that one. Nothing has to be replayed: each delta
// says all since its base. Who does not take an event within ten seconds is cut.
func (p *Publisher) ServeStream(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	wake, closed := p.stream.subscribe()
	if wake == nil {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many subscribers", http.StatusServiceUnavailable)
		return
	}
	defer p.stream.unsubscribe(wake)
	sent, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64)
	if newest := p.stream.newest(); newest != nil && sent > newest.number {
		sent = 0 // not a number of ours
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	// A stream has no end; the server's own deadlines are for requests that have.
	if out.SetReadDeadline(time.Time{}) != nil || out.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil || out.Flush() != nil {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case <-closed:
			return
		case <-wake:
		}
		e := p.stream.newest()
		if e.number == sent {
			continue
		}
		if out.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
			return
		}
		if _, err := w.Write(e.text); err != nil || out.Flush() != nil {
			return
		}
		sent = e.number
	}
}
