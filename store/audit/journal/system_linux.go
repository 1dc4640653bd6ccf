package journal

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// syncData puts on disk what is needed to read the data again, and no more.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return err
		}
	}
}

// forget drops what memory holds of a file, so that it is read from the disk.
func forget(f *os.File) error { return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }

// allocate gives a file its blocks; errors.ErrUnsupported where they must be written.
func allocate(f *os.File, size int64) error { return syscall.Fallocate(int(f.Fd()), 0, 0, size) }
