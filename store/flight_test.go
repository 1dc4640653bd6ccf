package store

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/betonica/betonica/store/audit"
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

// held makes an identity, and returns when that is on its way to the disk.
func (s slowDisk) held(d *DB) chan error {
	done := make(chan error, 1)
	go func() { done <- create(d, 1) }()
	<-s.began
	return done
}

// well lets all syncs be, until what is done meanwhile has been done.
func (s slowDisk) well(do func()) {
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	for {
		select {
		case <-s.began:
			s.end <- nil
		case <-done:
			return
		}
	}
}

// crowd makes as many identities as are worth a batch while another is on its way.
func crowd(d *DB) chan error {
	done := make(chan error, company)
	for i := range company {
		go func() { done <- create(d, 2+i) }()
	}
	return done
}

// served waits for them.
func served(t *testing.T, crowd chan error) {
	for range company {
		assert.NoError(t, <-crowd)
	}
}

// While a batch is on its way to the disk nobody hears of it: neither its caller, nor who
// reads what it wrote, nor who follows the log. The next is made ready meanwhile, and not
// committed.
func TestNothingIsToldBeforeItIsOnDisk(t *testing.T) {
	d, e, _ := onDisk(t)
	size := d.LogSize()
	disk := slow(t, d, e)

	first := disk.held(d)
	read := make(chan error, 1)
	go func() {
		entries, err := d.Tail().Entries(context.Background(), size, 10)
		if err == nil && len(entries) == 0 {
			err = errors.New("it is not there")
		}
		read <- err
	}()
	second := crowd(d)
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
	<-disk.began
	require.Equal(t, size+1, d.LogSize())
	require.Empty(t, second)
	disk.end <- nil
	disk.well(func() {
		assert.NoError(t, <-read)
		served(t, second)
	})
	require.Equal(t, size+1+company, verify(t, d))
	disk.well(func() { assert.NoError(t, d.Close()) })
}

// A sync that fails grounds the batch behind it, which is made again; and what was
// committed is written anew and proved before its caller hears that it is there.
func TestSyncFailsBehindTheNext(t *testing.T) {
	d, e, cfg := onDisk(t)
	size := d.LogSize()
	disk := slow(t, d, e)
	first := disk.held(d)
	second := crowd(d)
	require.Eventually(t, func() bool { return d.Stats().Waiting == 0 }, patience, patience/30_000)
	disk.end <- syscall.EIO
	require.NoError(t, <-first)
	<-disk.began
	disk.end <- nil
	disk.well(func() { served(t, second) })
	e.disk.fdatasync = unix.Fdatasync
	require.Equal(t, size+1+company, verify(t, d))
	require.False(t, e.disk.doubt.Load())
	_, _, err := d.Identities(t.Context(), IdentityFilter{}, Page{})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.Equal(t, size+1+company, verify(t, open(t, cfg)))
}

// A sync that fails where nobody writes afterwards is looked into at once, by itself.
func TestSyncFailsAndNobodyWrites(t *testing.T) {
	d, e, _ := onDisk(t)
	disk := slow(t, d, e)
	done := disk.held(d)
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

// Who looks and changes nothing hears no sooner than others of what is not on disk yet.
func TestDryRunWaitsForTheDisk(t *testing.T) {
	d, e, _ := onDisk(t)
	disk := slow(t, d, e)
	first := disk.held(d)
	looked, dry := make(chan struct{}, company), make(chan error, company)
	changed := errors.New("nothing is to change")
	for range company {
		go func() {
			dry <- d.UpdateAlone(context.Background(), func(ctx context.Context, tx *AloneTx) (audit.Event, error) {
				_, err := tx.Identity(ctx, device(1))
				looked <- struct{}{}
				return audit.Event{}, errors.Join(changed, err)
			})
		}()
	}
	<-looked
	require.Never(t, func() bool { return len(dry) > 0 }, 100*time.Millisecond, time.Millisecond)
	disk.end <- nil
	disk.well(func() {
		assert.NoError(t, <-first)
		for range company {
			err := <-dry
			assert.ErrorIs(t, err, changed)
			assert.NotErrorIs(t, err, ErrNotFound, "it has seen it")
		}
		assert.NoError(t, d.Close())
	})
}
