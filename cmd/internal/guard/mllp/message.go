package mllp

import (
	"errors"
	"hash"
	"io"
	"sync"

	"github.com/betonica/betonica/cmd/internal/record"
)

// Buffers. Most messages fit into the small one; the large one is how much of a message
// is read before any of it is forwarded.
const (
	smallContent = 4 << 10
	largeContent = 64 << 10
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([1 + smallContent + 2]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([1 + largeContent + 2]byte) }}
)

// errSeveral reports a second header in a content that has streamed in part already.
var errSeveral = errors.New("several messages in one block")

// A message is one block on its way through. It lives from the block's first byte to
// its last; between blocks a link has no buffer.
type message struct {
	blocks *Reader
	small  *[1 + smallContent + 2]byte
	large  *[1 + largeContent + 2]byte
	buffer []byte // one of them: room for VT, the content that is held, FS and CR

	n       int   // bytes of content that are held
	ended   bool  // they end the block
	size    int64 // of all content so far
	several bool  // there is a second header

	streamed bool // what was held has gone

	watch  watch
	admit  func() bool // asked once, when a second header is seen on the way
	digest hash.Hash
}

func newMessage(blocks *Reader) *message {
	m := &message{blocks: blocks, small: smallBuffers.Get().(*[1 + smallContent + 2]byte)}
	m.buffer = m.small[:]
	return m
}

func (m *message) release() {
	smallBuffers.Put(m.small)
	if m.large != nil {
		largeBuffers.Put(m.large)
	}
}

// head reads the message, or the first 64 KiB of it.
func (m *message) head() error {
	err := m.fill(smallContent)
	if err == nil && !m.ended {
		m.large = largeBuffers.Get().(*[1 + largeContent + 2]byte)
		copy(m.large[:], m.buffer[:1+m.n])
		m.buffer = m.large[:]
		err = m.fill(largeContent)
	}
	m.size = int64(m.n)
	m.several = m.watch.header(m.text())
	return err
}

// fill reads until content is held up to a length.
func (m *message) fill(length int) error {
	n, ended, err := m.blocks.Fill(m.buffer[1+m.n : 1+length])
	m.n, m.ended = m.n+n, ended
	return err
}

// text is the content that is held.
func (m *message) text() []byte { return m.buffer[1 : 1+m.n] }

// sum has the content digested by h, from its beginning on.
func (m *message) sum(h hash.Hash) {
	m.digest = h
	h.Write(m.text())
}

// block returns what is held with its start byte, and its end if end.
func (m *message) block(end bool) []byte {
	m.buffer[0] = startBlock
	if !end {
		return m.buffer[:1+m.n]
	}
	return append(m.buffer[:1+m.n], endBlock, carriageReturn)
}

// tail returns what is still to be written: all of the block, or its end.
func (m *message) tail() []byte {
	if m.streamed {
		return []byte{endBlock, carriageReturn}
	}
	return m.block(true)
}

// sumUp returns the digest of what was read since sum.
func (m *message) sumUp() record.Digest { return record.Digest(m.digest.Sum(nil)) }

// commit returns the byte of a commit block of MLLP release 2 (Section 1.2.2.2), which
// has no other content.
func (m *message) commit() (code byte, is bool) {
	if m.ended && m.n == 1 && (m.buffer[1] == commitACK || m.buffer[1] == commitNAK) {
		return m.buffer[1], true
	}
	return 0, false
}

// The contents of commit blocks.
const (
	commitACK = 0x06
	commitNAK = 0x15
)

// pump brings the rest of the content to w, after what is held. What went wrong on the
// side that it comes from, and where it goes, are two errors; after one of either it
// has not come to its end.
func (m *message) pump(w io.Writer) (source, sink error) {
	for !m.ended {
		n, ended, err := m.blocks.Fill(m.buffer[1 : 1+largeContent])
		if err != nil {
			return err, nil
		}
		m.ended = ended
		piece := m.buffer[1 : 1+n]
		m.size += int64(n)
		if !m.several && m.watch.header(piece) {
			m.several = true
			if m.admit != nil && !m.admit() {
				return errSeveral, nil
			}
		}
		if m.digest != nil {
			m.digest.Write(piece)
		}
		if _, err := w.Write(piece); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// discard reads the rest.
func (m *message) discard() error {
	m.admit = nil
	source, _ := m.pump(io.Discard)
	return source
}
