package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"
)

// A disk is what an SQLite store lies on: the files, and whether they can be
// trusted.
//
// After an fsync that failed, the kernel has dropped what it could not write, or
// will, while whoever reads still sees it; and the next fsync succeeds. SQLite tries
// again and goes on, over a write-ahead log with a hole, or over pages that a
// checkpoint copied and will not copy again. So nothing more is acknowledged until
// all of it has been written anew, synced, and read back.
type disk struct {
	path string
	file *os.File // the database; open as long as SQLite is, because closing any descriptor of a file drops SQLite's locks on it (POSIX)

	mu      sync.Mutex
	wal     syscall.Stat_t // the write-ahead log, once there is one
	walFile *os.File       // likewise, to be synced
	closed  bool

	flushing    atomic.Pointer[flush] // of the newest transaction; nil: it is on the disk
	fdatasync   func(int) error       // of the write-ahead log
	checkpoints sync.Mutex            // one at a time, and none while proving
	doubt       atomic.Bool
}

// errDoubt is why there is no checkpoint while it is not known what is on disk.
var errDoubt = InTrouble(TroubleIO, errors.New("store: an fsync failed, and what it was to write has not been written anew"))

// doubtful takes an error of SQLite's, and remembers if it means that the disk is
// not to be trusted.
func (d *disk) doubtful(err error) {
	var failure sqlite3.Error
	if errors.As(err, &failure) && failure.ExtendedCode == sqlite3.ErrIoErrFsync {
		d.doubt.Store(true)
	}
}

// sync has the database's pages, of which so many were written since the last time,
// written to the disk, beside SQLite. An error is as one that SQLite meets.
func (d *disk) sync(pages int64) error {
	err := d.writeOut(pages)
	if err == nil {
		err = again(func() error { return unix.Fdatasync(int(d.file.Fd())) })
	}
	if err != nil {
		d.doubt.Store(true)
		return d.refused(d.path, err)
	}
	return nil
}

// writeOut has most of the pages written, one part of the file after the other, before
// fdatasync has it all: that would hand them to the disk at once, and every commit
// meanwhile wait behind thousands of them. It makes nothing durable. What it reports of a
// page that could not be written, fdatasync would not report a second time.
func (d *disk) writeOut(pages int64) error {
	info, err := d.file.Stat()
	if err != nil {
		return err
	}
	part := max(info.Size()/(pages/walPart+1), walPart*walPage)
	for from := int64(0); from < info.Size(); from += part {
		err := again(func() error {
			return unix.SyncFileRange(int(d.file.Fd()), from, part, unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
		})
		switch {
		case errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM): // a sandbox that does not know the call
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// again repeats a call that a signal interrupts.
func again(call func() error) error {
	err := call()
	for errors.Is(err, unix.EINTR) {
		err = call()
	}
	return err
}

// present returns an error unless the files under the store's names are the ones
// that SQLite has open: what is written to others is gone with the process. Nor may SQLite
// open or close anything then: it goes by names, and would copy our write-ahead log into
// somebody else's file, and delete it.
func (d *disk) present() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	var opened syscall.Stat_t
	if err := syscall.Fstat(int(d.file.Fd()), &opened); err != nil {
		return fmt.Errorf("store: %s: %w", d.path, err)
	}
	if err := same(d.path, opened); err != nil {
		return err
	}
	if d.walFile == nil {
		return nil
	}
	return same(d.path+"-wal", d.wal)
}

// close gives the files up.
func (d *disk) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	err := d.file.Close()
	if d.walFile != nil {
		err = errors.Join(err, d.walFile.Close())
	}
	return err
}

// same returns an error unless the name leads to the file.
func same(name string, file syscall.Stat_t) error {
	var now syscall.Stat_t
	switch err := syscall.Stat(name, &now); {
	case errors.Is(err, syscall.ENOENT):
		return InTrouble(TroubleReplaced, fmt.Errorf("store: %s is not there any more", name))
	case err != nil:
		return fmt.Errorf("store: %s: %w", name, err)
	case now.Ino != file.Ino || now.Dev != file.Dev:
		return InTrouble(TroubleReplaced, fmt.Errorf("store: %s is another file than the one that was opened", name))
	}
	return nil
}

// prove writes anew what the first pages of the write-ahead log hold, and what
// checkpoints have copied of it, and returns nil if all of it is read back. Nothing
// may be written, and no checkpoint be made, meanwhile.
func (d *disk) prove(pages, copied int64) error {
	d.file.Sync() // whatever failed before is said now, and not of what follows
	wal, err := os.OpenFile(d.path+"-wal", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer wal.Close() // SQLite locks others, but never this one
	wal.Sync()
	if d.walFile != nil {
		unix.Fdatasync(int(d.walFile.Fd()))
	}
	if pages > 0 {
		if err := d.rewrite(wal, pages, copied); err != nil {
			return err
		}
	}
	return nil
}

func (d *disk) rewrite(wal *os.File, pages, copied int64) error {
	newest := map[uint32]int64{} // page -> its last frame
	var last walFrame
	err := readWAL(wal, pages, func(f walFrame) error {
		newest[f.page], last = f.number, f
		_, err := wal.WriteAt(f.text, f.offset())
		return err
	})
	if err != nil {
		return err
	}
	// Of what has changed again since, a checkpoint has copied nothing.
	inForce := func(f walFrame) bool { return f.number <= copied && newest[f.page] == f.number && f.page <= last.size }
	err = readWAL(wal, copied, func(f walFrame) error {
		if !inForce(f) {
			return nil
		}
		_, err := d.file.WriteAt(f.content(), f.position())
		return err
	})
	if err != nil {
		return err
	}
	if err := d.forget(wal, last.offset()+int64(len(last.text))); err != nil {
		return err
	}
	if err := errors.Join(wal.Sync(), d.file.Sync()); err != nil {
		return err
	}
	for _, file := range []*os.File{wal, d.file} { // from here on it is the disk that is read
		if err := unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			return err
		}
	}
	page := make([]byte, len(last.content()))
	return readWAL(wal, pages, func(f walFrame) error {
		if !inForce(f) {
			return nil
		}
		if _, err := d.file.ReadAt(page, f.position()); err != nil {
			return err
		}
		if !bytes.Equal(page, f.content()) {
			return InTrouble(TroubleCorrupt, fmt.Errorf("store: page %d reads back otherwise than it was written", f.page))
		}
		return nil
	})
}

// forget takes what follows the last commit out of the write-ahead log: its caller
// is told that it failed, so it must not be found after a crash.
func (d *disk) forget(wal *os.File, end int64) error {
	info, err := wal.Stat()
	if err != nil || info.Size() < end+frameHeader {
		return err
	}
	_, err = wal.WriteAt(make([]byte, frameHeader), end)
	return err
}
