package web

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what may come before a request's end is known.
const (
	maxHead     = 64 << 10 // bytes of request line and headers
	maxTrailers = 8 << 10
	maxLine     = 512 // of a chunk's size and its extensions
	headTime    = 10 * time.Second
)

// preface is what HTTP/2 begins with (RFC 9113, Section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// A wire is a caller's connection as net/http reads it: only requests that have one
// reading come through. What has several ends there, and net/http is given a request in
// its place that [wire.refused] knows again, so that the refusal is answered and recorded
// like any other. HTTP/2 has no such ambiguities, and goes through as it is.
//
// While it waits for a request it holds no buffer.
type wire struct {
	net.Conn
	closed    chan struct{}
	closeOnce sync.Once

	// Of whoever reads, of whom net/http has one at a time.
	phase phase
	left  int64 // of a body or a chunk
	seen  int   // bytes of buf without the end of a head
	buf   []byte
	pass  int // bytes at the begin of buf that may go on
	read  int64

	mu      sync.Mutex
	asked   time.Time // the read deadline that net/http set
	limit   time.Time // of the head that is coming
	badAt   int64     // number of the request that bad is about; 0: none
	bad     error
	upgrade int64 // number of the request that asks for a WebSocket

	served  atomic.Int64  // requests that the handler began
	granted atomic.Bool   // the WebSocket
	poked   chan struct{} // has one when the deadline is past
}

type phase uint8

const (
	inStart   phase = iota // the first bytes: which protocol it is
	inHead                 // of a request
	inBody                 // left bytes of it
	inSize                 // the line before a chunk
	inChunk                // left bytes of it
	inEnd                  // the line end after a chunk
	inTrailer              // after the last chunk
	inHold                 // after a request for a WebSocket, until that is granted
	inRaw                  // HTTP/2, or after an upgrade
	inDead                 // after what was malformed
)

func newWire(c net.Conn) *wire {
	return &wire{Conn: c, closed: make(chan struct{}), poked: make(chan struct{}, 1)}
}

// NetConn returns what is wrapped.
func (w *wire) NetConn() net.Conn { return w.Conn }

// Close closes the connection. It may be called again.
func (w *wire) Close() error {
	err := net.ErrClosed
	w.closeOnce.Do(func() {
		err = w.Conn.Close()
		close(w.closed)
	})
	return err
}

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) {
	if w.phase == inHold && w.pass == 0 {
		if err := w.wait(); err != nil {
			return 0, err
		}
	}
	for {
		if w.pass > 0 {
			n := copy(p, w.buf[:w.pass])
			w.drop(n)
			return n, nil
		}
		if len(w.buf) == 0 && (w.phase == inRaw || w.phase == inBody || w.phase == inChunk) {
			return w.through(p)
		}
		if w.phase == inDead {
			return 0, io.EOF
		}
		more, err := w.step()
		if err != nil {
			return 0, err
		}
		if more {
			if err := w.fill(p); err != nil {
				return 0, err
			}
		}
	}
}

// wait holds what follows a request for a WebSocket back until that is granted, so that
// net/http, which reads ahead to see whether the caller is there, takes none of it.
func (w *wire) wait() error {
	if w.granted.Load() {
		w.phase = inRaw
		return nil
	}
	select {
	case <-w.closed:
		return net.ErrClosed
	case <-w.poked:
		return os.ErrDeadlineExceeded
	}
}

// through reads payload, which nobody looks at here.
func (w *wire) through(p []byte) (int, error) {
	if w.phase != inRaw && int64(len(p)) > w.left {
		p = p[:w.left]
	}
	n, err := w.Conn.Read(p)
	w.eat(n)
	return n, err
}

// eat counts payload.
func (w *wire) eat(n int) {
	if w.phase == inRaw {
		return
	}
	if w.left -= int64(n); w.left == 0 {
		if w.phase == inChunk {
			w.phase = inEnd
		} else {
			w.phase = inHead
		}
	}
}

// fill reads more into buf; p is room that is there anyway.
func (w *wire) fill(p []byte) error {
	if len(w.buf) == 0 {
		n, err := w.Conn.Read(p)
		w.buf = append(w.buf, p[:n]...)
		if n > 0 {
			return nil
		}
		return err
	}
	if cap(w.buf)-len(w.buf) < 512 {
		w.buf = append(make([]byte, 0, 2*cap(w.buf)+4096), w.buf...)
	}
	n, err := w.Conn.Read(w.buf[len(w.buf):cap(w.buf)])
	w.buf = w.buf[:len(w.buf)+n]
	if n > 0 {
		return nil
	}
	if w.late() {
		w.refuse(tooSlow)
		return nil
	}
	return err
}

// drop forgets bytes that went on.
func (w *wire) drop(n int) {
	w.pass -= n
	if w.buf = w.buf[n:]; len(w.buf) == 0 {
		w.buf = nil
	}
}

// step looks at what is in buf, and reports whether it needs more.
func (w *wire) step() (more bool, err error) {
	if len(w.buf) == 0 {
		return true, nil
	}
	switch w.phase {
	case inStart:
		if n := min(len(w.buf), len(preface)); string(w.buf[:n]) != preface[:n] {
			w.phase = inHead
		} else if n == len(preface) {
			w.phase, w.pass = inRaw, len(w.buf)
			w.setLimit(time.Time{})
		} else {
			return true, w.hurry()
		}
		return false, nil
	case inHead:
		return w.head()
	case inRaw:
		w.pass = len(w.buf)
		return false, nil
	case inBody, inChunk:
		w.pass = int(min(int64(len(w.buf)), w.left))
		w.eat(w.pass)
		return false, nil
	}
	return w.framing()
}

// head waits for the empty line that ends the headers, and judges what is before it.
func (w *wire) head() (more bool, err error) {
	end := headEnd(w.buf, w.seen)
	if end < 0 && len(w.buf) <= maxHead {
		w.seen = len(w.buf)
		return true, w.hurry()
	}
	w.seen = 0
	if end < 0 || end > maxHead {
		return false, w.refuse(tooLarge)
	}
	w.setLimit(time.Time{})
	h, bad := parseHead(w.buf[:end])
	if bad != nil {
		return false, w.refuse(bad)
	}
	w.read++
	w.pass, w.left = end, h.length
	switch {
	case h.upgrade:
		w.mu.Lock()
		w.upgrade = w.read
		w.mu.Unlock()
		w.phase = inHold // whoever does not upgrade it closes it
	case h.chunked:
		w.phase = inSize
	case h.length > 0:
		w.phase = inBody
	default:
		w.phase = inHead
	}
	return false, nil
}

// headEnd returns where a head ends, empty line included, or -1. It ends at a bare LF LF
// too, for parseHead to refuse.
func headEnd(b []byte, seen int) int {
	for i := max(0, seen-2); i < len(b); {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return -1
		}
		i += n + 1
		rest := b[i:]
		if len(rest) > 0 && rest[0] == '\n' {
			return i + 1
		}
		if len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n' {
			return i + 2
		}
	}
	return -1
}
