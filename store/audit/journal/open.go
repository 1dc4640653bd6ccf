package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// Open opens the journal in cfg.Dir, and makes it if the folder holds none. It reads the
// last file of leaves, and puts the whole against the last checkpoint that was signed;
// all else is for [audit.Verify].
//
// It returns [ErrLocked] if another process writes it, and [ErrDamaged] if it is not
// what was written, but for an entry that was not whole when the process or the machine
// died: that is cut off.
func Open(cfg Config) (*Journal, error) {
	cfg = cfg.withDefaults()
	j, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("opening the journal in %s: %w", cfg.Dir, err)
	}
	return j, nil
}

func open(cfg Config) (_ *Journal, err error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	j := &Journal{
		cfg: cfg, queue: newQueue(), wake: make(chan struct{}, 1), closing: make(chan struct{}), stopped: make(chan struct{}),
		tiles: tileFiles{dir: cfg.Dir}, pace: pace{every: cfg.sync}, room: ballast{filepath.Join(cfg.Dir, "ballast")},
		looked: cfg.Now(), minute: cfg.Now(), timer: time.NewTimer(time.Hour),
	}
	if j.lock, err = lock(cfg.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			j.release()
		}
	}()
	if err := j.openKeys(); err != nil {
		return nil, err
	}
	torn, err := j.openLeaves()
	if err != nil {
		return nil, err
	}
	if err := j.openStatement(); err != nil {
		return nil, err
	}
	j.written.Store(j.tree.Size())
	j.shipped.Store(readShipped(j.path(shippedFile)))
	if j.room.reserve() != nil {
		cfg.Log.Warn("the journal's disk has no room for its reserve", "dir", cfg.Dir)
	}
	if err := j.own("journal.open", nil); err != nil && !cfg.BestEffort {
		return nil, err
	}
	if torn > 0 {
		cfg.Log.Warn("the journal ended in the middle of an entry, which was cut off", "dir", cfg.Dir, "bytes", torn)
		if err := j.own("journal.recovered", map[string]any{"bytes": torn}); err != nil && !cfg.BestEffort {
			return nil, err
		}
	}
	j.timer.Stop()
	go j.run()
	return j, nil
}

// release closes the files.
func (j *Journal) release() error {
	err := j.tiles.close()
	j.shipping.Lock()
	defer j.shipping.Unlock()
	if j.sending != nil {
		err = errors.Join(err, j.sending.Close())
	}
	if j.file != nil {
		err = errors.Join(err, j.file.Close())
	}
	if j.heads != nil {
		err = errors.Join(err, j.heads.file.Close())
	}
	return errors.Join(err, j.lock.Close())
}

// openKeys reads the journal's name and keys, or makes them if it is new.
func (j *Journal) openKeys() error {
	name := j.cfg.KeyFile
	if name == "" {
		name = j.path("master")
	}
	_, err := os.Stat(j.path("origin"))
	if errors.Is(err, fs.ErrNotExist) {
		list, err := segments(j.cfg.Dir)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			return damaged("there are entries, and no file named origin")
		}
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			if err := makeMaster(name); err != nil {
				return err
			}
		}
		if err := makeOrigin(j.cfg.Dir, j.cfg.Identity); err != nil {
			return err
		}
	}
	if j.origin, err = readOrigin(j.cfg.Dir); err != nil {
		return err
	}
	if j.keys, err = readMaster(name); err != nil {
		return err
	}
	if j.signer, err = j.keys.Signer(j.origin); err != nil {
		return err
	}
	all, err := readDataKeys(j.cfg.Dir, j.keys)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		d, err := addDataKey(j.cfg.Dir, j.keys)
		if err != nil {
			return err
		}
		all = append(all, d)
	}
	j.sealer = audit.NewSealer(j.keys, all[len(all)-1])
	return nil
}

// openLeaves reads the last file of leaves, and returns the bytes of a torn entry that
// it cut off.
func (j *Journal) openLeaves() (torn int64, err error) {
	if j.heads, err = openCheckpoints(j.cfg.Dir); err != nil {
		return 0, err
	}
	list, err := segments(j.cfg.Dir)
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		list = []segment{{first: 1}}
	}
	j.segment = list[len(list)-1]
	for _, s := range list[:len(list)-1] {
		j.total += s.bytes
	}
	j.began = j.cfg.Now()
	var hashes []tlog.Hash
	t := tail{next: j.segment.first}
	f, err := os.Open(j.segment.path(j.cfg.Dir))
	if err == nil {
		t, err = scan(f, j.segment.first, func(_ int64, row audit.Record) error {
			if len(hashes) == 0 {
				j.began = row.At
			}
			hashes = append(hashes, row.Hash)
			return nil
		})
		f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	before := &Reader{dir: j.cfg.Dir, origin: j.origin, list: list[:len(list)-1], size: j.segment.first - 1}
	if j.tree, err = audit.LoadTree(context.Background(), before, j.segment.first-1); err != nil {
		return 0, damaged("%v", err)
	}
	if err := j.replay(hashes); err != nil {
		return 0, err
	}
	if err := j.confirm(); err != nil {
		return 0, err
	}
	if j.file, err = j.cfg.open(j.segment.path(j.cfg.Dir)); err != nil {
		return 0, err
	}
	if t.torn > 0 {
		if err := j.file.Truncate(t.end); err != nil {
			return 0, err
		}
	}
	j.end, j.synced = t.end, t.end
	// What was written and not synced is now.
	return t.torn, errors.Join(j.file.Sync(), syncDir(j.cfg.Dir))
}

// replay puts the hashes of the last file into the tree. Tiles under a checkpoint have
// to be there as they should; the others are written anew.
func (j *Journal) replay(hashes []tlog.Hash) error {
	for _, h := range hashes {
		for _, tile := range j.tree.Append(h) {
			if j.tree.Size() <= j.heads.last.Size && !j.tiles.holds(tile) {
				return damaged("tile %d of level %d", tile.N, tile.Level)
			}
			if err := j.tiles.write([]audit.Tile{tile}); err != nil {
				return err
			}
		}
	}
	if err := j.tiles.cut(j.tree.Size()); err != nil {
		return err
	}
	return j.tiles.sync()
}

// confirm puts the journal against its last checkpoint.
func (j *Journal) confirm() error {
	last := j.heads.last
	if last.Note == "" {
		return nil
	}
	key, err := j.keys.VerifierKey(j.origin)
	if err != nil {
		return err
	}
	v, err := checkpoint.NewVerifier(key)
	if err != nil {
		return err
	}
	c, err := checkpoint.Open(last.Note, v)
	if err != nil {
		return damaged("the last checkpoint: %v", err)
	}
	r, err := OpenReader(j.cfg.Dir)
	if err != nil {
		return err
	}
	defer r.Close()
	err = audit.Extends(context.Background(), r, j.tree, c)
	if _, is := errors.AsType[*audit.TamperError](err); is {
		return damaged("%v", err)
	}
	j.signed.Store(&last)
	return err
}

// holds says whether a tile is in its file as it should be.
func (t *tileFiles) holds(tile audit.Tile) bool {
	f, err := t.level(tile.Level)
	if err != nil {
		return false
	}
	b := make([]byte, tileBytes)
	_, err = io.ReadFull(io.NewSectionReader(f, tile.N*tileBytes, tileBytes), b)
	return err == nil && bytes.Equal(b, tile.Hashes)
}
