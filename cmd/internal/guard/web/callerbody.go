package web

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
)

// A callerBody is the payload of a request of HTTP/1.
type callerBody struct {
	session *session
	request *http.Request
	from    h1.Body
	expects bool        // the caller waits for a 100 (Continue)
	asked   atomic.Bool // somebody wanted it
	mu      sync.Mutex  // of whoever reads
	stopped bool
	done    bool                  // it was read to its end
	bad     atomic.Pointer[shape] // it is malformed
}

// Read implements [io.Reader].
func (b *callerBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.done {
		return 0, io.EOF
	}
	if err := b.malformed(); err != nil {
		return 0, err
	}
	if b.asked.CompareAndSwap(false, true) && b.expects {
		b.session.answer.proceed()
	}
	n, err := b.from.Read(p)
	var bad shape
	switch {
	case errors.Is(err, io.EOF):
		b.done = true
		if chunks, ok := b.from.(*h1.Chunks); ok {
			for name := range b.request.Trailer {
				b.request.Trailer[name] = chunks.Trailer[name]
			}
		}
	case errors.As(err, &bad):
		b.bad.Store(&bad)
	}
	return n, err
}

// here reports whether all of it was read from the caller already.
func (b *callerBody) here() bool {
	left := b.from.Left()
	return !b.done && !b.expects && left > 0 && left <= int64(b.session.in.Buffered())
}

// Close ends what waits for more of it; may be called meanwhile.
func (b *callerBody) Close() error {
	return b.session.wire.SetReadDeadline(past)
}

// stop ends its reading: whoever reads still, or will, gets an error.
func (b *callerBody) stop() {
	if !b.mu.TryLock() {
		b.Close()
		b.mu.Lock()
		b.session.wire.SetReadDeadline(time.Time{})
	}
	b.stopped = true
	b.mu.Unlock()
}

// malformed says what is wrong with what was read of it. It waits for nobody who reads.
func (b *callerBody) malformed() error {
	if bad := b.bad.Load(); bad != nil {
		return *bad
	}
	return nil
}

// unwanted reports whether nobody has read anything of it, and it is so much that the
// connection had better end. May be called while somebody begins to.
func (b *callerBody) unwanted() bool {
	return !b.asked.Load() && (b.expects || b.request.ContentLength > maxDiscard)
}

// discard reads the rest of it, if that is not too much, and reports whether the next
// request may follow.
func (b *callerBody) discard() bool {
	if b.done {
		return true
	}
	if b.malformed() != nil || b.expects && !b.asked.Load() || b.from.Left() > maxDiscard {
		return false
	}
	b.session.wire.SetReadDeadline(time.Now().Add(headTime))
	n, err := io.CopyN(io.Discard, b.from, maxDiscard+1)
	b.session.wire.SetReadDeadline(time.Time{})
	b.done = n <= maxDiscard && errors.Is(err, io.EOF)
	return b.done
}
