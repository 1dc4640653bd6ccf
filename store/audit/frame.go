package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// A frame is a row in a file: in a segment, in a journal, on the way from one to
// another. It is
//
//	length       4    of the leaf, big-endian
//	hash         32   as the row had it
//	leaf         n

// FrameHead is the length of what stands before the leaf in a frame.
const FrameHead = 4 + tlog.HashSize

// AppendFrame appends the frame of a row to b.
func AppendFrame(b []byte, hash tlog.Hash, leaf []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(leaf)))
	b = append(b, hash[:]...)
	return append(b, leaf...)
}

// ReadFrame reads a frame as row seq, and believes it. It returns io.EOF if there is
// none, and io.ErrUnexpectedEOF if it is cut off. After an error what follows in r is
// of no use.
func ReadFrame(r io.Reader, seq int64) (Record, error) {
	var head [FrameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Record{}, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n > MaxLeaf {
		return Record{}, fmt.Errorf("%w: %d bytes", errLeaf, n)
	}
	leaf := make([]byte, n)
	if _, err := io.ReadFull(r, leaf); err != nil {
		return Record{}, cutOff(err)
	}
	return RowOf(seq, tlog.Hash(head[4:]), leaf), nil
}

// RowOf returns the row of a number that holds a leaf, and repeats what the leaf says.
// It checks nothing: the number may be another one than the leaf's, and if the leaf is
// malformed the row says nothing else.
func RowOf(seq int64, hash tlog.Hash, leaf []byte) Record {
	r := Record{Seq: seq, Hash: hash, Leaf: leaf}
	if l, err := decodeLeaf(leaf); err == nil {
		r.At, r.Action, r.Terms = l.at, l.action, l.terms
	}
	return r
}

// Number returns the number under which a leaf was sealed, or an error if it is
// malformed.
func Number(leaf []byte) (int64, error) {
	l, err := decodeLeaf(leaf)
	return l.seq, err
}

// cutOff is err, but that a file that ends too early has not simply ended.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
