package store

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// The file of a store that was emptied shrinks, but for some slack, while nobody
// writes, and what is left in it is whole.
func TestGiveBack(t *testing.T) {
	dsn := storetest.SQLite(t)
	d := open(t, config(t, dsn))
	full := crowded(t, d)
	require.NoError(t, d.Purge(t.Context(), time.Now().Add(100*day)))
	require.NoError(t, d.giveBack(t.Context()))
	e := d.engine.(*sqlite)
	_, err := e.checkpoint("TRUNCATE")
	require.NoError(t, err)
	left, err := e.excess(t.Context())
	require.NoError(t, err)
	require.Zero(t, left)
	require.Less(t, fileSize(t, dsn), full/2)
	whole(t, d)
}

// A file that was made before it could shrink is written anew when a migration has
// copied it anyway.
func TestConvert(t *testing.T) {
	cfg := config(t, storetest.SQLite(t))
	cfg.Log, cfg.Now = slog.New(slog.DiscardHandler), time.Now
	d, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	e, err := openSQLite(t.Context(), strings.TrimPrefix(cfg.DSN, "sqlite:"), cfg)
	require.NoError(t, err)
	mode := func() (mode int) {
		require.NoError(t, e.write.QueryRowContext(t.Context(), `PRAGMA auto_vacuum`).Scan(&mode))
		return mode
	}
	require.Equal(t, incremental, mode(), "a new file can")
	_, err = e.write.ExecContext(t.Context(), `PRAGMA auto_vacuum = 0; VACUUM`)
	require.NoError(t, err)
	require.Zero(t, mode())
	steps, err := migrations(schemas, e.schema())
	require.NoError(t, err)
	require.NoError(t, migrateTo(t.Context(), e, cfg, steps))
	require.Zero(t, mode(), "nothing was migrated")
	require.NoError(t, migrateTo(t.Context(), e, cfg, append(steps, migration{number: len(steps) + 1, name: "next", text: "-- expand: nothing\nSELECT 1;"})))
	require.Equal(t, incremental, mode())
	require.NoError(t, e.close())
	d = open(t, cfg)
	whole(t, d)
}

// crowded fills a store with some MiB of certificates, and returns its file's size.
func crowded(t *testing.T, d *DB) int64 {
	t.Helper()
	identity(t, d, "device/a")
	for range 6 {
		must(t, d, func(tx *Tx) {
			for range 500 {
				tx.InsertCertificate(certificate("device/a"))
			}
		})
	}
	_, err := d.engine.(*sqlite).checkpoint("TRUNCATE")
	require.NoError(t, err)
	return fileSize(t, d.cfg.DSN)
}

func fileSize(t *testing.T, dsn string) int64 {
	t.Helper()
	info, err := os.Stat(strings.TrimPrefix(dsn, "sqlite:"))
	require.NoError(t, err)
	return info.Size()
}

func whole(t *testing.T, d *DB) {
	t.Helper()
	var verdict string
	require.NoError(t, d.reads.db.QueryRowContext(context.Background(), `PRAGMA integrity_check`).Scan(&verdict))
	require.Equal(t, "ok", verdict)
	verify(t, d)
}
