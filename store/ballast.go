package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// ballastSize is what revoking may use on a full disk: at 27 KB a write, some two
// thousand revocations.
const ballastSize = 64 << 20

// A ballast is a file that holds disk space for nothing, to be given up when a
// revocation finds the disk full.
type ballast struct {
	path   string
	mu     sync.Mutex
	kept   bool
	wanted bool // it was there once: there has to be room for it again
}

// least is what must be free beside the ballast before a disk that was full is
// taken for one that is not.
const least = 1 << 20

// reserve makes the file if it is not there. It wants as much again to be free,
// so that a disk which has just room for the ballast is not filled with it; then
// the error is [ErrDiskFull].
func (b *ballast) reserve() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.make()
}

// room says whether a disk that was full has room again, for the ballast too if it
// was ever there.
func (b *ballast) room() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wanted {
		if err := b.make(); err != nil {
			return err
		}
	}
	return free(b.path, least)
}

func (b *ballast) make() error {
	if b.kept {
		return nil
	}
	if info, err := os.Stat(b.path); err == nil && info.Size() == ballastSize {
		b.kept, b.wanted = true, true
		return nil
	}
	if err := free(b.path, 2*ballastSize); err != nil {
		return err
	}
	f, err := os.OpenFile(b.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, ballastSize), f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(b.path))
	}
	b.kept, b.wanted = true, true
	return nil
}

// spare gives the space up. It returns whether there was any.
func (b *ballast) spare() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = false
	return os.Remove(b.path) == nil
}

// free returns [ErrDiskFull] if the file's disk has less than want bytes free.
func free(path string, want uint64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &disk); err != nil {
		return fmt.Errorf("free space of %s: %w", filepath.Dir(path), err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < want {
		return fmt.Errorf("%w: %d MiB free, want %d", ErrDiskFull, free>>20, want>>20)
	}
	return nil
}
