package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

const tileBytes = audit.TileWidth * tlog.HashSize

// tileFiles are the complete tiles, one file for each level. They repeat what the leaves
// say: those that no checkpoint covers are made anew when the journal is opened.
type tileFiles struct {
	dir    string
	levels []*os.File
	dirty  []audit.Tile // written since the last sync
}

func (t *tileFiles) level(n int) (*os.File, error) {
	for len(t.levels) <= n {
		name := filepath.Join(t.dir, fmt.Sprintf("tiles.%d", len(t.levels)))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		t.levels = append(t.levels, f)
	}
	return t.levels[n], nil
}

// maxDirty bounds what is kept to be written once more: 2 MiB.
const maxDirty = 256

func (t *tileFiles) write(tiles []audit.Tile) error {
	if len(t.dirty) > maxDirty {
		if err := t.sync(); err != nil {
			return err
		}
	}
	if err := t.put(tiles); err != nil {
		return err
	}
	t.dirty = append(t.dirty, tiles...)
	return nil
}

func (t *tileFiles) put(tiles []audit.Tile) error {
	for _, tile := range tiles {
		f, err := t.level(tile.Level)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(tile.Hashes, tile.N*tileBytes); err != nil {
			return err
		}
	}
	return nil
}

// sync makes all tiles durable. After it failed it writes them anew the next time.
func (t *tileFiles) sync() error {
	if len(t.dirty) == 0 {
		return nil
	}
	if err := t.put(t.dirty); err != nil {
		return err
	}
	for _, f := range t.levels {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	t.dirty = nil
	return nil
}

// cut removes what is behind the tiles of a log of that size.
func (t *tileFiles) cut(size int64) error {
	for level := range 7 {
		if _, err := os.Stat(filepath.Join(t.dir, fmt.Sprintf("tiles.%d", level))); err != nil {
			return nil // there is none above it either
		}
		size /= audit.TileWidth
		f, err := t.level(level)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if info.Size() > size*tileBytes {
			if err := f.Truncate(size * tileBytes); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tileFiles) close() error {
	var all error
	for _, f := range t.levels {
		all = errors.Join(all, f.Close())
	}
	return all
}
