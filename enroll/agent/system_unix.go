//go:build !windows

package agent

import (
	"os"
	"os/exec"
	"syscall"
)

// openLock opens what a directory is locked by: itself.
func openLock(dir string) (*os.File, error) { return os.Open(dir) }

// tryLock locks f if nobody else has. Closing f unlocks it, a crash too.
func tryLock(f *os.File) (locked bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK || err == syscall.EINTR {
		return false, nil
	}
	return err == nil, err
}

// syncDirectory puts the names in a directory on disk.
func syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// replaceLink renames one symbolic link over another.
func replaceLink(from, to string) error { return os.Rename(from, to) }

// killWhole makes a command's end the end of its children.
func killWhole(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
