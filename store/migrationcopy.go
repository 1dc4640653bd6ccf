package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What the copies are called that are made of a store before its schema changes:
// betonica-schema0013-20261122T150405.db (.dump of PostgreSQL), by the number that it had
// and the time in UTC; and what is one of them only in part.
const (
	copyPrefix  = "betonica-schema"
	partialCopy = ".partial"
)

// A MigrationCopy is a copy of the store as it was before a migration.
type MigrationCopy struct {
	File string
	Size int64 // bytes; on a file system that shares blocks it takes less
	Made time.Time
}

// MigrationCopies returns those that lie in the folder (see [Config.BackupDir]), the
// oldest first. Nothing removes them but the operator.
func MigrationCopies(dir string) ([]MigrationCopy, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var copies []MigrationCopy
	for _, f := range files {
		name := f.Name()
		if !strings.HasPrefix(name, copyPrefix) || filepath.Ext(name) != ".db" && filepath.Ext(name) != ".dump" {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) { // meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		copies = append(copies, MigrationCopy{filepath.Join(dir, name), info.Size(), info.ModTime()})
	}
	slices.SortFunc(copies, func(a, b MigrationCopy) int { return a.Made.Compare(b.Made) })
	return copies, nil
}

// copyBefore copies the store, which has this schema, before a migration.
func copyBefore(ctx context.Context, e engine, cfg Config, have int) error {
	began := cfg.Now()
	file, err := e.backup(ctx, cfg.BackupDir, fmt.Sprintf("%s%04d-%s", copyPrefix, have, began.UTC().Format("20060102T150405")))
	if err != nil {
		return fmt.Errorf("copying the store, which stays as it is, before its schema changes: %w", err)
	}
	cfg.Log.Info("copied the store before its schema changes; once nobody wants to go back to the version of before, delete the copy",
		"file", file, "schema", have, "seconds", cfg.Now().Sub(began).Seconds())
	return nil
}

// inPart makes a file by the name that it has until it is whole: fill fills it. What a
// process left of one when it was killed is removed first.
func inPart(dir, name string, fill func(*os.File) error) (file string, err error) {
	left, _ := filepath.Glob(filepath.Join(dir, copyPrefix+"*"+partialCopy+"*"))
	for _, part := range left {
		if err := os.Remove(part); err != nil {
			return "", err
		}
	}
	file = filepath.Join(dir, name)
	if _, err := os.Lstat(file); err == nil {
		return "", &fs.PathError{Op: "create", Path: file, Err: fs.ErrExist}
	}
	f, err := os.OpenFile(file+partialCopy, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	if err := errors.Join(fill(f), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return file, errors.Join(os.Rename(f.Name(), file), syncDir(dir))
}

// migrationRoom is what a migration leaves free beside the copy: for what it writes
// itself, and for the ballast.
const migrationRoom = 2 * ballastSize

// roomToCopy returns [ErrDiskFull] unless the folder has room for a copy of that size.
func roomToCopy(dir string, size uint64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	free := disk.Bavail * uint64(disk.Bsize)
	if free >= size+migrationRoom {
		return nil
	}
	earlier := ""
	if copies, err := MigrationCopies(dir); err == nil && len(copies) > 0 {
		sum := int64(0)
		for _, c := range copies {
			sum += c.Size
		}
		earlier = fmt.Sprintf(", for instance by deleting %s*, which were made before earlier migrations and take %d MiB",
			filepath.Join(dir, copyPrefix), sum>>20)
	}
	return fmt.Errorf("%w: %s has %d MiB free, and the copy takes %d, with %d left for the change itself: make room%s; "+
		`or name a folder of another disk as migration_copies in [store] of betonica.toml, or "none" there if you have a copy of your own; the version of before goes on with the store meanwhile`,
		ErrDiskFull, dir, free>>20, size>>20, migrationRoom>>20, earlier)
}
