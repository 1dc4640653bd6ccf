package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
)

const (
	headTime   = 10 * time.Second
	readBuffer = 4 << 10 // of a connection that waits for a request

	maxDiscard = 256 << 10 // of a body that nobody wanted, so that the connection can go on
	lingering  = 500 * time.Millisecond
)

// A session is a caller's connection of HTTP/1: it reads requests that have one reading,
// one after the other, and ends with what has several, after the refusal of it.
type session struct {
	gate     *Gate
	wire     *wire
	in       *h1.Reader // of wire
	ctx      context.Context
	cancel   context.CancelFunc // of ctx: the caller is gone
	base     *http.Request      // that has ctx
	answer   answer
	watch    watch
	overtime overtime
	origin   atomic.Pointer[origin] // that the request under way asks

	mu       sync.Mutex
	idle     bool // between two requests
	draining bool
}

func newSession(ctx context.Context, g *Gate, w *wire) *session {
	s := &session{gate: g, wire: w, in: h1.NewReader(w.Conn, readBuffer)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.base = new(http.Request).WithContext(s.ctx)
	s.watch.session = s
	return s
}

// serve serves requests until the connection ends, or finds that it is one of HTTP/2,
// which it leaves as it was.
func (s *session) serve() (two bool) {
	defer s.cancel()
	defer s.watch.stop()
	defer s.overtime.stop()
	defer context.AfterFunc(s.ctx, func() {
		if o := s.origin.Swap(nil); o != nil {
			o.abort()
		}
	})()
	for first := true; s.wait(); first = false {
		b, err := s.head(first)
		if errors.Is(err, errHTTP2) {
			s.wire.lead = b
			return true
		}
		var bad shape
		if err != nil && !errors.As(err, &bad) {
			break
		}
		if !s.exchange(b, err) {
			break
		}
		s.in.Rest()
	}
	s.wire.Close()
	return false
}

// wait waits for the first byte of a request, for as long as it takes.
func (s *session) wait() bool {
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return false
	}
	if s.in.Buffered() > 0 {
		s.mu.Unlock()
		return true
	}
	s.idle = true
	s.mu.Unlock()
	err := s.in.Fill()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle = false; s.draining && err == nil {
		s.wire.SetReadDeadline(time.Time{})
	}
	return err == nil
}

// drain ends the session: at once if it is idle, otherwise after what is under way.
func (s *session) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining = true; s.idle {
		s.wire.SetReadDeadline(past)
	}
}

// past is a deadline that ends what waits.
var past = time.Unix(1, 0)

var errHTTP2 = errors.New("connection preface of HTTP/2")

// head returns the head of the request that has begun to come, which has ten seconds from
// its first byte on. Its error is a [shape], or of the connection.
func (s *session) head(first bool) ([]byte, error) {
	limited := false
	for {
		if first {
			if b := s.in.Peek(); len(b) >= len(preface) && string(b[:len(preface)]) == preface {
				s.unlimit(limited)
				return s.in.Take(), errHTTP2
			} else if string(b) != preface[:min(len(b), len(preface))] {
				first = false
			}
		}
		if !first {
			if b, err := s.in.Head(h1.MaxHead); b != nil || err != nil {
				s.unlimit(limited)
				return b, err
			}
		}
		if !limited {
			limited = true
			s.wire.SetReadDeadline(time.Now().Add(headTime))
		}
		err := s.in.Fill()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.unlimit(limited)
			return nil, tooSlow
		}
		if err != nil {
			return nil, err
		}
	}
}

// ends reports whether no request follows the one that is being answered.
func (s *session) ends() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

func (s *session) unlimit(limited bool) {
	if limited {
		s.wire.SetReadDeadline(time.Time{})
	}
}

// exchange serves one request, and reports whether another may follow. bad is what is
// wrong with its head, if something is.
func (s *session) exchange(b []byte, bad error) (again bool) {
	e := spares.Get().(*spare)
	var h head
	if bad == nil {
		h, bad = parseHeadInto(b, e.header, &e.room)
	}
	if bad != nil { // refused like any other
		h = head{method: http.MethodGet, target: "/", path: "/", host: "refused", header: http.Header{}, close: true}
	}
	r, body, w := &e.request, &e.body, &s.answer
	*r = *s.base
	r.URL = &e.url
	h.request(r)
	*body = callerBody{session: s, request: r, expects: h.expects}
	if h.length < 0 {
		body.from = h1.Chunked(s.in)
	} else {
		e.sized.Begin(s.in, h.length)
		body.from = &e.sized
	}
	if h.length != 0 && bad == nil {
		r.Body = body
	} else {
		body.done = true
	}
	w.begin(s, r, body, e)
	w.bad, w.upgrade = bad, h.upgrade
	s.watch.begin()
	whole := s.handle(w, r)
	s.watch.end()
	body.stop()
	switch {
	case !whole: // and the caller must not take it for that
		drop(s.wire.Conn)
		return false
	case !w.closing && body.discard():
		if !s.gate.conf.HTTP2 { // whose client may read on in a body, or in headers, after its answer
			e.back()
		}
		return true
	case bad != nil || !body.done || s.in.Buffered() > 0:
		s.linger()
	}
	return false
}

// handle has one request answered, and reports whether it was to the end.
func (s *session) handle(w *answer, r *http.Request) (whole bool) {
	defer w.end()
	defer func() {
		if p := recover(); p != nil {
			whole = false
			s.gate.errors.panicked(p)
		}
	}()
	s.gate.serveHTTP(w, r)
	return w.finish() == nil
}

// linger lets the caller read the answer before the connection ends under what he still
// sends (RFC 9112, Section 9.6).
func (s *session) linger() {
	if gate.CloseWrite(s.wire.Conn) == nil {
		s.wire.SetReadDeadline(time.Now().Add(lingering))
		io.Copy(io.Discard, s.wire.Conn)
	}
}
