package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What meta holds of a store's standing, by key.
const (
	metaID       = "incarnation"  // its name
	metaFormer   = "incarnations" // the names before, one a line, the newest last
	metaRestored = "restored"     // out of which backup it came, for people; absent: it did not
	metaBehind   = "set-back"     // what showed that it is older than what was signed, for people; absent: nothing
)

// A store's name is 128 random bits, in hex. It is made with the store, and anew
// when that is recovered; a file beside the keys repeats it.
func newStoreID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// pendingID precedes the name in a file whose store may not have it yet: both are
// made together, and a crash can come between.
const pendingID = "pending "

// ReadID reads the name of a store from the file beside the keys; it is empty if
// there is no file.
func ReadID(file string) (string, error) {
	id, _, err := readID(file)
	return id, err
}

func readID(file string) (id string, pending bool, err error) {
	if file == "" {
		return "", false, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("reading the store's name: %w", err)
	}
	id, pending = strings.CutPrefix(strings.TrimSpace(string(text)), pendingID)
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 {
		return "", false, fmt.Errorf("%s does not hold the name of a store", file)
	}
	return id, pending, nil
}

// WriteID writes the name of a store into the file beside the keys, durably: after a
// crash the file is the old one or the new one. No file name writes nothing.
func WriteID(file, id string) error { return writeID(file, id) }

func writeID(file, text string) error {
	if file == "" {
		return nil
	}
	next := file + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing the store's name: %w", err)
	}
	_, err = f.WriteString(text + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(next, file)
	}
	if err != nil {
		return fmt.Errorf("writing the store's name: %w", err)
	}
	return syncDir(filepath.Dir(file))
}

// ID returns the store's name.
func (d *DB) ID() string { return d.said.ID }

// identify reads what the store says of itself, and gives it a name if neither it nor
// the file has one. Where no file is kept, it is taken for the one that was here.
func (d *DB) identify(ctx context.Context) error {
	id, pending, err := readID(d.cfg.IDFile)
	if err != nil {
		return err
	}
	if err := d.readSaid(ctx); err != nil {
		return err
	}
	switch {
	case d.said.ID == "" && (id == "" || pending):
		if id == "" {
			id = newStoreID()
			if err := writeID(d.cfg.IDFile, pendingID+id); err != nil {
				return err
			}
		}
		if err := d.nameStore(ctx, id); err != nil {
			return err
		}
		if err := d.readSaid(ctx); err != nil { // another process may have been faster
			return err
		}
		id = d.said.ID
	case d.cfg.IDFile == "":
		id = d.said.ID
	case !pending || id != d.said.ID:
		d.seen.ID = id
		return nil
	}
	d.seen.ID = id
	return writeID(d.cfg.IDFile, id)
}

func (d *DB) nameStore(ctx context.Context, id string) error {
	return d.engine.migration(ctx, func(ctx context.Context, s *session) error {
		_, err := s.exec(ctx, `INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`, metaID, []byte(id))
		return err
	})
}

const readStanding = `SELECT key, value FROM meta WHERE key IN ('incarnation', 'incarnations', 'restored', 'set-back')`

// readSaid reads what the store says of itself.
func (d *DB) readSaid(ctx context.Context) error {
	rows, err := d.reads.query(ctx, readStanding)
	if err != nil {
		return fmt.Errorf("reading the store's name: %w", err)
	}
	if d.said, err = collectSaid(rows); err != nil {
		return fmt.Errorf("reading the store's name: %w", err)
	}
	d.said.CRLNumber, err = d.CRLNumber(ctx)
	return err
}

func collectSaid(rows *sql.Rows) (said Said, err error) {
	defer rows.Close()
	for rows.Next() {
		var key string
		var value []byte
		if err := rows.Scan(&key, &value); err != nil {
			return said, err
		}
		switch key {
		case metaID:
			said.ID = string(value)
		case metaFormer:
			said.Former = strings.Fields(string(value))
		case metaRestored:
			said.Restored = true
		case metaBehind:
			said.Behind = true
		}
	}
	return said, rows.Err()
}
