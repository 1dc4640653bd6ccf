package journal

import (
	"errors"
	"os"
)

// ballastSize is what entries about a full disk may take: some thousands.
const ballastSize = 1 << 20

// A ballast is a file that holds room for nothing, to be given up when the disk is full.
type ballast struct{ path string }

// reserve makes the file if it is not there.
func (b ballast) reserve() error {
	if info, err := os.Stat(b.path); err == nil && info.Size() == ballastSize {
		return nil
	}
	f, err := os.OpenFile(b.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = allocate(f, ballastSize)
	if errors.Is(err, errors.ErrUnsupported) {
		_, err = f.Write(make([]byte, ballastSize))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(b.path)
		return err
	}
	return nil
}

// spare gives the room up.
func (b ballast) spare() { os.Remove(b.path) }
