package store

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// On a full disk nothing is recorded and every caller hears why; Health says so;
// nothing that was recorded is lost, and when there is room again the store goes
// on by itself.
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t, "16m")
	d := open(t, config(t, "sqlite:"+filepath.Join(dir, "betonica.db")))
	filler := filepath.Join(dir, "filler")
	fill(t, filler)

	var recorded []string
	var err error
	for i := 0; err == nil; i++ {
		if err = create(d, i); err == nil {
			recorded = append(recorded, device(i))
		}
	}
	require.ErrorIs(t, err, ErrDiskFull)
	require.ErrorIs(t, d.Health(), ErrDiskFull)
	require.EqualError(t, ErrDiskFull, "store: disk full")
	size := d.LogSize()
	require.EqualValues(t, len(recorded), size)
	for _, err := range parallel(20, func(i int) error { return create(d, 100_000+i) }) {
		require.ErrorIs(t, err, ErrDiskFull)
	}
	require.Equal(t, size, d.LogSize())

	require.NoError(t, os.Remove(filler))
	require.Eventually(t, func() bool { return d.Health() == nil }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, create(d, 200_000))
	for _, path := range recorded {
		_, err := d.Identity(t.Context(), path)
		require.NoError(t, err)
	}
	require.Equal(t, size+1, verify(t, d))
}

// Revoking goes on where nothing else does: it uses the room that is kept for it.
// That room is there again before anything else is recorded.
func TestDiskFullRevokes(t *testing.T) {
	dir := smallDisk(t, "256m")
	d := open(t, config(t, "sqlite:"+filepath.Join(dir, "betonica.db")))
	identity(t, d, "device/a")
	serial := issued(t, d, "device/a").Serial
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	var err error
	for i := 0; err == nil; i++ {
		err = create(d, i)
	}
	require.ErrorIs(t, err, ErrDiskFull)

	require.NoError(t, alone(d, (*AloneTx).RevokeIdentity, "device/a"))
	_, revocation, err := d.Status(t.Context(), issuer, serial)
	require.NoError(t, err)
	require.NotNil(t, revocation)
	require.ErrorIs(t, d.Health(), ErrDiskFull)
	require.ErrorIs(t, create(d, 100_000), ErrDiskFull)
	require.ErrorIs(t, d.SaveCRL(t.Context(), CRL{Issuer: "aa", Kind: "full", Number: 1, DER: make([]byte, 1<<20)}), ErrDiskFull)
	_, err = d.ReserveCRLNumbers(t.Context(), 1000)
	require.NoError(t, err)

	require.NoError(t, os.Remove(filler))
	require.Eventually(t, func() bool { return d.Health() == nil }, 30*time.Second, 10*time.Millisecond)
	info, err := os.Stat(filepath.Join(dir, "betonica.db.ballast"))
	require.NoError(t, err)
	require.EqualValues(t, ballastSize, info.Size())
	require.NoError(t, create(d, 200_000))
	verify(t, d)
}

func create(d *DB, i int) error {
	return d.Update(context.Background(), func(tx *Tx) audit.Event {
		tx.CreateIdentity(Identity{Path: device(i), Role: "device", Name: device(i)[7:], State: Active})
		return event()
	})
}

// smallDisk mounts a small file system.
func smallDisk(t *testing.T, size string) string {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		storetest.LeaveOut(t, "a small file system cannot be mounted: "+err.Error())
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

// fill leaves a few pages of the disk free.
func fill(t *testing.T, name string) {
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 64<<10)); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			break
		}
	}
	info, err := f.Stat()
	require.NoError(t, err)
	require.NoError(t, f.Truncate(info.Size()-128<<10))
}
