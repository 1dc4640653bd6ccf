package store

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// A store whose log is not the one that was signed does not open: with an older
// copy of it, what was revoked since would be good again.
func TestOpenNoticesOlderLog(t *testing.T) {
	for _, row := range []struct {
		name  string
		how   string // done to the store, which has signed checkpoints of 300 and of 600 entries
		blind bool   // the evidence is gone
		opens bool
	}{
		{name: "untouched", how: `DELETE FROM audit WHERE seq > 600`, opens: true},
		{name: "untouched, without evidence", how: `DELETE FROM audit WHERE seq > 600`, blind: true, opens: true},
		{name: "cut off, with its checkpoints", how: `DELETE FROM audit WHERE seq > 300; DELETE FROM audit_tiles WHERE n > 0; DELETE FROM checkpoints WHERE size > 300`},
		{name: "cut off", how: `DELETE FROM audit WHERE seq > 300; DELETE FROM audit_tiles WHERE n > 0`, blind: true},
		{name: "cut off, with the evidence", how: `DELETE FROM audit WHERE seq > 300; DELETE FROM audit_tiles WHERE n > 0; DELETE FROM checkpoints WHERE size > 300`, blind: true, opens: true},
		{name: "hashed anew", how: `UPDATE audit_tiles SET hashes = (SELECT hashes FROM audit_tiles WHERE n = 1) WHERE n = 0`, blind: true},
		{name: "checkpoint edited", how: `UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 300) WHERE size = 600`, blind: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, d *DB) {
				cfg := d.cfg
				for range 2 {
					for _, err := range parallel(300, func(int) error { return update(d, func(*Tx) {}) }) {
						require.NoError(t, err)
					}
					_, err := d.SignCheckpoint(t.Context())
					require.NoError(t, err)
				}
				for _, statement := range strings.Split(row.how, ";") {
					tamper(t, d, statement)
				}
				require.NoError(t, d.Close())
				if row.blind {
					require.NoError(t, os.Remove(cfg.Evidence))
				}
				d, err := Open(t.Context(), cfg)
				if row.opens {
					require.NoError(t, err)
					require.NoError(t, d.Close())
					return
				}
				require.ErrorIs(t, err, ErrSetBack)
			})
		})
	}
}

// Where a store has to be, none is made: an empty one would know of no revocation.
func TestExisting(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		cfg := config(t, dsn)
		cfg.Existing = true
		_, err := Open(t.Context(), cfg)
		require.ErrorIs(t, err, ErrNoStore)
		file, is := strings.CutPrefix(dsn, "sqlite:")
		if is {
			require.NoFileExists(t, file)
			require.NoError(t, os.WriteFile(file, nil, 0o600))
		}
		_, err = Open(t.Context(), cfg)
		require.ErrorIs(t, err, ErrNoStore, "an empty one is none")

		cfg.Existing = false
		d, err := Open(t.Context(), cfg)
		require.NoError(t, err)
		require.NoError(t, d.Close())
		cfg.Existing = true
		d, err = Open(t.Context(), cfg)
		require.NoError(t, err)
		require.NoError(t, d.Close())
	})
}
