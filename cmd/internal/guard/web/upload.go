package web

import (
	"errors"
	"io"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// continueWithin is how long a target may take to say that it wants a body.
const continueWithin = time.Second

// An upload brings the body of a request to the target while its answer may come already.
type upload struct {
	relay  *relay
	wanted chan struct{} // closed when the body may go
	once   sync.Once
	denied bool          // once wanted is closed: it may not
	done   chan struct{} // closed when nothing is read or written any more
	whole  bool          // once done is closed
}

func newUpload(x *relay) *upload {
	return &upload{relay: x, wanted: make(chan struct{}), done: make(chan struct{})}
}

// start begins it, unless the head could not be sent.
func (u *upload) start(err error) {
	if err != nil {
		close(u.done)
		return
	}
	look := func() {}
	if c, ok := u.relay.w.(*answer); ok { // which is another request's when done is closed
		s := c.session
		turn := s.watch.turn
		look = func() { s.watch.look(turn) }
	}
	go func() {
		u.run()
		whole := u.whole
		close(u.done)
		if whole {
			look()
		}
	}()
}

// proceed says that the target wants the body.
func (u *upload) proceed() { u.once.Do(func() { close(u.wanted) }) }

func (u *upload) run() {
	if u.relay.what.expects {
		timer := time.NewTimer(continueWithin)
		select {
		case <-u.wanted:
		case <-timer.C:
			u.proceed()
		}
		timer.Stop()
		if u.denied {
			return
		}
	}
	block := copies.Get().(*[]byte)
	defer copies.Put(block)
	chunked := u.relay.r.ContentLength < 0
	const room = 16 // for a chunk's size, before it
	b := *block
	for {
		n, err := u.relay.body.Read(b[room : len(b)-2])
		out := b[room : room+n]
		if chunked && n > 0 {
			size := strconv.AppendInt(nil, int64(n), 16)
			begin := room - 2 - len(size)
			copy(b[begin:], size)
			copy(b[room-2:], "\r\n")
			copy(b[room+n:], "\r\n")
			out = b[begin : room+n+2]
		}
		ends := errors.Is(err, io.EOF)
		if ends && chunked {
			out = u.last(append(make([]byte, 0, len(out)+64), out...))
		}
		if len(out) > 0 && (err == nil || ends) {
			if _, err := u.relay.origin.Write(out); err != nil {
				return // its answer says more, if there is one
			}
		}
		if ends {
			u.whole = true
			return
		}
		if err != nil {
			u.relay.abort()
			return
		}
	}
}

// last appends the end of a chunked body, with its trailers.
func (u *upload) last(b []byte) []byte {
	b = append(b, "0\r\n"...)
	for name, values := range u.relay.body.trailer {
		b = appendField(b, name, values)
	}
	return append(b, "\r\n"...)
}

// end ends it, and reports whether the target got all of the body.
func (u *upload) end() (whole bool) {
	u.once.Do(func() { u.denied = true; close(u.wanted) }) // if it still waits
	timer := time.NewTimer(lingers)
	defer timer.Stop()
	select {
	case <-u.done:
		return u.whole
	case <-timer.C:
	}
	u.relay.abort()
	u.relay.r.Body.Close()
	<-u.done
	if c, ok := u.relay.w.(*answer); ok {
		c.session.wire.SetReadDeadline(time.Time{})
	}
	return false
}

// isEnd reports whether an error says that a connection was at its end.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

var errEnded = errors.New("ended without an answer")

// ended names the end of a connection where there should be an answer.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return errEnded
	}
	return err
}
