package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// A flush has on the disk what one transaction wrote to the write-ahead log.
type flush struct {
	done chan struct{}
	err  error // once done is closed
}

// errGrounded is why a transaction was not committed.
var errGrounded = errors.New("store: what was committed before is not known to be on the disk")

// ahead begins the flush of a transaction that is about to be committed, when that of the
// one before has ended. If it failed, nothing is to be committed before what it was to
// write is proved to be there.
func (d *disk) ahead() (*flush, error) {
	if f := d.flushing.Load(); f != nil {
		if <-f.done; f.err != nil { // the writer finds out first what became of that
			return nil, errGrounded
		}
	}
	f := &flush{done: make(chan struct{})}
	d.flushing.Store(f)
	return f, nil
}

// end ends a flush.
func (f *flush) end(err error) error {
	f.err = err
	close(f.done)
	return err
}

// settled waits until all that could be read before is on the disk.
func (d *disk) settled() error {
	if d == nil { // nobody writes
		return nil
	}
	if f := d.flushing.Load(); f != nil {
		<-f.done
		return f.err
	}
	return nil
}

// proved forgets a flush that failed, now that what it was to write is there.
func (d *disk) proved() {
	if f := d.flushing.Load(); f != nil {
		select {
		case <-f.done:
			d.flushing.Store(nil)
		default: // it is for itself to say
		}
	}
}

// syncWAL syncs the write-ahead log. It has a descriptor of its own, as SQLite's cannot be
// had; an error of writing back is reported to each.
func (d *disk) syncWAL() error {
	err := again(func() error { return d.fdatasync(int(d.walFile.Fd())) })
	if err != nil {
		d.doubt.Store(true)
		return d.refused(d.path+"-wal", err)
	}
	if d.doubt.Load() { // a checkpoint met it meanwhile
		return errDoubt
	}
	return nil
}

// refused names what a sync met.
func (d *disk) refused(path string, err error) error {
	err = fmt.Errorf("store: writing %s to the disk: %w", path, err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) { // of a file system that looks for room no sooner
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return InTrouble(TroubleIO, err)
}

// synced has on disk what anybody wrote. Without a write-ahead log all of it is there.
func (d *disk) synced() error {
	if d == nil { // the store is only looked into
		return nil
	}
	switch err := d.openWAL(); {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return d.syncWAL()
}

// openWAL opens the write-ahead log, which comes into being with the first transaction.
func (d *disk) openWAL() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.walFile != nil {
		return nil
	}
	file, err := os.OpenFile(d.path+"-wal", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := syscall.Fstat(int(file.Fd()), &d.wal); err != nil {
		return errors.Join(fmt.Errorf("store: %w", err), file.Close())
	}
	d.walFile = file
	return nil
}
