package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit/checkpoint"
)

// SegmentWidth is the most entries of a segment: one tile of level 1.
const SegmentWidth = TileWidth * TileWidth

// A Segment is the head of an archived stretch of the log: whole tiles, as they were
// stored, so that it takes the log's keys to read them, and the hashes that join them
// to a signed checkpoint, so that it takes none to verify them. In the file it is one
// line of JSON; behind it come the frames of the entries, and nothing after the last.
type Segment struct {
	Form       string      `json:"segment"`
	First      int64       `json:"first"` // entries, both included
	Last       int64       `json:"last"`
	Checkpoint string      `json:"checkpoint"` // signed, of at least Last entries
	Left       []tlog.Hash `json:"left"`       // over the entries before, the largest subtree first
	Right      []tlog.Hash `json:"right"`      // over the entries behind, up to the checkpoint, from the left
}

const segmentForm = "betonica-audit-segment/1"

// maxHead bounds the line of a segment's head: a checkpoint and two hundred hashes.
const maxHead = 64 << 10

// WriteSegment writes the entries first to last of a log, whole tiles, joined to a
// checkpoint that covers them. It returns a [*TamperError] if the entries are not
// there as their hashes say; whether they are those of the checkpoint is for
// [VerifySegment] to say.
func WriteSegment(ctx context.Context, w io.Writer, s Source, first, last int64, signed SignedCheckpoint) error {
	head := Segment{Form: segmentForm, First: first, Last: last, Checkpoint: signed.Note}
	if err := head.check(); err != nil {
		return err
	}
	var err error
	if head.Left, err = (&nodeReader{ctx: ctx, tiles: s, size: first - 1}).nodes(cover(0, first-1)); err != nil {
		return err
	}
	if head.Right, err = (&nodeReader{ctx: ctx, tiles: s, size: signed.Size}).nodes(cover(last, signed.Size)); err != nil {
		return err
	}
	line, err := marshal(head)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	out.Write(append(line, '\n'))
	for next := first; next <= last; {
		rows, err := s.Records(ctx, next-1, int(min(TileWidth, last-next+1)))
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Seq != next || tlog.RecordHash(r.Leaf) != r.Hash {
				return &TamperError{Edited, next, next, "the row is not there, or does not hash to what it says"}
			}
			out.Write(AppendFrame(nil, r.Hash, r.Leaf))
			next++
		}
		if len(rows) == 0 {
			return &TamperError{Deleted, next, last, "no row holds them"}
		}
	}
	return out.Flush() // and says what went wrong before
}

func (h Segment) check() error {
	if h.Form != segmentForm || h.First < 1 || h.Last > 1<<62 || (h.First-1)%TileWidth != 0 || h.Last%TileWidth != 0 || h.Last < h.First || h.Last-h.First >= SegmentWidth {
		return fmt.Errorf("audit: not a segment of this form: %s", segmentForm)
	}
	return nil
}

// A SegmentReader reads a segment from its beginning, in bounded memory, and believes
// it: see [VerifySegment].
type SegmentReader struct {
	Segment
	in   *bufio.Reader
	next int64
}

// ReadSegment reads the head of a segment.
func ReadSegment(r io.Reader) (*SegmentReader, error) {
	s := &SegmentReader{in: bufio.NewReaderSize(r, maxHead)}
	line, err := s.in.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("audit: reading a segment's head: %w", err)
	}
	if err := readLine(line[:len(line)-1], &s.Segment); err != nil {
		return nil, fmt.Errorf("audit: reading a segment's head: %w", err)
	}
	s.next = s.First
	return s, s.check()
}

// Next returns the next entry, as its row was, and io.EOF after the last. The rest of
// the file after an error is of no use.
func (s *SegmentReader) Next() (Record, error) {
	if s.next > s.Last {
		if _, err := s.in.ReadByte(); !errors.Is(err, io.EOF) {
			return Record{}, errors.Join(errors.New("audit: something stands behind the last entry of a segment"), err)
		}
		return Record{}, io.EOF
	}
	r, err := ReadFrame(s.in, s.next)
	if err != nil {
		return Record{}, fmt.Errorf("audit: entry %d of a segment: %w", s.next, cutOff(err))
	}
	s.next++
	return r, nil
}

// VerifySegment reads a whole segment and returns its head if its entries are those of
// the log whose key that is: they hash to a checkpoint that it signed. It needs none of
// the log's secrets, and bounded memory.
func VerifySegment(r io.Reader, v note.Verifier) (Segment, error) {
	s, err := ReadSegment(r)
	if err != nil {
		return Segment{}, err
	}
	head, err := checkpoint.Open(s.Checkpoint, v)
	if err != nil {
		return Segment{}, err
	}
	j := joint{head: head}
	if err := j.left(s.First, s.Left); err != nil {
		return Segment{}, err
	}
	for {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Segment{}, err
		}
		hash := tlog.RecordHash(e.Leaf)
		l, err := decodeLeaf(e.Leaf)
		if err != nil || l.seq != e.Seq || hash != e.Hash {
			return Segment{}, &TamperError{Edited, e.Seq, e.Seq, "the leaf is not what the segment says"}
		}
		j.push(0, hash)
	}
	if err := j.right(s.Right); err != nil {
		return Segment{}, err
	}
	if j.tree.size < s.Last || !j.met || j.at != head.Hash || head.Size < s.Last {
		return Segment{}, &TamperError{Rewritten, s.First, s.Last, "they do not hash to the segment's checkpoint"}
	}
	return s.Segment, nil
}
