// Package static keeps files for a web server or a CDN to serve: each is replaced in
// one step, and an older one never takes the place of a newer. It knows nothing of
// what is in them.
package static

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrBusy is that another process is writing to the directory at this moment.
var ErrBusy = errors.New("another daemon is writing there")

// ErrNewer is that what lies in the directory is newer than what was to be put there.
var ErrNewer = errors.New("what lies there is newer")

const (
	lockName = ".lock"
	tempName = ".new"
)

// A Dir is a directory, which need not exist yet. Several processes may put files
// into it: one at a time holds its lock. Files have mode 0644 and directories 0755,
// whatever the umask. A file of ours is whole at any moment, also after a crash of the
// machine. It may be used concurrently.
type Dir struct{ path string }

// New returns the directory of this path. Nothing is touched.
func New(path string) *Dir { return &Dir{path} }

// Put has the file of this name, a path with slashes below the directory, hold data,
// on disk when it returns nil. If there is one already, yields is asked whether it may
// go; if not, the error is [ErrNewer]. A file that holds data already is left alone. No
// link leads out of the directory. What an earlier crash left half-written is removed.
func (d *Dir) Put(name string, data []byte, yields func(old []byte) bool) error {
	return d.put(name, func() ([]byte, error) { return data, nil }, yields)
}

// Derive is [Dir.Put] of what source returns, which is called while nobody else writes:
// for a file that is made of others in the directory.
func (d *Dir) Derive(name string, source func() ([]byte, error)) error {
	return d.put(name, source, func([]byte) bool { return true })
}

func (d *Dir) put(name string, source func() ([]byte, error), yields func(old []byte) bool) (err error) {
	root, unlock, err := d.open()
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	defer unlock()
	data, err := source()
	if err != nil {
		return err
	}
	old, err := root.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = replace(root, name, data)
	case err != nil || bytes.Equal(old, data):
	case !yields(old):
		err = ErrNewer
	default:
		err = replace(root, name, data)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(d.path, name), err)
	}
	return nil
}

// Get returns what the file of this name holds.
func (d *Dir) Get(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(d.path, filepath.FromSlash(name)))
}

// Has reports whether there is a file of this name.
func (d *Dir) Has(name string) bool {
	info, err := os.Lstat(filepath.Join(d.path, filepath.FromSlash(name)))
	return err == nil && info.Mode().IsRegular()
}

// open makes the directory, takes its lock and clears it of what a crash left.
func (d *Dir) open() (_ *os.Root, unlock func(), err error) {
	if err := makeDir(d.path); err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return nil, nil, err
	}
	lock, err := root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		root.Close()
		return nil, nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		root.Close()
		return nil, nil, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if err := root.Remove(tempName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		lock.Close()
		root.Close()
		return nil, nil, err
	}
	return root, func() { lock.Close() }, nil
}

// makeDir makes a directory where there is none; those above it have to exist.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(os.Chmod(path, 0o755), syncDir(os.Open(filepath.Dir(path))))
}

// replace writes a file beside the others, and puts it in its place when it is on
// disk. The lock is held: there is one such file at a time.
func replace(root *os.Root, name string, data []byte) error {
	if err := makeParents(root, path.Dir(name)); err != nil {
		return err
	}
	f, err := root.OpenFile(tempName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err == nil {
		err = root.Rename(tempName, name)
	}
	if err != nil {
		return err // what there is of the file makes room for the next one
	}
	return syncDir(root.Open(path.Dir(name)))
}

// makeParents makes the directories of a path where there are none.
func makeParents(root *os.Root, dir string) error {
	if dir == "." {
		return nil
	}
	above := "."
	for part := range strings.SplitSeq(dir, "/") {
		next := path.Join(above, part)
		err := root.Mkdir(next, 0o755)
		if err == nil {
			err = errors.Join(root.Chmod(next, 0o755), syncDir(root.Open(above)))
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		above = next
	}
	return nil
}

// syncDir has the names in an opened directory on disk.
func syncDir(dir *os.File, err error) error {
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
