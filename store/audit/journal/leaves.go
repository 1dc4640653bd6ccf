package journal

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// leaves is a file of leaves that is written: an *os.File, as far as it is used.
type leaves interface {
	io.Writer
	io.ReaderAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

// A dataFile syncs what is needed to read the data again, and no more.
type dataFile struct{ *os.File }

func (f dataFile) Sync() error {
	return syncData(f.File)
}

// openLeaves opens a file of leaves to append to it, and makes it if it is not there.
func openLeaves(name string) (leaves, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return dataFile{f}, nil
}

// A segment is one file of leaves.
type segment struct {
	first int64 // number of its first entry
	bytes int64 // as they were when the folder was read
}

func (s segment) path(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("%012d.leaves", s.first))
}

// segments returns the files of leaves of a folder, in order.
func segments(dir string) ([]segment, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []segment
	for _, e := range list {
		name, ok := strings.CutSuffix(e.Name(), ".leaves")
		if !ok {
			continue
		}
		first, err := strconv.ParseInt(name, 10, 64)
		if err != nil || first < 1 || (segment{first: first}).path("") != e.Name() {
			return nil, damaged("%s is no name of a file of leaves", e.Name())
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		all = append(all, segment{first, info.Size()})
	}
	slices.SortFunc(all, func(a, b segment) int { return int(min(max(a.first-b.first, -1), 1)) })
	return all, nil
}
