package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

const (
	maxPoll   = 6 * time.Hour   // between two looks at a window (RFC 9773, Section 4.3.2)
	minPoll   = time.Minute     // the same for certificates of hours
	maxCached = 5 * time.Minute // how long a cache between us and clients may hide a revocation
)

// renewalInfo says when a certificate should be renewed (RFC 9773, Section 4.2):
// in a window that begins in the middle of its life to two thirds of it, elsewhere
// for each certificate; in the past if it is revoked. Anyone may ask, and is
// answered from memory.
func (h *Handler) renewalInfo(w http.ResponseWriter, r *http.Request) error {
	serial, ok := h.parseCertID(r.PathValue("certid"))
	if !ok {
		return notFound("certificate")
	}
	window, err := h.window(r.Context(), serial)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Retry-After", seconds(window.poll))
	header.Set("Cache-Control", "public, max-age="+seconds(min(window.poll, maxCached)))
	return reply(w, http.StatusOK, renewalInfo{suggestedWindow{window.start, window.end}})
}

// A window is when a certificate should be renewed, and how often to ask.
type window struct {
	start, end time.Time
	poll       time.Duration
}

// window returns that of a certificate on record.
func (h *Handler) window(ctx context.Context, serial store.Serial) (window, error) {
	move := h.Registrar.Move()
	known, epoch := h.windows.get(serial, move)
	if known != nil && !h.Store.Lapsed() { // it may have been revoked unheard
		return *known, nil
	}
	record, err := h.Store.Certificate(ctx, serial)
	if errors.Is(err, store.ErrNotFound) {
		return window{}, notFound("certificate")
	}
	if err != nil {
		return window{}, err
	}
	cert, err := record.X509()
	if err != nil {
		return window{}, err
	}
	_, revocation, err := h.Store.Status(ctx, record.Issuer, serial)
	if err != nil {
		return window{}, err
	}
	win := windowOf(cert, move)
	if revocation != nil {
		win.start, win.end = revocation.At.Add(-time.Hour), revocation.At.Add(-time.Minute)
	}
	h.windows.put(serial, win, epoch)
	return win, nil
}

// windowOf returns the window of a certificate that is not revoked. It begins when
// native renewal would renew, and is a sixteenth of what is left then.
func windowOf(cert *x509.Certificate, move *enroll.Move) window {
	start := enroll.RenewAfter(cert)
	if move.Asks(cert) {
		start = move.RenewAfter(cert)
	}
	life := cert.NotAfter.Sub(cert.NotBefore)
	return window{
		start: start,
		end:   start.Add(max(cert.NotAfter.Sub(start)/16, time.Second)).Truncate(time.Second),
		poll:  min(max(life/24, minPoll), maxPoll).Truncate(time.Second),
	}
}

// maxWindows bounds the memory of windows, about 10 MiB.
const maxWindows = 1 << 16

// windows are those asked for lately, of certificates that are not revoked since.
type windows struct {
	mu    sync.Mutex
	on    bool         // whether we hear of revocations
	epoch uint64       // of the revocations: what was read before one is not kept
	move  *enroll.Move // that they are of
	known map[store.Serial]window
}

func newWindows() *windows { return &windows{known: make(map[store.Serial]window)} }

// get returns a window, or nil and what put wants back. Another move makes other
// windows.
func (c *windows) get(serial store.Serial, move *enroll.Move) (*window, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.move != move {
		c.move = move
		c.epoch++
		clear(c.known)
	}
	if w, ok := c.known[serial]; ok {
		return &w, c.epoch
	}
	return nil, c.epoch
}

// put keeps what was read since get, unless something was revoked meanwhile.
func (c *windows) put(serial store.Serial, w window, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.on || c.epoch != epoch {
		return
	}
	if len(c.known) >= maxWindows {
		for other := range c.known { // any: maps begin anywhere
			delete(c.known, other)
			break
		}
	}
	c.known[serial] = w
}

// drop forgets what is revoked.
func (c *windows) drop(revoked []store.Revocation, _ bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, r := range revoked {
		delete(c.known, r.Serial)
	}
}

// enable and disable say whether drop is called.
func (c *windows) enable() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = true
	c.epoch++ // what was read before may have been revoked unheard
}

func (c *windows) disable() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = false
	clear(c.known)
}
