package mllp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// The bytes around a block.
const (
	startBlock     = 0x0b // VT
	endBlock       = 0x1c // FS
	carriageReturn = '\r'
)

// maxBetween is how many line ends may stand between two blocks. Without a bound they
// would keep a link busy for ever.
const maxBetween = 64

// A FrameError reports bytes that are no block of MLLP. Where the next one begins is
// then unknown, and the link is of no more use.
type FrameError struct {
	Reason string // a constant: nothing of what was sent is in it
}

func (e *FrameError) Error() string { return "mllp: " + e.Reason }

var (
	errBetween   = &FrameError{"bytes outside of a block"}
	errEndless   = &FrameError{"nothing but line ends"}
	errNested    = &FrameError{"a start byte within a block"}
	errNUL       = &FrameError{"a NUL within a block"}
	errBareEnd   = &FrameError{"an end byte without a carriage return"}
	errTruncated = &FrameError{"the connection ended within a block"}
)

// A Reader takes blocks out of a byte stream: <VT> content <FS> <CR>. It holds 1 KiB and
// nothing of a content that went through. It is not for concurrent use.
//
// What real senders do and no receiver can misread is tolerated: CR and LF between
// blocks, at most 64, and the last CR missing where the stream ends. Everything else is
// a [*FrameError]: other bytes between blocks, a VT, a NUL or a lone FS within, a block
// that is longer than the bound or that never ends.
type Reader struct {
	r      *bufio.Reader
	max    int64
	left   int64 // of what the block at hand may still have
	within bool
}

// NewReader reads blocks of at most max bytes of content.
func NewReader(r io.Reader, max int64) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 1<<10), max: max}
}

// Next waits for the start of the next block. It returns [io.EOF] where the stream ends
// between two blocks, a [*FrameError], or what the stream returned. The block before
// must have been read to its end.
func (r *Reader) Next() error {
	for n := 0; ; n++ {
		b, err := r.r.ReadByte()
		switch {
		case err != nil:
			return err
		case b == startBlock:
			r.left, r.within = r.max, true
			return nil
		case b != '\r' && b != '\n':
			return errBetween
		case n == maxBetween:
			return errEndless
		}
	}
}

// Read reads the content of the block. It returns [io.EOF] when the block has ended as
// it should, and never before that.
func (r *Reader) Read(p []byte) (int, error) {
	if !r.within {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if _, err := r.r.Peek(1); err != nil {
		return 0, truncated(err)
	}
	text, _ := r.r.Peek(min(len(p), r.r.Buffered()))
	n := len(text)
	for _, special := range [...]byte{startBlock, endBlock, 0} {
		if i := bytes.IndexByte(text[:n], special); i >= 0 {
			n = i
		}
	}
	if n == 0 {
		return 0, r.special()
	}
	if int64(n) > r.left {
		return 0, &FrameError{fmt.Sprintf("a block of more than %d bytes", r.max)}
	}
	copy(p, text[:n])
	r.r.Discard(n)
	r.left -= int64(n)
	return n, nil
}

// special reads a byte that is no content.
func (r *Reader) special() error {
	switch b, _ := r.r.ReadByte(); b {
	case startBlock:
		return errNested
	case 0:
		return errNUL
	}
	switch b, err := r.r.ReadByte(); {
	case err != nil && !errors.Is(err, io.EOF):
		return truncated(err)
	case err == nil && b != carriageReturn:
		return errBareEnd
	}
	r.within = false
	return io.EOF
}

// Fill reads into p until it is full or the block has ended, which it reports.
func (r *Reader) Fill(p []byte) (n int, ended bool, err error) {
	for n < len(p) {
		m, err := r.Read(p[n:])
		n += m
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

// truncated keeps the end of a stream apart from the end of a block.
func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	return err
}
