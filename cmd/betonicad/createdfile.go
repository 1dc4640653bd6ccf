package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A createdFile is a new file that nobody sees before it is whole. Where the file
// system can, it has no name until then, so that nothing is left of it whatever becomes
// of this process; elsewhere its name ends in .tmp.
type createdFile struct {
	*os.File
	path string // that it is to have
	tmp  string // that it has; empty: none
	done bool
}

// createFile makes a file, for its owner alone. One that exists is an error.
func createFile(path string) (*createdFile, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s exists, and is not overwritten: choose another name", path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	fd, err := unix.Open(filepath.Dir(path), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return &createdFile{File: os.NewFile(uintptr(fd), path), path: path}, nil
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) {
		return nil, &os.PathError{Op: "create", Path: path, Err: err}
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists: another backup is being written, or one was killed; if so, remove it", tmp)
	}
	if err != nil {
		return nil, err
	}
	return &createdFile{File: f, path: path, tmp: tmp}, nil
}

// settle has what was written on the disk, and read from there from now on.
func (f *createdFile) settle() error {
	if err := f.Sync(); err != nil {
		return err
	}
	unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // without it, what is read back may come from memory
	return nil
}

// reader reads what was written from its beginning.
func (f *createdFile) reader() io.Reader { return io.NewSectionReader(f, 0, 1<<62) }

// publish gives the file its name, durably. What has that name by now is an error, and
// stays.
func (f *createdFile) publish() error {
	var err error
	if f.tmp == "" {
		err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, f.path, unix.AT_SYMLINK_FOLLOW)
	} else {
		err = unix.Renameat2(unix.AT_FDCWD, f.tmp, unix.AT_FDCWD, f.path, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system that cannot, such as NFS
			err = errors.Join(os.Link(f.tmp, f.path), os.Remove(f.tmp))
		}
	}
	if err != nil {
		return &os.PathError{Op: "create", Path: f.path, Err: err}
	}
	f.done = true
	return syncDir(filepath.Dir(f.path))
}

// discard closes the file, and removes it unless it was published.
func (f *createdFile) discard() error {
	err := f.Close()
	if f.tmp != "" && !f.done {
		err = errors.Join(err, os.Remove(f.tmp))
	}
	return err
}
