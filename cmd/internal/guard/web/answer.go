package web

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
)

// An answer writes the response to one request of HTTP/1: its head and what there is of
// its body in one write, where nobody flushes between. It implements
// [http.ResponseWriter] and [http.Flusher].
type answer struct {
	session *session
	request *http.Request
	body    *callerBody
	bad     error // what is wrong with the request
	upgrade bool  // it asks for a WebSocket

	spare   *spare // that the request is in; nil: it has its own memory
	header  http.Header
	block   *[]byte // what out is of
	out     []byte  // not yet written
	status  int     // 0: no head yet
	closing bool    // the connection ends after it
	chunked bool
	none    bool  // it has no body
	left    int64 // of the body; -1: nobody knows
	broken  error // writing failed

	mu sync.Mutex // around status, for who asks for the request's body meanwhile
}

// writeBuffer is what one record of TLS takes.
const writeBuffer = 16 << 10

var blocks = sync.Pool{New: func() any { b := make([]byte, writeBuffer); return &b }}

func (w *answer) begin(s *session, r *http.Request, body *callerBody, e *spare) {
	block := blocks.Get().(*[]byte)
	*w = answer{session: s, request: r, body: body, spare: e, block: block, out: (*block)[:0]}
	if e != nil {
		w.header = e.answer
	} else {
		w.header = make(http.Header, 8)
	}
}

// end gives the buffer back.
func (w *answer) end() {
	blocks.Put(w.block)
	w.block, w.out, w.header, w.request, w.body, w.spare = nil, nil, nil, nil, nil, nil
}

// Header implements [http.ResponseWriter].
func (w *answer) Header() http.Header { return w.header }

// proceed asks the caller for the body that he holds back, unless the answer is there
// already.
func (w *answer) proceed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status == 0 {
		w.session.wire.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	}
}

// WriteHeader implements [http.ResponseWriter]. An informational one is written at once.
func (w *answer) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.request.ProtoMinor == 0
	switch {
	case w.status != 0:
		return
	case status < 200 && status != http.StatusSwitchingProtocols:
		if !old {
			w.head(status)
			w.write()
		}
		return
	}
	w.status = status
	w.frame(old)
	w.closing = w.closing || w.upgrade || w.request.Close || h1.HasToken(w.header["Connection"], "close") || w.session.ends() || w.body.unwanted()
	w.head(status)
}

// frame says how the end of the body is known.
func (w *answer) frame(old bool) {
	h := w.header
	delete(h, "Transfer-Encoding")
	w.left = -1
	w.none = h1.Answer{Status: w.status}.Bodiless(w.request.Method)
	switch lengths := h["Content-Length"]; {
	case w.status < 200 || w.status == http.StatusNoContent:
		delete(h, "Content-Length")
	case len(lengths) == 1:
		if n, ok := h1.ParseLength(lengths[0]); ok {
			w.left = n
			return
		}
		delete(h, "Content-Length")
	}
	if w.none {
		w.closing = w.closing || w.status < 200
		return
	}
	w.chunked, w.closing = !old, w.closing || old
}

// head appends a head.
func (w *answer) head(status int) {
	b := append(w.out, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(append(append(b, ' '), http.StatusText(status)...), "\r\n"...)
	for name, values := range w.header {
		if name == "Connection" || strings.HasPrefix(name, http.TrailerPrefix) {
			continue
		}
		b = appendField(b, name, values)
	}
	switch {
	case status == http.StatusSwitchingProtocols:
		b = append(b, "Connection: Upgrade\r\n"...)
	case status < 200:
	case w.closing:
		b = append(b, "Connection: close\r\n"...)
	case w.request.ProtoMinor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	if w.chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if status >= 200 && w.header["Date"] == nil {
		b = append(time.Now().UTC().AppendFormat(append(b, "Date: "...), http.TimeFormat), "\r\n"...)
	}
	w.out = append(b, "\r\n"...)
}

// appendField appends the lines of a header. What would be more than a line is left out;
// nobody who was let in says such.
func appendField(b []byte, name string, values []string) []byte {
	for _, v := range values {
		if strings.IndexByte(v, '\n') < 0 && strings.IndexByte(v, '\r') < 0 {
			b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
		}
	}
	return b
}

// Write implements [http.ResponseWriter].
func (w *answer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.none || len(p) == 0 {
		return len(p), w.broken
	}
	if w.left >= 0 {
		if int64(len(p)) > w.left {
			return 0, http.ErrContentLength
		}
		w.left -= int64(len(p))
	}
	if w.chunked {
		w.out = append(strconv.AppendInt(w.out, int64(len(p)), 16), "\r\n"...)
	}
	if len(w.out)+len(p) < writeBuffer {
		w.out = append(w.out, p...)
	} else {
		w.write()
		if w.broken == nil {
			_, w.broken = w.session.wire.Write(p)
		}
	}
	if w.chunked {
		w.out = append(w.out, "\r\n"...)
	}
	return len(p), w.broken
}

// Flush implements [http.Flusher].
func (w *answer) Flush() { w.FlushError() }

// FlushError writes what there is; see [http.ResponseController].
func (w *answer) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.write()
	return w.broken
}

func (w *answer) write() {
	if len(w.out) > 0 && w.broken == nil {
		_, w.broken = w.session.wire.Write(w.out)
	}
	w.out = (*w.block)[:0]
}

// finish writes the end. Its error means that the caller does not have the answer whole.
func (w *answer) finish() error {
	if w.status == 0 {
		w.header["Content-Length"] = []string{"0"}
		w.WriteHeader(http.StatusOK)
	}
	if w.chunked {
		w.out = append(w.out, "0\r\n"...)
		for name := range announced(w.header) {
			w.out = appendField(w.out, name, w.header[name])
		}
		for name, values := range w.header {
			if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
				w.out = appendField(w.out, name, values)
			}
		}
		w.out = append(w.out, "\r\n"...)
	}
	w.write()
	if w.broken == nil && w.left > 0 && !w.none {
		w.broken = http.ErrContentLength
	}
	return w.broken
}

// drop closes a connection below TLS: without a goodbye that says that all was there, and
// without waiting for anybody.
func drop(c net.Conn) {
	for {
		wrapped, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			c.Close()
			return
		}
		c = wrapped.NetConn()
	}
}
