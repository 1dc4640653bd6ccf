package journal

import (
	"errors"
	"fmt"
	"syscall"
)

// Why no entry can be written. They are wrapped: ask with errors.Is.
var (
	ErrFull    = errors.New("journal: the disk is full")
	ErrTooLong = errors.New("journal: as long as it may be, and the CA does not have the oldest entries yet")
	ErrIO      = errors.New("journal: the disk failed to read or to write")
	ErrClosed  = errors.New("journal: closed")
)

// ErrDamaged reports that the files are not what was written. Nothing is changed: run
// betonica audit verify on the folder, keep a copy, and begin a new journal elsewhere.
var ErrDamaged = errors.New("journal: not what was written")

// ErrLocked reports that another process writes the journal.
var ErrLocked = errors.New("journal: another process writes it")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// failure names an error of the disk's.
func failure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("%w: %w", ErrIO, err)
}
