package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A Backup is the newest one, as betonicad backup has noted it in BackupFile.
type Backup struct {
	At         time.Time `json:"at"`
	File       string    `json:"file"`
	Bytes      int64     `json:"bytes"`
	Entries    int64     `json:"entries"` // of the audit log that are in it
	Recipients []string  `json:"recipients"`
}

// BackupFile is the name of the note in DIR.
const BackupFile = "backups.json"

// ReadBackup reads the note of dir. The zero Backup: there never was one.
func ReadBackup(dir string) (Backup, error) {
	file := filepath.Join(dir, BackupFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Backup{}, nil
	}
	if err != nil {
		return Backup{}, err
	}
	var b Backup
	if err := json.Unmarshal(text, &b); err != nil {
		return Backup{}, fmt.Errorf("%s: %w", file, err)
	}
	return b, nil
}
