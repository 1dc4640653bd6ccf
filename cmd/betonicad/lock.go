package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/betonica/betonica/cmd/internal/server"
)

// lock keeps every other daemon from the folder, and from its SQLite file, which
// may lie elsewhere and be configured in two folders. The file itself is locked,
// too, since a hard link or a mount gives it a second name. Locks are flocks: they
// end with the process, however it ends, and SQLite's own are of another kind. The
// files stay. unlock must not run before the store is closed: closing a file takes
// SQLite's locks off it.
func lock(d layout, c *server.Config) (unlock func(), err error) {
	names := []string{d.lock()}
	if file, ok := strings.CutPrefix(c.Store.DSN, "sqlite:"); ok {
		if real, err := filepath.EvalSymlinks(file); err == nil {
			file = real
		}
		if name := strings.TrimSuffix(file, ".db") + ".lock"; name != d.lock() {
			names = append(names, name)
		}
		if _, err := os.Stat(file); err == nil {
			names = append(names, file)
		}
	}
	var held []*os.File
	unlock = func() {
		for _, f := range held {
			f.Close()
		}
	}
	for _, name := range names {
		f, err := lockFile(name)
		if err != nil {
			unlock()
			return nil, err
		}
		held = append(held, f)
	}
	return unlock, nil
}

func lockFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another betonicad is running on this CA; stop it first")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return f, nil
}
