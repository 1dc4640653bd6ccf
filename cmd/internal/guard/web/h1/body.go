package h1

import (
	"errors"
	"io"
)

// A Body is the payload of one message. Read returns io.EOF with the last bytes where the
// end is known by then: at once where there is a length, and where the last chunk was read
// together with them. It returns io.ErrUnexpectedEOF if the connection ends before the
// body does, and a [Shape] if a chunk is malformed. After a timeout it can be read on.
type Body interface {
	io.Reader

	// Left is how many bytes are to come; -1: nobody knows.
	Left() int64
}

// Sized is the Body of length bytes.
func Sized(in *Reader, length int64) Body { return &Span{in, length} }

// Endless is the Body of what ends with the connection.
func Endless(in *Reader) Body { return endless{in} }

// A Span is what Sized returns.
type Span struct {
	in   *Reader
	left int64
}

// Begin makes it the Body of length bytes.
func (b *Span) Begin(in *Reader, length int64) { b.in, b.left = in, length }

// Left implements [Body].
func (b *Span) Left() int64 { return b.left }

// Read implements [Body].
func (b *Span) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	if b.left -= int64(n); b.left == 0 {
		return n, io.EOF
	}
	return n, short(err)
}

type endless struct{ *Reader }

func (endless) Left() int64 { return -1 }

// short is err, but that a connection that ends within a message has not simply ended.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
