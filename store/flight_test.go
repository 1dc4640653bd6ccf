package store

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A slowDisk holds up each sync of the write-ahead log until it is told how that ends.
type slowDisk struct {
	began chan struct{}
	end   chan error
}

// slow makes the disk under a store slow.
func slow(t *testing.T, d *DB, e *sqlite) slowDisk {
	s := slowDisk{make(chan struct{}), make(chan error)}
	require.NoError(t, d.quiet(t.Context(), func(context.Context, *AloneTx) error { return nil }))
	e.disk.fdatasync = func(fd int) error {
		s.began <- struct{}{}
		return errors.Join(<-s.end, unix.Fdatasync(fd))
	}
	return s
}

// While a batch is on its way to the disk nobody hears of it: neither its caller, nor who
// reads what it wrote, nor who follows the log. The next is made ready meanwhile, and not
// committed.
func TestNothingIsToldBeforeItIsOnDisk(t *testing.T) {
	d, e, _ := onDisk(t)
	size := d.LogSize()
	disk := slow(t, d, e)

	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- create(d, 1) }()
	<-disk.began
	read := make(chan error, 1)
	go func() {
		entries, err := d.Tail().Entries(context.Background(), size, 10)
		if err == nil && (len(entries) != 1) {
			err = errors.New("it is not there")
		}
		read <- err
	}()
	go func() { second <- create(d, 2) }()
	decides := func(n int) error {
		var path string
		return d.reads.earlyRow(t.Context(), `SELECT path FROM identities WHERE path = $1`, []any{device(n)}, &path)
	}
	require.NoError(t, decides(1), "what decides may see it")
	require.Eventually(t, func() bool { return d.Stats().Waiting == 0 }, patience, patience/30_000)
	require.Equal(t, size, d.LogSize())
	require.ErrorIs(t, decides(2), ErrNotFound)
	require.Empty(t, first)
	require.Empty(t, read)

	disk.end <- nil
	require.NoError(t, <-first)
	require.NoError(t, <-read)
	require.Equal(t, size+1, d.LogSize())
	<-disk.began
	require.Empty(t, second)
	disk.end <- nil
	require.NoError(t, <-second)
	require.Equal(t, size+2, verify(t, d))
	closed := make(chan error, 1)
	go func() { closed <- d.Close() }()
	for {
		select {
		case <-disk.began:
			disk.end <- nil
		case err := <-closed:
			require.NoError(t, err)
			return
		}
	}
}

// A sync that fails grounds the batch behind it, which is made again; and what was
// committed is written anew and proved before its caller hears that it is there.
func TestSyncFailsBehindTheNext(t *testing.T) {
	d, e, cfg := onDisk(t)
	size := d.LogSize()
	disk := slow(t, d, e)
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- create(d, 1) }()
	<-disk.began
	go func() { second <- create(d, 2) }()
	require.Eventually(t, func() bool { return d.Stats().Waiting == 0 }, patience, patience/30_000)
	disk.end <- syscall.EIO
	require.NoError(t, <-first)
	<-disk.began
	disk.end <- nil
	require.NoError(t, <-second)
	e.disk.fdatasync = unix.Fdatasync
	require.Equal(t, size+2, verify(t, d))
	require.False(t, e.disk.doubt.Load())
	_, _, err := d.Identities(t.Context(), IdentityFilter{}, Page{})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.Equal(t, size+2, verify(t, open(t, cfg)))
}

// A sync that fails where nobody writes afterwards is looked into at once, by itself.
func TestSyncFailsAndNobodyWrites(t *testing.T) {
	d, e, _ := onDisk(t)
	disk := slow(t, d, e)
	done := make(chan error, 1)
	go func() { done <- create(d, 1) }()
	<-disk.began
	disk.end <- syscall.EIO
	require.NoError(t, <-done)
	e.disk.fdatasync = unix.Fdatasync
	require.NoError(t, d.Close())
}

// What leaves no entry cannot be looked up: its caller hears that nobody knows, and the store
// goes on once the disk is proved.
func TestSyncFailsOfWhatIsNotRecorded(t *testing.T) {
	d, e, _ := onDisk(t)
	size := d.LogSize()
	disk := slow(t, d, e)
	done := make(chan error, 1)
	go func() { done <- d.Durable(context.Background(), func(*RelaxedTx) {}) }()
	<-disk.began
	disk.end <- syscall.EIO
	require.ErrorIs(t, <-done, ErrUnknown)
	e.disk.fdatasync = unix.Fdatasync
	require.NoError(t, create(d, 1))
	require.Equal(t, size+1, verify(t, d))
	_, err := d.Identity(t.Context(), device(1))
	require.NoError(t, err)
	require.NoError(t, d.Close())
}
