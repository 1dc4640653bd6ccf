package store

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// A device is found by whatever it shows of itself, and only by that.
func TestDevice(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		ek := make([]byte, 32)
		ek[0] = 7
		with := Device{Role: "device", Serial: "SN/1", Identity: "device/pump-1", Owner: "icu", Site: "north", EK: ek}
		without := Device{Role: "device", Serial: "SN-2", Identity: "device/pump-2"}
		must(t, d, func(tx *Tx) { tx.InsertDevice(with); tx.InsertDevice(without) })

		for name, read := range map[string]func() (Device, error){
			"serial":   func() (Device, error) { return d.Device(t.Context(), "device", "SN/1") },
			"key":      func() (Device, error) { return d.DeviceByEK(t.Context(), ek) },
			"identity": func() (Device, error) { return d.DeviceOf(t.Context(), "device/pump-1") },
		} {
			got, err := read()
			require.NoError(t, err, name)
			require.WithinDuration(t, time.Now(), got.Imported, time.Minute)
			got.Imported = time.Time{}
			require.Equal(t, with, got, name)
		}
		for _, read := range []func() (Device, error){
			func() (Device, error) { return d.Device(t.Context(), "gateway", "SN/1") },
			func() (Device, error) { return d.DeviceByEK(t.Context(), nil) },
			func() (Device, error) { return d.DeviceOf(t.Context(), "device/SN-2") },
		} {
			_, err := read()
			require.ErrorIs(t, err, ErrNotFound)
		}
	})
}

// One serial number of a role, one identity and one endorsement key are one device:
// what would make two of it is refused, and what is there stays as it is.
func TestDeviceOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		first := Device{Role: "device", Serial: "1", Identity: "device/a", Owner: "o", EK: make([]byte, 32)}
		must(t, d, func(tx *Tx) { tx.InsertDevice(first) })
		for name, v := range map[string]Device{
			"serial":   {Role: "device", Serial: "1", Identity: "device/b"},
			"identity": {Role: "gateway", Serial: "2", Identity: "device/a"},
			"key":      {Role: "device", Serial: "2", Identity: "device/b", EK: make([]byte, 32)},
		} {
			require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertDevice(v) }), ErrExists, name)
		}
		must(t, d, func(tx *Tx) { tx.InsertDevice(Device{Role: "gateway", Serial: "1", Identity: "gateway/a"}) })
		got, err := d.Device(t.Context(), "device", "1")
		require.NoError(t, err)
		require.Equal(t, "o", got.Owner)
	})
}

// The inventory is listed whole, in pages, of one role or of all.
func TestDevices(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, role := range []string{"device", "gateway"} {
			for i := range 5 {
				must(t, d, func(tx *Tx) {
					tx.InsertDevice(Device{Role: role, Serial: fmt.Sprintf("a/%d", i), Identity: fmt.Sprintf("%s/%d", role, i)})
				})
			}
		}
		for role, want := range map[string]int{"": 10, "device": 5, "gateway": 5, "device/a": 0} {
			seen := map[string]bool{}
			for page := (Page{Limit: 2}); ; {
				all, next, err := d.Devices(t.Context(), role, page)
				require.NoError(t, err)
				for _, v := range all {
					require.False(t, seen[v.Role+v.Serial])
					seen[v.Role+v.Serial] = true
				}
				if page.After = next; next == "" {
					break
				}
			}
			require.Len(t, seen, want, role)
		}
	})
}

// Identities of before the inventory count as attested when they were made, so that an
// upgrade makes nobody stale who is not.
func TestMigrationToDevices(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		cfg := config(t, dsn)
		cfg.Log = slog.New(slog.DiscardHandler)
		e, steps := nextSchema(t, cfg, "")
		require.NoError(t, migrateTo(t.Context(), e, cfg, steps[:10]))
		tx := &Tx{now: time.UnixMilli(1_700_000_000_000)}
		insertBeforeDevices(tx, "device/a")
		require.NoError(t, e.migration(t.Context(), func(ctx context.Context, s *session) error {
			return s.meet(ctx, tx.demands[0])
		}))
		d := open(t, cfg)
		id, err := d.Identity(t.Context(), "device/a")
		require.NoError(t, err)
		require.Equal(t, tx.now.UTC(), id.Attested)
		require.Empty(t, id.Why)
		require.Empty(t, id.BirthSPKI)
	})
}

// insertBeforeDevices records an active identity as schemas before the inventory had it.
func insertBeforeDevices(tx *Tx, path string) {
	role, name := splitPath(path)
	tx.demand(1, nil, `
		INSERT INTO identities (path, role, name, owner, state, revision, suspect, created_at, changed_at, dns, ips)
		VALUES ($1, $2, $3, '', 'active', 1, FALSE, $4, $4, '', '')`, path, role, name, tx.millis())
}
