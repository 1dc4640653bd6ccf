package agent

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"unsafe"
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

const (
	lockExclusive   = 2 // LOCKFILE_EXCLUSIVE_LOCK
	lockImmediately = 1 // LOCKFILE_FAIL_IMMEDIATELY

	errorLockViolation syscall.Errno = 33
)

// openLock opens what a directory is locked by: a file in it, as directories cannot be.
func openLock(dir string) (*os.File, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
}

// tryLock locks f if nobody else has. Closing f unlocks it, a crash too.
func tryLock(f *os.File) (locked bool, err error) {
	var at syscall.Overlapped
	ok, _, err := lockFileEx.Call(f.Fd(), lockExclusive|lockImmediately, 0, 1, 0, uintptr(unsafe.Pointer(&at)))
	if ok != 0 {
		return true, nil
	}
	if errors.Is(err, errorLockViolation) || errors.Is(err, syscall.ERROR_IO_PENDING) {
		return false, nil
	}
	return false, err
}

// syncDirectory has nothing to do: NTFS journals the names itself, and lets nobody
// ask for more.
func syncDirectory(string) error { return nil }

// replaceLink renames one symbolic link over another. Windows does not do that at one
// stroke: after a crash in between the link is made anew, since a generation that has
// its number is whole.
func replaceLink(from, to string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(from, to)
}

// killWhole makes a command's end the end of its children, as far as they can be found.
func killWhole(cmd *exec.Cmd) {
	cmd.Cancel = func() error {
		if exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(cmd.Process.Pid)).Run() == nil {
			return nil
		}
		return cmd.Process.Kill()
	}
}
