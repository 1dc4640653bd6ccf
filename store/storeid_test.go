package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A store opens only in the folder that it was made in, or recovered into: the name
// in it and the file beside the keys must be one, whatever moment a crash came at.
func TestStoreID(t *testing.T) {
	for _, row := range []struct {
		name  string
		how   string // done to the store
		file  func(id string) string
		err   error
		fresh bool // it has another name afterwards
	}{
		{name: "untouched", file: func(id string) string { return id }},
		{name: "made before there were names", how: `DELETE FROM meta WHERE key = 'incarnation'`, file: func(string) string { return "" }, fresh: true},
		{name: "killed while it was named", how: `DELETE FROM meta WHERE key = 'incarnation'`, file: func(id string) string { return pendingID + id }},
		{name: "killed after it was named", file: func(id string) string { return pendingID + id }},
		{name: "a copy from before there were names", how: `DELETE FROM meta WHERE key = 'incarnation'`, file: func(id string) string { return id }, err: ErrSetBack},
		{name: "another store", file: func(string) string { return newStoreID() }, err: ErrSetBack},
		{name: "a folder made anew", file: func(string) string { return "" }, err: ErrRestored},
		{name: "a restored store", how: `INSERT INTO meta (key, value) VALUES ('restored', 'x')`, file: func(id string) string { return id }, err: ErrRestored},
		{name: "one that a list gave away", how: `INSERT INTO meta (key, value) VALUES ('set-back', 'x')`, file: func(id string) string { return id }, err: ErrSetBack},
	} {
		t.Run(row.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, d *DB) {
				cfg := d.cfg
				cfg.IDFile = filepath.Join(t.TempDir(), "store.id")
				was := d.ID()
				if row.how != "" {
					tamper(t, d, row.how)
				}
				require.NoError(t, d.Close())
				if text := row.file(was); text != "" {
					require.NoError(t, os.WriteFile(cfg.IDFile, []byte(text+"\n"), 0o600))
				}
				d, err := Open(t.Context(), cfg)
				if row.err != nil {
					require.ErrorIs(t, err, row.err)
					require.ErrorContains(t, err, "betonicad recover")
					return
				}
				require.NoError(t, err)
				require.Equal(t, row.fresh, d.ID() != was)
				require.NoError(t, d.Close())
				text, err := os.ReadFile(cfg.IDFile)
				require.NoError(t, err)
				require.Equal(t, d.ID(), strings.TrimSpace(string(text)))
			})
		})
	}
}
