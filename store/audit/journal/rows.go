package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// rows reads the frames of all files of leaves in their order, and believes them.
type rows struct {
	dir  string
	list []segment // those not yet opened
	next int64     // number that the next row should have
	last int64     // no row behind it is read
	file *os.File
	in   *bufio.Reader

	flaws []*audit.TamperError // files that hold something else than entries
}

const frameBuffer = 2 * (audit.FrameHead + audit.MaxLeaf)

// rowsFrom begins with the row that should have number first, or with the first there
// is behind it.
func rowsFrom(dir string, list []segment, first, last int64) (*rows, error) {
	for len(list) > 1 && list[1].first <= first {
		list = list[1:]
	}
	r := &rows{dir: dir, list: list, last: last}
	for {
		n, err := r.peek()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return r, nil
			}
			r.close()
			return nil, err
		}
		if r.next >= first {
			return r, nil
		}
		r.in.Discard(n)
		r.next++
	}
}

// peek returns the length of the next frame, which is in the buffer, and io.EOF where
// there is none: at the end, or because what is there is no frame.
func (r *rows) peek() (int, error) {
	for {
		if r.in == nil {
			if len(r.list) == 0 {
				return 0, io.EOF
			}
			f, err := os.Open(r.list[0].path(r.dir))
			if err != nil {
				return 0, err
			}
			r.file, r.next, r.list = f, r.list[0].first, r.list[1:]
			r.in = bufio.NewReaderSize(f, frameBuffer)
		}
		if r.next > r.last {
			return 0, io.EOF
		}
		head, err := r.in.Peek(audit.FrameHead)
		if err == nil {
			n := audit.FrameHead + int(min(binary.BigEndian.Uint32(head), audit.MaxLeaf))
			if _, err = r.in.Peek(n); err == nil {
				return n, nil
			}
		}
		if !errors.Is(err, io.EOF) {
			return 0, err
		}
		if err := r.rest(); err != nil {
			return 0, err
		}
		r.close()
	}
}

// rest judges what is no frame, at the end of a file: at the end of the last one somebody
// may be writing, or have died while he was.
func (r *rows) rest() error {
	if b, _ := r.in.Peek(1); len(b) == 0 {
		return nil
	}
	_, err := tail{next: r.next}.tornOff(r.in, io.EOF)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	if err != nil || len(r.list) > 0 {
		r.flaws = append(r.flaws, &audit.TamperError{
			Kind: audit.SegmentEdited, From: r.next, To: r.next, Detail: "what follows in " + filepath.Base(r.file.Name()) + " is no entry",
		})
	}
	return nil
}

// row returns the next row, and io.EOF after the last. Its number is its place, unless
// it and the one behind it say that rows before them are missing.
func (r *rows) row() (audit.Record, error) {
	n, err := r.peek()
	if err != nil {
		return audit.Record{}, err
	}
	frame, _ := r.in.Peek(n) // it is there
	leaf := append([]byte(nil), frame[audit.FrameHead:]...)
	if seq, err := audit.Number(leaf); err == nil && seq > r.next && r.continues(n, seq+1) {
		r.next = seq
	}
	row := audit.RowOf(r.next, tlog.Hash(frame[4:audit.FrameHead]), leaf)
	r.in.Discard(n)
	r.next++
	return row, nil
}

// continues says whether the frame behind the next n bytes has that number, or there is
// none.
func (r *rows) continues(n int, number int64) bool {
	b, _ := r.in.Peek(n + audit.FrameHead)
	if len(b) < n+audit.FrameHead {
		return true
	}
	size := n + audit.FrameHead + int(min(binary.BigEndian.Uint32(b[n:]), audit.MaxLeaf))
	if b, _ = r.in.Peek(size); len(b) < size {
		return true
	}
	seq, err := audit.Number(b[n+audit.FrameHead:])
	return err == nil && seq == number
}

func (r *rows) close() {
	if r.file != nil {
		r.file.Close()
	}
	r.file, r.in = nil, nil
}
