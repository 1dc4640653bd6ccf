package h1

import (
	"bytes"
	"io"
)

// A Reader reads one side of a connection, message by message. It belongs to one goroutine
// at a time.
type Reader struct {
	from      io.Reader
	size      int
	buf       []byte
	next, end int // of buf, what was read and not taken
	seen      int // bytes behind next without the end of a head
}

// NewReader returns a Reader that has a buffer of size bytes, and for a long head, while
// it comes, a larger one.
func NewReader(from io.Reader, size int) *Reader {
	return &Reader{from: from, size: size, buf: make([]byte, size)}
}

// Buffered is how many bytes there are that nobody has taken.
func (r *Reader) Buffered() int { return r.end - r.next }

// Size is how many bytes the buffer takes.
func (r *Reader) Size() int { return len(r.buf) }

// Peek returns what nobody has taken. It is good until the next call.
func (r *Reader) Peek() []byte { return r.buf[r.next:r.end] }

// Take takes all that there is.
func (r *Reader) Take() []byte {
	b := r.buf[r.next:r.end:r.end]
	r.buf, r.next, r.end = nil, 0, 0
	return b
}

// Skip takes n bytes of those that there are.
func (r *Reader) Skip(n int) { r.next += n }

// Rest gives back what a long head needed, once it was taken.
func (r *Reader) Rest() {
	if r.next == r.end && len(r.buf) > r.size {
		r.buf, r.next, r.end = make([]byte, r.size), 0, 0
	}
}

// Fill waits for more bytes. It returns nil if there are some, or the connection's error.
func (r *Reader) Fill() error {
	if r.next == r.end {
		r.next, r.end = 0, 0
	}
	if r.end == len(r.buf) {
		into := r.buf
		if r.next < len(r.buf)/2 {
			into = make([]byte, 2*len(r.buf))
		}
		r.end = copy(into, r.buf[r.next:])
		r.buf, r.next = into, 0
	}
	for range 100 {
		n, err := r.from.Read(r.buf[r.end:])
		if r.end += n; n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// Read takes bytes, and waits for some if there are none.
func (r *Reader) Read(p []byte) (int, error) {
	if r.next == r.end {
		if len(p) >= len(r.buf) {
			return r.from.Read(p)
		}
		if err := r.Fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buf[r.next:r.end])
	r.next += n
	return n, nil
}

// Head takes the head that comes next, with the empty line at its end, if it is there
// whole; nil: [Reader.Fill] first. What it returns is good until then. It returns
// [TooLarge] if it has more than max bytes.
func (r *Reader) Head(max int) ([]byte, error) {
	b := r.buf[r.next:r.end]
	n := headEnd(b, r.seen)
	if n > max || n < 0 && len(b) > max {
		return nil, TooLarge
	}
	if n < 0 {
		r.seen = len(b)
		return nil, nil
	}
	r.seen = 0
	r.next += n
	return b[:n], nil
}

// headEnd returns where a head ends, empty line included, or -1. It ends at a bare LF LF
// too, for [Parse] to refuse. An empty first line is a head, which has no first line.
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
