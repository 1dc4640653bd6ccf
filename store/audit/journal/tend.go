package journal

import (
	"errors"
	"time"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

const (
	probing    = time.Second // between looks at a trouble
	signing    = time.Minute // between checkpoints
	segmentAge = 24 * time.Hour
)

// tend is what the writer does when nobody asks.
func (j *Journal) tend(now time.Time) {
	if err := j.trouble.Load(); err != nil {
		if now.Sub(j.looked) >= probing || now.Before(j.looked) {
			j.looked = now
			j.probe(*err)
		}
		j.gap.say(j.cfg.Log, now)
		return
	}
	if len(j.recent) > 0 && time.Since(j.dirtied) >= lazily {
		if j.flush() != nil {
			return
		}
	}
	if now.Sub(j.minute) >= signing || now.Before(j.minute) {
		j.minute = now
		if err := j.sign(now); err != nil {
			j.fail(err)
			return
		}
		if err := j.openStatement(); err != nil {
			j.cfg.Log.Warn("the journal's key is not certified by the machine's new certificate", "error", err)
		}
		if err := j.prune(now); err != nil {
			j.cfg.Log.Warn("removing old files of the journal", "error", err)
		}
	}
}

// sign makes a checkpoint of what is on disk, if there is something new.
func (j *Journal) sign(now time.Time) error {
	if j.tree.Size() == j.heads.last.Size {
		return nil
	}
	if err := errors.Join(j.flush(), j.tiles.sync()); err != nil {
		return err
	}
	text, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: j.origin, Size: j.tree.Size(), Hash: j.tree.Hash()}, j.signer)
	if err != nil {
		return err
	}
	s := audit.SignedCheckpoint{Size: j.tree.Size(), At: now.UTC().Truncate(time.Millisecond), Note: text}
	if err := j.heads.add(s); err != nil {
		return err
	}
	j.signed.Store(&s)
	return nil
}

// finish is the last that the writer does.
func (j *Journal) finish() error {
	var err error
	if t := j.trouble.Load(); t == nil {
		if err = j.own("journal.close", nil); err == nil {
			err = j.sign(j.cfg.Now())
		}
	} else {
		err = *t
	}
	closed := ErrClosed
	j.trouble.Store(&closed)
	for batch, _ := j.queue.take(nil); len(batch) > 0; batch, _ = j.queue.take(nil) {
		j.answer(batch, ErrClosed)
	}
	return errors.Join(err, j.release())
}

// rotates says whether the next entry goes into a new file.
func (j *Journal) rotates(now time.Time) bool {
	return j.end >= j.cfg.segment || j.end > 0 && now.Sub(j.began) >= segmentAge
}

// rotate begins a new file of leaves, with a new data key. All before it is on disk.
func (j *Journal) rotate() error {
	if j.total+j.end >= j.cfg.MaxBytes {
		return ErrTooLong
	}
	if err := errors.Join(j.flush(), j.tiles.sync()); err != nil {
		return err
	}
	d, err := addDataKey(j.cfg.Dir, j.keys)
	if err != nil {
		return err
	}
	next := segment{first: j.tree.Size() + 1}
	f, err := j.cfg.open(next.path(j.cfg.Dir))
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(0), syncDir(j.cfg.Dir)); err != nil {
		return errors.Join(err, f.Close())
	}
	j.file.Close() // synced
	j.total += j.end
	j.file, j.segment, j.end, j.synced, j.began = f, next, 0, 0, j.cfg.Now()
	j.sealer = audit.NewSealer(j.keys, d)
	return nil
}
