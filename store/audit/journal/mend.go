package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/betonica/betonica/store/audit"
)

// mend makes a journal trustworthy after an fsync that failed. The kernel may have
// dropped what it could not write while whoever reads still sees it; so
//
//  1. the file is cut back to what an earlier fsync vouched for, and synced
//  2. it is read again, from the disk, and has to be whole
//  3. what was accepted since (by a lazy journal) goes into a new file, synced, and is
//     read back from the disk, too
//
// and the journal goes on there. Whatever fails, it is done again from the beginning.
func (j *Journal) mend() error {
	if err := errors.Join(j.file.Truncate(j.synced), j.file.Sync()); err != nil {
		return err
	}
	first := j.tree.Size() + 1 - j.accepted()
	t, err := reread(j.segment, j.cfg.Dir)
	if err != nil {
		return err
	}
	if t.torn > 0 || t.end != j.synced || t.next != first {
		return damaged("%s ends at byte %d, not %d, after an fsync that failed", j.segment.path(j.cfg.Dir), t.end, j.synced)
	}
	next := segment{first: first}
	f, err := j.cfg.open(next.path(j.cfg.Dir))
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.Write(j.recent)
	}
	if err := errors.Join(err, f.Sync(), syncDir(j.cfg.Dir)); err != nil {
		return errors.Join(err, f.Close())
	}
	t, err = reread(next, j.cfg.Dir)
	if err == nil && (t.end != int64(len(j.recent)) || t.next != j.tree.Size()+1) {
		err = damaged("%s reads back otherwise than it was written", next.path(j.cfg.Dir))
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	j.file.Close()
	j.total += j.synced
	j.file, j.segment, j.end, j.synced, j.began = f, next, t.end, t.end, j.cfg.Now()
	j.recent, j.doubt = nil, false
	return j.tiles.sync() // they are written anew as long as it fails
}

// accepted is the number of entries in recent.
func (j *Journal) accepted() (n int64) {
	for r := bytes.NewReader(j.recent); ; n++ {
		if _, err := audit.ReadFrame(r, 0); err != nil {
			return n
		}
	}
}

// reread scans a file of leaves as it is on the disk, not in memory.
func reread(s segment, dir string) (tail, error) {
	f, err := os.Open(s.path(dir))
	if err != nil {
		return tail{}, err
	}
	defer f.Close()
	if err := forget(f); err != nil {
		return tail{}, fmt.Errorf("reading %s from the disk: %w", s.path(dir), err)
	}
	return scan(io.Reader(f), s.first, nil)
}
