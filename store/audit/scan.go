package audit

import (
	"context"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// row notes the number of a row that was examined, and brings it to its place.
func (v *verifier) row(ctx context.Context, r Record, e *examined) error {
	switch e.seal {
	case opened:
		v.report.Opened++
	case unopened, strange:
		v.report.Sealed++
	}
	entry := r.Seq
	if e.err == nil && (e.seal == opened || e.leaf == e.row && e.seal != broken) {
		entry = e.body.seq
		v.columns(r, &e.body)
	}
	v.numbers.add(r.Seq, entry)
	if ok, err := v.believes(ctx, r.Seq, entry, e.cell); !ok {
		return err
	}
	return v.place(ctx, entry, e.cell)
}

// columns compares what the row repeats in clear with its leaf.
func (v *verifier) columns(r Record, l *leaf) {
	if r.At.UnixMilli() != l.at.UnixMilli() {
		v.found.add(Edited, l.seq, l.seq, "the row says %s, the leaf %s", stamp(r.At), stamp(l.at))
	}
	if r.Action != l.action {
		v.found.add(Edited, l.seq, l.seq, "the row says %.80q, the leaf %q", r.Action, l.action)
	}
	if !slices.Equal(r.Terms, l.terms) {
		v.found.add(Edited, l.seq, l.seq, "its search terms are not those of the leaf")
	}
}

// believes says whether a row of one number may be taken for another entry, as
// its leaf says: because the log sealed it so, because the tile remembers it
// there, or, where no tile is, because it is near. A row that is not believed
// has no place in the tree: what is remembered in its place has.
func (v *verifier) believes(ctx context.Context, row, entry int64, c cell) (bool, error) {
	if row == entry || c.seal == opened {
		return true, nil
	}
	t, ok, err := readTile(ctx, v.source, 0, (entry-1)/TileWidth)
	if err != nil {
		return false, err
	}
	if ok {
		return c.leaf == slot(t, entry), nil
	}
	return entry-row <= window && row-entry <= window, nil
}

// slot is what t remembers of an entry.
func slot(t Tile, entry int64) tlog.Hash {
	i := (entry - 1) % TileWidth * tlog.HashSize
	return tlog.Hash(t.Hashes[i : i+tlog.HashSize])
}

// place grows the tree by the entry if it comes next, and keeps it for later if
// it comes early. One that comes late has been missed, and stands in numbers.
func (v *verifier) place(ctx context.Context, entry int64, c cell) error {
	if entry < v.next {
		return nil
	}
	if entry > v.next {
		if _, twice := v.stash[entry]; !twice {
			v.stash[entry] = c
		}
		if len(v.stash) < window {
			return nil
		}
		return v.skip(ctx)
	}
	if err := v.entry(ctx, c); err != nil {
		return err
	}
	return v.drain(ctx)
}

// drain takes out of the stash what comes next by now.
func (v *verifier) drain(ctx context.Context) error {
	for len(v.stash) > 0 {
		c, ok := v.stash[v.next]
		if !ok {
			return nil
		}
		delete(v.stash, v.next)
		if err := v.entry(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// skip gives up waiting for the next entry, and goes on to the first that is
// there. In the tree a tile may stand in for what is missing.
func (v *verifier) skip(ctx context.Context) error {
	to := int64(0)
	for entry := range v.stash {
		if to == 0 || entry < to {
			to = entry
		}
	}
	for v.next < to {
		h, ok, err := v.remembered(ctx, v.next)
		if err != nil {
			return err
		}
		if !ok {
			v.lost = true
			v.next = to
			break
		}
		if err := v.grow(ctx, h, h); err != nil {
			return err
		}
	}
	return v.drain(ctx)
}
