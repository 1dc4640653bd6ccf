package web

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// framing looks at what is between chunks (RFC 9112, Section 7.1). net/http drops the
// extensions.
func (w *wire) framing() (more bool, err error) {
	n := bytes.IndexByte(w.buf, '\n')
	most := maxLine
	if w.phase == inTrailer {
		return w.trailers()
	}
	if n < 0 && len(w.buf) <= most {
		return true, nil
	}
	if n < 0 || n > most {
		return false, w.spoil()
	}
	line, _, ok := cutLine(w.buf[:n+1])
	if !ok {
		return false, w.spoil()
	}
	w.pass = n + 1
	if w.phase == inEnd {
		if len(line) != 0 {
			return false, w.spoil()
		}
		w.phase = inSize
		return false, nil
	}
	size, ok := parseSize(line)
	if !ok {
		return false, w.spoil()
	}
	w.phase, w.left = inChunk, size
	if size == 0 {
		w.phase = inTrailer
	}
	return false, nil
}

// trailers passes the lines after the last chunk on when the empty one is there.
func (w *wire) trailers() (more bool, err error) {
	rest := w.buf
	for {
		if bytes.IndexByte(rest, '\n') < 0 && len(w.buf) <= maxTrailers {
			return true, nil
		}
		line, after, ok := cutLine(rest)
		if !ok || len(w.buf)-len(after) > maxTrailers {
			return false, w.spoil()
		}
		rest = after
		if len(line) == 0 {
			break
		}
		name, _, bad := field(line)
		if bad != nil || name == "host" || name == "content-length" || name == "transfer-encoding" {
			return false, w.spoil()
		}
	}
	w.pass, w.phase = len(w.buf)-len(rest), inHead
	return false, nil
}

// parseSize reads the line before a chunk: hex digits, and perhaps an extension.
func parseSize(line []byte) (int64, bool) {
	digits, _, _ := strings.Cut(string(line), ";")
	if digits == "" || len(digits) > 15 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 16, 64)
	return n, err == nil
}

// stand-in is what net/http reads instead of a request that is refused as malformed.
const standIn = "GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n"

// refuse puts the stand-in in the place of the head that is coming. Nothing after it is
// read.
func (w *wire) refuse(bad error) error {
	w.setLimit(time.Time{})
	w.read++
	w.mu.Lock()
	w.badAt, w.bad = w.read, bad
	w.mu.Unlock()
	w.buf, w.pass, w.seen = []byte(standIn), len(standIn), 0
	w.phase = inDead
	return nil
}

// spoil ends the body that is being read with an error.
func (w *wire) spoil() error {
	w.mu.Lock()
	w.badAt, w.bad = w.read, badChunk
	w.mu.Unlock()
	w.buf, w.phase = nil, inDead
	return badChunk
}

// begin counts a request that the handler begins, and says what is wrong with its head
// and whether it asks for a WebSocket. Requests of HTTP/1 come one after the other.
func (w *wire) begin() (number int64, upgrade bool, err error) {
	number = w.served.Add(1)
	err = w.refused(number)
	w.mu.Lock()
	defer w.mu.Unlock()
	return number, w.upgrade == number, err
}

// refused says what is wrong with a request so far.
func (w *wire) refused(number int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.badAt == number {
		return w.bad
	}
	return nil
}

// SetReadDeadline implements [net.Conn]. A head that is coming may have less time.
func (w *wire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = t
	return w.applyLimit()
}

// SetDeadline implements [net.Conn].
func (w *wire) SetDeadline(t time.Time) error {
	if err := w.SetReadDeadline(t); err != nil {
		return err
	}
	return w.SetWriteDeadline(t)
}

func (w *wire) setLimit(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limit.Equal(t) {
		return
	}
	w.limit = t
	w.applyLimit()
}

func (w *wire) applyLimit() error {
	t := w.asked
	if !w.limit.IsZero() && (t.IsZero() || w.limit.Before(t)) {
		t = w.limit
	}
	return w.Conn.SetReadDeadline(t)
}

// late reports whether a head has had its time.
func (w *wire) late() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.limit.IsZero() && !time.Now().Before(w.limit)
}
