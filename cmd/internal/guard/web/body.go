package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/betonica/betonica/cmd/internal/record"
)

// A requestBody passes the caller's payload on, and counts and digests it.
type requestBody struct {
	io.ReadCloser
	access  *access
	in      *http.Request
	trailer http.Header // that goes on; it has its names, and gets its values from in
	left    int64       // to come; negative: nobody knows
	stopper *stopper    // what Close does to who reads; nil: nothing
	closed  atomic.Bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.access.digest != nil && !b.signed(p[:n], err) {
		return 0, errUnsigned
	}
	if n > 0 && !errors.Is(err, io.EOF) && isLong(b.in.ContentLength) && b.access.open() != nil {
		return 0, errUnkept
	}
	b.access.sent(p[:n])
	if b.left -= int64(n); b.left == 0 && b.in.ContentLength >= 0 {
		b.access.whole(record.ToTarget) // the target may answer before the end is read
	}
	switch {
	case errors.Is(err, io.EOF):
		b.access.whole(record.ToTarget)
		b.trailers()
	case errors.Is(err, http.ErrBodyReadAfterClose), b.closed.Load():
	case err != nil:
		b.access.fail("caller", err)
	}
	return n, err
}

// Close has whoever reads still, or will, get an error: a target that has gone, or has
// heard enough, must not wait for a caller who says nothing more.
func (b *requestBody) Close() error {
	b.closed.Store(true)
	if b.stopper != nil {
		b.stopper.stop()
	}
	return b.ReadCloser.Close()
}

// A stopper ends the reading of a request's payload, until the request was answered: what
// the ReverseProxy closes is not what it reads.
type stopper struct {
	mu   sync.Mutex
	end  func()
	left bool
}

func newStopper(w http.ResponseWriter) *stopper {
	if c, ok := w.(*answer); ok {
		return &stopper{end: c.body.stop}
	}
	return &stopper{end: func() { http.NewResponseController(w).SetReadDeadline(past) }} // of the stream
}

func (s *stopper) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.left {
		s.end()
	}
}

// leave says that the request was answered: its payload is its own no more.
func (s *stopper) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = true
}

// isLong reports whether a payload may be long on its way, so that there has to be a record
// before it has passed. length is negative where nobody knows.
func isLong(length int64) bool { return length < 0 || length > 1<<20 }

// signed reports whether a body can still be the one that was signed, of which these are
// the next bytes.
func (b *requestBody) signed(p []byte, err error) bool {
	b.access.digest.Write(p)
	if !errors.Is(err, io.EOF) && (b.in.ContentLength < 0 || b.left > int64(len(p))) || b.access.digest.Matches() {
		return true
	}
	b.access.mu.Lock()
	defer b.access.mu.Unlock()
	b.access.tampered = true
	return false
}

// trailers passes on those that were announced; others nobody expects (RFC 9110, Section
// 6.5.1).
func (b *requestBody) trailers() {
	for name := range b.trailer {
		b.trailer[name] = b.in.Trailer[name]
	}
}

// An answerBody passes the target's payload on, counts and digests it, and keeps the
// record before it lets go of the end.
type answerBody struct {
	from   io.Reader
	ctx    context.Context
	access *access
	length int64 // negative: nobody knows
	left   int64 // of it
}

func (b *answerBody) Read(p []byte) (n int, err error) {
	n, err = b.from.Read(p)
	b.left -= int64(n)
	ends := errors.Is(err, io.EOF) || b.length >= 0 && b.left == 0
	if n > 0 && !ends && isLong(b.length) && b.access.open() != nil {
		return 0, errUnkept
	}
	b.access.got(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		if b.ctx.Err() != nil { // the caller's end is why the target's was given up
			b.access.fail("caller", errGone)
		}
		b.access.fail("target", err)
		return n, err
	}
	if ends {
		b.access.whole(record.FromTarget)
		if failed := b.access.keep(); failed != nil {
			return 0, failed
		}
	}
	return n, err
}

// errGone is for who went away, or was sent away.
var errGone = errors.New("gone")

// proxied is the body of an answer as [httputil.ReverseProxy] reads it.
type proxied struct {
	*answerBody
	answer *http.Response
	flush  func() error // what was written so far
}

func (b proxied) Read(p []byte) (int, error) {
	if b.left > 0 && b.left < b.length { // a part of it must not wait for the next
		b.flush()
	}
	n, err := b.answerBody.Read(p)
	if err != nil {
		stripTrailer(b.answer.Trailer)
	}
	return n, err
}

func (b proxied) Close() error { return b.answerBody.from.(io.Closer).Close() }
