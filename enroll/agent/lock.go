package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const lockPoll = 50 * time.Millisecond

// lock keeps other processes, and other callers in this one, from changing the
// directory until unlock is called; it waits for its turn until ctx is done.
// Crashing gives the lock back.
func (d directory) lock(ctx context.Context) (unlock func(), err error) {
	f, err := openLock(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", d.path, ErrNotEnrolled)
	}
	if err != nil {
		return nil, err
	}
	for {
		locked, err := tryLock(f)
		if locked {
			return func() { f.Close() }, nil // and the lock goes with it
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", d.path, err)
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for another process to be done with %s: %w", d.path, context.Cause(ctx))
		}
	}
}

// make makes the directory, if it is not there, so that it is still there after
// a loss of power.
func (d directory) make() error {
	if _, err := os.Stat(d.path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(d.path)
	if err := (directory{path: parent, disk: d.disk}).make(); err != nil {
		return err
	}
	if err := d.disk.mkdir(d.path); err != nil {
		return err
	}
	return d.disk.sync(parent)
}
