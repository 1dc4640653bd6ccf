//go:build !windows

package guard

import "syscall"

// openFiles returns how many files this process may have open.
func openFiles() (limit uint64, ok bool) {
	var r syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r)
	return uint64(r.Cur), err == nil
}
