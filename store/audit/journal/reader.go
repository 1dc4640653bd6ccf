package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// A Reader reads a journal, as it was when it was opened, whether somebody writes it or
// not. It is an [audit.Source] and judges nothing. It belongs to one goroutine.
type Reader struct {
	dir    string
	origin string
	list   []segment
	size   int64 // number of the last entry
	rows   *rows // where Records went on to
	after  int64

	edge   []tlog.Hash // what Hashes returned last
	edgeAt int64       // behind that entry

	flaws []*audit.TamperError // of the last file

	heads   int64 // bytes of the checkpoints
	headAt  int64 // where Checkpoints went on to
	headSum int64 // the size of the last that it returned
}

// OpenReader opens the journal in a folder. It needs no key.
func OpenReader(dir string) (*Reader, error) {
	origin, err := readOrigin(dir)
	if err != nil {
		return nil, err
	}
	r := &Reader{dir: dir, origin: origin, headSum: math.MinInt64}
	if info, err := os.Stat(checkpointsFile(dir)); err == nil { // before the entries that they are of
		r.heads = info.Size()
	}
	if r.list, err = segments(dir); err != nil {
		return nil, err
	}
	if len(r.list) == 0 {
		return r, nil
	}
	all, err := rowsFrom(dir, r.list[len(r.list)-1:], math.MinInt64, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	defer all.close()
	for r.size = r.list[len(r.list)-1].first - 1; ; {
		n, err := all.peek()
		if errors.Is(err, io.EOF) {
			r.flaws = all.flaws
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		all.in.Discard(n)
		all.next++
		r.size++
	}
}

// Origin is the journal's name.
func (r *Reader) Origin() string { return r.origin }

// Size is the number of the last entry.
func (r *Reader) Size() int64 { return r.size }

// First is the number of the first entry that is still there; 1 more than Size if there
// is none.
func (r *Reader) First() int64 {
	if len(r.list) == 0 {
		return 1
	}
	return r.list[0].first
}

// Close gives up what the reader has open.
func (r *Reader) Close() error {
	if r.rows != nil {
		r.rows.close()
	}
	return nil
}

// Records implements [audit.Source].
func (r *Reader) Records(ctx context.Context, after int64, limit int) ([]audit.Record, error) {
	if r.rows == nil || r.after != after {
		r.Close()
		var err error
		if r.rows, err = rowsFrom(r.dir, r.list, max(after, 0)+1, r.size); err != nil {
			return nil, err
		}
	}
	var page []audit.Record
	for len(page) < limit {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row, err := r.rows.row()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		page = append(page, row)
		r.after = row.Seq
	}
	return page, nil
}

// Hashes implements [audit.TileReader]. Proofs ask several times for parts of the same
// tile: it reads all of it that there is.
func (r *Reader) Hashes(_ context.Context, after, to int64) ([]tlog.Hash, error) {
	if from := after - r.edgeAt; from < 0 || to > r.edgeAt+int64(len(r.edge)) {
		r.edgeAt = after / audit.TileWidth * audit.TileWidth
		var err error
		if r.edge, err = r.hashes(r.edgeAt, max(to, min(r.edgeAt+audit.TileWidth, r.size))); err != nil {
			r.edge = nil
			return nil, err
		}
	}
	from := min(after-r.edgeAt, int64(len(r.edge)))
	return r.edge[from:min(to-r.edgeAt, int64(len(r.edge)))], nil
}

// hashes reads those of the entries after+1 to to, as far as they are there.
func (r *Reader) hashes(after, to int64) ([]tlog.Hash, error) {
	rows, err := rowsFrom(r.dir, r.list, after+1, min(to, r.size))
	if err != nil {
		return nil, err
	}
	defer rows.close()
	var all []tlog.Hash
	for {
		row, err := rows.row()
		if errors.Is(err, io.EOF) || err == nil && row.Seq != after+1+int64(len(all)) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, row.Hash)
	}
}

// lately is how many tiles may be there before the entries that they are of: what one
// batch of the writer completes.
const lately = 8

// Tiles implements [audit.TileReader].
func (r *Reader) Tiles(_ context.Context, level int, after int64, limit int) ([]audit.Tile, error) {
	f, err := os.Open(filepath.Join(r.dir, fmt.Sprintf("tiles.%d", level)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	complete := int64(0)
	if shift := 8 * (level + 1); shift < 63 {
		complete = r.size >> shift
	}
	n := info.Size() / tileBytes
	if n > complete && n <= complete+lately {
		n = complete
	}
	var all []audit.Tile
	for at := max(after+1, 0); at < n && len(all) < limit; at++ {
		t := audit.Tile{Level: level, N: at, Hashes: make([]byte, tileBytes)}
		if _, err := f.ReadAt(t.Hashes, at*tileBytes); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// Checkpoints implements [audit.Source].
func (r *Reader) Checkpoints(_ context.Context, after int64, limit int) ([]audit.SignedCheckpoint, error) {
	f, err := os.Open(checkpointsFile(r.dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if after != r.headSum {
		r.headAt = 0
	}
	var page []audit.SignedCheckpoint
	enough := errors.New("enough")
	n, err := readCheckpoints(io.NewSectionReader(f, r.headAt, r.heads-r.headAt), func(s audit.SignedCheckpoint) error {
		if len(page) == limit {
			return enough
		}
		if s.Size > after {
			page = append(page, s)
		}
		return nil
	})
	if err != nil && err != enough {
		return nil, err
	}
	r.headAt += n
	if len(page) > 0 {
		r.headSum = page[len(page)-1].Size
	}
	return page, nil
}

// Flaws implements [audit.Flawed].
func (r *Reader) Flaws(context.Context) ([]*audit.TamperError, error) {
	if r.rows == nil {
		return r.flaws, nil
	}
	return append(r.rows.flaws, r.flaws...), nil
}

// LastCheckpoint returns the newest that was signed, of size 0 if there is none.
func (r *Reader) LastCheckpoint() (audit.SignedCheckpoint, error) { return lastCheckpoint(r.dir) }
