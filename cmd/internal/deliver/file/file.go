// Package file is the sink that appends records to a file, as JSON lines, for whatever
// picks them up there. A file that was moved away, as rotation does, is made anew. What is
// taken is on disk.
package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/betonica/betonica/cmd/internal/deliver"
)

// A Sink appends to one file.
type Sink struct {
	path string
	file *os.File // nil: not open
}

// New returns a Sink of the file at an absolute path, which is made with mode 0600 if it
// is not there; its folder has to be.
func New(path string) (*Sink, error) {
	if !filepath.IsAbs(path) {
		return nil, errors.New("the path of the file must be absolute")
	}
	return &Sink{path: path}, nil
}

// Send implements [deliver.Sink]: all of the batch is on disk, or none of it is.
func (s *Sink) Send(_ context.Context, batch []deliver.Record) (taken int, err error) {
	if err := s.open(); err != nil {
		return 0, err
	}
	size, err := s.file.Seek(0, 2)
	if err != nil {
		return 0, s.closed(err)
	}
	var text []byte
	if size > 0 { // somebody died in the middle of a line
		var last [1]byte
		if _, err := s.file.ReadAt(last[:], size-1); err != nil {
			return 0, s.closed(err)
		}
		if last[0] != '\n' {
			text = append(text, '\n')
		}
	}
	for _, r := range batch {
		text = append(append(text, r.Message().JSON()...), '\n')
	}
	if _, err = s.file.Write(text); err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return 0, s.closed(errors.Join(err, s.file.Truncate(size)))
	}
	return len(batch), nil
}

// open opens the file, unless the one that is open is still at its place.
func (s *Sink) open() error {
	if s.file != nil {
		there, err := os.Stat(s.path)
		ours, err2 := s.file.Stat()
		if err == nil && err2 == nil && os.SameFile(there, ours) {
			return nil
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(fmt.Errorf("%s is not a file that can be appended to", s.path), err, f.Close())
	}
	s.file = f
	return syncDir(filepath.Dir(s.path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// closed closes the file after an error, so that the next try begins anew.
func (s *Sink) closed(err error) error { return errors.Join(err, s.Close()) }

// Close implements [deliver.Sink].
func (s *Sink) Close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}
