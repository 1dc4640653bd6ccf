package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	walHeader   = 32 // bytes before the first frame
	frameHeader = 24 // bytes before a frame's page
)

// errTornWAL reports a write-ahead log that ends before what was acknowledged.
var errTornWAL = InTrouble(TroubleCorrupt, errors.New("the write-ahead log does not hold what was acknowledged"))

// A walFrame is a page in the write-ahead log, as it was written.
type walFrame struct {
	number int64  // from 1
	page   uint32 // which page of the database it is, from 1
	size   uint32 // pages of the database after the commit that it ends; 0: it ends none
	text   []byte // header and page; good until the next frame
}

func (f walFrame) offset() int64   { return walHeader + (f.number-1)*int64(len(f.text)) }
func (f walFrame) content() []byte { return f.text[frameHeader:] }
func (f walFrame) position() int64 { return int64(f.page-1) * int64(len(f.content())) }

// readWAL calls visit with the first frames of a write-ahead log, in their order. It
// believes the file no more than SQLite's recovery would: each frame has the salt of
// the header and a checksum over everything before it ("The WAL File Format" of
// SQLite's documentation). Where that ends too early the error is errTornWAL.
func readWAL(file *os.File, frames int64, visit func(walFrame) error) error {
	in := bufio.NewReaderSize(io.NewSectionReader(file, 0, 1<<62), 1<<20)
	header := make([]byte, walHeader)
	if _, err := io.ReadFull(in, header); err != nil {
		return torn(0, err)
	}
	var sum walSum
	switch binary.BigEndian.Uint32(header) {
	case 0x377f0682:
		sum.order = binary.LittleEndian
	case 0x377f0683:
		sum.order = binary.BigEndian
	default:
		return fmt.Errorf("%w: it is none", errTornWAL)
	}
	size := binary.BigEndian.Uint32(header[8:])
	if sum.add(header[:24]); !sum.is(header[24:]) || size < 512 || size > 65536 {
		return fmt.Errorf("%w: its header is damaged", errTornWAL)
	}
	text := make([]byte, frameHeader+size)
	for n := int64(1); n <= frames; n++ {
		if _, err := io.ReadFull(in, text); err != nil {
			return torn(n, err)
		}
		sum.add(text[:8])
		sum.add(text[frameHeader:])
		if string(text[8:16]) != string(header[16:24]) || !sum.is(text[16:]) {
			return fmt.Errorf("%w: frame %d of %d is damaged", errTornWAL, n, frames)
		}
		err := visit(walFrame{n, binary.BigEndian.Uint32(text), binary.BigEndian.Uint32(text[4:]), text})
		if err != nil {
			return err
		}
	}
	return nil
}

func torn(frame int64, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends at frame %d", errTornWAL, frame)
	}
	return err
}

// A walSum is the running checksum of a write-ahead log.
type walSum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

// add takes in a multiple of 8 bytes.
func (s *walSum) add(text []byte) {
	for ; len(text) >= 8; text = text[8:] {
		s.s0 += s.order.Uint32(text) + s.s1
		s.s1 += s.order.Uint32(text[4:]) + s.s0
	}
}

// is compares with a sum in a file.
func (s *walSum) is(text []byte) bool {
	return binary.BigEndian.Uint32(text) == s.s0 && binary.BigEndian.Uint32(text[4:]) == s.s1
}
