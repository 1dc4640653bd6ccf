//go:build !linux

package journal

import (
	"errors"
	"os"
)

// syncData puts on disk what is needed to read the data again, and what else there is.
func syncData(f *os.File) error { return f.Sync() }

// forget cannot be asked for here: the file is read from wherever it is.
func forget(*os.File) error { return nil }

// allocate returns errors.ErrUnsupported: blocks must be written.
func allocate(*os.File, int64) error { return errors.ErrUnsupported }
