package web

import (
	"bytes"
	"strconv"
	"strings"
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

// spoil ends the body that is being read with an error.
func (w *wire) spoil() error {
	w.mu.Lock()
	w.badAt, w.bad = w.read, badChunk
	w.mu.Unlock()
	w.buf, w.phase = nil, inDead
	return badChunk
}
