package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// A signed is a line of the file of checkpoints.
type signed struct {
	Size int64     `json:"size"`
	At   time.Time `json:"at"`
	Note string    `json:"note"`
}

func checkpointsFile(dir string) string { return filepath.Join(dir, "checkpoints") }

// readCheckpoints calls each with every whole line, and returns where the last one
// ends. A part of a line behind it is what a crash left.
func readCheckpoints(r io.Reader, each func(audit.SignedCheckpoint) error) (end int64, err error) {
	for in := bufio.NewReaderSize(r, 2*checkpoint.MaxLen); ; {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return end, damaged("a line of the checkpoints is too long")
		}
		var s signed
		if err := json.Unmarshal(line, &s); err != nil {
			return end, damaged("a line of the checkpoints, at byte %d", end)
		}
		if err := each(audit.SignedCheckpoint{Size: s.Size, At: s.At, Note: s.Note}); err != nil {
			return end, err
		}
		end += int64(len(line))
	}
}

// checkpoints is the file of them, written.
type checkpoints struct {
	file *os.File
	end  int64 // of what is known to be on disk
	last audit.SignedCheckpoint
}

func openCheckpoints(dir string) (*checkpoints, error) {
	f, err := os.OpenFile(checkpointsFile(dir), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	c := &checkpoints{file: f}
	c.end, err = readCheckpoints(f, func(s audit.SignedCheckpoint) error { c.last = s; return nil })
	if err != nil {
		f.Close()
		return nil, err
	}
	return c, f.Truncate(c.end)
}

// add puts a checkpoint on disk. If it fails, the next one is written over it.
func (c *checkpoints) add(s audit.SignedCheckpoint) error {
	line, err := json.Marshal(signed{s.Size, s.At, s.Note})
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if err := c.file.Truncate(c.end); err != nil {
		return err
	}
	if _, err := c.file.WriteAt(line, c.end); err != nil {
		return err
	}
	if err := c.file.Sync(); err != nil {
		return err
	}
	c.end += int64(len(line))
	c.last = s
	return nil
}

// lastCheckpoint returns the newest, of size 0 if there is none.
func lastCheckpoint(dir string) (last audit.SignedCheckpoint, err error) {
	f, err := os.Open(checkpointsFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return last, nil
	}
	if err != nil {
		return last, err
	}
	defer f.Close()
	_, err = readCheckpoints(f, func(s audit.SignedCheckpoint) error { last = s; return nil })
	return last, err
}
