package journal

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

const (
	maxBatch = 1024    // entries of one write
	maxWrite = 4 << 20 // bytes of it, about
	beat     = 200 * time.Millisecond
	lazily   = 500 * time.Millisecond // until what was written is synced; with a beat, and the sync, under a second
)

// run is the writer where no caller is.
func (j *Journal) run() {
	defer close(j.stopped)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-j.wake:
			j.turn.Lock()
			j.serve()
		case <-ticker.C:
			j.turn.Lock()
			j.tend(j.cfg.Now())
			j.turn.Unlock()
			j.pass()
		case <-j.closing:
			j.turn.Lock()
			defer j.turn.Unlock()
			for batch, _ := j.queue.take(nil); len(batch) > 0; batch, _ = j.queue.take(nil) {
				j.commit(batch)
			}
			j.closed = j.finish()
			return
		}
	}
}

// gather adds what waits, what comes when others get their turn, and what the pace waits
// for.
func (j *Journal) gather(batch []*call) []*call {
	batch, _ = j.queue.take(batch)
	if j.cfg.Lazy || len(batch) == 0 || j.trouble.Load() != nil {
		return batch
	}
	runtime.Gosched()
	batch, last := j.queue.take(batch)
	for len(batch) < maxBatch {
		wait := j.pace.wait(len(batch), last, time.Now())
		if wait <= 0 {
			break
		}
		j.timer.Reset(wait)
		select {
		case <-j.queue.await(j.pace.expects(len(batch))):
		case <-j.timer.C:
		case <-j.closing:
			j.timer.Stop()
			batch, _ = j.queue.take(batch)
			return batch
		}
		j.timer.Stop()
		batch, last = j.queue.take(batch)
	}
	return batch
}

// commit writes a batch and answers its callers.
func (j *Journal) commit(batch []*call) {
	if err := j.trouble.Load(); err != nil {
		j.refuse(batch, *err)
		return
	}
	if j.rotates(j.cfg.Now()) {
		if err := j.rotate(); err != nil {
			j.fail(err)
			j.refuse(batch, *j.trouble.Load())
			return
		}
	}
	w := j.seal(batch)
	if err := j.write(w); err != nil {
		j.refuse(w.calls, failure(err))
		return
	}
	j.answer(w.calls, nil)
}

// A write is what goes to disk at once.
type write struct {
	calls  []*call
	frames []byte
	hashes []tlog.Hash
	tiles  []audit.Tile // that it completes
	tree   *audit.Tree  // after it, if it completes tiles; nil: add hashes to the one before
}

// seal makes the frames of a batch. An event that cannot be an entry is answered so, and
// does not stop the others.
func (j *Journal) seal(batch []*call) write {
	w := write{calls: batch[:0], frames: j.frames[:0], hashes: j.hashes[:0]}
	now := j.cfg.Now()
	size := j.tree.Size()
	for _, c := range batch {
		frames, hash, err := j.sealer.AppendFrame(w.frames, size+1, now, c.event)
		if err != nil {
			c.done <- fmt.Errorf("journal: %w", err)
			continue
		}
		w.frames = frames
		w.hashes = append(w.hashes, hash)
		w.calls = append(w.calls, c)
		size++
	}
	if cap(w.frames) <= maxWrite {
		j.frames, j.hashes = w.frames, w.hashes // grown, perhaps
	}
	if size/audit.TileWidth > j.tree.Size()/audit.TileWidth {
		w.tree = j.tree.Clone()
		for _, h := range w.hashes {
			w.tiles = append(w.tiles, w.tree.Append(h)...)
		}
	}
	return w
}

// write puts frames on disk, or with the kernel if the journal is lazy. After an error
// nothing of it is part of the journal, and the journal is in trouble.
func (j *Journal) write(w write) error {
	if len(w.frames) == 0 {
		return nil
	}
	if err := j.tiles.write(w.tiles); err != nil { // first, so that no reader misses one
		j.fail(err)
		return err
	}
	if _, err := j.file.Write(w.frames); err != nil {
		if e := j.file.Truncate(j.end); e != nil {
			j.doubt = true
		}
		j.fail(err)
		return err
	}
	if j.cfg.Lazy {
		if len(j.recent) == 0 {
			j.dirtied = time.Now()
		}
		j.recent = append(j.recent, w.frames...)
		j.advance(w)
		if len(j.recent) > maxWrite {
			j.flush()
		}
		return nil
	}
	j.pace.began(len(w.calls), time.Now())
	if err := j.sync(); err != nil {
		return err
	}
	j.advance(w)
	j.synced = j.end
	return nil
}

func (j *Journal) advance(w write) {
	j.end += int64(len(w.frames))
	if w.tree != nil {
		j.tree = w.tree
	} else {
		for _, h := range w.hashes {
			j.tree.Append(h)
		}
	}
	j.written.Store(j.tree.Size())
}

// sync asks the disk. If it fails, nobody knows what of the file is there.
func (j *Journal) sync() error {
	j.syncs.Add(1)
	if err := j.file.Sync(); err != nil {
		j.doubt = true
		j.fail(err)
		return err
	}
	return nil
}

// flush syncs what a lazy journal has accepted.
func (j *Journal) flush() error {
	if len(j.recent) == 0 {
		return nil
	}
	if err := j.sync(); err != nil {
		return err
	}
	j.synced, j.recent = j.end, j.recent[:0]
	return nil
}

// own writes an entry about the journal itself.
func (j *Journal) own(action string, detail map[string]any) error {
	c := &call{event: audit.Event{Action: action, Actor: "self", Subject: "self", Outcome: "ok", Detail: detail}, done: make(chan error, 1)}
	return j.write(j.seal([]*call{c}))
}
