package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// A tail is how a file of leaves ends.
type tail struct {
	next int64 // number of the entry that comes next
	end  int64 // where it is to stand: behind the last whole entry
	torn int64 // bytes behind that, of an entry that was never acknowledged
}

// scan reads the frames of a file of leaves, entry first and so on, calls each with
// every entry and where its frame begins, and says how the file ends.
//
// It returns [ErrDamaged] if an entry is not what its hash says, or has another number,
// and if what is left at the end is not the beginning of a frame that was being written.
func scan(r io.Reader, first int64, each func(at int64, row audit.Record) error) (tail, error) {
	t := tail{next: first}
	in := bufio.NewReaderSize(r, audit.FrameHead+audit.MaxLeaf)
	for {
		frame, err := in.Peek(audit.FrameHead)
		if len(frame) == 0 && errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return t.tornOff(in, err)
		}
		n := binary.BigEndian.Uint32(frame)
		if n > audit.MaxLeaf {
			return t.tornOff(in, io.EOF)
		}
		size := audit.FrameHead + int(n)
		if frame, err = in.Peek(size); err != nil {
			return t.tornOff(in, err)
		}
		leaf := bytes.Clone(frame[audit.FrameHead:])
		row := audit.RowOf(t.next, tlog.Hash(frame[4:]), leaf)
		if seq, err := audit.Number(leaf); err != nil || seq != t.next || tlog.RecordHash(leaf) != row.Hash {
			return t.tornOff(in, io.EOF)
		}
		if each != nil {
			if err := each(t.end, row); err != nil {
				return t, err
			}
		}
		in.Discard(size) // all of it was seen
		t.next++
		t.end += int64(size)
	}
}

// tornOff says whether what follows is the beginning of a write that was cut off. That
// is less than a frame says it is, or all zero, as a file system leaves it after a loss
// of power; and there is no whole entry in it.
func (t tail) tornOff(in *bufio.Reader, err error) (tail, error) {
	if !errors.Is(err, io.EOF) {
		return t, err
	}
	rest, err := io.ReadAll(io.LimitReader(in, maxTorn+1))
	if err != nil {
		return t, err
	}
	t.torn = int64(len(rest))
	if len(rest) <= maxTorn {
		if len(bytes.Trim(rest, "\x00")) == 0 {
			return t, nil
		}
		short := len(rest) < audit.FrameHead || cutFrame(rest)
		if short && !holdsEntry(rest) {
			return t, nil
		}
	}
	return t, fmt.Errorf("%w", damaged("entry %d, at byte %d: it does not hash to what was written with it", t.next, t.end))
}

// maxTorn bounds what may be cut off: less than one write.
const maxTorn = 8 << 20

func cutFrame(b []byte) bool {
	n := binary.BigEndian.Uint32(b)
	return n <= audit.MaxLeaf && audit.FrameHead+int(n) > len(b)
}

// holdsEntry says whether a leaf that hashes to what stands before it is in b, under
// whatever length.
func holdsEntry(b []byte) bool {
	if len(b) > audit.FrameHead && tlog.RecordHash(b[audit.FrameHead:]) == tlog.Hash(b[4:audit.FrameHead]) {
		return true
	}
	for at := 1; at+audit.FrameHead < len(b); at++ {
		n := int(binary.BigEndian.Uint32(b[at:]))
		leaf := b[at+audit.FrameHead:]
		if n > 0 && n <= len(leaf) && n <= audit.MaxLeaf && tlog.RecordHash(leaf[:n]) == tlog.Hash(b[at+4:at+audit.FrameHead]) {
			return true
		}
	}
	return false
}
