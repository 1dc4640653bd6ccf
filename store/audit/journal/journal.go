package journal

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// A Journal is one that is written, by this process alone. All methods are for
// concurrent use.
type Journal struct {
	cfg    Config
	origin string
	keys   *audit.Keys
	signer note.Signer
	lock   *os.File

	queue   queue
	wake    chan struct{} // that somebody waits, and nobody writes
	closing chan struct{}
	close   sync.Once
	closed  error // once stopped is closed
	stopped chan struct{}

	written atomic.Int64          // number of the last entry that is
	trouble atomic.Pointer[error] // why nothing is; nil: it is
	signed  atomic.Pointer[audit.SignedCheckpoint]
	shipped atomic.Int64 // number of the last entry that the CA has
	syncs   atomic.Int64
	missing atomic.Int64 // entries that best effort let go

	shipping sync.Mutex
	sending  *Reader // what Batch goes on with

	turn sync.Mutex // whoever holds it is the writer: a caller who finds nobody at it, or run

	// Of the writer.
	batch   []*call
	frames  []byte      // of the batch
	hashes  []tlog.Hash // of its entries
	timer   *time.Timer // for those who are expected
	sealer  *audit.Sealer
	tree    *audit.Tree // of what is in file
	tiles   tileFiles
	heads   *checkpoints
	file    leaves
	segment segment
	began   time.Time // when the first entry of file was written
	end     int64     // bytes of file that are whole entries
	synced  int64     // of them, those known to be on disk
	recent  []byte    // frames behind synced that were accepted: lazy
	dirtied time.Time // when the first of them was
	doubt   bool      // an fsync failed: file is to be mended
	pace    pace
	gap     gap
	room    ballast
	looked  time.Time // when trouble was last looked into
	minute  time.Time // when a checkpoint was last due
	held    string    // DER of the certificate in the statement
	total   int64     // bytes of the files of leaves before this one
}

// Append writes an entry. When it returns nil the entry is on disk, or will be within a
// second if the journal is lazy. After an error it is not: but for [ErrIO], after which
// it may be there all the same, and [ErrClosed], if the wait for the disk was cut short.
// ctx bounds the wait for a place among those that wait to be written, nothing else.
func (j *Journal) Append(ctx context.Context, e audit.Event) error {
	if err := j.queue.enter(ctx, j.stopped); err != nil {
		return err
	}
	c := j.queue.calls.Get().(*call)
	c.event = e
	j.queue.add(c)
	if j.turn.TryLock() {
		j.serve()
	} // else whoever has it, or the next, finds the call
	select {
	case err := <-c.done:
		return j.over(c, err)
	default:
	}
	select {
	case err := <-c.done:
		return j.over(c, err)
	case <-j.stopped:
	}
	select {
	case err := <-c.done: // it was among the last
		return err
	default:
		return ErrClosed
	}
}

// over gives a call back that was answered with err, which it returns.
func (j *Journal) over(c *call, err error) error {
	c.event = audit.Event{}
	j.queue.calls.Put(c)
	return err
}

// serve writes those who wait, and ends the turn of whoever calls it: the first of them,
// who need not wait for another goroutine's turn, or run. Of a lazy journal, whoever came
// while it wrote is written by it, too.
func (j *Journal) serve() {
	for turns := 1; turns <= 2; turns++ {
		j.batch = j.gather(j.batch[:0])
		if len(j.batch) > 0 {
			j.commit(j.batch)
			clear(j.batch)
		}
		if !j.cfg.Lazy {
			break
		}
	}
	j.turn.Unlock()
	j.pass()
}

// pass has somebody write who came while it was another's turn.
func (j *Journal) pass() {
	if j.queue.empty() {
		return
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Ready returns nil if an entry can be written now, and why not otherwise. With best
// effort it is nil until the journal is closed.
func (j *Journal) Ready() error {
	if err := j.trouble.Load(); err != nil && (!j.cfg.BestEffort || *err == ErrClosed) {
		return *err
	}
	return nil
}

// Trouble returns why entries cannot be written, whatever the settings; nil if they can.
func (j *Journal) Trouble() error {
	if err := j.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Stats are figures for metrics.
type Stats struct {
	Entries int64 // written
	Signed  int64 // of them under a checkpoint
	Shipped int64 // of them at the CA
	Missing int64 // accesses since the start without an entry, by best effort
	Syncs   int64 // since the start
}

// Stats returns the figures of now.
func (j *Journal) Stats() Stats {
	s := Stats{Entries: j.written.Load(), Shipped: j.shipped.Load(), Missing: j.missing.Load(), Syncs: j.syncs.Load()}
	if c := j.signed.Load(); c != nil {
		s.Signed = c.Size
	}
	return s
}

// Origin is the journal's name.
func (j *Journal) Origin() string { return j.origin }

// Size is the number of the last entry that is written.
func (j *Journal) Size() int64 { return j.written.Load() }

// Close writes what waits, signs a last checkpoint, and lets another process write the
// journal. It returns what went wrong with that.
func (j *Journal) Close() error {
	j.close.Do(func() { close(j.closing) })
	<-j.stopped
	return j.closed
}

func (j *Journal) path(name string) string { return filepath.Join(j.cfg.Dir, name) }
